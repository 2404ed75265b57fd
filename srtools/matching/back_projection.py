"""Iterative back-projection: agreement of an image with Sentinel-2.

The image is blurred with Sentinel-2's point spread function and compared with its
pixels; the difference is interpolated and added, `ROUNDS` times.  Finer detail stays.

Source: Irani and Peleg, "Improving resolution by image registration", CVGIP: Graphical
Models and Image Processing 53, 1991.
"""

import numpy as np
from scipy.ndimage import uniform_filter

from srtools.matching.point_spread import BLUR_METRES, SIGMAS, blur_weights

ROUNDS = 4  # more would follow the noise of Sentinel-2
KERNEL_PIXELS = 2  # reach of the cubic kernel, pixels of Sentinel-2
EXTENDED_PIXELS = 2  # extension of differences into nodata, pixels of Sentinel-2
LEAST_WEIGHT = 0.3  # weight of the kernel inside Sentinel-2's pixels
BOX = 1, 3, 3  # neighbours of a pixel of Sentinel-2: bands, rows, columns
LEAST_SHARE = 0.05  # share of 3 x 3 pixels with a value; a single one is 0.11
COMPLETE = 0.999  # share of the weights of the blur that lie on pixels with data


def reach_metres(pixel: float, blur: float = BLUR_METRES) -> float:
    """Return how far a Sentinel-2 pixel of `pixel` metres changes the image, metres."""
    return ROUNDS * (SIGMAS * blur + (KERNEL_PIXELS + EXTENDED_PIXELS) * pixel)


def back_project(
    image: np.ndarray,
    measured: np.ndarray,
    rows: np.ndarray,
    cols: np.ndarray,
    spacing: float,
    pixel: float,
    blur: float = BLUR_METRES,
) -> np.ndarray:
    """Correct an image so that its blurred pixels nearly equal those of Sentinel-2.

    Pixels of Sentinel-2 take the difference of their neighbours if they are nodata or
    if their blur reaches nodata or the edge.

    Arguments:
        image: [h, w, bands], 0 is nodata; the result has the same shape, float32.
        measured: [n, m, bands] Sentinel-2 in the same unit, 0 is nodata.
        rows, cols: [n] and [m] centres of Sentinel-2's pixels, pixels of `image`; 0 is
            the middle of the first one.
        spacing, pixel: pixel sizes of `image` and of Sentinel-2, metres.
        blur: standard deviation of Sentinel-2's point spread function, metres.
    """
    if not measured.size:
        return image.astype(np.float32)
    (down, up, inside_rows), (right, left, inside_cols) = (
        _axis(places, size, spacing, pixel, blur)
        for places, size in zip((rows, cols), image.shape[:2], strict=True)
    )
    has_data = image.all(axis=-1)
    valid = down @ has_data.astype(np.float32) @ right.T > COMPLETE
    valid &= measured.all(axis=-1) & inside_rows[:, None] & inside_cols
    # Interpolation and blur at once, on the grid of Sentinel-2, which is much smaller.
    vertical, horizontal = down @ up, right @ left
    bands = np.moveaxis(image, -1, 0).astype(np.float32, order="C")
    missing = np.moveaxis(measured, -1, 0) - down @ bands @ right.T
    added = np.zeros_like(missing)
    for _ in range(ROUNDS):
        added += _extended(missing - vertical @ added @ horizontal.T, valid)
    for band, change in zip(bands, added, strict=True):
        band += up @ change @ left.T
    bands *= has_data
    return np.moveaxis(bands, 0, -1)


def _axis(
    places: np.ndarray, size: int, spacing: float, pixel: float, blur: float
) -> tuple[np.ndarray, ...]:
    """Compute the weights of blur and interpolation along an axis of the image.

    `places` [n] are the centres of Sentinel-2's pixels, in pixels of the image.
    Returned: the blur, [n, size]; the interpolation, [size, n]; the mask of
    Sentinel-2's pixels whose blur is inside the image, [n].
    """
    distances = (np.arange(size)[:, None] - places) * spacing / pixel
    cubic = _cubic(np.abs(distances))
    # Beyond the last of Sentinel-2's pixels a part of the kernel is missing.
    total = cubic.sum(axis=1, keepdims=True)
    enough = total > LEAST_WEIGHT
    cubic = np.divide(cubic, total, out=np.zeros_like(cubic), where=enough)
    reach = SIGMAS * blur / spacing - 1e-6
    inside = (places - reach >= -0.5) & (places + reach <= size - 0.5)
    return blur_weights(places, size, spacing, blur), cubic, inside


def _extended(values: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Replace invalid values by the mean of valid neighbours, or else by 0.

    `values` are [bands, n, m], `valid` [n, m].  With 0 everywhere beside nodata, the
    pixels next to it would overshoot.
    """
    values, valid = np.where(valid, values, 0), valid[None].astype(np.float32)
    for _ in range(EXTENDED_PIXELS):
        sums, count = (uniform_filter(x, BOX, mode="constant") for x in (values, valid))
        enough = count > LEAST_SHARE
        mean = np.divide(sums, count, out=np.zeros_like(values), where=enough)
        values = np.where(valid, values, mean)
        valid = np.where(valid, valid, enough).astype(np.float32)
    return values


def _cubic(distance: np.ndarray) -> np.ndarray:
    """Return the weights of bicubic interpolation (Keys, 1981, a = -1/2), float32."""
    near = (1.5 * distance - 2.5) * distance**2 + 1
    far = ((-0.5 * distance + 2.5) * distance - 4) * distance + 2
    weights = np.where(distance < 1, near, np.where(distance < 2, far, 0))
    return weights.astype(np.float32)
