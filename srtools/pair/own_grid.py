"""Sentinel-2 on its own 10 m grid, kept beside the patches for exercise 4.

Patches hold Sentinel-2 on the 6 m grid of Spot's XS, to which it was interpolated.  Its
own pixels lie on another grid, perhaps in another CRS; one small image keeps them.
"""

from pathlib import Path
from typing import Any

import rasterio
from affine import Affine

from srtools.conventions import BANDS, OFFSET_TAG, OWN_GRID_IMAGE
from srtools.engine import engine_errors
from srtools.images.grid import Grid
from srtools.images.raster import ImageInfo, check_written, describe

MARGIN_METRES = 20.0  # kept around the area


@engine_errors("keeping Sentinel-2")
def keep(
    folder: Path, s2: Any, original: str, area: ImageInfo, options: str, offset: int = 0
) -> dict:
    """Write the pixels of Sentinel-2 over an area as they are, on their own grid.

    Arguments:
        folder: for the GeoTIFF, uint16.
        s2: pyotb object, reflectance x 10000, 0 is no data.
        original: file whose CRS that of `s2` is.
        area: the image whose area it is.
        options: GDAL's creation options, as in OTB's extended file names.
        offset: DN that were subtracted, which a tag of the file tells.

    Returns:
        The card's facts about it.
    """
    path, crs = folder / OWN_GRID_IMAGE, describe(original, "Sentinel-2").crs
    height, width = s2.shape[:2]
    grid = Grid(crs, Affine(*s2.transform[:6]), width, height)
    over = grid.centred(Grid.of(area).bounds_in(crs, MARGIN_METRES))
    part = s2[grid.clip(over)]
    part.write(str(path), pixel_type="uint16", ext_fname=options)
    check_written(path)
    with rasterio.open(path, "r+") as file:
        file.descriptions = BANDS
        file.update_tags(**{OFFSET_TAG: offset})
    record = describe(path, "the kept Sentinel-2 image").record()
    return {**record, "path": OWN_GRID_IMAGE}
