"""Defaults of the search for Sentinel-2: archives, period, limits of clouds."""

from datetime import date, timedelta

PLANETARY_COMPUTER = "https://planetarycomputer.microsoft.com/api/stac/v1"
COLLECTION = "sentinel-2-l2a"

ARCHIVES = {
    "planetary": PLANETARY_COMPUTER,  # links are signed with a token
    "earth-search": "https://earth-search.aws.element84.com/v1",  # links are open
    "cdse": "https://stac.dataspace.copernicus.eu/v1",  # s3:// links that need keys
}
"""Roots of the STAC APIs of public archives of Sentinel-2 Level-2A."""

ASSETS = {
    "B04": ("B04", "red", "B04_10m"),
    "B03": ("B03", "green", "B03_10m"),
    "B02": ("B02", "blue", "B02_10m"),
    "B08": ("B08", "nir", "B08_10m"),
    "SCL": ("SCL", "scl", "SCL_20m"),
}
"""Asset names of each band in these archives."""

START_DATE = date(2022, 6, 15)
END_DATE = date(2022, 8, 15)
"""Last day of the default period, included."""

AROUND_SPOT = timedelta(days=30)
"""Length of the period before and after the acquisition of Spot."""

MAX_CLOUD_COVER = 60.0
"""Percent of a whole tile; a loose limit, because the pixels over the area decide."""

MAX_BAD_SHARE = 0.005
"""Share (0-1) of the area under cloud, shadow or cirrus; bright roofs look like cloud.
"""
