"""Spectra of images and their correlation with the truth."""

import numpy as np
import scipy.fft

from srtools.evaluation.eval_set import INNER, Sample

THRESHOLD = 0.5  # correlation at the effective resolution


class RingSpectra:
    """Power spectra and their correlation with the truth, in rings of equal frequency.

    The mean of each band is subtracted, and a Hann window tapers the patch; without it
    the sides of the patch would count as edges.  `size` is the side of a patch without
    border, in pixels of `spacing` metres.
    """

    def __init__(self, size: int, spacing: float):
        # Half of the spectrum, in cycles per patch; the other half is its mirror image.
        rows, cols = np.fft.fftfreq(size, 1 / size)[:, None], np.arange(size // 2 + 1)
        rings = np.rint(np.hypot(rows, cols)).astype(int)
        self._rings = np.where(rings <= size // 2, rings, 0)
        self._weights = np.where((cols == 0) | (2 * cols == size), 1, 2)
        self._taper = np.outer(np.hanning(size), np.hanning(size)).astype(np.float32)
        self._sums: dict[str, np.ndarray] = {}
        self.spacing = spacing
        self.frequency = np.arange(1, size // 2 + 1) / (size * spacing)
        """Frequency of each ring, cycles per metre; 0, the mean, is no ring."""

    def add(self, sample: Sample) -> None:
        """Add the spectra of patches without their border, by method."""
        truth = self._transform(sample.truth[INNER])
        for method, image in sample.predicted.items():
            one = self._transform(image[INNER])
            pairs = (one, one), (truth, truth), (one, truth)
            sums = np.array([self._ring_sums(*pair) for pair in pairs])
            self._sums[method] = self._sums.get(method, 0) + sums

    def record(self) -> dict:
        """Return power ratio, correlation and effective resolution (m) by method.

        Source of the correlation: van Heel, "Similarity measures between images",
        Ultramicroscopy 21, 1987: Re(sum X Y*) / sqrt(sum |X|^2 sum |Y|^2).
        """
        ratios, correlations = {}, {}
        for method, (power, truth, common) in self._sums.items():
            ratios[method] = power / np.maximum(truth, 1e-30)
            correlations[method] = common / np.maximum(np.sqrt(power * truth), 1e-30)
        return {
            "threshold": THRESHOLD,
            "cycles_per_metre": self.frequency,
            "power_ratio": ratios,
            "correlation": correlations,
            "effective_resolution_metres": {
                method: resolution(self.frequency, curve, self.spacing)
                for method, curve in correlations.items()
            },
        }

    def _transform(self, image: np.ndarray) -> np.ndarray:
        """Compute the spectrum of each band, [n, h, w, bands] to [n, bands, h, k]."""
        image = np.ascontiguousarray(np.moveaxis(image, -1, 1))
        image = (image - image.mean(axis=(-2, -1), keepdims=True)) * self._taper
        return scipy.fft.rfft2(image)

    def _ring_sums(self, one: np.ndarray, other: np.ndarray) -> np.ndarray:
        """Sum Re(X Y*) over patches, bands and each ring, to [rings]."""
        power = one.real * other.real + one.imag * other.imag
        power = power.sum(axis=(0, 1), dtype=np.float64) * self._weights
        return np.bincount(self._rings.ravel(), power.ravel())[1:]


def resolution(
    frequency: np.ndarray, correlation: np.ndarray, spacing: float
) -> float | None:
    """Estimate the effective resolution, metres, from the correlation with the truth.

    It is half the period at which the correlation first falls below 0.5: the size of
    the pixels that could represent the detail up to there.  The result is `spacing`,
    the pixel size, if the correlation never falls so low, and None if it is below 0.5
    in the first ring.  `frequency` is in cycles per metre.

    >>> resolution(np.array([0.05, 0.10]), np.array([0.75, 0.25]), spacing=1.5)
    6.666666666666666
    """
    below = np.flatnonzero(correlation < THRESHOLD)
    if not len(below):
        return float(spacing)
    if below[0] == 0:
        return None
    # The correlation crosses the threshold between the previous ring and this one.
    rings = slice(below[0] - 1, below[0] + 1)
    crossing = np.interp(-THRESHOLD, -correlation[rings], frequency[rings])
    return float(1 / (2 * crossing))
