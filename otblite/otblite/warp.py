"""Resampling onto another grid, as OTB's interpolators do it.

Not by GDAL's warper: rasterio lets it interpolate positions along each line of a
window, so that its answer depends on the window and is up to 0.125 pixels off.
"""

import numpy as np
from otblite.image import Grid, Image, Window
from rasterio.crs import CRS
from rasterio.warp import transform
from scipy.sparse import csr_array

# A change of CRS is computed at every 16th pixel of every 16th line and interpolated
# in between, as OTB does (there `lms` is the distance).  On the scale of satellite
# images its curvature is some 1e-9 per metre: that is less than 1e-5 pixels.
NODES = 16
# How many positions are interpolated together so that all fits the cache.
CACHED_POSITIONS = 2**14
# Samples of the source that are held at once.
MOST_SAMPLES = 2**19
# Pixels on each side of a position that a kernel can need.
REACH = 2


def resample(image: Image, grid: Grid, method: str, fill: float = 0.0) -> Image:
    """Resample `image` onto `grid`, to float32.

    Arguments:
        method: `bco` (cubic convolution with a = -0.5), `linear` or `nn`.  At the
            edge the kernel sees the border pixels replicated outwards.
        fill: value of pixels with a centre outside `image`; a centre on the
            right or lower edge is outside.

    Raises:
        ValueError: if only one of the two has a CRS.

    Source: OTB application Superimpose; Keys, "Cubic convolution interpolation for
    digital image processing", 1981.
    """
    source = image.grid
    if bool(source.crs) != bool(grid.crs):
        raise ValueError(
            "one image has no CRS and the other is in "
            f"{(source.crs or grid.crs).to_string()}; give both a CRS, or none"
        )

    def read(window: Window) -> np.ndarray:
        rows, cols = _positions(grid, source, window)
        inside = _inside(rows, source.height) & _inside(cols, source.width)
        needed = _needed(rows, cols).intersect(source.window)
        if not inside.any():
            shape = (window.height, window.width, image.bands)
            return np.full(shape, fill, np.float32)
        samples = needed.height * needed.width * image.bands
        if window.height > 1 and samples > MOST_SAMPLES:
            # A much finer source: read less of it at a time.
            upper = window._replace(height=window.height // 2)
            lower = window.shift(upper.height, 0)
            lower = lower._replace(height=window.height - upper.height)
            return np.concatenate([read(upper), read(lower)])
        pixels, kernel = image.read(needed), method
        if method != "nn":
            with np.errstate(over="ignore", invalid="ignore"):
                if image.dtype.kind == "f" and not np.isfinite(pixels.sum()):
                    kernel = f"{method} with NaN"
            pixels = pixels.astype(np.float32, copy=False)
        result = interpolate(pixels, rows - needed.row, cols - needed.col, kernel)
        result = result.astype(np.float32, copy=False)
        if not inside.all():
            result[~inside] = fill
        return result

    nodata = fill if image.nodata is None else image.nodata
    return Image(grid, image.bands, np.dtype(np.float32), read, nodata=nodata)


def _positions(
    grid: Grid, source: Grid, window: Window
) -> tuple[np.ndarray, np.ndarray]:
    """Return the positions in `source` of the pixel centres of a window of `grid`.

    Returns:
        Rows and columns in pixels, from the centre of the first pixel of `source`:
        [height, 1] and [1, width], or both [height, width] if the CRS differ.
    """
    lines = window.row + np.arange(window.height)[:, None]
    columns = window.col + np.arange(window.width)[None]
    if grid.crs == source.crs:
        return _pixels(source, *_coordinates(grid, lines, columns))
    first_line, first_column = window.row // NODES, window.col // NODES
    node_lines = np.arange(first_line, lines[-1, 0] // NODES + 2) * NODES
    node_columns = np.arange(first_column, columns[0, -1] // NODES + 2) * NODES
    ys, xs = np.broadcast_arrays(
        *_coordinates(grid, node_lines[:, None], node_columns[None])
    )
    converted = project(grid.crs, source.crs, xs.ravel(), ys.ravel())
    xs, ys = (np.reshape(axis, xs.shape) for axis in converted)
    nodes = np.stack(_pixels(source, ys, xs), axis=-1)
    positions = interpolate(
        nodes, lines / NODES - first_line, columns / NODES - first_column, "linear"
    )
    return positions[:, :, 0], positions[:, :, 1]


def project(crs: CRS, other: CRS, xs, ys) -> tuple[list[float], list[float]]:
    """Return coordinates in another CRS.

    Raises:
        ValueError: if one of the points lies where a CRS is not defined.
    """
    try:
        converted = transform(crs, other, xs, ys)
        reason = "" if np.isfinite(converted).all() else "outside of its domain"
    except Exception as error:  # GDAL's own, which rasterio does not export
        reason = str(error)
    if reason:
        raise ValueError(
            f"positions cannot be converted from {crs.to_string()} to "
            f"{other.to_string()} ({reason})"
        )
    return converted


def _coordinates(grid: Grid, rows, cols) -> tuple[np.ndarray, np.ndarray]:
    (x, y), (dx, dy) = grid.origin, grid.spacing
    return y + dy * rows, x + dx * cols


def _pixels(grid: Grid, ys, xs) -> tuple[np.ndarray, np.ndarray]:
    (x, y), (dx, dy) = grid.origin, grid.spacing
    return (ys - y) / dy, (xs - x) / dx


def _inside(position: np.ndarray, size: int) -> np.ndarray:
    return (position >= -0.5) & (position < size - 0.5)


def _needed(rows: np.ndarray, cols: np.ndarray) -> Window:
    top, left = (int(np.floor(axis.min())) - REACH for axis in (rows, cols))
    bottom, right = (int(np.ceil(axis.max())) + REACH + 1 for axis in (rows, cols))
    return Window(top, left, bottom - top, right - left)


def interpolate(
    pixels: np.ndarray, rows: np.ndarray, cols: np.ndarray, method: str
) -> np.ndarray:
    """Interpolate between pixels, border pixels being replicated outwards.

    Arguments:
        pixels: [h, w, bands] of a floating point type; for `nn` of any type.
        rows, cols: positions in pixels from the centre of the first one, [n, 1] and
            [1, m] or both [n, m].
        method: see `resample`; or `bco with NaN`, `linear with NaN` (see `_taps`).

    Returns:
        [n, m, bands] of the type of `pixels`.

    >>> ramp = np.arange(4.0).reshape(1, 4, 1)
    >>> interpolate(ramp, np.array([[0.0]]), np.array([[0.5, 1.5]]), "linear").ravel()
    array([0.5, 1.5])
    """
    if method == "nn":
        height, width = pixels.shape[:2]
        return pixels[_nearest(rows, height), _nearest(cols, width)]
    if rows.shape[1] == 1:
        return _along_axes(pixels, rows, cols, method)
    lines = max(1, CACHED_POSITIONS // cols.shape[1])
    parts = [
        _anywhere(pixels, rows[top : top + lines], cols[top : top + lines], method)
        for top in range(0, len(rows), lines)
    ]
    return np.concatenate(parts)


def _along_axes(pixels, rows, cols, method) -> np.ndarray:
    """Interpolate within each line, then within each column.

    In memory the result is [n, bands, m]: later steps are fast if the values of a
    band are contiguous.
    """
    height, width, bands = pixels.shape
    across = _matrix(_taps(cols, width, method, pixels.dtype), width)
    down = _matrix(_taps(rows, height, method, pixels.dtype), height)
    columns = np.ascontiguousarray(pixels.transpose(1, 0, 2)).reshape(width, -1)
    lines = np.ascontiguousarray((across @ columns).T).reshape(height, -1)
    return (down @ lines).reshape(rows.size, bands, cols.size).transpose(0, 2, 1)


def _nearest(position: np.ndarray, size: int) -> np.ndarray:
    """Return the index of the pixel that holds each position, of those that exist."""
    return np.clip(np.floor(position + 0.5), 0, size - 1).astype(np.intp)


def _anywhere(pixels, rows, cols, method) -> np.ndarray:
    """Interpolate among the 4 or 16 pixels around each position."""
    height, width, bands = pixels.shape
    taps = [
        (row * width + col, down * across)
        for row, down in _taps(rows, height, method, pixels.dtype)
        for col, across in _taps(cols, width, method, pixels.dtype)
    ]
    values = _matrix(taps, height * width) @ pixels.reshape(-1, bands)
    return values.reshape(*rows.shape, bands)


def _taps(
    position: np.ndarray, size: int, method: str, dtype: np.dtype
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return the indices of the pixels that make up a value, and their weights.

    With NaN, OTB's `bco` reads the two pixels on each side of the nearest one, of which
    one has a weight of 0; its `linear` does not read the second one at a weight of 0.
    """
    index = np.floor(position)
    t = (position - index).astype(dtype)
    taps = [(0, 1 - t), (1, t)]
    if method.startswith("bco"):
        taps = [
            (-1, -t * (1 - t) ** 2 / 2),
            (0, ((3 * t - 5) * t**2 + 2) / 2),
            (1, ((4 - 3 * t) * t + 1) * t / 2),
            (2, (t - 1) * t**2 / 2),
        ]
    if method == "bco with NaN":
        taps.append((np.where(t < 0.5, -2, 3), 0 * t))
    elif method == "linear with NaN":
        taps[1] = np.where(t == 0, 0, 1), t
    # Positions outside only have to stay outside.
    index = np.clip(index, -REACH, size + REACH).astype(np.int32)
    return [
        (np.clip(index + step, 0, size - 1), weight.astype(dtype, copy=False))
        for step, weight in taps
    ]


def _matrix(taps: list[tuple[np.ndarray, np.ndarray]], size: int) -> csr_array:
    """Return the sparse matrix [positions, size] that takes weighted means."""
    index, weight = (np.stack([t[i].ravel() for t in taps], axis=1) for i in (0, 1))
    count, used = index.shape
    starts = np.arange(0, (count + 1) * used, used, dtype=np.int32)
    return csr_array((weight.ravel(), index.ravel(), starts), shape=(count, size))
