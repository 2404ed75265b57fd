"""Pieces of a large image: files in a folder beside it, joined at the end."""

import logging
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import rasterio

from srtools import cards, files
from srtools.conventions import BANDS
from srtools.errors import SRError
from srtools.images import raster, vrt
from srtools.images.grid import Grid, Window
from srtools.images.raster import ImageInfo
from srtools.inference import cog

log = logging.getLogger(__name__)

PLAN = "plan.json"
TILES_A_SIDE = 4  # of a piece; whole tiles: none is computed twice
TILE_UNIT = cog.LARGEST_BLOCK // TILES_A_SIDE  # of the side of a larger tile, pixels
STRIP = 512  # rows in memory while nodata is set: whole blocks
PIECES_SHARE, JOINED_SHARES = 0.65, (0.45, 0.66)
"""Bytes on the disk per byte of all pixels, for the pieces and for joining them to one
or two images: overviews exist twice, and the first of two lies beside all pieces."""


class Piece(NamedTuple):
    """A rectangle of the output, in pixels; `col` and `row` are its upper left."""

    col: int
    row: int
    width: int
    height: int
    block: int = cog.LARGEST_BLOCK  # side of the blocks of its file

    @property
    def name(self) -> str:
        """File name of the piece in the folder of pieces."""
        return f"r{self.row:06d}_c{self.col:06d}.tif"

    @property
    def box(self) -> str:
        """The rectangle in OTB's extended file names, "col:row:width:height"."""
        return f"{self.col}:{self.row}:{self.width}:{self.height}"

    @property
    def creation(self) -> dict[str, Any]:
        """GDAL's creation options: as the image, which takes its blocks as they are.

        On a full disk, libtiff may never return from a file without compression.
        """
        blocks = {"TILED": "YES", "BLOCKXSIZE": self.block, "BLOCKYSIZE": self.block}
        layout = {**blocks, "INTERLEAVE": "BAND", "NUM_THREADS": "ALL_CPUS"}
        return {**raster.COMPRESSED, **layout}

    @property
    def window(self) -> Window:
        """Rows and columns of the output."""
        rows = slice(self.row, self.row + self.height)
        return rows, slice(self.col, self.col + self.width)


def cut(width: int, height: int, size: int) -> list[Piece]:
    """Cut an image into pieces of `size` x `size` pixels or less, row by row.

    `size` is a multiple of 16.

    >>> [piece.box for piece in cut(20, 12, 16)]
    ['0:0:16:12', '16:0:4:12']
    """
    block = cog.block_size(size)
    return [
        Piece(col, row, min(size, width - col), min(size, height - row), block)
        for row in range(0, height, size)
        for col in range(0, width, size)
    ]


def folder_of(out: str | Path) -> Path:
    """Return the folder for the pieces of the image `out`, beside its link target."""
    return Path(f"{os.path.realpath(out)}.pieces")


@contextmanager
def lock(folder: Path, shared: bool) -> Iterator[None]:
    """Lock the folder of the pieces; runs with `--part` share it (`shared`)."""
    busy = (
        f"another run is making this image (it has locked {folder}); wait for it, or "
        "give another output"
    )
    with files.lock(files.make_folder(folder), busy, shared):
        try:
            yield
        finally:
            with suppress(OSError):
                folder.rmdir()  # if it is empty


def prepare(folder: Path, plan: Mapping[str, Any], overwrite: bool) -> None:
    """Begin a folder of pieces, or continue one that was begun with the same plan.

    The plan has all settings that the pixels depend on.  With `overwrite`, pieces of
    another plan are removed.
    """
    # Shares that begin at the same time wait for each other.
    with files.lock(folder.absolute().parent, busy=None):
        old = [path for path in folder.glob("*") if not path.name.startswith(".")]
        if old and not (folder / PLAN).exists():
            raise SRError(
                f"{folder} has {old[0].name} but no {PLAN} with the settings of its "
                "files; remove or rename the folder"
            )
        if old:
            names = cards.differences(cards.read_card(folder / PLAN), plan)
            if not names:
                return
            if not overwrite:
                raise SRError(
                    f"{folder} has pieces made with another {', '.join(names)}; give "
                    "the same to continue, or --overwrite to start anew"
                )
            for path in old:  # this run has locked the folder, which stays
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        cards.write_card(folder / PLAN, plan)


def make(
    folder: Path,
    pieces: Sequence[Piece],
    write: Callable[[Piece, Path], None],
    pixel_bytes: int,
    task: str,
    later: float = JOINED_SHARES[0],
) -> None:
    """Make the pieces that are missing in a folder, and log the progress of the task.

    `write` writes a piece to a file.  The disk must have room for the pieces and for
    what this run makes of them `later`, a share of `pixel_bytes` per pixel; then a row
    of pieces exists twice.
    """
    todo = [piece for piece in pieces if not raster.is_whole(folder / piece.name)]
    if len(todo) < len(pieces):
        log.info("%d of %d pieces are complete", len(pieces) - len(todo), len(pieces))
    row = [piece for piece in pieces if later and piece.row == pieces[0].row]
    missing, total, twice = (
        sum(p.width * p.height for p in ps) for ps in (todo, pieces, row)
    )
    use = "pieces of the image" + (" and the image" if later else "")
    done = 0
    for number, piece in enumerate(todo, 1):
        # Other programs write to this disk, too.
        room = PIECES_SHARE * (missing - done + twice) + later * total
        files.check_room(folder, round(room * pixel_bytes), use)
        unfinished = folder / f".{os.getpid()}_{piece.name}"
        try:
            write(piece, unfinished)
            os.replace(unfinished, folder / piece.name)
        finally:
            unfinished.unlink(missing_ok=True)
        done += piece.width * piece.height
        if number == 1:  # it takes longer: the model is loaded and compiled
            start, first, left = time.monotonic(), done, ""
        else:
            seconds = (time.monotonic() - start) * (missing - done) / (done - first)
            left = f", {seconds:.0f} s left"
        log.info("%s: %d of %d pieces%s", task, number, len(todo), left)


def write(path: Path, pixels: np.ndarray, piece: Piece) -> None:
    """Write the pixels of a piece, [bands, h, w] uint16."""
    bands, height, width = pixels.shape
    size = {"count": bands, "height": height, "width": width, "dtype": "uint16"}
    with rasterio.open(path, "w", driver="GTiff", **size, **piece.creation) as file:
        file.write(pixels)
    raster.check_written(path)


def set_nodata(path: Path, grid: Grid, images: Sequence[ImageInfo]) -> None:
    """Set pixels of a piece on `grid` to 0 where Sentinel-2 (`images`) is 0.

    The piece has the bands of Sentinel-2 once, or twice with intervals.
    """
    with rasterio.open(path, "r+") as file:
        for top in range(0, grid.height, STRIP):
            window = (top, min(top + STRIP, grid.height)), (0, grid.width)
            strip = grid.part([slice(*side) for side in window])
            empty = np.moveaxis(raster.read(images, strip) == 0, -1, 0)
            pixels = file.read(window=window)
            pixels.reshape(-1, *empty.shape)[:, empty] = 0
            file.write(pixels, window=window)


def write_vrt(path: Path, pieces: Sequence[Piece], grid: Grid, first: int = 1) -> Path:
    """Write a VRT beside the pieces that joins them: four bands from number `first`."""
    copies = [
        vrt.Copy(str(path.parent / p.name), (0, 0, p.width, p.height), (p.col, p.row))
        for p in pieces
    ]
    numbers = range(first, first + len(BANDS))
    return vrt.write(path, grid, [vrt.Band(n, "uint16", copies) for n in numbers])
