"""The search, download and reading of Sentinel-2, from `source.open_sentinel2` on."""
