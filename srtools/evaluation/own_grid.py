"""Sentinel-2 on its own 10 m grid: kept beside the patches, and found again for each.

Patches hold Sentinel-2 on the 6 m grid of Spot's XS, to which it was interpolated.
What it really measured lies on another grid, perhaps in another CRS.  Exercise 1 keeps
it in one small image, so that exercise 4 can compare with it.
"""

import os
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import rasterio
from affine import Affine
from rasterio.crs import CRS
from rasterio.warp import transform, transform_bounds
from rasterio.windows import Window

from srtools.conventions import SCALE
from srtools.errors import SRError
from srtools.evaluation.test_set import TestSet
from srtools.images.raster import ImageInfo, check_written, describe

NAME = "sentinel2.tif"
MARGIN = 20.0  # metres that are kept around the area
OUTWARD = np.array((-1, -1, 1, 1))  # of left, bottom, right, top


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
        What the card keeps of it.
    """
    height, width = s2.shape[:2]
    bounds = np.add(_bounds(area.bounds, area.crs, crs), MARGIN * OUTWARD)
    rows, cols = _inside(Affine(*s2.transform[:6]), bounds)
    part = s2[
        max(rows.start, 0) : min(rows.stop, height),
        max(cols.start, 0) : min(cols.stop, width),
    ]
    part.write(str(path), pixel_type="uint16", ext_fname=options)
    check_written(path)
    return {**describe(path, "the kept Sentinel-2 image").record(), "path": NAME}


class View(NamedTuple):
    """Sentinel-2's pixels over one patch, and their centres in the patch."""

    pixels: np.ndarray
    """[h, w, bands] reflectance, on Sentinel-2's grid."""
    rows: np.ndarray
    """[h, w] rows of the centres, hr pixels; 0 is the middle of the first row."""
    cols: np.ndarray
    """[h, w] columns of the centres, hr pixels."""


class OwnGrid:
    """Finds Sentinel-2's own pixels over each test patch.

    Arguments:
        path: Sentinel-2 on its own grid, kept by exercise 1.
        dataset: content of dataset.json.
        windows: [n, 2] first row and column of the patches on the lr grid.
        size: side of the hr patches, pixels.
        reach: width of the frame of a patch that is left out, metres.
    """

    def __init__(
        self, path: Path, dataset: dict, windows: np.ndarray, size: int, reach: float
    ):
        self.path, self.size, self.reach = path, size, reach
        self.info = describe(path, "the kept Sentinel-2 image", len(dataset["bands"]))
        self.crs = CRS.from_string(dataset["xs"]["crs"])
        self.spacing = dataset["hr"]["spacing"]
        # Spot may have been moved to where Sentinel-2 shows it.
        shift = dataset.get("coregistered") or {"east": 0.0, "north": 0.0}
        left, top = dataset["xs"]["origin"]
        pixel = dataset["lr"]["spacing"]
        self.lefts = left + shift["east"] + pixel * windows[:, 1]
        self.tops = top + shift["north"] - pixel * windows[:, 0]

    def view(self, patch: int) -> View | None:
        """Read the pixels whose centres lie inside a patch, `reach` from its sides.

        Returns:
            The largest square of them; None if there is none, or a pixel is nodata.
        """
        left, top = float(self.lefts[patch]), float(self.tops[patch])
        extent = self.size * self.spacing
        bounds = left, top - extent, left + extent, top
        place = self.info.transform
        wanted = _inside(place, _bounds(bounds, self.crs, self.info.crs))
        rows, cols = np.mgrid[wanted]
        x, y = place @ (cols + 0.5, rows + 0.5)
        if self.crs != self.info.crs:
            found = transform(self.info.crs, self.crs, x.ravel(), y.ravel())
            x, y = (np.reshape(values, rows.shape) for values in found)
        x, y = x - left, top - y  # metres in the patch, to the right and down
        depth = np.min([x, y, extent - x, extent - y], axis=0)
        there = (rows >= 0) & (rows < self.info.height)
        there &= (cols >= 0) & (cols < self.info.width)
        square = _square(there & (depth >= self.reach - 1e-6))
        rows, cols, x, y = (values[square] for values in (rows, cols, x, y))
        if not rows.size:
            return None
        window = Window(cols[0, 0], rows[0, 0], len(rows), len(rows))
        with rasterio.open(self.path) as file:
            pixels = np.moveaxis(file.read(window=window), 0, -1)
        if not pixels.all():
            return None
        return View(pixels * SCALE, y / self.spacing - 0.5, x / self.spacing - 0.5)


def open_grid(test: TestSet, reach: float) -> OwnGrid | None:
    """Open Sentinel-2 on its own grid beside a test set; None if it was not kept.

    Arguments:
        test: the test set.
        reach: width of the frame of a patch that is left out, metres.

    Raises:
        SRError: if dataset.json does not tell where the patches lie.
    """
    path = test.folder / NAME
    if test.windows is None or not path.exists():
        return None
    try:
        return OwnGrid(path, test.dataset, test.windows, test.size, reach)
    except KeyError as error:
        raise SRError(
            f"dataset.json says nothing of {error}, which tells where {path} lies; "
            "make the patches again with sr_dataset.py"
        ) from None


def _bounds(bounds: tuple, crs: CRS, other: CRS) -> tuple:
    """Give left, bottom, right, top in another CRS."""
    if crs == other:
        return bounds
    return transform_bounds(crs, other, *bounds, densify_pts=21)


def _inside(place: Affine, bounds: tuple) -> tuple[slice, slice]:
    """Give the rows and columns of a grid whose centres lie inside bounds."""
    left, bottom, right, top = bounds
    (first_col, first_row), (last_col, last_row) = (
        ~place @ corner for corner in ((left, top), (right, bottom))
    )
    # The centre of pixel p lies at p + 0.5; one on the very edge is inside.
    return tuple(
        slice(int(np.ceil(first - 0.5 - 1e-6)), int(np.floor(last + 0.5 + 1e-6)))
        for first, last in ((first_row, last_row), (first_col, last_col))
    )


def _square(inside: np.ndarray) -> tuple[slice, slice]:
    """Find a large square that is all inside: peel off the side with most outside."""
    top, left = 0, 0
    bottom, right = inside.shape
    while top < bottom and left < right:
        part = inside[top:bottom, left:right]
        missing = [
            (~line).sum() for line in (part[0], part[-1], part[:, 0], part[:, -1])
        ]
        if part.all():
            break
        worst = int(np.argmax(missing))
        top, bottom = top + (worst == 0), bottom - (worst == 1)
        left, right = left + (worst == 2), right - (worst == 3)
    side = max(min(bottom - top, right - left), 0)
    return slice(top, top + side), slice(left, left + side)
