"""The demo's images as STAC items, and the search that finds them.

Items have the keys that the Planetary Computer's have.
"""

import json
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pystac
from shapely.geometry import box, shape

from demo.scene import CATALOGUE
from srtools.errors import SRError

COLLECTION = "sentinel-2-l2a"
TITLE = "Demo Sentinel-2 Level-2A"
CONFORMANCE = [
    "https://api.stacspec.org/v1.0.0/core",
    "https://api.stacspec.org/v1.0.0/collections",
    "https://api.stacspec.org/v1.0.0/item-search",
    "https://api.stacspec.org/v1.0.0/item-search#query",
    "https://api.stacspec.org/v1.0.0/item-search#sort",
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/core",
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/geojson",
]
COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "eq": lambda value, other: value == other,
    "neq": lambda value, other: value != other,
    "lt": lambda value, other: value < other,
    "lte": lambda value, other: value <= other,
    "gt": lambda value, other: value > other,
    "gte": lambda value, other: value >= other,
}
PARAMETERS = "collections ids bbox intersects datetime query sortby limit token".split()


class BadRequest(ValueError):
    """A search that cannot be understood."""


def load_items(folder: Path, files_url: str) -> list[dict]:
    """Describe the images of a scene, or of the scenes in the folders inside.

    Their files are served at `files_url`.

    Raises:
        SRError: if the folder has no scene.
    """
    items, paths = [], [folder / CATALOGUE]
    if not paths[0].exists():
        paths = sorted(folder.glob(f"*/{CATALOGUE}")) or paths
    for path in paths:
        try:
            catalogue = json.loads(path.read_text())
        except (OSError, ValueError) as error:
            raise SRError(
                f"{path} cannot be read ({error}); make the scene first: make scene"
            ) from None
        url = "/".join([files_url, *path.parent.relative_to(folder).parts])
        items += [_item(entry, url).to_dict() for entry in catalogue]
    return items


