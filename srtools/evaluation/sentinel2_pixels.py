"""Sentinel-2's own 10 m pixels over each test patch.

Patches hold Sentinel-2 on the 6 m grid of Spot's XS, to which it was interpolated.
Exercise 1 keeps its own pixels in one small image beside the patches.
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
from srtools.matching.point_spread import REACH_METRES

LEAST_PIXELS = 4  # pixels a side for a comparison


class View(NamedTuple):
    """Sentinel-2's pixels over one patch, and their centres in the patch."""

    pixels: np.ndarray
    """[n, n, bands] reflectance, on Sentinel-2's grid."""
    rows: np.ndarray
    """[n] rows of the centres, hr pixels; 0 is the middle of the first row."""
    cols: np.ndarray
    """[n] columns of the centres, hr pixels."""


class OwnGrid:
    """Reader of Sentinel-2's own pixels over each patch of a test set."""

    def __init__(self, test: EvalSet):
        self.path, self.windows = test.folder / OWN_GRID_IMAGE, test.windows
        info = raster.describe(self.path, "the kept Sentinel-2 image", len(BANDS))
        self.spacing, self.grid = info.spacing, info.grid
        xs, spacing = test.dataset["xs"], test.spacing
        # Spot may have been moved to where Sentinel-2 shows it.
        shift = test.dataset.get("coregistered") or {"east": 0.0, "north": 0.0}
        left, top = xs["origin"]
        corner = Affine.translation(left + shift["east"], top + shift["north"])
        pixel = corner @ Affine.scale(spacing, -spacing)
        self.patch = Grid(CRS.from_string(xs["crs"]), pixel, test.size, test.size)
        """Grid of a patch at the corner of the scene."""

    def view(self, number: int) -> View | None:
        """Read the largest square of pixels whose blur stays inside a patch.

        None if it is small, or a pixel is nodata.
        """
        row, col = (FACTOR * self.windows[number]).tolist()
        left, top = self.patch.transform @ (col, row)
        spacing = self.patch.transform.a
        far = self.patch.width * spacing - REACH_METRES
        inner = left + REACH_METRES, top - far, left + far, top - REACH_METRES
        rows, cols = self.grid.clip(self.grid.centred(inner))
        side = min(rows.stop - rows.start, cols.stop - cols.start)
        if side < LEAST_PIXELS:
            return None
        with raster.reading(self.path) as file:
            pixels = file.read(window=Window(cols.start, rows.start, side, side))
        if not pixels.all():
            return None
        centres = np.arange(side) + 0.5
        x, _ = self.grid.transform @ (cols.start + centres, 0 * centres)
        _, y = self.grid.transform @ (0 * centres, rows.start + centres)
        pixels = np.moveaxis(pixels, 0, -1) * SCALE
        return View(pixels, (top - y) / spacing - 0.5, (x - left) / spacing - 0.5)


def open_grid(test: EvalSet) -> OwnGrid | None:
    """Open Sentinel-2 on its own grid beside a test set.

    None if it was not kept, or has another CRS, or the patches' place is unknown.
    """
    known = {"crs", "origin"} <= test.dataset.get("xs", {}).keys()
    if test.windows is None or not known or not (test.folder / OWN_GRID_IMAGE).exists():
        return None
    own_grid = OwnGrid(test)
    return own_grid if own_grid.grid.crs == own_grid.patch.crs else None
