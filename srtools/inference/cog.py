"""The pieces joined to one Cloud Optimized GeoTIFF, with its overviews."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import rasterio.shutil

from srtools.conventions import SCALE
from srtools.errors import SRError
from srtools.images import raster, vrt
from srtools.images.grid import Grid
from srtools.inference.pieces import Piece

COG_OPTIONS = {
    "driver": "COG",
    "compress": "DEFLATE",
    "predictor": 2,
    "level": 1,  # a tenth larger than level 6, and three times as fast
    "blocksize": 512,
    "overview_compress": "DEFLATE",
    "overview_predictor": 2,
    "overview_resampling": "AVERAGE",
    "bigtiff": "IF_SAFER",
    "num_threads": "ALL_CPUS",
}


def join(
    folder: Path,
    pieces: Sequence[Piece],
    out: Path,
    bands: Mapping[int, str],
    grid: Grid,
    about: Mapping[str, str],
) -> None:
    """Write the pieces as one Cloud Optimized GeoTIFF.

    Arguments:
        folder: folder of the pieces.
        pieces: all pieces of the image; their files exist.
        out: file to write.
        bands: number of a band in the pieces, from 1, and its name.
        grid: pixels of the whole image.
        about: metadata.

    Raises:
        SRError: if the disk is full.
    """
    copies = [piece.copy_of(folder) for piece in pieces]
    described = [
        vrt.Band(number, "uint16", copies, nodata=True, title=title, scale=SCALE)
        for number, title in bands.items()
    ]
    whole = vrt.write(folder / f"{out.stem}.vrt", grid, described, about)
    try:
        rasterio.shutil.copy(str(whole), str(out), **COG_OPTIONS)
        raster.check_written(out)  # on a full disk GDAL may return without an error
    except (*raster.GDAL_ERRORS, OSError) as error:
        reason = raster.reason_of(error)
        raise SRError(
            f"{out.name} cannot be written ({reason}); the "
            f"pieces are kept in {folder}: make room and run the same command again"
        ) from None
