"""Sentinel-2's own 10 m pixels over each test patch.

Patches hold Sentinel-2 on the 6 m grid of Spot's XS, to which it was interpolated.
Exercise 1 keeps its own pixels in one small image beside the patches.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from affine import Affine
from rasterio.crs import CRS
from rasterio.windows import Window

from srtools.conventions import BANDS, FACTOR, OWN_GRID_IMAGE, SCALE
from srtools.errors import SRError
from srtools.evaluation.test_set import TestSet
from srtools.images import raster
from srtools.images.figures import read_area, stretch, to_display
from srtools.images.grid import Grid
from srtools.matching.point_spread import REACH_METRES

QUICKLOOK_PIXELS = 500  # a side


class View(NamedTuple):
    """Sentinel-2's pixels over one patch, and their centres in the patch."""

    pixels: np.ndarray
    """[h, w, bands] reflectance, on Sentinel-2's grid."""
    rows: np.ndarray
    """[h] rows of the centres, hr pixels; 0 is the middle of the first row."""
    cols: np.ndarray
    """[w] columns of the centres, hr pixels."""


class OwnGrid:
    """Reader of Sentinel-2's own pixels over each test patch.

    Arguments:
        path: Sentinel-2 on its own grid, in the CRS of the patches.
        test: the test set; the places of its patches are known.
    """

    def __init__(self, path: Path, test: TestSet):
        self.path, self.windows, self.size = path, test.windows, test.size
        info = raster.describe(path, "the kept Sentinel-2 image", len(BANDS))
        self.spacing = info.spacing
        self.grid = Grid.of(info)
        xs, spacing = test.dataset["xs"], test.dataset["hr"]["spacing"]
        # Spot may have been moved to where Sentinel-2 shows it.
        shift = test.dataset.get("coregistered") or {"east": 0.0, "north": 0.0}
        left, top = xs["origin"]
        corner = Affine.translation(left + shift["east"], top + shift["north"])
        pixel = corner @ Affine.scale(spacing, -spacing)
        self.scene = Grid(CRS.from_string(xs["crs"]), pixel, self.size, self.size)
        """Grid of a patch at the corner of the scene."""

    def view(self, patch: int) -> View | None:
        """Read the pixels whose blur stays inside a patch.

        Returns:
            The largest square of them; None if there is none, or a pixel is nodata.
        """
        row, col = (FACTOR * self.windows[patch]).tolist()
        left, top = self.scene.transform @ (col, row)
        spacing = self.scene.transform.a
        far = self.size * spacing - REACH_METRES
        inner = left + REACH_METRES, top - far, left + far, top - REACH_METRES
        rows, cols = self.grid.clip(self.grid.centred(inner))
        side = min(rows.stop - rows.start, cols.stop - cols.start)
        if side <= 0:
            return None
        with raster.reading(self.path) as file:
            pixels = file.read(window=Window(cols.start, rows.start, side, side))
        if not pixels.all():
            return None
        places = np.arange(side) + 0.5
        x, _ = self.grid.transform @ (cols.start + places, 0 * places)
        _, y = self.grid.transform @ (0 * places, rows.start + places)
        pixels = np.moveaxis(pixels, 0, -1) * SCALE
        return View(pixels, (top - y) / spacing - 0.5, (x - left) / spacing - 0.5)


def open_grid(test: TestSet) -> OwnGrid | None:
    """Open Sentinel-2 on its own grid beside a test set.

    Returns:
        None if it was not kept, or has another CRS than the patches.

    Raises:
        SRError: if dataset.json does not say where the patches lie.
    """
    path = test.folder / OWN_GRID_IMAGE
    if test.windows is None or not path.exists():
        return None
    try:
        own_grid = OwnGrid(path, test)
    except KeyError as error:
        raise SRError(
            f"dataset.json does not hold {error}, which tells where {path} lies; "
            "make the patches again with sr_dataset.py"
        ) from None
    return own_grid if own_grid.grid.crs == own_grid.scene.crs else None


def quicklook(test: TestSet) -> np.ndarray | None:
    """Draw Sentinel-2 over the XS image of a test set, [h, w, 3] in 0-1, if known."""
    own_grid, size = open_grid(test), test.dataset.get("xs", {}).get("size")
    if not own_grid or not size:
        return None
    scene = own_grid.scene.part(
        (slice(0, FACTOR * size[1]), slice(0, FACTOR * size[0]))
    )
    path = str(own_grid.path)
    image = read_area([path], scene.crs, scene.bounds, QUICKLOOK_PIXELS)[..., :3]
    return to_display(image, stretch(image))
