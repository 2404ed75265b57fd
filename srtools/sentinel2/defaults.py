"""Where and when Sentinel-2 is searched, unless the command line says otherwise."""

from datetime import date

PLANETARY_COMPUTER = "https://planetarycomputer.microsoft.com/api/stac/v1"
SENTINEL2_L2A = "sentinel-2-l2a"

START_DATE = date(2022, 6, 15)
END_DATE = date(2022, 8, 15)
"""Last day, included."""

MAX_CLOUD_COVER = 60.0
"""Percent of a whole tile; loose, because the pixels over the area decide."""

MAX_BAD_SHARE = 0.005
"""Share (0-1) of the area under cloud, shadow or cirrus: roofs pass for cloud."""
