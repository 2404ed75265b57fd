"""A STAC item of Sentinel-2 as a `Tile`: its metadata and its links."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pystac.utils
import shapely
from shapely.errors import ShapelyError
from shapely.geometry import shape
from shapely.geometry.base import BaseGeometry

from srtools.conventions import OFFSET_DN
from srtools.errors import SRError

ASSETS = {
    "B04": ("B04", "red", "B04_10m"),
    "B03": ("B03", "green", "B03_10m"),
    "B02": ("B02", "blue", "B02_10m"),
    "B08": ("B08", "nir", "B08_10m"),
    "SCL": ("SCL", "scl", "SCL_20m"),
}
"""Asset names of each band in the public archives."""
# From this processing baseline on, DN = 10000 x reflectance + 1000 (ESA, 2022-01-25).
OFFSET_BASELINE = "04.00"
# Users' own runs of Sen2Cor have 99.99 or 99.33, which says nothing about the offset.
FOREIGN_BASELINE = "90.00"
BASELINE_KEYS = (
    "s2:processing_baseline",
    "sentinel:processing_baseline",  # Earth Search v0, Digital Earth Africa
    "processing:version",  # Copernicus Data Space
)
# True if the archive has subtracted the offset from the pixels.
REMOVED_KEYS = ("earthsearch:boa_offset_applied", "sentinel:boa_offset_applied")
# Exceptions of `Tile.from_item` for an item without a required entry.
UNUSABLE_ITEM = (KeyError, TypeError, ValueError, AttributeError, ShapelyError)


@dataclass(frozen=True)
class Tile:
    """One acquisition of one MGRS tile."""

    id: str
    mgrs: str
    """Name of the tile, for instance "31UDQ"."""
    datatake: str
    """Name of the satellite pass, without the processing baseline."""
    datastrip: str
    """Sensing time of the datastrip, the part of a pass that is processed as one."""
    acquired: datetime
    """Time of acquisition, UTC."""
    baseline: str
    """Processing baseline of ESA, for instance "05.09"; "" if not published."""
    generated: str
    """Time of processing, as published; "" if not published."""
    offset: int | None
    """DN to subtract; None if unknown."""
    cloud: float | None
    """Cloud cover, percent of the valid pixels; None if not published."""
    crs: str
    """CRS, for instance "EPSG:32631"; "" if not published."""
    outline: BaseGeometry
    """Published outline of the pixels with data, degrees."""
    hrefs: Mapping[str, str]
    """{name of the asset: unsigned URL}."""

    @classmethod
    def from_item(cls, item: Mapping[str, Any]) -> "Tile":
        """Read a STAC item (GeoJSON); raise one of `UNUSABLE_ITEM` if incomplete."""
        facts, assets = item["properties"], item["assets"]
        datatake = str(facts.get("s2:datatake_id") or facts["datetime"])
        strip = re.search(r"_S(\d{8}T\d{6})", str(facts.get("s2:datastrip_id")))
        published = (str(facts.get(key)) for key in BASELINE_KEYS)
        baseline = next(filter(re.compile(r"\d\d\.\d\d").fullmatch, published), "")
        removed = any(str(facts.get(key)).lower() == "true" for key in REMOVED_KEYS)
        mgrs = facts.get("s2:mgrs_tile") or facts.get("grid:code") or item["id"]
        places = [facts, *assets.values()]
        codes = [place.get("proj:code") or place.get("proj:epsg") for place in places]
        code = next(filter(None, codes), "")
        outline = shape(item["geometry"])
        return cls(
            id=item["id"],
            mgrs=mgrs.removeprefix("MGRS-"),
            datatake=re.sub(r"_N\d\d\.\d\d$", "", datatake),
            datastrip=strip[1] if strip else "",
            acquired=pystac.utils.str_to_datetime(facts["datetime"]),
            baseline=baseline,
            generated=str(facts.get("s2:generation_time", "")),
            offset=0 if removed else offset_of(baseline),
            cloud=facts.get("eo:cloud_cover"),
            crs=f"EPSG:{code}" if isinstance(code, int) else code,
            outline=outline if outline.is_valid else shapely.make_valid(outline),
            hrefs={key: asset["href"] for key, asset in assets.items()},
        )

    def href(self, band: str) -> str:
        """Return the unsigned URL of a band ("B04"), under any of its asset names."""
        for name in ASSETS[band]:
            if name in self.hrefs:
                return self.hrefs[name]
        raise SRError(
            f"item {self.id} has no asset for {band} ({' or '.join(ASSETS[band])}); it "
            f"has {', '.join(self.hrefs) or 'none'}: take another item or archive"
        )


def offset_of(baseline: str) -> int | None:
    """Return the DN to subtract for a processing baseline of ESA; None if unknown.

    >>> offset_of("02.12"), offset_of("04.00"), offset_of(""), offset_of("99.99")
    (0, 1000, None, None)
    """
    if not baseline or baseline >= FOREIGN_BASELINE:
        return None
    return OFFSET_DN if baseline >= OFFSET_BASELINE else 0


def published_offset(name: str, offset: int | None) -> int:
    """Return `offset`; raise if that of the product `name` is None (unknown)."""
    if offset is None:
        raise SRError(
            f"the offset in the DN of {name} is unknown (it has several offsets, or no "
            "processing baseline of ESA; a user's own Sen2Cor has 99.99); give "
            f"--offset 0, or --offset {OFFSET_DN} if its DN are reflectance x 10000 + "
            f"{OFFSET_DN}"
        )
    return offset
