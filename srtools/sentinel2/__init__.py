"""Room sentinel2."""
