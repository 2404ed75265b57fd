"""`--consistent`: the pieces once more, in agreement with Sentinel-2's own pixels.

A piece is corrected with as much of its neighbours around it as the correction looks
at, so that pieces join without a seam.
"""

import math
from pathlib import Path

import numpy as np
import rasterio
from rasterio.windows import Window

from srtools.conventions import BANDS
from srtools.images import back_projection, raster, vrt
from srtools.inference import pieces
from srtools.inference.pieces import Piece
from srtools.inference.prepare import Job

FOLDER = "consistent"  # in that of the pieces
LARGEST_DN = 65535


def correct(job: Job, bands: int) -> Path:
    """Write corrected copies of all pieces; those that are there are kept.

    Arguments:
        job: image whose pieces are made.
        bands: of the pieces; those after the first four are copied.

    Returns:
        The folder of the copies.
    """
    whole = job.folder / "whole.vrt"
    copies = [piece.copy_of(job.folder) for piece in job.pieces]
    numbers = range(1, bands + 1)
    vrt.write(whole, job.plan.grid, [vrt.Band(n, "uint16", copies) for n in numbers])
    folder = job.folder / FOLDER
    folder.mkdir(exist_ok=True)
    profile = {
        "driver": "GTiff",
        "dtype": "uint16",
        "count": bands,
        "interleave": "band",
        "blockysize": 32,
        "bigtiff": "if_safer",
    }

    def write(piece: Piece, path: Path) -> None:
        size = {"width": piece.width, "height": piece.height}
        with raster.reading(whole) as image:
            pixels = image.read(window=Window.from_slices(*piece.window))
            pixels[: len(BANDS)] = _corrected(job, piece, image)
        with rasterio.open(path, "w", **profile, **size) as file:
            file.write(pixels)

    spacing = job.plan.grid.transform.a
    pieces.make(folder, job.pieces, write, spacing, pixel_bytes=2 * bands)
    return folder


def _corrected(job: Job, piece: Piece, image: rasterio.DatasetReader) -> np.ndarray:
    """Correct one piece, [bands, h, w] uint16."""
    grid, s2 = job.plan.grid, job.s2
    spacing, pixel = grid.transform.a, s2.grid.transform.a
    around = math.ceil(back_projection.reach_metres(pixel) / spacing)
    rows, cols = piece.window
    wide = grid.clip(
        (
            slice(rows.start - around, rows.stop + around),
            slice(cols.start - around, cols.stop + around),
        )
    )
    seen = image.read(list(range(1, len(BANDS) + 1)), window=Window.from_slices(*wide))
    own = s2.grid
    area = grid.part(wide)
    over = own.clip(own.centred(area.bounds))
    measured = s2.read(over)
    # Centres of Sentinel-2's pixels, in pixels of the output.
    s2_rows, s2_cols = (np.arange(part.start, part.stop) + 0.5 for part in over)
    place = ~area.transform @ own.transform
    answer = back_projection.agree(
        np.moveaxis(seen, 0, -1),
        measured,
        place.e * s2_rows + place.f - 0.5,
        place.a * s2_cols + place.c - 0.5,
        spacing,
        pixel,
    )
    inside = tuple(
        slice(part.start - whole.start, part.stop - whole.start)
        for part, whole in zip(piece.window, wide, strict=True)
    )
    kept = np.moveaxis(answer[inside], -1, 0)
    # 0 is no data, and no pixel becomes that.
    limited = np.clip(np.rint(kept), 1, LARGEST_DN)
    return np.where(np.moveaxis(seen, 0, -1)[inside].all(-1), limited, 0).astype(
        np.uint16
    )
