"""Where and when Sentinel-2 is searched, unless the command line says otherwise."""

from collections.abc import Mapping
from datetime import date, timedelta
from types import MappingProxyType
from typing import NamedTuple

PLANETARY_COMPUTER = "https://planetarycomputer.microsoft.com/api/stac/v1"
SENTINEL2_L2A = "sentinel-2-l2a"


class KnownArchive(NamedTuple):
    """A public archive of Sentinel-2 Level-2A."""

    url: str
    """Root of its STAC API."""
    assets: Mapping[str, str] = MappingProxyType({})
    """How it names the bands, where not as ESA does."""
    collection: str = SENTINEL2_L2A


ARCHIVES = {
    "planetary": KnownArchive(PLANETARY_COMPUTER),  # links are signed with a token
    "earth-search": KnownArchive(  # links are open; the offset is taken off already
        "https://earth-search.aws.element84.com/v1",
        {"B04": "red", "B03": "green", "B02": "blue", "B08": "nir", "SCL": "scl"},
    ),
    "cdse": KnownArchive(  # ESA's own: s3:// links that need keys
        "https://stac.dataspace.copernicus.eu/v1",
        {
            "B04": "B04_10m",
            "B03": "B03_10m",
            "B02": "B02_10m",
            "B08": "B08_10m",
            "SCL": "SCL_20m",
        },
    ),
}

START_DATE = date(2022, 6, 15)
END_DATE = date(2022, 8, 15)
"""Last day, included."""

AROUND_SPOT = timedelta(days=30)
"""Before and after the day when Spot came by."""

MAX_CLOUD_COVER = 60.0
"""Percent of a whole tile; loose, because the pixels over the area decide."""

MAX_BAD_SHARE = 0.005
"""Share (0-1) of the area under cloud, shadow or cirrus: roofs pass for cloud."""
