"""Checks of Sentinel-2 images; exercises 1 and 5 ask the same questions."""

import logging
from collections.abc import Sequence
from enum import Enum

import numpy as np
import rasterio

from srtools.conventions import BANDS, OFFSET_DN, S2_SPACING_METRES
from srtools.errors import SRError
from srtools.images import checks, pixels, raster
from srtools.images.band_names import check_order, sentinel2_band
from srtools.images.declared import check_declared, offset_dn
from srtools.images.grid import Grid, Window
from srtools.images.raster import ImageInfo
from srtools.urls import redact

log = logging.getLogger(__name__)

SPACING_TOLERANCE = 0.02  # of 10 m, because no two CRS agree quite on a metre


def check_images(paths: Sequence[str]) -> list[ImageInfo]:
    """Check the files of one Sentinel-2 tile: the four bands in order, on one grid.

    Arguments:
        paths: four files with one band each, or one file with four.
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
        check_declared(image, "the Sentinel-2 image")
    if len(set(paths)) < len(paths):
        raise SRError(
            f"{redact(paths[0])} and the other Sentinel-2 files are not four different "
            f"ones; one for each of {', '.join(BANDS)} is expected"
        )
    checks.check_stack(s2)
    check_order(s2, "the Sentinel-2 image", sentinel2_band)
    return s2


def check_tiles(
    tiles: Sequence[Sequence[str]],
    xs: ImageInfo,
    scl: Sequence[str] = (),
    offset: int = 0,
    said_by: str = "",
) -> None:
    """Check that tiles are Sentinel-2 images, can be DN, and cover the ground of XS.

    Arguments:
        tiles: for each tile its files, as in `check_images`.
        scl: scene classification of each tile, if there is one.
        offset, said_by: as in `check_pixels`.
    """
    images = [check_images(paths) for paths in tiles]
    firsts = [tile[0] for tile in images]
    for first in firsts:
        checks.check_metres(first)
        check_spacing(first, xs)
    outline = raster.data_outline(xs)
    checks.check_covers(firsts, xs, outline)
    if scl:
        classes = [raster.describe(path, "the scene classification", 1) for path in scl]
        checks.check_covers(classes, xs, outline, "scene classification")
    for tile in images:
        check_pixels(tile, offset, said_by, xs)


def check_area(s2: Sequence[ImageInfo], area: ImageInfo | None) -> None:
    """Check that images show the area, and that the grid of the output has metres.

    Arguments:
        s2: images on one grid.
        area: image whose grid the output takes; None: the grid of `s2`.
    """
    grid = area or s2[0]
    checks.check_metres(grid)
    if area:
        checks.check_overlaps(s2[0], area)
    check_spacing(s2[0], grid)


def check_spacing(s2: ImageInfo, grid: ImageInfo) -> None:
    """Warn if the pixels of Sentinel-2 are not 10 m wide in the CRS of a grid."""
    spacing = s2.spacing_in(grid.crs)
    if abs(spacing / S2_SPACING_METRES - 1) > SPACING_TOLERANCE:
        log.warning(
            "the pixels are %.3g m wide; networks know Sentinel-2 at %g m: take its "
            "10 m bands",
            spacing,
            S2_SPACING_METRES,
        )


def check_pixels(
    s2: Sequence[ImageInfo],
    offset: int,
    said_by: str = "",
    area: ImageInfo | None = None,
) -> None:
    """Look at a sample of the pixels: can they be DN, and is the offset right?

    Arguments:
        said_by: metadata that say so, `pixels.OFFSET_OPTION`, or "" for nobody.
        area: image over whose rectangle to look; None: everywhere.
    """
    removed = {image.offset_removed for image in s2}
    if len(removed) > 1:
        raise SRError(
            f"{redact(s2[0].path)} and the other bands say that {sorted(removed)} DN "
            "were subtracted from them already; give bands of one kind"
        )
    if offset and any(removed):
        raise SRError(
            f"{redact(s2[0].path)} says that {max(removed)} DN were subtracted from it "
            "already; give --offset 0"
        )
    declared = {offset_dn(band) for image in s2 for band in image.declared}
    if OFFSET_DN in declared and not offset:
        seen = (
            f"the tags of {redact(s2[0].path)} say that {OFFSET_DN} is still in its DN"
        )
        if said_by != pixels.OFFSET_OPTION:
            raise SRError(f"{seen}: give --offset {OFFSET_DN}, or 0 if they are wrong")
        log.warning("%s, and nothing is subtracted", seen)
    bands = pixels.check_plausible(s2, "the Sentinel-2 image", area=area)
    pixels.check_offset(bands, offset, said_by)


def check_offset(
    s2: Sequence[ImageInfo], offset: int, trained: int | None, explicit: bool
) -> None:
    """Check that the offset is subtracted as it was for the model.

    Arguments:
        trained: DN that were subtracted from the images of the training, if known.
        explicit: whether the user named the offset.
    """
    if trained and not (offset or s2[0].offset_removed or explicit):
        raise SRError(
            f"the model was trained on Sentinel-2 less {trained} DN, nothing is "
            f"subtracted from {redact(s2[0].path)}: give --offset {trained}, or "
            "--offset 0 if its DN are reflectance x 10000"
        )


class Content(Enum):
    """Share of the pixels of an area that have data."""

    ALL = "all of them"
    SOME = "some of them, or it is not known"
    NONE = "none"


def content(s2: Sequence[ImageInfo], area: Grid) -> Content:
    """Tell how many pixels of an area have data: are not 0, nor beyond the images.

    Arguments:
        s2: images on one grid.
        area: grid of finer pixels; each takes the pixel of `s2` below its centre.
    """
    grid = s2[0].grid
    window = _seen_from(area, s2[0])
    inside = grid.clip(window)
    if any(part.stop == part.start for part in inside):
        return Content.NONE
    empty = True
    for image in s2:
        pixels = _read(image, inside)
        empty = empty and not pixels.any()
        if not empty and (inside != window or not pixels.all()):
            return Content.SOME
    return Content.NONE if empty else Content.ALL


def _seen_from(area: Grid, image: ImageInfo) -> Window:
    """Give the pixels of an image below the centres of those of a grid."""
    half = area.transform.a / 2
    # A straight line in one CRS is bent in another, by less than a pixel.
    around = 0 if image.crs == area.crs else 1
    left, bottom, right, top = area.bounds
    centres = left + half, bottom + half, right - half, top - half
    if image.crs != area.crs:
        centres = rasterio.warp.transform_bounds(area.crs, image.crs, *centres)
    first, last = ~image.transform @ centres[::3], ~image.transform @ centres[2:0:-1]
    col, row = (int(np.floor(x)) - around for x in first)
    last_col, last_row = (int(np.floor(x)) + 1 + around for x in last)
    return slice(row, last_row), slice(col, last_col)


def _read(image: ImageInfo, window: Window) -> np.ndarray:
    rows, cols = ((part.start, part.stop) for part in window)
    with raster.reading(image.path) as file:
        return file.read(window=(rows, cols))
