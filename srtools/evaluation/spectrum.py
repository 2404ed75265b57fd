"""Spectra: how much detail an image has, and up to which frequency it is right.

Frequencies are in cycles per metre; the detail of a pixel size p ends at 1 / (2 p).
"""

import numpy as np
import scipy.fft

THRESHOLD = 0.5  # correlation below which detail is no longer that of the truth


class RingSpectra:
    """Power and correlation with the truth in rings of equal frequency, summed up.

    The mean of each band is subtracted, and a Hann window fades the patch out to its
    sides: without it the sides would count as edges.

    Arguments:
        size: side of the patches, pixels.
        spacing: pixel size, metres.
    """

    def __init__(self, size: int, spacing: float):
        frequency = np.hypot(*np.meshgrid(*[np.fft.fftfreq(size)] * 2))
        # One pixel of the spectrum is 1 / size cycles per pixel wide.
        rings = np.rint(frequency * size).astype(int)
        self._rings = np.where(rings <= size // 2, rings, 0).ravel()
        self._taper = np.outer(np.hanning(size), np.hanning(size)).astype(np.float32)
        self._sums: dict[str, np.ndarray] = {}
        self.spacing = spacing
        self.frequency = np.arange(1, size // 2 + 1) / (size * spacing)
        """Frequency of each ring, cycles per metre; the mean is left out."""

    def add(self, predicted: dict[str, np.ndarray], truth: np.ndarray) -> None:
        """Add patches [n, h, w, bands] of each method, and the truth."""
        spectrum = self._transform(truth)
        self._count("truth", np.abs(spectrum) ** 2)
        for method, image in predicted.items():
            own = self._transform(image)
            self._count(method, np.abs(own) ** 2)
            self._count(f"{method} x truth", np.real(own * np.conj(spectrum)))

    def ratio(self, method: str) -> np.ndarray:
        """Return the power of a method by that of the truth, ring by ring."""
        return self._sums[method] / np.maximum(self._sums["truth"], 1e-30)

    def correlation(self, method: str) -> np.ndarray:
        """Return the correlation with the truth, ring by ring.

        Source: van Heel, "Similarity measures between images", Ultramicroscopy 21,
        1987: Re(sum X Y*) / sqrt(sum |X|^2 sum |Y|^2).
        """
        power = np.sqrt(self._sums[method] * self._sums["truth"])
        return self._sums[f"{method} x truth"] / np.maximum(power, 1e-30)

    def resolution(self, method: str) -> float:
        """Estimate the effective resolution: a pixel size, metres."""
        return resolution(self.frequency, self.correlation(method), self.spacing)

    def record(self) -> dict:
        """Return the part of metrics.json that the spectra make."""
        methods = [m for m in self._sums if f"{m} x truth" in self._sums]
        return {
            "threshold": THRESHOLD,
            "cycles_per_metre": self.frequency.tolist(),
            "power_ratio": {m: self.ratio(m).tolist() for m in methods},
            "correlation": {m: self.correlation(m).tolist() for m in methods},
            "effective_resolution_metres": {
                m: None if np.isinf(found := self.resolution(m)) else found
                for m in methods
            },
        }

    def _transform(self, image: np.ndarray) -> np.ndarray:
        image = np.moveaxis(image, -1, 1)
        image = image - image.mean(axis=(-2, -1), keepdims=True)
        return scipy.fft.fft2(image * self._taper).reshape(-1, self._taper.size)

    def _count(self, name: str, power: np.ndarray) -> None:
        """Sum up over patches, bands and rings."""
        sums = np.bincount(self._rings, power.sum(axis=0, dtype=np.float64))[1:]
        self._sums[name] = self._sums.get(name, 0) + sums


def resolution(frequency: np.ndarray, correlation: np.ndarray, spacing: float) -> float:
    """Estimate the effective resolution from the correlation with the truth.

    It is half the period at which the correlation first falls below 0.5: the size of
    the pixels that would be needed to hold the detail up to there.

    >>> resolution(np.array([0.05, 0.10]), np.array([0.75, 0.25]), spacing=1.5)
    6.666666666666666

    Arguments:
        frequency: frequencies of the rings, increasing, cycles per metre.
        correlation: correlation with the truth in each ring.
        spacing: pixel size, metres: the result if the correlation never falls.

    Returns:
        Metres; infinity if the correlation is below 0.5 in the first ring.
    """
    below = np.flatnonzero(correlation < THRESHOLD)
    if not len(below):
        return float(spacing)
    last = below[0]
    if last == 0:
        return float("inf")
    # Downwards between the ring before and this one.
    crossing = np.interp(
        -THRESHOLD, -correlation[last - 1 : last + 1], frequency[last - 1 : last + 1]
    )
    return float(1 / (2 * crossing))
