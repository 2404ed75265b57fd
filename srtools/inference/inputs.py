"""What sr_infer.py is given to look at: which files, which area, and are they right?"""

import json
import logging
import math
import re
from pathlib import Path

import numpy as np
import rasterio
import rasterio.warp
import shapely
from affine import Affine
from shapely.errors import ShapelyError
from shapely.geometry import mapping, shape

from srtools.conventions import BANDS
from srtools.errors import SRError
from srtools.images import checks, raster
from srtools.images.raster import ImageInfo

log = logging.getLogger(__name__)

SENTINEL2 = 10.0  # metres
MOST_OFF = 0.02  # of that, because no two CRS agree quite what a metre is
LOWEST = -1000  # DN after an offset of 1000 was subtracted
NO_GEOJSON = (OSError, ValueError, LookupError, TypeError, AttributeError)
SAMPLE = 512  # pixels a side that are looked at


def check_images(paths: list[str]) -> list[ImageInfo]:
    """Check the Sentinel-2 files: four bands together, on one grid.

    Raises:
        SRError: if they are not.
    """
    if len(paths) not in (1, len(BANDS)):
        raise SRError(
            f"{len(paths)} Sentinel-2 files were given; one with the bands "
            f"{', '.join(BANDS)} or four with one each are expected"
        )
    bands = len(BANDS) // len(paths)
    s2 = [raster.describe(path, "the Sentinel-2 image", bands) for path in paths]
    for image in s2:
        checks.check_dn(image, "the Sentinel-2 image")
    checks.check_stack(s2)
    names = [_band_name(name) for image in s2 for name in _titles(image)]
    if all(names) and names != list(BANDS):
        raise SRError(
            f"the Sentinel-2 bands are named {', '.join(map(str, names))}, "
            f"{', '.join(BANDS)} in this order are expected"
        )
    return s2


def _titles(image: ImageInfo) -> list[str]:
    """Give what the bands of a file are called, or the file itself if it has one."""
    with rasterio.open(image.path) as file:
        titles = [title or "" for title in file.descriptions]
    return titles if image.bands > 1 else [titles[0] or Path(image.path).stem]


def _band_name(title: str) -> str | None:
    """Find the name of a Sentinel-2 band in a text.

    >>> _band_name("T31UDQ_20220714T105629_B08_10m"), _band_name("B4, red")
    ('B08', 'B04')
    >>> _band_name("reflectance"), _band_name("B8A")
    (None, 'B8A')
    """
    found = re.search(r"(?<![A-Za-z0-9])B(\d{1,2}|8A)(?![A-Za-z0-9])", title)
    return found and f"B{found[1].zfill(2)}"


def check_area(s2: list[ImageInfo], area: ImageInfo | None) -> None:
    """Check that the images show the area, and that its grid can have metres.

    Raises:
        SRError: if not.
    """
    grid = area or s2[0]
    checks.check_metres(grid)
    if area:
        checks.check_overlaps(s2[0], area)
    spacing = s2[0].spacing_in(grid.crs)
    if abs(spacing - SENTINEL2) > MOST_OFF * SENTINEL2:
        log.warning(
            "the pixels are %.3g m wide; the network knows Sentinel-2 at 10 m", spacing
        )


def check_pixels(s2: list[ImageInfo], offset: int) -> None:
    """Look at a sample: no data that is not 0, an offset forgotten or taken twice.

    Raises:
        SRError: if there is no data, or no data is not 0.
    """
    sample = [_sample(image) for image in s2]
    values = np.concatenate([pixels[pixels != 0] for pixels in sample])
    if not values.size:
        raise SRError(
            f"{s2[0].path} holds nothing but 0, which is no data; check the file"
        )
    if values.min() < LOWEST:
        raise SRError(
            f"{s2[0].path} or a band beside it holds DN of {values.min()}, which look "
            "like no data; 0 is expected there (gdalwarp -srcnodata ... -dstnodata 0)"
        )
    if offset and (values <= offset).mean() > 0.5:
        log.warning(
            "%.0f %% of the pixels are not brighter than the offset of %d and become "
            "black, as if it had been subtracted before: give --offset 0",
            100 * (values <= offset).mean(), offset,
        )  # fmt: skip
    low = np.percentile(values, 1)
    if low >= 1000 and not offset:
        log.warning(
            "no pixel is darker than DN %.0f, as if the offset of 1000 were still in "
            "them; ESA products of baseline 04.00 or later need --offset 1000", low,
        )  # fmt: skip


