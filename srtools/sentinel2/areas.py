"""The area to make or to search, in degrees: a box, or the place of an image."""

from dataclasses import replace
from typing import Any

import rasterio
import rasterio.warp
import shapely
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


def project(outline: shapely.Polygon, source: Any, target: Any) -> shapely.Polygon:
    """Return an outline in the CRS `target`.

    A straight side is curved in another CRS, hence the points set along it.
    """
    outline = shapely.segmentize(outline, outline.length / 200)
    return shape(rasterio.warp.transform_geom(source, target, mapping(outline)))


def footprint(image: Any) -> shapely.Polygon:
    """Return the outline of an image or grid, in degrees."""
    return project(shapely.box(*image.bounds), image.crs, DEGREES)


def data_footprint(image: ImageInfo) -> shapely.Polygon:
    """Return the outline of the pixels that are not 0 (no data), in degrees."""
    return project(data_outline(image), image.crs, DEGREES)


def part_of(image: ImageInfo, area: shapely.Polygon) -> ImageInfo:
    """Return the whole pixels of `image` over an area (degrees), as an image."""
    grid = Grid.of(image)
    bounds = project(area, DEGREES, image.crs).bounds
    part = grid.part(grid.clip(grid.touched(bounds)))
    if not part.width or not part.height:
        raise SRError(f"{image.path} does not show the area that was asked for")
    return replace(
        image, width=part.width, height=part.height, transform=part.transform
    )
