"""A large image made piece by piece: what is finished is never made again.

Each piece is a file in a folder beside the image.  Whoever is killed loses one piece;
several machines can share the pieces; in the end they are joined and the folder goes.
"""

import hashlib
import json
import logging
import os
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import rasterio
import rasterio.shutil
from affine import Affine
from rasterio.enums import Resampling
from rasterio.errors import RasterioError

from srtools import cards, files
from srtools.errors import SRError
from srtools.images import raster, vrt

log = logging.getLogger(__name__)

PLAN = "plan.json"
COG_OPTIONS = {
    "driver": "COG",
    "compress": "DEFLATE",
    "predictor": 2,
    "level": 1,  # a tenth larger than level 6, and three times as fast
    "blocksize": 512,
    "overview_compress": "DEFLATE",
    "overview_predictor": 2,
    "bigtiff": "IF_SAFER",
    "num_threads": "ALL_CPUS",
}
OVERVIEW_OPTIONS = {
    "COMPRESS_OVERVIEW": "NONE",  # like the pieces: they are read once
    "INTERLEAVE_OVERVIEW": "BAND",
    "BIGTIFF_OVERVIEW": "IF_SAFER",
    "GDAL_NUM_THREADS": "ALL_CPUS",
}


@dataclass(frozen=True)
class Piece:
    """A rectangle of the output, in pixels."""

    col: int
    row: int
    width: int
    height: int

    @property
    def name(self) -> str:
        """Of its file."""
        return f"r{self.row:06d}_c{self.col:06d}.tif"

    @property
    def box(self) -> str:
        """As OTB's extended file names want it."""
        return f"{self.col}:{self.row}:{self.width}:{self.height}"


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
    return list(pieces[part - 1 :: parts])


def folder_of(out: str | Path) -> Path:
    """Give the folder for the pieces of an image."""
    return Path(f"{out}.pieces")


def prepare(folder: Path, plan: Mapping[str, Any], overwrite: bool) -> None:
    """Make the folder, or go on with one that was made for the same plan.

    Raises:
        SRError: if it was made for something else, or by something else.
    """
    found = [path for path in folder.glob("*") if not path.name.startswith(".")]
    if found and not (folder / PLAN).exists():
        raise SRError(
            f"{folder} holds {found[0].name} but no {PLAN}, so nobody knows what its "
            "files were made for; remove or rename the folder"
        )
    text = json.dumps(plan, sort_keys=True, default=str)
    fingerprint = hashlib.sha256(text.encode()).hexdigest()
    if (folder / PLAN).exists():
        if cards.read_card(folder / PLAN).get("fingerprint") == fingerprint:
            return
        if not overwrite:
            raise SRError(
                f"{folder} holds pieces made from other images, with another model or "
                "other options; give the same ones to go on, or --overwrite to start "
                "anew"
            )
        shutil.rmtree(folder)
    files.make_folder(folder)
    cards.write_card(folder / PLAN, {"fingerprint": fingerprint, **plan})


def missing(folder: Path, pieces: Sequence[Piece]) -> list[Piece]:
    """Give the pieces that are not there yet, or not completely."""
    return [piece for piece in pieces if not _holds(folder / piece.name)]


def _holds(path: Path) -> bool:
    """Tell whether a piece is there, completely."""
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
    pixel: float,
) -> None:
    """Make the pieces that are missing, and tell how fast it goes.

    Arguments:
        folder: where they are put.
        pieces: which ones.
        write: makes one.
        pixel: size in metres.
    """
    todo = missing(folder, pieces)
    if len(todo) < len(pieces):
        log.info("%d of %d pieces are there", len(pieces) - len(todo), len(pieces))
    areas = [piece.width * piece.height * pixel**2 / 1e6 for piece in todo]
    start, done = time.monotonic(), 0.0
    for piece, area in zip(todo, areas, strict=True):
        unfinished = folder / f".{os.getpid()}_{piece.name}"
        try:
            write(piece, unfinished)
            raster.check_written(unfinished)  # OTB says nothing of a full disk
            os.replace(unfinished, folder / piece.name)
        finally:
            unfinished.unlink(missing_ok=True)
        done += area
        speed = done / (time.monotonic() - start)
        log.info(
            "%.1f of %.1f km2, %.3g km2/s, %.0f s left",
            done, sum(areas), speed, (sum(areas) - done) / speed,
        )  # fmt: skip


def join(
    folder: Path,
    pieces: Sequence[Piece],
    out: Path,
    bands: Mapping[int, str],
    wkt: str,
    transform: Affine,
    scale: float,
    about: Mapping[str, str],
    holes: bool,
) -> None:
    """Write the pieces as one Cloud Optimized GeoTIFF.

    Arguments:
        folder, pieces: all of them must be there.
        out: the file to write.
        bands: number in the pieces, from 1, and name.
        wkt, transform: CRS and place of the whole.
        scale: physical value of one DN.
        about: metadata.
        holes: whether some pixels may be 0, which is no data.
    """
    size = (
        max(piece.col + piece.width for piece in pieces),
        max(piece.row + piece.height for piece in pieces),
    )
    places = {
        str(folder / piece.name): (piece.col, piece.row, piece.width, piece.height)
        for piece in pieces
    }
    whole = folder / f"{out.stem}.vrt"
    described = partial(
        vrt.write_pieces, whole, places, list(bands), wkt, transform, size, about,
        names=list(bands.values()), scale=scale,
    )  # fmt: skip
    try:
        # Means that need not look for holes are made in half the time.
        _build_overviews(described(nodata=holes), size)
        described(nodata=True)
        # Else GDAL does not look for what lies beside an image.
        with rasterio.Env(GDAL_DISABLE_READDIR_ON_OPEN="FALSE"):
            rasterio.shutil.copy(str(whole), str(out), **COG_OPTIONS)
    except (RasterioError, OSError) as error:
        raise SRError(
            f"{out.name} cannot be written ({' '.join(str(error).split())}); the "
            f"pieces are kept in {folder}: make room and run the same command again"
        ) from None


def _build_overviews(whole: Path, size: tuple[int, int]) -> None:
    """Put smaller versions beside the pieces, which the COG takes over.

    Left to itself, GDAL's COG driver compresses them twice: all in all it takes twice
    the time.
    """
    beside = Path(f"{whole}.ovr")
    beside.unlink(missing_ok=True)  # of a run that was killed
    block = COG_OPTIONS["blocksize"]
    factors = [2**i for i in range(1, 24) if max(size) > 2 ** (i - 1) * block]
    with rasterio.Env(**OVERVIEW_OPTIONS), rasterio.open(whole, "r+") as image:
        if factors:
            image.build_overviews(factors, Resampling.average)


def remove(folder: Path) -> None:
    """Remove the pieces once they are joined."""
    shutil.rmtree(folder, ignore_errors=True)
