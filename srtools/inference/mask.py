"""The option `--mask`: clouds, or the 0 of a file, become nodata.

The mask is a small image of 0 (out) and 1 on the grid of Sentinel-2, laid over its
bands where these decide which pixels of the output have data.  The network still sees
the true pixels.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import rasterio

from srtools.errors import SRError
from srtools.images import checks, raster, vrt
from srtools.sentinel2.image import Sentinel2
from srtools.sentinel2.scl import BAD_CLASSES, MISSING_CLASS

SCL = "SCL"  # value of the option: the classification that comes with Sentinel-2


def lay_over(s2: Sentinel2, option: str, folder: Path) -> Sentinel2:
    """Return Sentinel-2 with 0 where the mask leaves pixels out, in small VRT files.

    `option` is "SCL", or a file whose 0 is left out, and all that lies beyond it.
    """
    paths, left_out = [option], (0,)
    if option == SCL:
        if not s2.scl:
            raise SRError(
                "--mask SCL needs the scene classification, which these files come "
                "without; give the .SAFE folder, or a file whose 0 is left out"
            )
        paths = vrt.write_mosaics([[path] for path in s2.scl], folder)
        left_out = (MISSING_CLASS, *BAD_CLASSES)
    source = raster.describe(paths[0], "the mask", bands=1)
    checks.check_overlaps(source, s2.images[0])
    # Each pixel takes the one of the source below its centre.
    classes = raster.read([source], s2.grid)[..., 0]
    kept = np.ones(classes.shape, bool)
    for value in left_out:  # `np.isin` takes ten times the memory
        kept &= classes != value
    profile = {"driver": "GTiff", "count": 1, "dtype": "uint8", "compress": "deflate"}
    path = folder / "mask.tif"
    with rasterio.open(path, "w", tiled=True, **profile, **vars(s2.grid)) as file:
        file.write(kept.astype(np.uint8), 1)
    mask = raster.describe(path, "the mask")
    images = []
    for number, image in enumerate(s2.images):
        masked = vrt.write_masked(folder / f"masked{number}.vrt", image, mask)
        images.append(raster.describe(masked, image.path))
    return replace(s2, images=images)
