"""One STAC item, read once and checked: the facts that the scene search needs."""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

import pystac.utils
import shapely
from shapely.errors import ShapelyError
from shapely.geometry import shape
from shapely.geometry.base import BaseGeometry

from srtools.conventions import OFFSET_DN

# From this processing baseline on, DN = 10000 x reflectance + 1000 (ESA, 2022-01-25).
OFFSET_BASELINE = (4, 0)
# Users' own runs of Sen2Cor say 99.99 or 99.33, whatever they were made of.
FOREIGN_BASELINE = (90, 0)
BASELINE_KEYS = (
    "s2:processing_baseline",
    "sentinel:processing_baseline",  # Earth Search v0, Digital Earth Africa
    "processing:version",  # Copernicus Data Space
)
APPLIED_KEYS = ("earthsearch:boa_offset_applied", "sentinel:boa_offset_applied")
# Exceptions of `Tile.from_item` for an item that lacks something it must have.
UNUSABLE_ITEM = (KeyError, TypeError, ValueError, AttributeError, ShapelyError)


@dataclass(frozen=True)
class Tile:
    """One acquisition of one MGRS tile, as its STAC item describes it."""

    id: str
    collection: str
    mgrs: str
    """Name of the tile, for instance "31UDQ"."""
    datatake: str
    """Pass of the satellite, without the processing baseline."""
    datastrip: str
    """Sensing time of the piece of the pass that was processed as one."""
    when: datetime
    """Time of acquisition, UTC."""
    baseline: tuple[int, ...]
    """Processing baseline, (5, 9) for "05.09"; () if not published."""
    generated: str
    """Time of processing."""
    offset: int | None
    """DN to subtract; None if not known."""
    cloud: float | None
    """Cloud cover, percent of the valid pixels; None if not published."""
    crs: str
    """CRS, for instance "EPSG:32631"; "" if not published."""
    outline: BaseGeometry
    """Outline, degrees."""
    hrefs: Mapping[str, str]
    """Unsigned URL of each asset."""
    sun_zenith: float | None
    """Mean zenith angle of the sun, degrees."""
    sun_azimuth: float | None
    """Mean azimuth of the sun, degrees."""

    @classmethod
    def from_item(cls, item: Mapping[str, Any]) -> "Tile":
        """Read a STAC item as GeoJSON; an unusable one raises one of UNUSABLE_ITEM."""
        facts = item["properties"]
        assets = {key: x for key, x in item["assets"].items() if "href" in x}
        text = facts.get("datetime") or facts["start_datetime"]
        when = pystac.utils.str_to_datetime(text)
        if when.tzinfo is None:
            when = when.replace(tzinfo=timezone.utc)
        datatake = str(facts.get("s2:datatake_id") or text)
        strip = re.search(r"_S(\d{8}T\d{6})", str(facts.get("s2:datastrip_id")))
        published = (parse_baseline(facts.get(key)) for key in BASELINE_KEYS)
        baseline = next(filter(None, published), ())
        offset = offset_of(baseline)
        if any(str(facts.get(key)).lower() == "true" for key in APPLIED_KEYS):
            offset = 0  # that archive has subtracted it from the pixels already
        elevation = number(facts.get("view:sun_elevation"))
        zenith = None if elevation is None else 90.0 - elevation
        outline = shape(item["geometry"])
        return cls(
            id=str(item["id"]),
            collection=str(item.get("collection")),
            mgrs=str(
                facts.get("s2:mgrs_tile") or facts.get("grid:code") or item["id"]
            ).removeprefix("MGRS-"),
            datatake=re.sub(r"_N\d\d\.\d\d$", "", datatake),
            datastrip=strip[1] if strip else "",
            when=when.astimezone(timezone.utc),
            baseline=baseline,
            generated=str(facts.get("s2:generation_time", "")),
            offset=offset,
            cloud=number(facts.get("eo:cloud_cover")),
            crs=_crs([facts, *assets.values()]),
            outline=outline if outline.is_valid else shapely.make_valid(outline),
            hrefs={key: _absolute(x["href"], item) for key, x in assets.items()},
            sun_zenith=number(facts.get("s2:mean_solar_zenith", zenith)),
            sun_azimuth=number(
                facts.get("s2:mean_solar_azimuth", facts.get("view:sun_azimuth"))
            ),
        )

    @property
    def baseline_text(self) -> str:
        """The processing baseline as it is published: "05.09"."""
        return ".".join(f"{part:02d}" for part in self.baseline)

    @property
    def acquisition(self) -> tuple[str, str, str]:
        """Tile, datatake, datastrip: equal for two processings of the same pixels."""
        return self.mgrs, self.datatake, self.datastrip

    @property
    def processing(self) -> tuple[tuple[int, ...], str]:
        """Baseline and time: larger for the newer processing of the same pixels."""
        return self.baseline, self.generated


def parse_baseline(text: object) -> tuple[int, ...]:
    """Return a processing baseline as numbers that compare as baselines do.

    >>> parse_baseline("04.00"), parse_baseline("05.10"), parse_baseline("1.4.2")
    ((4, 0), (5, 10), ())
    """
    match = re.fullmatch(r"(\d+)\.(\d\d)", str(text))
    return (int(match[1]), int(match[2])) if match else ()


def offset_of(baseline: tuple[int, ...]) -> int | None:
    """Return the DN to subtract for a processing baseline of ESA; None if unknown.

    >>> offset_of((2, 12)), offset_of((4, 0)), offset_of(()), offset_of((99, 99))
    (0, 1000, None, None)
    """
    if not baseline or baseline >= FOREIGN_BASELINE:
        return None
    return OFFSET_DN if baseline >= OFFSET_BASELINE else 0


def number(value: object) -> float | None:
    """Return `value` as a finite float, None if it is not one."""
    try:
        result = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None
    return result if math.isfinite(result) else None


def _crs(places: Iterable[Mapping[str, Any]]) -> str:
    """Return the first CRS of `places`, written as code (new) or number (old)."""
    for place in places:
        if place.get("proj:code"):
            return str(place["proj:code"])
        if place.get("proj:epsg"):
            return f"EPSG:{place['proj:epsg']}"
    return ""


def _absolute(href: str, item: Mapping[str, Any]) -> str:
    """Resolve an href that is relative to the item's own."""
    if "://" in href or href.startswith("/"):
        return href
    links = [link["href"] for link in item.get("links", []) if link["rel"] == "self"]
    return pystac.utils.make_absolute_href(href, links[0]) if links else href
