"""A large image made piece by piece: a finished piece is never made again.

Each piece is a file in a folder beside the image.  A run that is killed loses one
piece.  Several machines can share the pieces.  In the end they are joined, and the
folder is removed.
"""

import logging
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio

from srtools import cards, files, fingerprints
from srtools.errors import SRError
from srtools.images import raster
from srtools.images.grid import Window
from srtools.images.vrt import Copy

log = logging.getLogger(__name__)

PLAN = "plan.json"
JOINED_SHARE = 1.1
"""Bytes that joining takes, per byte of all pixels: the image with its overviews 0.8,
and these once more while it is written."""


@dataclass(frozen=True)
class Piece:
    """A rectangle of the output, in pixels."""

    col: int
    row: int
    width: int
    height: int

    @property
    def name(self) -> str:
        """Name of the file."""
        return f"r{self.row:06d}_c{self.col:06d}.tif"

    @property
    def box(self) -> str:
        """The rectangle in OTB's extended file names."""
        return f"{self.col}:{self.row}:{self.width}:{self.height}"

    @property
    def window(self) -> Window:
        """Rows and columns of the output."""
        rows = slice(self.row, self.row + self.height)
        return rows, slice(self.col, self.col + self.width)

    def copy_of(self, folder: Path) -> Copy:
        """Return the file of the piece and its place, for a VRT of the output."""
        whole = (0, 0, self.width, self.height)
        return Copy(str(folder / self.name), whole, (self.col, self.row))


def cut(width: int, height: int, size: int) -> list[Piece]:
    """Cut an image into square pieces, row by row.

    >>> [piece.box for piece in cut(5, 3, 4)]
    ['0:0:4:3', '4:0:1:3']
    """
    return [
        Piece(col, row, min(size, width - col), min(size, height - row))
        for row in range(0, height, size)
        for col in range(0, width, size)
    ]


def share(pieces: Sequence[Piece], part: int, parts: int) -> list[Piece]:
    """Give the pieces of one of several machines; `part` counts from 1."""
    own = list(pieces[part - 1 :: parts])
    if not own:
        log.warning(
            "no piece is left for this share, the image has %d; smaller ones "
            "(--piece_size) spread better",
            len(pieces),
        )
    return own


def folder_of(out: str | Path) -> Path:
    """Return the folder for the pieces of an image, on the disk of its target."""
    return Path(f"{os.path.realpath(out)}.pieces")


@contextmanager
def hold(folder: Path, shared: bool) -> Iterator[None]:
    """Hold the folder of the pieces: one run at a time, or several shares.

    Arguments:
        folder: folder of the pieces, which is made if need be.
        shared: whether this run makes a share only.

    Raises:
        SRError: if another run makes this image, or shares are still made while all
            are to be joined.
    """
    busy = (
        f"another run is making this image (it holds {folder}); wait for it, or give "
        "another output"
    )
    with files.hold(files.make_folder(folder), busy, shared):
        try:
            yield
        except (KeyboardInterrupt, SystemExit):
            if (folder / PLAN).exists():
                log.warning("%s keeps what is done: the same command goes on", folder)
            raise
        finally:
            with suppress(OSError):
                folder.rmdir()  # if it is still empty


def prepare(folder: Path, plan: Mapping[str, Any], overwrite: bool) -> None:
    """Take the folder, or go on with pieces that were made for the same plan.

    Shares that begin at the same time do this one after the other.

    Arguments:
        folder: folder of the pieces.
        plan: everything that the pixels of the pieces depend on.
        overwrite: whether pieces of another plan may be removed.

    Raises:
        SRError: if it was made for another plan, or by another program.
    """
    # Not the folder itself, which this run, or its share, holds already.
    with files.one_at_a_time(folder.absolute().parent):
        found = [path for path in folder.glob("*") if not path.name.startswith(".")]
        if found and not (folder / PLAN).exists():
            raise SRError(
                f"{folder} holds {found[0].name} but no {PLAN}, so nobody knows what "
                "its files were made for; remove or rename the folder"
            )
        if (folder / PLAN).exists():
            names = fingerprints.differences(cards.read_card(folder / PLAN), plan)
            if not names:
                return
            if not overwrite:
                raise SRError(
                    f"{folder} holds pieces made with another {', '.join(names)}; give "
                    "the same to go on, or --overwrite to start anew"
                )
            for path in found:  # the folder stays: this run holds it
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        cards.write_card(folder / PLAN, plan)


def _is_whole(path: Path) -> bool:
    """Tell whether the file of a piece exists and is complete."""
    if not path.exists():
        return False
    try:
        raster.check_written(path)
    except SRError:
        log.warning("piece %s is damaged and is made again", path.name)
        return False
    return True


def make(
    folder: Path,
    pieces: Sequence[Piece],
    write: Callable[[Piece, Path], None],
    spacing: float,
    pixel_bytes: int,
    joins: bool = True,
) -> None:
    """Make the pieces that are missing, and tell the progress.

    Arguments:
        folder: folder of the pieces.
        pieces: pieces to make.
        write: function that writes one of them to a file.
        spacing: pixel size in metres.
        pixel_bytes: size of a pixel of a piece, all bands together.
        joins: whether this run joins them afterwards.

    Raises:
        SRError: if the disk does not take them.
    """
    todo = [piece for piece in pieces if not _is_whole(folder / piece.name)]
    if len(todo) < len(pieces):
        log.info("%d of %d pieces are there", len(pieces) - len(todo), len(pieces))
    sizes = [piece.width * piece.height * pixel_bytes for piece in todo]
    joined = sum(piece.width * piece.height for piece in pieces) * pixel_bytes
    files.check_room(
        folder,
        sum(sizes) + (round(JOINED_SHARE * joined) if joins else 0),
        f"{len(todo)} pieces of the image" + (" and the image" if joins else ""),
    )
    areas = [piece.width * piece.height * spacing**2 / 1e6 for piece in todo]
    start, done = time.monotonic(), 0.0
    for piece, area, size in zip(todo, areas, sizes, strict=True):
        # Others write to this disk, too.
        files.check_room(folder, size, f"piece {piece.name} of the image")
        unfinished = folder / f".{os.getpid()}_{piece.name}"
        try:
            write(piece, unfinished)
            raster.check_written(unfinished)  # OTB does not report a full disk
            os.replace(unfinished, folder / piece.name)
        finally:
            unfinished.unlink(missing_ok=True)
        done += area
        speed = done / (time.monotonic() - start)
        log.info(
            "%.1f of %.1f km2, %.3g km2/s, %.0f s left",
            done,
            sum(areas),
            speed,
            (sum(areas) - done) / speed,
        )


def write_empty(path: Path, piece: Piece, bands: int) -> None:
    """Write a piece without data, which needs no network."""
    profile = {"dtype": "uint16", "compress": "DEFLATE", "interleave": "band"}
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        width=piece.width,
        height=piece.height,
        count=bands,
        **profile,
    ) as file:
        for band in range(1, bands + 1):
            file.write(np.zeros((piece.height, piece.width), np.uint16), band)


def remove(folder: Path) -> None:
    """Remove the pieces once they are joined, if need be behind a link."""
    shutil.rmtree(os.path.realpath(folder), ignore_errors=True)
