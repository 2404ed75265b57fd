"""Areas in degrees of longitude and latitude: a box, or the footprint of an image."""

from collections.abc import Sequence
from dataclasses import replace

import rasterio.warp
import shapely
from rasterio.crs import CRS
from shapely.geometry import mapping, shape

from srtools.errors import SRError
from srtools.images.grid import Grid
from srtools.images.raster import ImageInfo, data_outline

DEGREES = CRS.from_epsg(4326)


def from_bbox(bbox: Sequence[float]) -> shapely.Polygon:
    """Return the box of west, south, east, north, in degrees."""
    west, south, east, north = bbox
    if not (-180 <= west < east <= 180 and -90 <= south < north <= 90):
        raise SRError(
            f"the box {west:g} {south:g} {east:g} {north:g} is no area in degrees; "
            "west, south, east, north are expected, in EPSG:4326"
        )
    return shapely.box(*bbox)


def project(outline: shapely.Polygon, source: CRS, target: CRS) -> shapely.Polygon:
    """Convert an outline from the CRS `source` to the CRS `target`.

    Points are added along the sides, because a straight side is curved in another CRS.
    """
    outline = shapely.segmentize(outline, outline.length / 200)
    return shape(rasterio.warp.transform_geom(source, target, mapping(outline)))


def footprint(grid: Grid) -> shapely.Polygon:
    """Return the outline of an image or grid, degrees."""
    return project(shapely.box(*grid.bounds), grid.crs, DEGREES)


def data_footprint(image: ImageInfo) -> shapely.Polygon:
    """Return the convex outline of the pixels with data (no band is 0), degrees."""
    return project(data_outline(image), image.crs, DEGREES)


def part_of(image: ImageInfo, area: shapely.Polygon) -> ImageInfo:
    """Return `image` with its grid reduced to pixels that touch `area` (degrees)."""
    bounds = project(area, DEGREES, image.crs).bounds
    part = image.part(image.clip(image.touched(bounds)))
    if not part.width or not part.height:
        raise SRError(f"{image.path} does not show the area that was asked for")
    return replace(image, **vars(part))
