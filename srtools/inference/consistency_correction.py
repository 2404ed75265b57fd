"""The option `--consistent`: correction of the pieces to agree with Sentinel-2."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from srtools.conventions import BANDS
from srtools.images import raster
from srtools.images.grid import Grid
from srtools.images.raster import ImageInfo
from srtools.inference import pieces
from srtools.inference.pieces import Piece
from srtools.matching import back_projection
from srtools.sentinel2.sentinel2_image import Sentinel2


def correct(
    s2: Sentinel2, grid: Grid, all_pieces: Sequence[Piece], folder: Path
) -> Path:
    """Write corrected copies of the pieces in `folder`; return the folder of copies."""
    vrt = pieces.write_vrt(folder / "whole.vrt", all_pieces, grid)
    image = raster.describe(vrt, "the image")

    def write(piece: Piece, path: Path) -> None:
        pieces.write(path, _correct_piece(s2, image, piece))

    corrected = folder / "consistent"
    corrected.mkdir(exist_ok=True)
    task = "correction to agree with Sentinel-2"
    pieces.make(corrected, all_pieces, write, 2 * len(BANDS), task)
    return corrected


def _correct_piece(s2: Sentinel2, image: ImageInfo, piece: Piece) -> np.ndarray:
    """Correct one piece, [bands, h, w] uint16.

    Its neighbours in `image` are read as far as the correction reaches: no seams.
    """
    grid, spacing, s2_spacing = image.grid, image.transform.a, s2.grid.transform.a
    margin = math.ceil(back_projection.reach_metres(s2_spacing) / spacing)
    window = grid.clip(
        tuple(slice(part.start - margin, part.stop + margin) for part in piece.window)
    )
    area, pixels = grid.part(window), raster.read([image], window)
    s2_window = s2.grid.clip(s2.grid.centred(area.bounds))
    # Centres of Sentinel-2's pixels, in pixels of the output.
    rows, cols = (np.arange(part.start, part.stop) + 0.5 for part in s2_window)
    place = ~area.transform @ s2.grid.transform
    centres = place.e * rows + place.f - 0.5, place.a * cols + place.c - 0.5
    corrected = back_projection.back_project(
        pixels, s2.read(s2_window), *centres, spacing, s2_spacing
    )
    # 0 is nodata: pixels with data are at least 1.
    limited = np.clip(np.rint(corrected), 1, 65535)
    valid = pixels.all(axis=-1, keepdims=True)
    top, left = (part.start for part in window)
    rows = slice(piece.row - top, piece.row - top + piece.height)
    cols = slice(piece.col - left, piece.col - left + piece.width)
    inner = np.where(valid, limited, 0)[rows, cols]
    return np.moveaxis(inner, -1, 0).astype(np.uint16)
