"""Points in GeoJSON files, on disk or in memory (`/vsimem/`)."""

import json
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rasterio.crs import CRS

# Vector files under /vsimem/ live here, for as long as the process does.
MEMORY: dict[str, str] = {}


@dataclass(frozen=True)
class Points:
    """Points (x, y) in the units of a CRS, each with integer attributes."""

    crs: CRS | None
    coordinates: list[tuple[float, float]]
    attributes: list[dict[str, Any]]


def _check_name(path: str) -> None:
    if not path.lower().endswith((".geojson", ".json")):
        raise ValueError(f"{path}: points are read and written as .geojson only")


def write(points: Points, path: str) -> None:
    """Write points as a GeoJSON feature collection, complete or not at all.

    Raises:
        ValueError: if the name does not end in `.geojson`.
        OSError: if the file cannot be written.
    """
    _check_name(path)
    features = [
        {
            "type": "Feature",
            "properties": attributes,
            "geometry": {"type": "Point", "coordinates": list(xy)},
        }
        for xy, attributes in zip(points.coordinates, points.attributes, strict=True)
    ]
    collection: dict[str, Any] = {"type": "FeatureCollection", "features": features}
    if points.crs:
        # GeoJSON knows only longitude and latitude; like GDAL's driver, write the
        # member of the 2008 specification that names another CRS.
        authority = points.crs.to_authority()
        name = "urn:ogc:def:crs:{}::{}".format(*authority) if authority else ""
        name = name or points.crs.to_wkt()
        collection["crs"] = {"type": "name", "properties": {"name": name}}
    text = json.dumps(collection)
    if path.startswith("/vsimem/"):
        MEMORY[path] = text
        return
    partial = Path(path).with_name(f".{os.getpid()}.{Path(path).name}")
    try:
        partial.write_text(text)
        partial.replace(path)
    except OSError as error:
        raise OSError(f"{path}: cannot be written ({error.strerror})") from None
    finally:
        with suppress(OSError):
            partial.unlink()


def read(path: str) -> Points:
    """Read the points of a GeoJSON file.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it does not hold points.
    """
    _check_name(path)
    if path.startswith("/vsimem/"):
        if path not in MEMORY:
            raise FileNotFoundError(f"{path}: no such file in memory")
        text = MEMORY[path]
    elif not os.path.exists(path):
        raise FileNotFoundError(f"{path}: no such file")
    else:
        text = Path(path).read_text(errors="replace")
    try:
        collection = json.loads(text)
        features = collection["features"]
        coordinates = [_point(feature) for feature in features]
        attributes = [feature["properties"] or {} for feature in features]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path}: not a GeoJSON file of points ({error})") from None
    name = collection.get("crs", {}).get("properties", {}).get("name")
    return Points(CRS.from_user_input(name) if name else None, coordinates, attributes)


def _point(feature: dict[str, Any]) -> tuple[float, float]:
    geometry = feature["geometry"]
    if geometry["type"] != "Point":
        raise ValueError(f"a Point is expected, got {geometry['type']}")
    x, y = geometry["coordinates"][:2]
    return float(x), float(y)
