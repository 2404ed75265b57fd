"""What `--mask` leaves out: clouds, or the 0 of a file, become no data.

The mask is a small image of 0 (out) and 1 on the grid of Sentinel-2, laid over its
bands where these say which pixels of the output have data.  The network still sees
the true pixels.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import rasterio
from rasterio.enums import Resampling
from rasterio.vrt import WarpedVRT

from srtools.errors import SRError
from srtools.images import checks, raster, vrt
from srtools.images.raster import ImageInfo
from srtools.sentinel2.scl import BAD_CLASSES, MISSING_CLASS
from srtools.sentinel2.source import Sentinel2

SCL = "SCL"  # value of the option: the classification that comes with Sentinel-2
OUT = (MISSING_CLASS, *BAD_CLASSES)  # classes


def lay_over(
    images: Sequence[ImageInfo], option: str, found: Sentinel2, folder: Path
) -> list[ImageInfo]:
    """Give images with 0 where the mask leaves pixels out.

    Arguments:
        images: Sentinel-2, on one grid.
        option: "SCL", or a file whose 0 is left out, and what lies beyond it.
        found: Sentinel-2, with its classification.
        folder: for the mask and small VRT files, which nothing else is in.

    Raises:
        SRError: if there is no classification, or the file lies elsewhere.
    """
    if option == SCL:
        if not found.scl:
            raise SRError(
                "--mask SCL needs the scene classification, which these files come "
                "without; give the .SAFE folder, or a file whose 0 is left out"
            )
        paths, out = vrt.write_mosaics([[path] for path in found.scl], folder), OUT
    else:
        paths, out = [option], (0,)
    source = raster.describe(paths[0], "the mask", bands=1)
    checks.check_overlaps(source, images[0])
    mask = _on_the_grid(source, out, images[0], folder / "mask.tif")
    return [
        raster.describe(
            vrt.write_masked(folder / f"masked{number}.vrt", image, mask), image.path
        )
        for number, image in enumerate(images)
    ]


def _on_the_grid(
    source: ImageInfo, out: Sequence[int], grid: ImageInfo, path: Path
) -> ImageInfo:
    """Write 1 where a pixel is kept, 0 where it is not, [h, w] uint8.

    Each pixel takes the one of the source below its centre; where that has none, 0.
    """
    place = {
        "crs": grid.crs,
        "transform": grid.transform,
        "width": grid.width,
        "height": grid.height,
    }
    profile = {"driver": "GTiff", "count": 1, "dtype": "uint8", "compress": "deflate"}
    tiles = {"tiled": True, "blockxsize": 512, "blockysize": 512}
    nearest = {"resampling": Resampling.nearest, "src_nodata": 0, "nodata": 0}
    with (
        raster.reading(source.path) as file,
        WarpedVRT(file, **place, **nearest) as classes,
        rasterio.open(path, "w", **place, **profile, **tiles) as mask,
    ):
        for _, window in mask.block_windows(1):
            left_out = np.isin(classes.read(1, window=window), out)
            mask.write((~left_out).astype(np.uint8), 1, window=window)
    return raster.describe(path, "the mask")
