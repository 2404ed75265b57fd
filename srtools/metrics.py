"""Scores of an image against the truth, summed up batch by batch."""

from dataclasses import dataclass

import numpy as np

REFLECTANCE_RANGE = 1.0
"""The R of PSNR: reflectance runs from 0 to 1."""


@dataclass
class ErrorSums:
    """Sums of absolute and squared errors, per band, over any number of patches.

    >>> sums = ErrorSums.zeros(1)
    >>> sums.add(np.full((1, 2, 2, 1), 0.3), np.full((1, 2, 2, 1), 0.2))
    >>> [round(float(v), 3) for v in (sums.l1[0], sums.l2[0], sums.psnr())]
    [0.1, 0.01, 20.0]
    """

    absolute: np.ndarray
    squared: np.ndarray
    pixels: int = 0

    @classmethod
    def zeros(cls, bands: int) -> "ErrorSums":
        """Start with nothing."""
        return cls(np.zeros(bands), np.zeros(bands))

    def add(self, predicted: np.ndarray, truth: np.ndarray) -> None:
        """Add patches [n, h, w, bands], in reflectance."""
        error = predicted.astype(np.float64) - truth.astype(np.float64)
        self.absolute += np.abs(error).sum(axis=(0, 1, 2))
        self.squared += np.square(error).sum(axis=(0, 1, 2))
        self.pixels += error.shape[0] * error.shape[1] * error.shape[2]

    @property
    def l1(self) -> np.ndarray:
        """Mean absolute error, per band."""
        return self.absolute / self.pixels

    @property
    def l2(self) -> np.ndarray:
        """Mean squared error, per band."""
        return self.squared / self.pixels

    def psnr(self) -> float:
        """Peak signal-to-noise ratio over all bands, dB: 10 log10(R^2 / MSE), R = 1."""
        return float(10 * np.log10(REFLECTANCE_RANGE**2 / max(self.l2.mean(), 1e-20)))

    def record(self, bands: list[str], dn_scale: float) -> dict:
        """Give the scores in reflectance and DN, per band and over all bands.

        Arguments:
            bands: names of the bands.
            dn_scale: reflectance of one DN (1e-4).
        """

        def table(values: np.ndarray) -> dict[str, float]:
            named = dict(zip(bands, values.tolist(), strict=True))
            return {**named, "all": float(values.mean())}

        return {
            "l1_reflectance": table(self.l1),
            "l2_reflectance": table(self.l2),
            "l1_dn": table(self.l1 / dn_scale),
            "l2_dn": table(self.l2 / dn_scale**2),
            "psnr_db": self.psnr(),
            "pixels": self.pixels,
        }
