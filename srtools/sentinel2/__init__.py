"""Search, download and reading of Sentinel-2; the entry is `source.open_sentinel2`."""
