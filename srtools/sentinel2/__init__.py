"""The search, download and reading of Sentinel-2, for exercises 1 and 5.

`source.open_sentinel2` is the entry point.
"""
