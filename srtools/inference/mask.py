"""The option `--mask`: clouds, or the 0 of a file, become nodata of the output.

The network still sees all pixels.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import rasterio

from srtools.errors import SRError
from srtools.images import checks, raster, vrt
from srtools.sentinel2.scl import BAD_CLASSES, MISSING_CLASS
from srtools.sentinel2.sentinel2_image import Sentinel2

SCL = "SCL"  # value of the option: the scene classification of Sentinel-2


def apply(s2: Sentinel2, option: str, folder: Path) -> Sentinel2:
    """Return Sentinel-2 with masked pixels set to 0, as VRT files in `folder`.

    `option` is "SCL" or a mask file, 0 or nodata over masked pixels; beyond its edges
    all is 0.
    """
    paths, masked_classes = [option], (0,)
    if option == SCL:
        if not s2.scl:
            raise SRError(
                "--mask SCL needs a scene classification, and these files come without "
                "one; give the .SAFE folder, or a file that is 0 over clouds"
            )
        paths = vrt.write_mosaics([[path] for path in s2.scl], folder)
        masked_classes = (MISSING_CLASS, *BAD_CLASSES)
    source = raster.describe(paths[0], "the mask", bands=1)
    checks.check_overlaps(source, s2.images[0])
    classes = raster.read([source], s2.grid)[..., 0]
    valid = ~np.isnan(classes)
    # `np.isin` takes ten times the memory.
    for value in (*masked_classes, source.band_infos[0].nodata):
        if value is not None:
            valid &= classes != value
    profile = {"driver": "GTiff", "count": 1, "dtype": "uint8", "compress": "deflate"}
    path = folder / "mask.tif"
    with rasterio.open(path, "w", tiled=True, **profile, **vars(s2.grid)) as file:
        file.write(valid.astype(np.uint8), 1)
    mask = raster.describe(path, "the mask")
    masked = [
        vrt.write_masked(folder / f"masked{number}.vrt", image, mask)
        for number, image in enumerate(s2.images)
    ]
    return replace(s2, images=[raster.describe(path, "the image") for path in masked])
