"""The area that is asked for: a box, outlines in a file, or the place of an image."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import rasterio
import rasterio.warp
import shapely
from affine import Affine
from shapely.errors import ShapelyError
from shapely.geometry import mapping, shape

from srtools.errors import SRError
from srtools.images.grid import Grid
from srtools.images.raster import ImageInfo, data_outline

DEGREES = rasterio.CRS.from_epsg(4326)
WRONG_VALUES = (ValueError, LookupError, TypeError, AttributeError, ShapelyError)


def read_area(
    bbox: tuple[float, ...] | None, aoi: str | None
) -> shapely.Polygon | None:
    """Return the area that was asked for, in degrees; None if there was none."""
    if bbox:
        west, south, east, north = bbox
        if not (-180 <= west < east <= 180 and -90 <= south < north <= 90):
            raise SRError(
                f"the box {west:g} {south:g} {east:g} {north:g} is not one in degrees; "
                "west, south, east, north are expected"
            )
        return shapely.box(*bbox)
    return read_outlines(aoi) if aoi else None


def read_outlines(path: str) -> shapely.Polygon:
    """Read the outlines of a GeoJSON file as one area, in degrees."""
    try:
        # Windows puts a byte order mark before the text.
        text = json.loads(Path(path).read_text(encoding="utf-8-sig"))
        parts = [part.get("geometry", part) for part in text.get("features", [text])]
        # A feature may have no geometry (RFC 7946, 3.2).
        area = shapely.union_all([shape(part) for part in parts if part])
    except (OSError, *WRONG_VALUES) as error:
        raise SRError(
            f"{path} cannot be read as GeoJSON ({error}); an outline in degrees of "
            "longitude and latitude is expected"
        ) from None
    west, south, east, north = area.bounds or (0, 0, 0, 0)
    if not area.area or max(abs(west), abs(east)) > 180 or max(-south, north) > 90:
        raise SRError(
            f"{path} holds no area in degrees of longitude and latitude (it lies from "
            f"{west:g}, {south:g} to {east:g}, {north:g}); draw a polygon, or turn "
            "metres into degrees with ogr2ogr -t_srs EPSG:4326"
        )
    return area


def in_degrees(crs: Any, outline: shapely.Polygon) -> shapely.Polygon:
    """Return an outline in degrees of longitude and latitude.

    A straight side is curved in another CRS, hence the points set along it.
    """
    outline = shapely.segmentize(outline, outline.length / 80)
    return shape(rasterio.warp.transform_geom(crs, DEGREES, mapping(outline)))


def footprint(image: Any) -> shapely.Polygon:
    """Return the outline of an image or grid, in degrees."""
    left, bottom, right, top = Grid.of(image).bounds
    corners = [(left, top), (right, top), (right, bottom), (left, bottom)]
    return in_degrees(image.crs, shapely.Polygon(corners))


def data_footprint(image: ImageInfo) -> shapely.Polygon:
    """Return the outline of the pixels that are not 0 (no data), in degrees."""
    return in_degrees(image.crs, data_outline(image))


def as_image(area: shapely.Polygon, name: str = "the area") -> ImageInfo:
    """Describe an area in degrees as an image of one pixel that covers it."""
    west, south, east, north = area.bounds
    place = Affine(east - west, 0, west, 0, south - north, north)
    return ImageInfo(name, 1, 1, 1, "uint8", DEGREES, place)


def part_of(image: ImageInfo, area: shapely.Polygon) -> ImageInfo:
    """Return the whole pixels of `image` over an area (degrees), as an image."""
    outline = shapely.segmentize(area, max(area.length / 400, 1e-6))
    projected = shape(
        rasterio.warp.transform_geom(DEGREES, image.crs, mapping(outline))
    )
    grid = Grid.of(image)
    part = grid.part(grid.clip(grid.touched(projected.bounds)))
    if not part.width or not part.height:
        raise SRError(f"{image.path} does not show the area that was asked for")
    return replace(
        image, width=part.width, height=part.height, transform=part.transform
    )
