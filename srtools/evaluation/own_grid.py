"""Sentinel-2 on its own 10 m grid, found again for each test patch.

Patches hold Sentinel-2 on the 6 m grid of Spot's XS, to which it was interpolated.  Its
own pixels lie on another grid, perhaps in another CRS.  Exercise 1 keeps them in one
small image beside the patches.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import rasterio
from affine import Affine
from rasterio.crs import CRS
from rasterio.warp import transform
from rasterio.windows import Window

from srtools.conventions import BANDS, FACTOR, OWN_GRID_IMAGE, SCALE
from srtools.errors import SRError
from srtools.evaluation.test_set import TestSet
from srtools.images.figures import read_area, stretch, to_display
from srtools.images.grid import Grid
from srtools.images.raster import describe

QUICKLOOK_PIXELS = 500  # a side
EDGE_METRES = 1e-6  # below which two places are the same but for rounding


def is_parallel(rows: np.ndarray, cols: np.ndarray) -> bool:
    """Tell whether points [h, w] lie in rows and columns."""
    return bool(
        rows.ndim == 2 and (rows == rows[:, :1]).all() and (cols == cols[:1]).all()
    )


class View(NamedTuple):
    """Sentinel-2's pixels over one patch, and their centres in the patch."""

    pixels: np.ndarray
    """[h, w, bands] reflectance, on Sentinel-2's grid."""
    rows: np.ndarray
    """[h, w] rows of the centres, hr pixels; 0 is the middle of the first row."""
    cols: np.ndarray
    """[h, w] columns of the centres, hr pixels."""

    @property
    def parallel(self) -> bool:
        """Whether they lie in rows and columns of the patch, as in one CRS."""
        return is_parallel(self.rows, self.cols)


class OwnGrid:
    """Finds Sentinel-2's own pixels over each test patch.

    Arguments:
        path: Sentinel-2 on its own grid.
        dataset: content of dataset.json.
        windows: [n, 2] first row and column of the patches on the lr grid.
        size: side of the hr patches, pixels.
        reach: width of the frame of a patch that is left out, metres.
    """

    def __init__(
        self, path: Path, dataset: dict, windows: np.ndarray, size: int, reach: float
    ):
        self.path, self.windows, self.size, self.reach = path, windows, size, reach
        info = describe(path, "the kept Sentinel-2 image", len(BANDS))
        self.spacing = info.spacing
        self._grid = Grid.of(info)
        left, top = dataset["xs"]["origin"]
        # Spot may have been moved to where Sentinel-2 shows it.
        shift = dataset.get("coregistered") or {"east": 0.0, "north": 0.0}
        corner = Affine.translation(left + shift["east"], top + shift["north"])
        spacing = dataset["hr"]["spacing"]
        crs = CRS.from_string(dataset["xs"]["crs"])
        self._patch = Grid(crs, corner @ Affine.scale(spacing, -spacing), size, size)
        """Grid of a patch at the corner of the scene."""

    def view(self, patch: int) -> View | None:
        """Read the pixels whose centres lie inside a patch, `reach` from its sides.

        Returns:
            The largest square of them; None if there is none, or a pixel is nodata.
        """
        row, col = (FACTOR * self.windows[patch]).tolist()
        place = slice(row, row + self.size), slice(col, col + self.size)
        grid = self._patch.part(place)
        over = self._grid.clip(self._grid.centred(grid.bounds_in(self._grid.crs)))
        rows, cols = np.mgrid[over]
        if not rows.size:
            return None
        x, y = self._grid.transform @ (cols + 0.5, rows + 0.5)
        if grid.crs != self._grid.crs:
            found = transform(self._grid.crs, grid.crs, x.ravel(), y.ravel())
            x, y = (np.reshape(values, rows.shape) for values in found)
        left, bottom, right, top = grid.bounds
        depth = np.min([x - left, top - y, right - x, y - bottom], axis=0)
        square = _square(depth >= self.reach - EDGE_METRES)
        rows, cols, x, y = (values[square] for values in (rows, cols, x, y))
        if not rows.size:
            return None
        pixels = self._read(rows[0, 0], cols[0, 0], len(rows))
        if not pixels.all():
            return None
        spacing = grid.transform.a
        view_rows, view_cols = (top - y) / spacing - 0.5, (x - left) / spacing - 0.5
        return View(pixels * SCALE, view_rows, view_cols)

    def quicklook(self, size: tuple[int, int]) -> np.ndarray:
        """Draw the scene, so many hr pixels wide and high: [h, w, 3] in 0-1."""
        scene = Grid(self._patch.crs, self._patch.transform, *size)
        image = read_area([str(self.path)], scene.crs, scene.bounds, QUICKLOOK_PIXELS)
        return to_display(image[..., :3], stretch(image[..., :3]))

    def _read(self, row: int, col: int, side: int) -> np.ndarray:
        """Read a square, [side, side, bands] DN."""
        with rasterio.open(self.path) as file:
            return np.moveaxis(file.read(window=Window(col, row, side, side)), 0, -1)


def open_grid(test: TestSet, reach: float) -> OwnGrid | None:
    """Open Sentinel-2 on its own grid beside a test set; None if it was not kept.

    Arguments:
        test: the test set.
        reach: width of the frame of a patch that is left out, metres.

    Raises:
        SRError: if dataset.json does not tell where the patches lie.
    """
    path = test.folder / OWN_GRID_IMAGE
    if test.windows is None or not path.exists():
        return None
    try:
        return OwnGrid(path, test.dataset, test.windows, test.size, reach)
    except KeyError as error:
        raise SRError(
            f"dataset.json does not hold {error}, which tells where {path} lies; "
            "make the patches again with sr_dataset.py"
        ) from None


def quicklook(test: TestSet) -> np.ndarray | None:
    """Draw Sentinel-2 over the scene of a test set; None if it is not known.

    Returns:
        [h, w, 3] in 0-1, of the area of the XS image.
    """
    grid, size = open_grid(test, reach=0.0), test.dataset.get("xs", {}).get("size")
    if not grid or not size:
        return None
    return grid.quicklook((FACTOR * size[0], FACTOR * size[1]))


def _square(inside: np.ndarray) -> tuple[slice, slice]:
    """Find a large square that is all inside: peel off the side with most outside."""
    top, left = 0, 0
    bottom, right = inside.shape
    while top < bottom and left < right:
        part = inside[top:bottom, left:right]
        if part.all():
            break
        sides = part[0], part[-1], part[:, 0], part[:, -1]
        worst = int(np.argmax([(~line).sum() for line in sides]))
        top, bottom = top + (worst == 0), bottom - (worst == 1)
        left, right = left + (worst == 2), right - (worst == 3)
    side = max(min(bottom - top, right - left), 0)
    return slice(top, top + side), slice(left, left + side)
