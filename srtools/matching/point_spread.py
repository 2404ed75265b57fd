"""The point spread function of Sentinel-2: a Gaussian."""

import math

import numpy as np

from srtools.conventions import S2_SPACING_METRES

MODULATION = 0.28
"""Modulation transfer at the highest frequency of the 10 m grid, one cycle per 20 m."""

LIMITS = 0.01, 0.99  # of a modulation; the blur of 1 has no width, that of 0 no end
SIGMAS = 3.0  # standard deviations after which the Gaussian is cut off


def modulation_of(*datasets: dict) -> float:
    """Return the modulation that exercise 1 measured, the median of `datasets`.

    They are contents of dataset.json; without a measurement it is 0.28.  Of an interval
    the nearest to 0.28 is taken: near infrared may differ from what was measured.
    """
    pairs = (dataset.get("pair") or {} for dataset in datasets)
    measured = (pair.get("modulation") or {} for pair in pairs)
    ends = [(record.get("low"), record.get("high")) for record in measured]
    nearest = [np.clip(MODULATION, *pair) for pair in ends if None not in pair]
    return float(np.clip(np.median(nearest or MODULATION), *LIMITS))


def blur_metres(modulation: float) -> float:
    """Return the standard deviation of the Gaussian with a modulation, metres.

    It is the sigma of exp(-2 pi^2 sigma^2 f^2) = modulation at f = 1 / 20 m.
    """
    return math.sqrt(-math.log(modulation) / 2) / math.pi * 2 * S2_SPACING_METRES


BLUR_METRES = blur_metres(MODULATION)  # 5.08


def blur_weights(
    centres: np.ndarray, size: int, spacing: float, blur: float = BLUR_METRES
) -> np.ndarray:
    """Compute the weights of Sentinel-2's blur along an axis, [points, size] float32.

    `centres` [points] are in pixels, where 0 is the middle of the first pixel; `size`
    is the number of pixels, `spacing` their size in metres, and `blur` the standard
    deviation of the Gaussian in metres.  A point's sum is 1.
    """
    distances = (np.arange(size) - centres[:, None]) * spacing / blur
    weights = np.exp(-np.square(distances) / 2) * (np.abs(distances) <= SIGMAS)
    weights /= weights.sum(axis=1, keepdims=True)
    return weights.astype(np.float32)


def blur_at(
    image: np.ndarray, rows: np.ndarray, cols: np.ndarray, spacing: float, blur: float
) -> np.ndarray:
    """Blur an image [h, w, b] as Sentinel-2 does, and sample it, to [n, m, b].

    `rows` [n] and `cols` [m] count pixels of `spacing` metres from the first centre.
    """
    height, width, bands = image.shape
    lines = blur_weights(rows, height, spacing, blur) @ image.reshape(height, -1)
    return blur_weights(cols, width, spacing, blur) @ lines.reshape(-1, width, bands)