def _item(entry: dict, files_url: str) -> pystac.Item:
    start = datetime.strptime(entry["start"], "%Y%m%dT%H%M%S")
    # Scenes have one tile and one day, but an identifier each: the time of processing.
    processed = start + timedelta(minutes=entry.get("place", 0))
    stamp = f"S2A_OPER_MSI_L2A_DS_2APS_{entry['start']}_S{entry['start']}"
    item = pystac.Item(
        id=f"S2A_MSIL2A_{entry['start']}_R051_T{entry['tile']}_{processed:%Y%m%dT%H%M%S}",
        geometry=entry["geometry"],
        bbox=list(shape(entry["geometry"]).bounds),
        datetime=start.replace(tzinfo=timezone.utc),
        collection=COLLECTION,
        properties={
            "platform": "Sentinel-2A",
            "proj:epsg": int(entry["crs"].removeprefix("EPSG:")),
            "eo:cloud_cover": entry["cloud_cover"],
            "s2:mgrs_tile": entry["tile"],
            "s2:nodata_pixel_percentage": entry["no_data_percent"],
            "s2:datatake_id": f"GS2A_{entry['start']}_036890_N04.00",
            "s2:datastrip_id": f"{stamp}_N04.00",
            "s2:generation_time": processed.isoformat() + "Z",
            "s2:processing_baseline": "04.00",
            "s2:mean_solar_zenith": entry["sun_zenith"],
            "s2:mean_solar_azimuth": entry["sun_azimuth"],
        },
    )
    for name, path in entry["assets"].items():
        scale = 2 if name == "SCL" else 1
        a, b, c, d, e, f = entry["transform"]
        height, width = entry["shape"]
        asset = pystac.Asset(
            href=f"{files_url}/{path}",
            media_type=pystac.MediaType.COG,
            roles=["data"],
            extra_fields={
                "proj:bbox": [c, f + e * height, c + a * width, f],
                "proj:shape": [height // scale, width // scale],
                "proj:transform": [a * scale, b, c, d, e * scale, f],
            },
        )
        item.add_asset(name, asset)
    return item


def search(items: list[dict], query: dict) -> tuple[list[dict], int | None]:
    """Find items.

    Arguments:
        query: the body of a STAC search: collections, ids, bbox, intersects,
            datetime, query, sortby, limit, and token, the number of the first item.

    Returns:
        One page of items, and the token of the next page if there is one.

    Raises:
        BadRequest: if the search cannot be understood.
    """
    unknown = set(query) - set(PARAMETERS)
    if unknown:
        raise BadRequest(
            f"{min(unknown)} is not supported; use {', '.join(PARAMETERS)}"
        )
    try:
        selected = [item for item in items if _fits(item, query)]
        for key in reversed(query.get("sortby") or []):
            selected.sort(
                key=lambda item, field=key["field"]: _value(item, field),
                reverse=key.get("direction") == "desc",
            )
        first, limit = int(query.get("token") or 0), int(query.get("limit") or 10)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadRequest(f"{type(error).__name__}: {error}") from None
    last = first + max(limit, 1)
    return selected[first:last], last if last < len(selected) else None


def _value(item: dict, field: str) -> Any:
    field = field.removeprefix("properties.")
    return item["id"] if field == "id" else item["properties"][field]


def _fits(item: dict, query: dict) -> bool:
    if query.get("collections") and item["collection"] not in query["collections"]:
        return False
    if query.get("ids") and item["id"] not in query["ids"]:
        return False
    outline = shape(item["geometry"])
    if query.get("bbox") and not outline.intersects(box(*query["bbox"])):
        return False
    if query.get("intersects") and not outline.intersects(shape(query["intersects"])):
        return False
    if query.get("datetime"):
        first, _, last = query["datetime"].partition("/")
        when = _time(item["properties"]["datetime"])
        if first not in ("", "..") and when < _time(first):
            return False
        if (last or first) not in ("", "..") and when > _time(last or first):
            return False
    return all(
        COMPARE[operator](_value(item, field), value)
        for field, tests in (query.get("query") or {}).items()
        for operator, value in tests.items()
    )


def _time(text: str) -> datetime:
    time = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return time if time.tzinfo else time.replace(tzinfo=timezone.utc)


def landing_page(url: str) -> dict:
    """Describe the API at `url`."""
    links = [
        {"rel": "self", "href": url, "type": "application/json"},
        {"rel": "root", "href": url, "type": "application/json"},
        {"rel": "data", "href": f"{url}/collections", "type": "application/json"},
        {"rel": "conformance", "href": f"{url}/conformance"},
    ]
    for method in ("GET", "POST"):
        link = {"rel": "search", "href": f"{url}/search", "method": method}
        links.append({**link, "type": "application/geo+json"})
    return {
        "type": "Catalog",
        "id": "demo",
        "title": TITLE,
        "description": "Made-up Sentinel-2 images of a made-up place",
        "stac_version": "1.0.0",
        "conformsTo": CONFORMANCE,
        "links": links,
    }


def collection(items: list[dict], url: str) -> dict:
    """Describe the one collection of the service."""
    boxes = [item["bbox"] for item in items]
    times = sorted(item["properties"]["datetime"] for item in items)
    west, south, east, north = zip(*boxes, strict=True)
    link = f"{url}/collections/{COLLECTION}"
    return {
        "type": "Collection",
        "id": COLLECTION,
        "title": TITLE,
        "description": "Made-up Sentinel-2 images of a made-up place",
        "stac_version": "1.0.0",
        "license": "proprietary",
        "extent": {
            "spatial": {"bbox": [[min(west), min(south), max(east), max(north)]]},
            "temporal": {"interval": [[times[0], times[-1]]]},
        },
        "links": [
            {"rel": "self", "href": link},
            {"rel": "root", "href": url},
            {"rel": "items", "href": f"{link}/items", "type": "application/geo+json"},
        ],
    }
