"""The area to make or to search, in degrees: a box, or the place of an image."""

from dataclasses import replace
from typing import Any

import rasterio
import rasterio.warp
import shapely
from affine import Affine
from shapely.geometry import mapping, shape

from srtools.errors import SRError
from srtools.images.grid import Grid
from srtools.images.raster import ImageInfo, data_outline

DEGREES = rasterio.CRS.from_epsg(4326)


def from_bbox(bbox: tuple[float, ...]) -> shapely.Polygon:
    """Return the area between west, south, east and north, degrees."""
    west, south, east, north = bbox
    if not (-180 <= west < east <= 180 and -90 <= south < north <= 90):
        raise SRError(
            f"the box {west:g} {south:g} {east:g} {north:g} is not one in degrees; "
            "west, south, east, north are expected"
        )
    return shapely.box(*bbox)


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
