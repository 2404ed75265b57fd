"""The option `--consistent`: correction of the pieces to agree with Sentinel-2."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from srtools.conventions import BANDS
from srtools.images import raster
from srtools.images.grid import Grid
from srtools.images.raster import ImageInfo
from srtools.inference import pieces
from srtools.inference.pieces import Piece
from srtools.matching.back_projection import back_project, reach_metres
from srtools.sentinel2.sentinel2_image import Sentinel2


def correct(
    s2: Sentinel2, blur: float, grid: Grid, all_pieces: Sequence[Piece], folder: Path
) -> Path:
    """Write corrected copies of the pieces in `folder`; return the folder of copies.

    `blur` is the standard deviation of Sentinel-2's point spread function, metres.
    """
    vrt = pieces.write_vrt(folder / "whole.vrt", all_pieces, grid)
    write = partial(_write_corrected, s2, blur, raster.describe(vrt, "the image"))
    corrected = folder / "consistent"
    corrected.mkdir(exist_ok=True)
    task = "correction to agree with Sentinel-2"
    pieces.make(corrected, all_pieces, write, 2 * len(BANDS), task)
    return corrected


def _write_corrected(
    s2: Sentinel2, blur: float, image: ImageInfo, piece: Piece, path: Path
) -> None:
    """Correct one piece of an image and write it, uint16.

    Its neighbours in `image` are read as far as the correction reaches: no seams.
    """
    grid, spacing, s2_spacing = image.grid, image.transform.a, s2.grid.transform.a
    own, reach = grid.part(piece.window), reach_metres(s2_spacing, blur)
    window = grid.clip(grid.touched(own.bounds_in(grid.crs, reach)))
    area, pixels = grid.part(window), raster.read([image], window)
    s2_window = s2.grid.clip(s2.grid.centred(area.bounds))
    # Centres of Sentinel-2's pixels, in pixels of the output.
    rows, cols = (np.arange(part.start, part.stop) + 0.5 for part in s2_window)
    place = ~area.transform @ s2.grid.transform
    centres = place.e * rows + place.f - 0.5, place.a * cols + place.c - 0.5
    optics = spacing, s2_spacing, blur
    corrected = back_project(pixels, s2.read(s2_window), *centres, *optics)
    # 0 is nodata: pixels with data are at least 1.
    limited = np.clip(np.rint(corrected), 1, 65535)
    valid = pixels.all(axis=-1, keepdims=True)
    inner = np.where(valid, limited, 0)[area.touched(own.bounds)]
    pieces.write(path, np.moveaxis(inner, -1, 0).astype(np.uint16), piece)
