"""Agreement with Sentinel-2: the part of an image that its pixels measured is replaced.

The image is blurred as Sentinel-2 blurs, its pixels are compared with those of
Sentinel-2, and the difference is interpolated and added, some times over.  Detail
finer than a pixel of Sentinel-2, which it cannot contradict, is left as it is.

Source: Irani and Peleg, "Improving resolution by image registration", CVGIP: Graphical
Models and Image Processing 53, 1991.
"""

import numpy as np
from scipy.ndimage import uniform_filter

from srtools.matching.point_spread import REACH_METRES, blur_weights

ROUNDS = 4
"""Times that the difference is added.  More would follow the noise of Sentinel-2."""

KERNEL_PIXELS = 2  # of Sentinel-2, on each side of the cubic kernel
CONTINUED_PIXELS = 2  # of Sentinel-2, by which a difference is continued into no data
LEAST_WEIGHT = 0.3  # of the kernel that is not beyond Sentinel-2's pixels
LEAST_SHARE = 0.05  # of 3 x 3 pixels that are known: at least one is 0.11
KNOWN = 0.999  # share of the pixels below the blur that have data

Axis = tuple[np.ndarray, np.ndarray]


def reach_metres(pixel: float) -> float:
    """Return how far pixels of Sentinel-2 of a size change the answer, metres."""
    return ROUNDS * (REACH_METRES + (KERNEL_PIXELS + CONTINUED_PIXELS) * pixel)


def agree(
    image: np.ndarray,
    measured: np.ndarray,
    rows: np.ndarray,
    cols: np.ndarray,
    spacing: float,
    pixel: float,
) -> np.ndarray:
    """Change an image so that Sentinel-2, looking at it, sees its own pixels.

    A pixel of Sentinel-2 that is 0 in a band, or that sees what is 0 or beyond the
    image, is not compared; there its neighbours' difference is added.

    Arguments:
        image: [h, w, bands], 0 is no data.
        measured: [n, m, bands] Sentinel-2 in the same unit, 0 is no data.
        rows: [n] places of Sentinel-2's rows, pixels of `image`; 0 is the middle of
            the first one.
        cols: [m] places of its columns.
        spacing: pixel size of `image`, metres.
        pixel: pixel size of Sentinel-2, metres.

    Returns:
        [h, w, bands] float32.
    """
    if not measured.size:
        return image.astype(np.float32)
    (down, up), (right, left) = (
        _axis(places, size, spacing, pixel)
        for places, size in zip((rows, cols), image.shape[:2], strict=True)
    )
    has_data = image.all(axis=-1)
    seen = down @ has_data.astype(np.float32) @ right.T > KNOWN
    seen &= _inside(rows, image.shape[0], spacing)[:, None]
    seen &= _inside(cols, image.shape[1], spacing)
    seen &= measured.all(axis=-1)
    # Sentinel-2's view of what is added, on its own grid: much smaller than the image.
    again, aside = down @ up, right @ left
    answer = np.empty(image.shape, np.float32)
    for band in range(image.shape[-1]):
        pixels = image[..., band].astype(np.float32)
        missing = measured[..., band] - down @ pixels @ right.T
        added = np.zeros_like(missing)
        for _ in range(ROUNDS):
            added += _continued(missing - again @ added @ aside.T, seen)
        answer[..., band] = np.where(has_data, pixels + up @ added @ left.T, 0)
    return answer


def _axis(places: np.ndarray, size: int, spacing: float, pixel: float) -> Axis:
    """Return the weights of blur, [n, size], and interpolation, [size, n]."""
    distances = (np.arange(size)[:, None] - places) * spacing / pixel
    cubic = _cubic(np.abs(distances))
    # Beyond the last of Sentinel-2's pixels half of the kernel is missing.
    whole = cubic.sum(axis=1, keepdims=True)
    cubic = np.divide(
        cubic, whole, out=np.zeros_like(cubic), where=whole > LEAST_WEIGHT
    )
    return blur_weights(places, size, spacing), cubic


def _continued(values: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Replace what is not known by the mean of its neighbours, or else by 0.

    With 0 beside no data, the pixels next to it would overshoot.
    """
    values, known = np.where(known, values, 0), known.astype(np.float32)
    for _ in range(CONTINUED_PIXELS):
        total, count = (uniform_filter(x, 3, mode="constant") for x in (values, known))
        there = count > LEAST_SHARE
        mean = np.divide(total, count, out=np.zeros_like(values), where=there)
        values = np.where(known, values, mean)
        known = np.where(known, known, there).astype(np.float32)
    return values


def _cubic(distance: np.ndarray) -> np.ndarray:
    """Return the weights of bicubic interpolation (Keys, 1981, a = -1/2), float32."""
    near = (1.5 * distance - 2.5) * distance**2 + 1
    far = ((-0.5 * distance + 2.5) * distance - 4) * distance + 2
    weights = np.where(distance < 1, near, np.where(distance < 2, far, 0))
    return weights.astype(np.float32)


def _inside(places: np.ndarray, size: int, spacing: float) -> np.ndarray:
    """Return which pixels of Sentinel-2 see nothing beyond the image, along an axis."""
    reach = REACH_METRES / spacing - 1e-6
    return (places - reach >= -0.5) & (places + reach <= size - 0.5)
