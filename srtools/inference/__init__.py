"""Exercise 5: super-resolution of a large image, from the output grid to the COG."""
