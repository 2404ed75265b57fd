"""One raster: its grid, metadata and pixels, their plausibility, VRT, pictures."""
