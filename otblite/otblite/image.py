"""Lazy images: a grid, bands, a pixel type, and a function that reads a window.

Applications wrap their inputs in new images and compute nothing until pixels are
read, so memory follows the window and never the image.
"""

import ctypes
import math
import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from typing import NamedTuple

import numpy as np
from affine import Affine
from rasterio.crs import CRS

# Largest float32; OTB clamps to it.  As a float NumPy would clip float32 in float64.
LARGEST = np.finfo(np.float32).max
# Windows that are computed at the same time.
WORKERS = min(os.cpu_count() or 1, 8)
# Samples of a window that the processor's cache still helps with.
CACHED_SAMPLES = 2**20
# Bytes that a sample in flight takes: its neighbours, weights and a float64 or two;
# an image of few bands may be made of one of this many.
BYTES_PER_SAMPLE = 32
USUAL_BANDS = 4
# Names of glibc's malloc.h, and bytes.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
KEPT, LARGEST_BLOCK = 2**27, 2**25
# Megabytes for windows in flight, unless the user says otherwise.
RAM = 256


class Window(NamedTuple):
    """A rectangle of pixels: first row and column, then its height and width."""

    row: int
    col: int
    height: int
    width: int

    def intersect(self, other: "Window") -> "Window":
        """Keep the part that lies in another window (perhaps nothing)."""
        top, left = max(self.row, other.row), max(self.col, other.col)
        bottom = min(self.row + self.height, other.row + other.height)
        right = min(self.col + self.width, other.col + other.width)
        return Window(top, left, max(bottom - top, 0), max(right - left, 0))

    def unite(self, other: "Window") -> "Window":
        """Return the smallest window that holds both."""
        top, left = min(self.row, other.row), min(self.col, other.col)
        bottom = max(self.row + self.height, other.row + other.height)
        right = max(self.col + self.width, other.col + other.width)
        return Window(top, left, bottom - top, right - left)

    def grow(self, rows: int, cols: int) -> "Window":
        """Add pixels on each side."""
        row, col, height, width = self
        return Window(row - rows, col - cols, height + 2 * rows, width + 2 * cols)

    def shift(self, rows: int, cols: int) -> "Window":
        """Move the window."""
        return Window(self.row + rows, self.col + cols, self.height, self.width)

    @property
    def slices(self) -> tuple[slice, slice]:
        """The same rectangle as an index into an array [height, width, ...]."""
        row, col, height, width = self
        return slice(row, row + height), slice(col, col + width)


@dataclass(frozen=True)
class Grid:
    """Where the pixels of an image lie: CRS, affine transform of corners, size."""

    crs: CRS | None
    transform: Affine
    width: int
    height: int

    @property
    def spacing(self) -> tuple[float, float]:
        """Pixel size along x and y in units of the CRS; y is negative north-up."""
        return self.transform.a, self.transform.e

    @property
    def origin(self) -> tuple[float, float]:
        """Coordinates (x, y) of the centre of the first pixel, as in OTB."""
        return self.transform @ (0.5, 0.5)

    @property
    def window(self) -> Window:
        """The window that holds all pixels."""
        return Window(0, 0, self.height, self.width)

    def pixel(self, x: float, y: float) -> tuple[int, int]:
        """Return (column, row) of the pixel that holds a point; it may not exist."""
        col, row = ~self.transform @ (x, y)
        return math.floor(col), math.floor(row)

    def part(self, window: Window) -> "Grid":
        """Return the grid of a window of this grid."""
        shifted = self.transform @ Affine.translation(window.col, window.row)
        return Grid(self.crs, shifted, window.width, window.height)


Read = Callable[[Window], np.ndarray]


