"""Trouble on the engine of the process: a server that fails, a full disk, signals.

    python trouble.py BLOCK FOLDER NUMBER...

A block is run once for each number; its error is one line.
"""

import os
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
from affine import Affine

import sr_infer
from srtools import errors, files, signals
from srtools.engine import engine_errors
from srtools.errors import SRError
from srtools.images import raster, vrt
from srtools.inference.pieces import Piece
from tests.fake_stac import FakeService, geotiff, serve
from tests.rasters import UTM31, write_geotiff

import otbApplication
import pyotb

PLACE = Affine(10, 0, 452000, 0, -10, 5412000)
SIDE = 600
PIXELS = np.random.default_rng(0).integers(1, 9000, (SIDE, SIDE, 4), np.uint16)


def signed_link(folder: Path, status: int) -> None:
    """Fail while pixels are read over a signed link, as exercise 5 does."""
    with serve(FakeService()) as service:
        service.files["B04"] = geotiff(PIXELS[..., 0], PLACE, UTM31)
        link = f"{service.url}/B04/image.tif?se=1&sig=secret7"
        image = raster.describe(link, "the image")
        path = str(vrt.write_reflected(folder / "s2.vrt", image, 4))
        with engine_errors("stacking"):
            stacked = pyotb.ConcatenateImages(il=[path])
            service.rule = lambda method, part, asked: status
            stacked.to_numpy()


def busy(folder: Path, cosines: int) -> None:
    """Compute for minutes in one call of the engine, and end early on a signal."""
    signals.unwind()
    path = write_geotiff(folder / "s2.tif", np.tile(PIXELS, (9, 9, 1)), PLACE)
    slow = cosines * "cos(" + "im1b1" + cosines * ")"
    with files.whole_file(folder / "slow.tif") as partial:
        with engine_errors("computing"):
            image = pyotb.BandMathX(il=[path], exp=slow)
            print("busy", flush=True)
            image.write(str(partial), pixel_type="float")
            print("done", flush=True)


def no_room(folder: Path, free: int) -> None:
    """Write a piece of the image on a small disk with `free` bytes of room.

    On uncompressed files libtiff 4.5 never returned, for instance with 4096 bytes.
    """
    with tempfile.TemporaryDirectory() as elsewhere:
        path = write_geotiff(Path(elsewhere, "s2.tif"), PIXELS, PLACE)
        image = pyotb.Superimpose(inr=path, inm=path, interpolator="bco")
        with open(folder / "filler", "wb") as file:
            room = shutil.disk_usage(folder).free - free
            os.posix_fallocate(file.fileno(), 0, room)
        piece = Piece(0, 0, SIDE, SIDE)
        with engine_errors("writing"):
            sr_infer.write_piece(image, piece, 128, folder / "piece.tif")
        raster.check_written(folder / "piece.tif")


if __name__ == "__main__":
    errors.start()
    block, folder, *numbers = sys.argv[1:]
    print(otbApplication.__file__, flush=True)
    for number in map(int, numbers):
        try:
            globals()[block](Path(folder), number)
        except SRError as error:
            errors.report(error)
