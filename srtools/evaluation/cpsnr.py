"""cPSNR: a PSNR that forgives a bias and a shift of a few pixels.

Source: Maertens et al., "Super-resolution of PROBA-V images using convolutional
neural networks", Astrodynamics 3, 2019.
"""

import numpy as np
import scipy.fft

from srtools.metrics import psnr

LARGEST_SHIFT = 3  # pixels that are tried in each direction


def cpsnr(
    predicted: np.ndarray, truth: np.ndarray, most: int = LARGEST_SHIFT
) -> tuple[np.ndarray, np.ndarray]:
    """Score patches at the shift that suits each best, each band's bias removed.

    For each shift: cMSE = mean over bands and pixels of (truth - predicted - bias)^2,
    bias = mean(truth - predicted) in the band; `most` pixels at the sides of the
    prediction are not compared.

    Arguments:
        predicted, truth: [n, h, w, bands] reflectance.
        most: largest shift along rows and columns that is tried, pixels.

    Returns:
        cPSNR in dB, [n], and the best shift, [n, 2]: the rows and columns by which the
        prediction has to be moved to lie on the truth.
    """
    predicted, truth = (
        np.moveaxis(image, -1, 1).astype(np.float64) for image in (predicted, truth)
    )
    inner = predicted[..., most : -most or None, most : -most or None]
    height, width = truth.shape[-2:]
    rows, cols = inner.shape[-2:]
    # Sums of products for all shifts at once: a correlation, by Fourier transform.
    spectrum = scipy.fft.rfft2(truth)
    spectrum *= np.conj(scipy.fft.rfft2(inner, (height, width)))
    shifts = 2 * most + 1
    products = scipy.fft.irfft2(spectrum, (height, width))[..., :shifts, :shifts]
    squares = (
        _window_sums(truth**2, rows, cols) + (inner**2).sum((-2, -1))[..., None, None]
    )
    bias = _window_sums(truth, rows, cols) - inner.sum((-2, -1))[..., None, None]
    pixels = rows * cols
    errors = (squares - 2 * products) / pixels - (bias / pixels) ** 2
    errors = errors.mean(axis=1).reshape(len(truth), -1)  # over bands
    best = errors.argmin(axis=1)
    shift = np.stack(np.unravel_index(best, (shifts, shifts)), axis=1) - most
    return psnr(errors[np.arange(len(best)), best]), shift


def _window_sums(image: np.ndarray, rows: int, cols: int) -> np.ndarray:
    """Sum up all windows of rows x cols pixels of [..., h, w]."""
    height, width = image.shape[-2:]
    return _windows(height, rows) @ image @ _windows(width, cols).T


def _windows(size: int, side: int) -> np.ndarray:
    """Give 1 where one of `size` pixels lies in a window, [windows, size]."""
    further = np.arange(size) - np.arange(size - side + 1)[:, None]
    return ((further >= 0) & (further < side)).astype(np.float64)


class CpsnrScores:
    """cPSNR and best shifts, method by method, over any number of patches."""

    def __init__(self):
        self._scores: dict[str, list] = {}
        self._shifts: dict[str, list] = {}

    def add(self, method: str, predicted: np.ndarray, truth: np.ndarray) -> None:
        """Add patches [n, h, w, bands], reflectance."""
        scores, shifts = cpsnr(predicted, truth)
        self._scores.setdefault(method, []).append(scores)
        self._shifts.setdefault(method, []).append(shifts)

    def record(self, spacing: float) -> dict:
        """Give the mean cPSNR and the median shift of each method.

        Arguments:
            spacing: pixel size, metres.
        """
        found = {}
        for method, scores in self._scores.items():
            shifts = np.concatenate(self._shifts[method])
            rows, cols = np.median(shifts, axis=0)
            found[method] = {
                "cpsnr_db": float(np.concatenate(scores).mean()),
                "shift_rows": float(rows),
                "shift_cols": float(cols),
                "shift_metres": float(np.hypot(rows, cols) * spacing),
                "share_unshifted": float((shifts == 0).all(axis=1).mean()),
            }
        return found
