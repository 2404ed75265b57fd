"""The grid of an image: coordinates of its pixels, and the pixels inside bounds."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from affine import Affine
from rasterio.crs import CRS
from rasterio.warp import transform_bounds

EDGE = 1e-6  # pixels; smaller distances are rounding errors
Bounds = Sequence[float]  # left, bottom, right, top
Window = tuple[slice, slice]  # rows and columns, as NumPy and pyotb take them


@dataclass(frozen=True)
class Grid:
    """Pixels of one size in a CRS, north up."""

    crs: CRS
    transform: Affine
    """From (column, row) of a pixel's upper left corner to coordinates."""
    width: int
    height: int

    @classmethod
    def of(cls, image: Any) -> "Grid":
        """Return the grid of an `ImageInfo` or of an open rasterio dataset."""
        return cls(image.crs, image.transform, image.width, image.height)

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """Left, bottom, right, top, in units of the CRS."""
        left, top = self.transform @ (0, 0)
        right, bottom = self.transform @ (self.width, self.height)
        return left, bottom, right, top

    def bounds_in(self, crs: CRS, margin: float = 0.0) -> tuple[float, ...]:
        """Return the bounds in another CRS, enlarged by `margin` units."""
        bounds = self.bounds
        if crs != self.crs:
            bounds = transform_bounds(self.crs, crs, *bounds, densify_pts=41)
        left, bottom, right, top = bounds
        return left - margin, bottom - margin, right + margin, top + margin

    def position(self, x: float, y: float) -> tuple[float, float]:
        """Return row and column of a point, in pixels from the upper left corner."""
        col, row = ~self.transform @ (x, y)
        return row, col

    def touched(self, bounds: Bounds) -> Window:
        """Return the window of pixels that overlap bounds, also beyond the image."""
        return self._window(bounds, EDGE)

    def centred(self, bounds: Bounds) -> Window:
        """Return the window of pixels centred inside bounds, also beyond the image."""
        return self._window(bounds, 0.5 - EDGE)

    def _window(self, bounds: Bounds, inset: float) -> Window:
        """Return the window of pixels that bounds enter by more than `inset` pixels."""
        left, bottom, right, top = bounds
        starts, stops = self.position(left, top), self.position(right, bottom)
        return tuple(
            slice(math.floor(start + inset), math.ceil(stop - inset))
            for start, stop in zip(starts, stops, strict=True)
        )

    def clip(self, window: Window) -> Window:
        """Return the part of a window inside the image; without one, empty slices."""
        return tuple(
            slice(min(max(part.start, 0), size), min(max(part.stop, 0), size))
            for part, size in zip(window, (self.height, self.width), strict=True)
        )

    def meets(self, bounds: Bounds) -> bool:
        """Check whether bounds overlap the image by more than a rounding error."""
        rows, cols = self.clip(self.touched(bounds))
        return rows.start < rows.stop and cols.start < cols.stop

    def part(self, window: Window) -> "Grid":
        """Return the grid of a window, which may extend beyond the image."""
        rows, cols = window
        corner = self.transform @ Affine.translation(cols.start, rows.start)
        return Grid(self.crs, corner, cols.stop - cols.start, rows.stop - rows.start)

    def read(
        self, window: Window, reader: Callable[[Window], np.ndarray], dtype: Any
    ) -> np.ndarray:
        """Read the pixels [rows, columns] of a window; those beyond the image are 0.

        `reader` reads a window that lies inside the image.
        """
        inside = self.clip(window)
        pixels = np.zeros([part.stop - part.start for part in window], dtype)
        if all(part.start < part.stop for part in inside):
            place = [
                slice(part.start - whole.start, part.stop - whole.start)
                for part, whole in zip(inside, window, strict=True)
            ]
            pixels[tuple(place)] = reader(inside)
        return pixels
