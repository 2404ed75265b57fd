"""Checks of Sentinel-2 images; exercises 1 and 5 ask the same questions."""

import logging
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import rasterio

from srtools.conventions import BANDS, OFFSET_DN, OFFSET_TAG, S2_SPACING_METRES
from srtools.errors import SRError
from srtools.images import checks, raster
from srtools.images.grid import Grid
from srtools.images.raster import ImageInfo
from srtools.urls import redact

log = logging.getLogger(__name__)

SPACING_TOLERANCE = 0.02  # of 10 m, because no two CRS agree quite on a metre
LOWEST_DN = -1000  # after the offset was subtracted from a dark pixel
SAMPLE_PIXELS = 512  # a side, of which the values are read
MOST_BLACK_SHARE = 0.5  # of the pixels, that a true offset turns black


def check_images(paths: Sequence[str]) -> list[ImageInfo]:
    """Check the files of one Sentinel-2 tile: the four bands in order, on one grid.

    Arguments:
        paths: four files with one band each, or one file with four.

    Raises:
        SRError: if they are not.
    """
    if len(paths) not in (1, len(BANDS)):
        raise SRError(
            f"{len(paths)} Sentinel-2 files were given; one with the bands "
            f"{', '.join(BANDS)} or four with one each are expected"
        )
    bands = len(BANDS) // len(paths)
    labels = BANDS if bands == 1 else [", ".join(BANDS)]
    s2 = [
        raster.describe(path, f"the Sentinel-2 image {label}", bands)
        for path, label in zip(paths, labels, strict=True)
    ]
    for image in s2:
        checks.check_dn(image, "the Sentinel-2 image")
    checks.check_stack(s2)
    names = [_band_name(title) for image in s2 for title in _titles(image)]
    if all(names) and names != list(BANDS):
        raise SRError(
            f"the Sentinel-2 bands are named {', '.join(map(str, names))}, "
            f"{', '.join(BANDS)} in this order are expected"
        )
    return s2


def _titles(image: ImageInfo) -> list[str]:
    """Give the names of a file's bands; of a file with one, else the file's name."""
    with raster.reading(image.path) as file:
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


def check_tiles(
    tiles: Sequence[Sequence[str]], xs: ImageInfo, scl: Sequence[str] = ()
) -> None:
    """Check that tiles are Sentinel-2 images and cover the ground of XS.

    Arguments:
        tiles: for each tile its files, as in `check_images`.
        xs: the XS image of Spot.
        scl: scene classification of each tile, if there is one.

    Raises:
        SRError: if they do not.
    """
    firsts = [check_images(paths)[0] for paths in tiles]
    for first in firsts:
        checks.check_metres(first)
    outline = raster.data_outline(xs)
    checks.check_covers(firsts, xs, outline)
    if scl:
        classes = [raster.describe(path, "the scene classification", 1) for path in scl]
        checks.check_covers(classes, xs, outline, "scene classification")


def check_area(s2: Sequence[ImageInfo], area: ImageInfo | None) -> None:
    """Check that images show the area, and that the grid of the output has metres.

    Arguments:
        s2: images on one grid.
        area: image whose grid the output takes; None: the grid of `s2`.

    Raises:
        SRError: if not.
    """
    grid = area or s2[0]
    checks.check_metres(grid)
    if area:
        checks.check_overlaps(s2[0], area)
    spacing = s2[0].spacing_in(grid.crs)
    if abs(spacing / S2_SPACING_METRES - 1) > SPACING_TOLERANCE:
        log.warning(
            "the pixels are %.3g m wide; the network knows Sentinel-2 at %g m",
            spacing,
            S2_SPACING_METRES,
        )


def check_pixels(s2: Sequence[ImageInfo], offset: int) -> None:
    """Look at a sample of the pixels: nodata that is not 0, an offset that is wrong.

    Arguments:
        s2: images of one tile.
        offset: DN that will be subtracted.

    Raises:
        SRError: if all pixels are nodata, or nodata is not 0.
    """
    sample = [_sample(image) for image in s2]
    values = np.concatenate([pixels[pixels != 0] for pixels in sample])
    if not values.size:
        raise SRError(
            f"{s2[0].path} holds nothing but 0, which is no data; check the file"
        )
    if values.min() < LOWEST_DN:
        raise SRError(
            f"{s2[0].path} or a band beside it holds DN of {values.min()}, which look "
            "like no data; 0 is expected there (gdalwarp -srcnodata ... -dstnodata 0)"
        )
    black = (values <= offset).mean()
    if offset and black > MOST_BLACK_SHARE:
        log.warning(
            "%.0f %% of the pixels are not brighter than the offset of %d and become "
            "black, as if it had been subtracted before: give --offset 0",
            100 * black,
            offset,
        )
    low = np.percentile(values, 1)
    if low >= OFFSET_DN and not offset:
        log.warning(
            "no pixel is darker than DN %.0f, as if the offset of %d were still in "
            "them; ESA products of baseline 04.00 or later need --offset %d",
            low,
            OFFSET_DN,
            OFFSET_DN,
        )


def check_offset(
    paths: Sequence[str], offset: int, trained: int | None, explicit: bool
) -> None:
    """Check that the offset is subtracted once, as it was for the model.

    Arguments:
        paths: files of the image.
        offset: DN that will be subtracted.
        trained: DN that were subtracted from the images of the training, if known.
        explicit: whether the user named the offset.

    Raises:
        SRError: if it was subtracted before, or the model expects it and nobody says
            what became of it.
    """
    before = 0
    for path in paths:
        with raster.reading(path) as file:
            before = max(before, int(file.tags().get(OFFSET_TAG) or 0))
    if offset and before:
        raise SRError(
            f"{redact(paths[0])} says that {before} DN were subtracted from it "
            "already; give --offset 0"
        )
    if trained and not (offset or before or explicit):
        raise SRError(
            f"the model was trained on Sentinel-2 less {trained} DN, nothing is "
            f"subtracted from {redact(paths[0])}: give --offset {trained}, or "
            "--offset 0 if its DN are reflectance x 10000"
        )


def _sample(image: ImageInfo) -> np.ndarray:
    step = max(1, max(image.width, image.height) // SAMPLE_PIXELS)
    shape = image.bands, max(image.height // step, 1), max(image.width // step, 1)
    with raster.reading(image.path) as file:
        return file.read(out_shape=shape)


def has_nodata(s2: Sequence[ImageInfo], area: Grid) -> bool:
    """Tell whether some pixel of an area may be nodata: 0, or beyond the images.

    Arguments:
        s2: images on one grid.
        area: grid of finer pixels; each takes the pixel of `s2` below its centre.
    """
    image, half = s2[0], area.transform.a / 2
    # A straight line in one CRS is bent in another, by less than a pixel.
    around = 0 if image.crs == area.crs else 1
    left, bottom, right, top = area.bounds
    centres = left + half, bottom + half, right - half, top - half
    if image.crs != area.crs:
        centres = rasterio.warp.transform_bounds(area.crs, image.crs, *centres)
    first, last = ~image.transform @ centres[::3], ~image.transform @ centres[2:0:-1]
    col, row = (int(np.floor(x)) - around for x in first)
    last_col, last_row = (int(np.floor(x)) + 1 + around for x in last)
    if min(col, row) < 0 or last_col > image.width or last_row > image.height:
        return True
    for each in s2:
        with raster.reading(each.path) as file:
            if not file.read(window=((row, last_row), (col, last_col))).all():
                return True
    return False
