"""Native 10 m pixels of Sentinel-2 over each test patch, not interpolated to 6 m.

sr_dataset.py keeps them in an image beside the patches.
"""

from typing import NamedTuple

import numpy as np
from affine import Affine
from rasterio.crs import CRS
from rasterio.windows import Window

from srtools.conventions import BANDS, FACTOR, OWN_GRID_IMAGE, SCALE
from srtools.evaluation.eval_set import EvalSet
from srtools.images import raster
from srtools.images.grid import Grid
from srtools.matching.point_spread import SIGMAS, blur_metres, modulation_of

LEAST_PIXELS = 4  # least side of the square that is compared


class NativePixels(NamedTuple):
    """Pixels of Sentinel-2 over one patch, and their centres in the patch."""

    pixels: np.ndarray
    """[n, n, bands] reflectance, on the grid of Sentinel-2."""
    rows: np.ndarray
    """[n] rows of the centres, hr pixels; 0 is the centre of the first row."""
    cols: np.ndarray
    """[n] columns of the centres, hr pixels."""


class Sentinel2Reader:
    """Reader of the native 10 m pixels of Sentinel-2 over each patch of a test set."""

    def __init__(self, test: EvalSet):
        self.modulation = modulation_of(test.dataset)
        self.blur = blur_metres(self.modulation)
        self.path, self.windows = test.folder / OWN_GRID_IMAGE, test.windows
        info = raster.describe(self.path, "the native Sentinel-2 image", len(BANDS))
        self.spacing, self.grid = info.spacing, info.grid
        xs, spacing = test.dataset["xs"], test.spacing
        # --coregister moves Spot onto Sentinel-2.
        shift = test.dataset.get("coregistered") or {"east": 0.0, "north": 0.0}
        left, top = xs["origin"]
        corner = Affine.translation(left + shift["east"], top + shift["north"])
        pixel = corner @ Affine.scale(spacing, -spacing)
        self.patch = Grid(CRS.from_string(xs["crs"]), pixel, test.size, test.size)
        """hr grid of a patch at the upper left corner of the scene."""

    def read(self, number: int) -> NativePixels | None:
        """Read the largest square of pixels with point spreads inside patch `number`.

        Return None if it has fewer than `LEAST_PIXELS` a side or a pixel of nodata.
        """
        starts, size = (FACTOR * self.windows[number]).tolist(), self.patch.width
        patch = self.patch.part([slice(start, start + size) for start in starts])
        inner = patch.bounds_in(patch.crs, -SIGMAS * self.blur)
        rows, cols = self.grid.clip(self.grid.centred(inner))
        side = min(rows.stop - rows.start, cols.stop - cols.start)
        if side < LEAST_PIXELS:
            return None
        with raster.reading(self.path) as file:
            pixels = file.read(window=Window(cols.start, rows.start, side, side))
        if not pixels.all():
            return None
        centres = np.arange(side) + 0.5
        x, y = self.grid.transform @ (cols.start + centres, rows.start + centres)
        rows, cols = (place - 0.5 for place in patch.position(x, y))
        return NativePixels(np.moveaxis(pixels, 0, -1) * SCALE, rows, cols)


def open_sentinel2(test: EvalSet) -> Sentinel2Reader | None:
    """Open the native Sentinel-2 image beside a test set.

    Return None if it is missing or has another CRS, or if no windows are known.
    """
    path, xs = test.folder / OWN_GRID_IMAGE, test.dataset.get("xs", {})
    if test.windows is None or not {"crs", "origin"} <= xs.keys() or not path.exists():
        return None
    reader = Sentinel2Reader(test)
    return reader if reader.grid.crs == reader.patch.crs else None
