"""Modulation transfer of Sentinel-2 at a period of 20 m, measured against PAN.

A network trained on a blurred Sentinel-2 sharpens too much.  The transfer from PAN to
lr is measured at periods from 50 m to 26 m, where Sentinel-2 aliases little.  Transfers
of the mean over a pixel of XS and of bicubic interpolation are divided out; a Gaussian
extrapolates to 20 m.  The optics of PAN cost some 5 % there, the optics of XS a third.

There are two estimates: changed ground and local shifts lower the cross-spectrum, noise
raises the ratio of the power spectra.  A blur lowers both; the interval holds both.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from srtools.conventions import FACTOR, S2_SPACING_METRES
from srtools.matching.registration import LUMINANCE, Block, BlockShift, valid_mask

FINEST, COARSEST = 26.0, 50.0  # metres, periods of the measured transfer
PERIOD = 2 * S2_SPACING_METRES
BINS = 8  # of the squared frequency, over which the log of a Gaussian is a line
LEAST_METRES = 300.0  # side of a block; a smaller one does not resolve the frequencies


class Modulation(NamedTuple):
    """Contrast of Sentinel-2 at a period of 20 m, 0-1, with its interval."""

    value: float
    low: float
    """Lower estimate less two standard errors."""
    high: float
    """Higher estimate plus two standard errors."""


def modulation(
    blocks: Sequence[Block], shifts: Sequence[BlockShift], spacing: float
) -> Modulation | None:
    """Measure the modulation of Sentinel-2 at a period of 20 m.

    Blocks with nodata or without a shift are left out.  Return None if no block
    remains, or if they are too small.  `spacing` is the pixel size of XS, metres.  It
    is one formula, hence the length of the function.
    """
    size = len(blocks[0].lr)
    if size * spacing < LEAST_METRES:
        return None
    frequencies = np.fft.fftfreq(size, spacing)
    rows, cols = frequencies[:, None], frequencies[None]
    squared = rows**2 + cols**2
    band = (squared >= COARSEST**-2) & (squared <= FINEST**-2)
    edges = np.linspace(COARSEST**-2, FINEST**-2, BINS + 1)
    bins = np.digitize(squared[band], edges[1:-1])
    window = np.outer(np.hanning(size), np.hanning(size))
    lr_transfer = _bicubic_transfer(rows) * _bicubic_transfer(cols)
    pan_transfer = _mean_transfer(rows * spacing) * _mean_transfer(cols * spacing)
    sums = np.zeros((3, BINS))
    for block, shift in zip(blocks, shifts, strict=True):
        if shift.verdict != "used" or not (valid_mask(block) & (block.pan > 0)).all():
            continue
        luminance = block.lr[..., LUMINANCE].mean(axis=-1, dtype=float)
        images = (luminance, lr_transfer), (block.pan, pan_transfer)
        lr, pan = (
            (np.fft.fft2((pixels - pixels.mean()) * window) / transfer)[band]
            for pixels, transfer in images
        )
        # Undo the shift of the block.
        lr *= np.exp(2j * np.pi * (cols * shift.east - rows * shift.north))[band]
        products = (lr * np.conj(pan)).real, np.abs(lr) ** 2, np.abs(pan) ** 2
        sums += [np.bincount(bins, product, BINS) for product in products]
    if not (sums > 0).all():
        return None
    cross, lr_power, pan_power = sums
    means = np.bincount(bins, squared[band]) / np.bincount(bins)
    slopes = []
    for transfer in (cross / pan_power, np.sqrt(lr_power / pan_power)):
        # Radiometry and changed ground scale all frequencies: that is the intercept.
        line, covariance = np.polyfit(means, np.log(transfer), 1, cov=True)
        margin = 2 * np.sqrt(covariance[0, 0])
        slopes.append((line[0], line[0] - margin, line[0] + margin))
    value, low, high = np.minimum(np.transpose(slopes) / PERIOD**2, 0)
    return Modulation(*np.exp([value.mean(), low.min(), high.max()]).tolist())


def _bicubic_transfer(frequencies: np.ndarray) -> np.ndarray:
    """Return the transfer of cubic convolution of 10 m pixels at cycles per metre.

    Source: Fourier transform of the kernel of Keys, "Cubic convolution interpolation
    for digital image processing", IEEE TASSP 29, 1981.
    """
    x = np.where(frequencies == 0, 1e-4, frequencies * S2_SPACING_METRES)
    one, two, four = np.sinc(x), np.sinc(2 * x), np.sinc(4 * x)
    return (3 * (one**2 - two) - (3 * two**2 - 2 * two - four)) / (np.pi * x) ** 2


def _mean_transfer(frequencies: np.ndarray) -> np.ndarray:
    """Return the transfer of the mean of 4 PAN pixels at cycles per pixel of XS."""
    return np.sinc(frequencies) / np.sinc(frequencies / FACTOR)