def _sample(image: ImageInfo) -> np.ndarray:
    step = max(1, max(image.width, image.height) // SAMPLE)
    shape = (image.bands, max(image.height // step, 1), max(image.width // step, 1))
    with raster.reading(image.path), rasterio.open(image.path) as file:
        return file.read(out_shape=shape)


def has_no_data(s2: list[ImageInfo], area: ImageInfo) -> bool:
    """Tell whether some pixel of an area may have no data: 0, or beyond the images.

    Arguments:
        s2: images on one grid.
        area: whose pixels' centres lie in pixels of `s2`, or do not.
    """
    image, half = s2[0], area.spacing / 2
    left, bottom, right, top = area.bounds
    centres = left + half, bottom + half, right - half, top - half
    if image.crs != area.crs:
        centres = rasterio.warp.transform_bounds(area.crs, image.crs, *centres)
    first, last = ~image.transform @ centres[::3], ~image.transform @ centres[2:0:-1]
    # What is straight in one CRS is bent in another, by less than a pixel.
    around = 0 if image.crs == area.crs else 1
    col, row = (math.floor(x) - around for x in first)
    last_col, last_row = (math.floor(x) + 1 + around for x in last)
    if min(col, row) < 0 or last_col > image.width or last_row > image.height:
        return True
    for each in s2:
        with raster.reading(each.path), rasterio.open(each.path) as file:
            if not file.read(window=((row, last_row), (col, last_col))).all():
                return True
    return False


def fingerprint(image: ImageInfo) -> list:
    """Tell a file from one that was put in its place later."""
    state = Path(image.path).stat() if Path(image.path).exists() else None
    return [image.record(), state and (state.st_size, state.st_mtime_ns)]


def read_area(bbox: list[float] | None, aoi: str | None) -> shapely.Polygon | None:
    """Give the area that was asked for, in degrees.

    Arguments:
        bbox: west, south, east, north.
        aoi: GeoJSON file.

    Raises:
        SRError: if it is no area.
    """
    if bbox:
        west, south, east, north = bbox
        if not (-180 <= west < east <= 180 and -90 <= south < north <= 90):
            raise SRError(
                f"the box {west:g} {south:g} {east:g} {north:g} is not one in degrees; "
                "west, south, east, north are expected"
            )
        return shapely.box(*bbox)
    if not aoi:
        return None
    try:
        found = json.loads(Path(aoi).read_text())
        parts = found.get("features", [found])
        area = shapely.union_all([shape(p.get("geometry", p)) for p in parts])
    except (*NO_GEOJSON, ShapelyError) as error:
        raise SRError(
            f"{aoi} cannot be read as GeoJSON ({error}); an outline in degrees of "
            "longitude and latitude is expected"
        ) from None
    west, south, east, north = area.bounds or (0, 0, 0, 0)
    if not area.area or max(abs(west), abs(east)) > 180 or max(-south, north) > 90:
        raise SRError(
            f"{aoi} holds no area in degrees of longitude and latitude; draw a polygon"
        )
    return area


def as_image(area: shapely.Polygon, name: str = "the area") -> ImageInfo:
    """Describe an area in degrees as an image of one pixel that covers it."""
    west, south, east, north = area.bounds
    place = Affine(east - west, 0, west, 0, south - north, north)
    crs = rasterio.CRS.from_epsg(4326)
    return ImageInfo(name, 1, 1, 1, "uint8", crs, place)


def part_of(image: ImageInfo, area: shapely.Polygon) -> ImageInfo:
    """Give the whole pixels of `image` over an area (degrees), as an image.

    Raises:
        SRError: if there are none.
    """
    outline = shapely.segmentize(area, max(area.length / 400, 1e-6))
    projected = shape(
        rasterio.warp.transform_geom("EPSG:4326", image.crs, mapping(outline))
    )
    left, bottom, right, top = projected.bounds
    (col, row), (last_col, last_row) = (
        ~image.transform @ corner for corner in ((left, top), (right, bottom))
    )
    first_col, first_row = (max(int(np.floor(x + 1e-6)), 0) for x in (col, row))
    last_col = min(int(np.ceil(last_col - 1e-6)), image.width)
    last_row = min(int(np.ceil(last_row - 1e-6)), image.height)
    if first_col >= last_col or first_row >= last_row:
        raise SRError(f"{image.path} does not show the area that was asked for")
    return ImageInfo(
        image.path, last_col - first_col, last_row - first_row, image.bands,
        image.dtype, image.crs,
        image.transform @ Affine.translation(first_col, first_row),
    )  # fmt: skip
