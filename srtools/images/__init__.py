"""One raster: where it lies, whether its pixels can be right, and how it looks."""
