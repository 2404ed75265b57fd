"""Points in files: GeoJSON (also in memory, `/vsimem/`), GeoPackage, Shapefile."""

import json
import os
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from otblite.whole_files import whole_file
from rasterio.crs import CRS

# Vector files under /vsimem/ live here, for as long as the process does.
MEMORY: dict[str, str] = {}


@dataclass(frozen=True)
class Points:
    """Points (x, y) in the units of a CRS, each with integer attributes."""

    crs: CRS | None
    coordinates: list[tuple[float, float]]
    attributes: list[dict[str, Any]]


GEOJSON = (".geojson", ".json")
DRIVERS = {".gpkg": "GPKG", ".shp": "ESRI Shapefile"}
# A point without and with a height in well-known binary: byte order, type, x, y.
POINT, POINT_TYPES = struct.Struct("<BIdd"), (1, 1001, 0x80000001)


def _suffix(path: str) -> str:
    suffix = Path(path).suffix.lower()
    if suffix not in (*GEOJSON, *DRIVERS):
        raise ValueError(
            f"{path}: points are read and written as .geojson, .gpkg and .shp only"
        )
    return suffix


def write(points: Points, path: str) -> None:
    """Write points, complete or not at all.

    Raises:
        ValueError: if the name ends in none of the known ways.
        OSError: if the file cannot be written.
    """
    suffix = _suffix(path)
    if suffix in DRIVERS:
        _write_ogr(points, path, DRIVERS[suffix])
        return
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
        # GeoJSON has only longitude and latitude; like GDAL's driver, write the
        # member of the 2008 specification that names another CRS.
        authority = points.crs.to_authority()
        name = "urn:ogc:def:crs:{}::{}".format(*authority) if authority else ""
        name = name or points.crs.to_wkt()
        collection["crs"] = {"type": "name", "properties": {"name": name}}
    text = json.dumps(collection)
    if path.startswith("/vsimem/"):
        MEMORY[path] = text
        return
    with whole_file(path) as partial:
        Path(partial).write_text(text)


def read(path: str) -> Points:
    """Read the points of a file.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it does not hold points.
    """
    if _suffix(path) in DRIVERS:
        return _read_ogr(path)
    if path.startswith("/vsimem/"):
        text = MEMORY.get(path)
    else:
        text = Path(path).read_text(errors="replace") if os.path.exists(path) else None
    if text is None:
        raise FileNotFoundError(f"{path}: no such file")
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


def _write_ogr(points: Points, path: str, driver: str) -> None:
    """Write points through GDAL: several files, for a Shapefile."""
    import pyogrio

    names = list(points.attributes[0]) if points.attributes else ["id"]
    geometry = np.empty(len(points.coordinates), object)
    geometry[:] = [POINT.pack(1, 1, *xy) for xy in points.coordinates]
    try:
        with whole_file(path) as partial:
            pyogrio.raw.write(
                partial,
                geometry,
                [np.array([a[name] for a in points.attributes]) for name in names],
                names,
                geometry_type="Point",
                crs=points.crs.to_wkt() if points.crs else None,
                driver=driver,
            )
    except RuntimeError as error:
        raise OSError(f"{path}: cannot be written ({error})") from None


def _ask_ogr(path: str, ask: Callable, what: str) -> Any:
    """Call a function with pyogrio, for a file that must be there."""
    import pyogrio

    if not os.path.exists(path):
        raise FileNotFoundError(f"{path}: no such file")
    try:
        return ask(pyogrio)
    except (RuntimeError, ValueError) as error:
        raise ValueError(f"{path}: not a file of {what} ({error})") from None


def _read_ogr(path: str) -> Points:
    meta, _, geometry, columns = _ask_ogr(
        path, lambda ogr: ogr.raw.read(path), "points"
    )
    if geometry is None or any(_kind(binary) not in POINT_TYPES for binary in geometry):
        raise ValueError(f"{path}: points are expected, got {meta['geometry_type']}")
    coordinates = [POINT.unpack_from(binary)[2:] for binary in geometry]
    names = [str(name) for name in meta["fields"]]
    values = [[_plain(value) for value in column] for column in columns]
    attributes = [
        dict(zip(names, row, strict=True)) for row in zip(*values, strict=True)
    ]
    crs = CRS.from_user_input(meta["crs"]) if meta["crs"] else None
    return Points(crs, coordinates, attributes or [{} for _ in coordinates])


def _kind(binary: bytes | None) -> int | None:
    """Return the type of a geometry in (little-endian) well-known binary."""
    return POINT.unpack_from(binary)[1] if binary and len(binary) > 20 else None


def _plain(value: Any) -> Any:
    """Convert to a number of Python, or to None if the value is missing."""
    value = value.item() if isinstance(value, np.generic) else value
    return None if value != value else value


def extent(path: str) -> tuple[CRS | None, tuple[float, float, float, float]]:
    """Return the CRS and extent (left, bottom, right, top) of any vector file.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is not one, or is empty.
    """
    info = _ask_ogr(
        path, lambda ogr: ogr.read_info(path, force_total_bounds=True), "vector data"
    )
    if info["total_bounds"] is None or not np.isfinite(info["total_bounds"]).all():
        raise ValueError(f"{path}: there is nothing in it")
    crs = CRS.from_user_input(info["crs"]) if info["crs"] else None
    return crs, tuple(map(float, info["total_bounds"]))
