"""Exercise 3: everything around `fit`, which `job.training` puts together."""
