"""The option `--consistent`: the pieces once more, in agreement with Sentinel-2.

A piece is corrected with as much of its neighbours around it as the correction looks
at, so that pieces join without a seam.
"""

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
from srtools.sentinel2.image import Sentinel2

LARGEST_DN = 65535


def correct(
    s2: Sentinel2, grid: Grid, all_pieces: Sequence[Piece], folder: Path
) -> Path:
    """Write corrected copies of all pieces in `folder`, and return their folder."""
    vrt = pieces.write_vrt(folder / "whole.vrt", all_pieces, grid)
    image = raster.describe(vrt, "the image")

    def write(piece: Piece, path: Path) -> None:
        pieces.write(path, _corrected(s2, image, piece))

    copy = folder / "consistent"
    copy.mkdir(exist_ok=True)
    pieces.make(copy, all_pieces, write, pixel_bytes=2 * len(BANDS))
    return copy


def _corrected(s2: Sentinel2, image: ImageInfo, piece: Piece) -> np.ndarray:
    """Correct one piece, [bands, h, w] uint16."""
    grid, spacing, pixel = image.grid, image.transform.a, s2.grid.transform.a
    margin = math.ceil(back_projection.reach_metres(pixel) / spacing)
    window = grid.clip(
        tuple(slice(part.start - margin, part.stop + margin) for part in piece.window)
    )
    area, pixels = grid.part(window), raster.read([image], window)
    over = s2.grid.clip(s2.grid.centred(area.bounds))
    # Centres of Sentinel-2's pixels, in pixels of the output.
    rows, cols = (np.arange(part.start, part.stop) + 0.5 for part in over)
    place = ~area.transform @ s2.grid.transform
    answer = back_projection.back_project(
        pixels,
        s2.read(over),
        place.e * rows + place.f - 0.5,
        place.a * cols + place.c - 0.5,
        spacing,
        pixel,
    )
    inside = tuple(
        slice(part.start - wide.start, part.stop - wide.start)
        for part, wide in zip(piece.window, window, strict=True)
    )
    # 0 is nodata, and no pixel becomes that.
    limited = np.clip(np.rint(answer[inside]), 1, LARGEST_DN)
    kept = np.where(pixels[inside].all(axis=-1, keepdims=True), limited, 0)
    return np.moveaxis(kept, -1, 0).astype(np.uint16)
