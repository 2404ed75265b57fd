"""Sentinel-2 on its own 10 m grid, kept beside the patches for exercise 4.

Patches hold Sentinel-2 on the 6 m grid of Spot's XS, to which it was interpolated.  Its
own pixels lie on another grid, perhaps in another CRS; one small image keeps them.
"""

import os
from typing import Any

from affine import Affine
from rasterio.crs import CRS

from srtools.conventions import OWN_GRID_IMAGE
from srtools.images.grid import Grid
from srtools.images.raster import ImageInfo, check_written, describe

MARGIN_METRES = 20.0  # kept around the area


def keep(
    path: str | os.PathLike, s2: Any, crs: CRS, area: ImageInfo, options: str
) -> dict:
    """Write the pixels of Sentinel-2 over an area as they are, on their own grid.

    Arguments:
        path: GeoTIFF, uint16.
        s2: pyotb object, reflectance x 10000, 0 is no data.
        crs: of `s2`.
        area: the image whose area it is.
        options: GDAL's creation options, as in OTB's extended file names.

    Returns:
        The card's facts about it.
    """
    height, width = s2.shape[:2]
    grid = Grid(crs, Affine(*s2.transform[:6]), width, height)
    over = grid.centred(Grid.of(area).bounds_in(crs, MARGIN_METRES))
    part = s2[grid.clip(over)]
    part.write(str(path), pixel_type="uint16", ext_fname=options)
    check_written(path)
    record = describe(path, "the kept Sentinel-2 image").record()
    return {**record, "path": OWN_GRID_IMAGE}
