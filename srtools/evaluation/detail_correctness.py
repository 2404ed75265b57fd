"""Correctness of new detail: shares that are right, missing and invented.

Source: Aybar et al., "A comprehensive benchmark for optical remote sensing image
super-resolution", IEEE Geoscience and Remote Sensing Letters 21, 2024, and version 1.3
of the package opensr-test with its default settings (distance "nd", pixel by pixel).
"""

import numpy as np
from skimage.exposure import match_histograms

from srtools.evaluation.eval_set import INNER, Sample
from srtools.evaluation.patch_scores import BASELINE, MODEL

STRICTNESS = 0.05  # gamma of the three distances
TEMPERATURE = 0.25  # temperature of the softmin
QUANTILE = 0.75  # quantile of |truth - input| above which a pixel counts
KINDS = ("improvement", "omission", "hallucination")


def difference(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Average |x - y| / |x + y| over the bands of two images, [..., bands] to [...].

    >>> round(float(difference(np.array([[0.3, 0.1]]), np.array([[0.1, 0.1]]))[0]), 3)
    0.25
    """
    return (np.abs(one - other) / np.abs(one + other + 1e-8)).mean(axis=-1)


def shares(towards_truth: np.ndarray, from_input: np.ndarray) -> np.ndarray:
    """Split each pixel into shares of improvement, omission and hallucination.

    a = `towards_truth` is the distance between prediction and truth, b = `from_input`
    between prediction and zoomed input, both [...] relative to the distance between
    truth and input.  With H = a + b - 1 there are three distances:

        improvement    a + b (1 - exp(-gamma H))    small when close to the truth
        omission       b + a (1 - exp(-gamma H))    small when close to the input
        hallucination  exp(-gamma a b)              small when far from both

    The shares, [3, ...] in the order of `KINDS`, are the softmin of the three.
    """
    a, b = towards_truth, from_input
    beyond = 1 - np.exp(-STRICTNESS * (a + b - 1))
    distances = np.stack([a + b * beyond, b + a * beyond, np.exp(-STRICTNESS * a * b)])
    weights = np.exp(-(distances - distances.min(axis=0)) / TEMPERATURE)
    return weights / weights.sum(axis=0)


def correctness_map(
    predicted: np.ndarray, truth: np.ndarray, zoomed: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Compute the shares of each pixel, [3, h, w], and the mask of pixels that count.

    Images of a patch are [h, w, bands] reflectance; `zoomed` is the input.  First the
    histograms of the prediction are matched to those of the truth, so that colour does
    not count.  A pixel counts if a distance between truth, prediction and input exceeds
    the `QUANTILE` of those between truth and input.  Shares, in the order of `KINDS`,
    are 0 outside of the mask, [h, w].
    """
    predicted = match_histograms(predicted, truth, channel_axis=-1)
    missing = difference(zoomed, truth)
    towards_truth = difference(predicted, truth)
    from_input = difference(predicted, zoomed)
    ranked = np.sort(missing, axis=None)
    limit = ranked[max(int(QUANTILE * ranked.size) - 1, 0)]
    counted = np.max([missing, towards_truth, from_input], axis=0) > limit
    counted &= missing > 0
    relative = (d[counted] / missing[counted] for d in (towards_truth, from_input))
    result = np.zeros((3, *counted.shape))
    result[:, counted] = shares(*relative)
    return result, counted


class Correctness:
    """Mean shares of right, missing and invented detail in predictions."""

    def __init__(self):
        self._means: list[np.ndarray] = []

    def add(self, sample: Sample) -> None:
        """Add patches without their border; skip those without pixels that count."""
        images = sample.predicted[MODEL], sample.truth, sample.predicted[BASELINE]
        for patch in zip(*(image[INNER] for image in images), strict=True):
            by_pixel, counted = correctness_map(*patch)
            if counted.any():
                self._means.append(by_pixel[:, counted].mean(axis=1))

    def record(self) -> dict[str, float | None]:
        """Return the mean share by name of `KINDS`; all are None if no pixel counts."""
        if not self._means:
            return dict.fromkeys(KINDS)
        return dict(zip(KINDS, np.mean(self._means, axis=0).tolist(), strict=True))
