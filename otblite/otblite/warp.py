"""Resampling onto another grid, as OTB's interpolators do it, by GDAL's warper."""

import numpy as np
from rasterio.enums import Resampling
from rasterio.warp import reproject
from rasterio.warp import transform as transform_points

from otblite.image import Grid, Image, Window

# OTB's `bco` with radius 2 is the cubic convolution with a = -0.5 (Keys, 1981), and so
# is GDAL's cubic.
METHODS = {
    "bco": Resampling.cubic,
    "linear": Resampling.bilinear,
    "nn": Resampling.nearest,
}
# Pixels beyond the window that a kernel of radius 2 can need, and some to spare.
MARGIN = 4
# Points per side of a window at which its outline is projected.
OUTLINE = 21


def resample(image: Image, grid: Grid, method: str, fill: float = 0.0) -> Image:
    """Resample `image` onto `grid`.

    A pixel whose centre lies outside the footprint of `image` gets `fill`.  At the
    edge the kernel sees the border pixels replicated outwards, as in OTB; GDAL alone
    would renormalise the kernel instead.

    Source: OTB application Superimpose.
    """
    source = image.grid

    def read(window: Window) -> np.ndarray:
        part = grid.part(window)
        needed = _source_window(part, source)
        shape = (window.height, window.width, image.bands)
        inside = needed.clip(source.height, source.width)
        if inside.height == 0 or inside.width == 0:
            return np.full(shape, fill, np.float32)
        pixels = image.read_padded(needed)
        result = np.empty((image.bands, *shape[:2]), np.float32)
        reproject(
            np.ascontiguousarray(np.moveaxis(pixels, -1, 0)).astype(np.float32),
            result,
            src_transform=source.part(needed).transform,
            src_crs=source.crs or grid.crs,
            dst_transform=part.transform,
            dst_crs=grid.crs or source.crs,
            resampling=METHODS[method],
            # Each pixel is projected by itself, so the result does not depend on
            # the window it is computed in.
            tolerance=0,
            # OTB interpolates; it does not widen the kernel when it reduces.
            XSCALE=1,
            YSCALE=1,
        )
        result = np.moveaxis(result, 0, -1)
        if inside != needed:
            result[~_covered(part, source)] = fill
        return result

    return Image(grid, image.bands, np.dtype(np.float32), read)


def _to_source(part: Grid, source: Grid, cols, rows) -> tuple[np.ndarray, np.ndarray]:
    """Give the source's (column, row) of positions in `part`, counted from corners."""
    xs, ys = part.transform @ (np.asarray(cols, float), np.asarray(rows, float))
    if part.crs and source.crs and part.crs != source.crs:
        shape = xs.shape
        xs, ys = transform_points(part.crs, source.crs, xs.ravel(), ys.ravel())
        xs, ys = np.reshape(xs, shape), np.reshape(ys, shape)
    return ~source.transform @ (xs, ys)


def _source_window(part: Grid, source: Grid) -> Window:
    """Find the pixels of `source` that resampling onto `part` can need."""
    along = np.linspace(0, 1, OUTLINE)
    cols, rows = np.meshgrid(along * part.width, along * part.height)
    cols, rows = _to_source(part, source, cols, rows)
    left, right = np.floor(cols.min()) - MARGIN, np.ceil(cols.max()) + MARGIN
    top, bottom = np.floor(rows.min()) - MARGIN, np.ceil(rows.max()) + MARGIN
    # Far outside is as good as just outside: keep replication small.
    left, right = np.clip((left, right), -2 * MARGIN, source.width + 2 * MARGIN)
    top, bottom = np.clip((top, bottom), -2 * MARGIN, source.height + 2 * MARGIN)
    return Window(int(top), int(left), int(bottom - top), int(right - left))


def _covered(part: Grid, source: Grid) -> np.ndarray:
    """Tell which pixels of `part` have their centre inside `source`, [h, w] bool."""
    cols, rows = np.meshgrid(
        np.arange(part.width) + 0.5, np.arange(part.height) + 0.5
    )  # fmt: skip
    cols, rows = _to_source(part, source, cols, rows)
    return (cols >= 0) & (cols <= source.width) & (rows >= 0) & (rows <= source.height)