@dataclass(frozen=True)
class Image:
    """A lazy image.

    `read` takes a window inside the grid and returns [height, width, bands] of `dtype`.
    It must be safe to call from several threads.  `tile` is the (height, width) of
    the windows in which the whole image is best read, if it matters.  `nodata` is only
    a label, as in OTB: pixels of this value are computed like any others.
    """

    grid: Grid
    bands: int
    dtype: np.dtype
    read: Read
    tile: tuple[int, int] | None = None
    nodata: float | None = None
    in_memory: bool = False
    """True for an array that the user imported."""

    def read_all(self) -> np.ndarray:
        """Read every pixel, [height, width, bands], by several threads."""
        windows = strips(self, RAM)
        if len(windows) == 1:
            return self.read(*windows)
        pixels = np.empty((*self.grid.window[2:], self.bands), self.dtype)
        for window, part in in_order(self.read, windows):
            pixels[window.slices] = part
        return pixels

    def part(self, window: Window, bands: list[int] | None = None) -> "Image":
        """Return the image of a window, perhaps of some bands (indices from 0)."""
        everything = list(range(self.bands))
        chosen = bands or everything

        def read(part: Window) -> np.ndarray:
            pixels = self.read(part.shift(window.row, window.col))
            return pixels if chosen == everything else pixels[:, :, chosen]

        grid = self.grid.part(window)
        return replace(self, grid=grid, bands=len(chosen), read=read)

    def read_padded(self, window: Window) -> np.ndarray:
        """Read a window that may reach over the edge; edge pixels are replicated."""
        inside = window.intersect(self.grid.window)
        if inside == window:
            return self.read(window)
        if inside.height == 0 or inside.width == 0:
            raise ValueError(f"{window} lies outside the image")
        top, left = inside.row - window.row, inside.col - window.col
        bottom = window.height - inside.height - top
        right = window.width - inside.width - left
        pad = ((top, bottom), (left, right), (0, 0))
        return np.pad(self.read(inside), pad, mode="edge")


def from_array(array: np.ndarray, grid: Grid) -> Image:
    """Wrap an array [height, width, bands] that is in memory already."""
    return Image(grid, array.shape[2], array.dtype, lambda window: array[window.slices])


def tiles(window: Window, height: int, width: int) -> list[Window]:
    """Cut a window along a grid of tiles that begins at the corner of the image."""
    bottom, right = window.row + window.height, window.col + window.width
    return [
        Window(row, col, height, width).intersect(window)
        for row in range(window.row // height * height, bottom, height)
        for col in range(window.col // width * width, right, width)
    ]


def strips(image: Image, ram: int) -> list[Window]:
    """Cut an image into windows of full width for which `ram` MB suffice."""
    return tiles(image.grid.window, strip_height(image, ram), image.grid.width)


def strip_height(image: Image, ram: int, width: int | None = None) -> int:
    """Return the height of full-width windows for which `ram` MB suffice.

    It is a multiple of the height of the image's own tiles.
    """
    unit = image.tile[0] if image.tile else 16
    samples = min(ram * 2**20 // BYTES_PER_SAMPLE // (WORKERS + 1), CACHED_SAMPLES)
    rows = samples // ((width or image.grid.width) * max(image.bands, USUAL_BANDS))
    return max(rows // unit, 1) * unit


def in_order(
    compute: Callable[[Window], np.ndarray], windows: Sequence[Window]
) -> Iterator[tuple[Window, np.ndarray]]:
    """Compute windows in a pool of threads, a few ahead, and yield them in order."""
    _keep_freed_memory()
    with ThreadPoolExecutor(WORKERS) as pool:
        pending: deque = deque()
        try:
            for window in windows:
                pending.append((window, pool.submit(compute, window)))
                if len(pending) > WORKERS:
                    first, future = pending.popleft()
                    yield first, future.result()
            while pending:
                first, future = pending.popleft()
                yield first, future.result()
        finally:
            for _, future in pending:
                future.cancel()


@cache
def _keep_freed_memory() -> None:
    """Ask glibc's `malloc` to keep up to 128 MB of freed blocks of up to 32 MB.

    Every window needs arrays of some MB for an instant.  By default their pages come
    from the system and go back to it each time, which takes as long as the arithmetic.
    Other C libraries are left as they are.
    """
    # TypeError: Windows has no C library without a name.
    with suppress(OSError, AttributeError, TypeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(M_TRIM_THRESHOLD, KEPT)
        mallopt(M_MMAP_THRESHOLD, LARGEST_BLOCK)
