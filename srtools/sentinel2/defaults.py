"""Where and when Sentinel-2 is searched, unless the command line says otherwise."""

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
"""Names of the assets in these and other archives; the first that an item has counts.
"""

START_DATE = date(2022, 6, 15)
END_DATE = date(2022, 8, 15)
"""Last day, included."""

AROUND_SPOT = timedelta(days=30)
"""Before and after the day when Spot came by."""

MAX_CLOUD_COVER = 60.0
"""Percent of a whole tile; loose, because the pixels over the area decide."""

MAX_BAD_SHARE = 0.005
"""Share (0-1) of the area under cloud, shadow or cirrus: roofs pass for cloud."""
