"""The pieces joined to one Cloud Optimized GeoTIFF, with its overviews."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import rasterio
import rasterio.shutil
from rasterio.enums import Resampling

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
    "bigtiff": "IF_SAFER",
    "num_threads": "ALL_CPUS",
}
COMPRESSED_OVERVIEWS = {
    "COMPRESS_OVERVIEW": "DEFLATE",
    "PREDICTOR_OVERVIEW": 2,
    "ZLEVEL_OVERVIEW": 1,
}
OVERVIEW_OPTIONS = {
    "COMPRESS_OVERVIEW": "NONE",  # like the pieces: they are read once
    "INTERLEAVE_OVERVIEW": "BAND",
    "BIGTIFF_OVERVIEW": "IF_SAFER",
    "GDAL_NUM_THREADS": "ALL_CPUS",
}


def join(
    folder: Path,
    pieces: Sequence[Piece],
    out: Path,
    bands: Mapping[int, str],
    grid: Grid,
    about: Mapping[str, str],
    has_nodata: bool,
    compressed: bool = False,
) -> None:
    """Write the pieces as one Cloud Optimized GeoTIFF.

    Arguments:
        folder: folder of the pieces.
        pieces: all pieces of the image; their files exist.
        out: file to write.
        bands: number of a band in the pieces, from 1, and its name.
        grid: pixels of the whole image.
        about: metadata.
        has_nodata: whether some pixels may be 0.
        compressed: whether to save room rather than time while joining.

    Raises:
        SRError: if the disk is full.
    """
    copies = [
        vrt.Copy(
            str(folder / piece.name),
            (0, 0, piece.width, piece.height),
            (piece.col, piece.row),
        )
        for piece in pieces
    ]
    whole = folder / f"{out.stem}.vrt"

    def describe(nodata: bool) -> None:
        found = [
            vrt.Band(number, "uint16", copies, nodata=nodata, title=title, scale=SCALE)
            for number, title in bands.items()
        ]
        vrt.write(whole, grid, found, about)

    try:
        # Means that need not look for nodata are made in half the time.
        describe(nodata=has_nodata)
        _build_overviews(whole, max(grid.width, grid.height), compressed)
        describe(nodata=True)
        # GDAL finds the overviews beside the image only if it reads the folder.
        with rasterio.Env(GDAL_DISABLE_READDIR_ON_OPEN="FALSE"):
            rasterio.shutil.copy(str(whole), str(out), **COG_OPTIONS)
    except (*raster.GDAL_ERRORS, OSError) as error:
        reason = raster.reason_of(error)
        raise SRError(
            f"{out.name} cannot be written ({reason}); the "
            f"pieces are kept in {folder}: make room and run the same command again"
        ) from None


def _build_overviews(whole: Path, side: int, compressed: bool) -> None:
    """Put smaller versions beside the image, which the COG takes over.

    GDAL's COG driver compresses its own overviews twice, which doubles the time.

    Arguments:
        whole: VRT file.
        side: longer side of the image, pixels.
        compressed: whether they are compressed.
    """
    Path(f"{whole}.ovr").unlink(missing_ok=True)  # of a run that was killed
    block = COG_OPTIONS["blocksize"]
    factors = [2**i for i in range(1, 24) if side > 2 ** (i - 1) * block]
    options = OVERVIEW_OPTIONS | (COMPRESSED_OVERVIEWS if compressed else {})
    with rasterio.Env(**options), rasterio.open(whole, "r+") as image:
        if factors:
            image.build_overviews(factors, Resampling.average)
