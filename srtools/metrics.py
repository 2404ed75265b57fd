"""Formulas of scores: numbers of one kind made of another, or of two images.

The scores of whole patches are those of `srtools.evaluation.patch_scores`.
"""

from typing import Any

import numpy as np

REFLECTANCE_RANGE = 1.0
"""The R of PSNR and SSIM: reflectance runs from 0 to 1."""


def psnr(l2: Any) -> Any:
    """Peak signal-to-noise ratio, dB: 10 log10(R^2 / MSE), R = 1.

    >>> round(float(psnr(0.01)), 6)
    20.0
    """
    return 10 * np.log10(REFLECTANCE_RANGE**2 / np.maximum(l2, 1e-20))


def ergas(l2: np.ndarray, mean: np.ndarray, ratio: float) -> float:
    """Relative global error, in percent of the mean; 0 is perfect.

    ERGAS = 100 h/l sqrt(mean over bands of (RMSE / mean)^2).

    >>> ergas(np.array([0.0001, 0.0004]), np.array([0.1, 0.2]), ratio=1 / 4)
    2.5

    Arguments:
        l2: [bands] mean squared error.
        mean: [bands] mean of the truth, in the unit whose square l2 has.
        ratio: h/l, pixel size of the result by that of the input.

    Source: Wald, "Quality of high resolution synthesised images: is there a simple
    criterion?", 2000.
    """
    return float(100 * ratio * np.sqrt(np.mean(l2 / np.square(mean))))


def spectral_angle(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Angle between the spectra of two images, in degrees, [..., bands] to [...].

    It does not depend on how bright either is.  Black pixels have no angle: nan.

    Source: Kruse et al., "The spectral image processing system", 1993 (SAM).
    """
    one, other = one.astype(np.float64), other.astype(np.float64)
    product = (one * other).sum(axis=-1)
    lengths = np.linalg.norm(one, axis=-1) * np.linalg.norm(other, axis=-1)
    cosine = np.divide(
        product, lengths, out=np.full_like(product, np.nan), where=lengths > 0
    )
    return np.degrees(np.arccos(np.clip(cosine, -1, 1)))
