"""How sharp Sentinel-2 is: the contrast that lr keeps of what PAN shows.

A network that is trained on a blurred Sentinel-2 learns to sharpen too much.  The
transfer from PAN to lr is measured at periods from 50 m to 26 m, where Sentinel-2 shows
much and aliases little.  The mean of PAN over a pixel of XS and the bicubic
interpolation of lr are divided out; a Gaussian leads on to a period of 20 m.  PAN is
the reference because its own optics cost some 5 % there, those of XS a third.

Two estimates must agree.  The cross-spectrum suffers from ground that has changed and
from shifts within a block, but not from noise; the ratio of the power spectra suffers
from noise only.  A blur lowers both alike.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from srtools.conventions import FACTOR, S2_SPACING_METRES
from srtools.matching.registration import LUMINANCE, Block, BlockShift, valid_mask

FINEST, COARSEST = 26.0, 50.0  # metres, periods between which the transfer is measured
PERIOD = 2 * S2_SPACING_METRES  # for which it is told
BINS = 8  # of the squared frequency, over which the Gaussian is a straight line
LEAST_METRES = 300.0  # side of a block: less does not resolve these frequencies


class Modulation(NamedTuple):
    """Contrast that lr keeps at a period of 20 m, 0-1."""

    value: float
    low: float
    """Less than both estimates, by two standard errors."""
    high: float
    """More than both estimates, likewise."""


def modulation(
    blocks: Sequence[Block], shifts: Sequence[BlockShift], spacing: float
) -> Modulation | None:
    """Measure the modulation transfer of Sentinel-2 at a period of 20 m.

    The shift of each block is undone; blocks that gave none do not count.  None if
    there is no whole block with a shift, or the blocks are too small.
    """
    size = len(blocks[0].lr)
    if size * spacing < LEAST_METRES:
        return None
    frequencies = np.fft.fftfreq(size, spacing)
    rows, cols = frequencies[:, None], frequencies[None]
    squared = rows**2 + cols**2
    seen = (squared >= COARSEST**-2) & (squared <= FINEST**-2)
    edges = np.linspace(COARSEST**-2, FINEST**-2, BINS + 1)
    place = np.digitize(squared[seen], edges[1:-1])
    window = np.outer(np.hanning(size), np.hanning(size))
    zoom = _bicubic(rows) * _bicubic(cols)
    mean = _mean(rows * spacing) * _mean(cols * spacing)
    sums = np.zeros((3, BINS))
    for block, shift in zip(blocks, shifts, strict=True):
        if shift.verdict != "used" or not (valid_mask(block) & (block.pan > 0)).all():
            continue
        lr = block.lr[..., LUMINANCE].mean(axis=-1, dtype=float)
        spectra = [
            np.fft.fft2((pixels - pixels.mean()) * window) / lost
            for pixels, lost in ((lr, zoom), (block.pan, mean))
        ]
        back = np.exp(2j * np.pi * (cols * shift.east - rows * shift.north))
        lr, pan = (spectra[0] * back)[seen], spectra[1][seen]
        products = (lr * np.conj(pan)).real, np.abs(lr) ** 2, np.abs(pan) ** 2
        sums += [np.bincount(place, product, BINS) for product in products]
    if not (sums > 0).all():
        return None
    cross, lr_power, pan_power = sums
    x = np.bincount(place, squared[seen]) / np.bincount(place)
    slopes = []
    for kept in (cross / pan_power, np.sqrt(lr_power / pan_power)):
        # The intercept is a factor of all frequencies: of the radiometry, or of ground
        # that has changed.
        line, covariance = np.polyfit(x, np.log(kept), 1, cov=True)
        margin = 2 * np.sqrt(covariance[0, 0])
        slopes.append((line[0], line[0] - margin, line[0] + margin))
    value, low, high = np.minimum(np.transpose(slopes) / PERIOD**2, 0)
    return Modulation(*np.exp([value.mean(), low.min(), high.max()]).tolist())


def _bicubic(frequencies: np.ndarray) -> np.ndarray:
    """Return what cubic convolution (a = -0.5) of 10 m pixels keeps at frequencies.

    Source: Fourier transform of the kernel of Keys, "Cubic convolution interpolation
    for digital image processing", IEEE TASSP 29, 1981.
    """
    x = np.where(frequencies == 0, 1e-4, frequencies * S2_SPACING_METRES)
    one, two, four = np.sinc(x), np.sinc(2 * x), np.sinc(4 * x)
    return (3 * (one**2 - two) - (3 * two**2 - 2 * two - four)) / (np.pi * x) ** 2


def _mean(frequencies: np.ndarray) -> np.ndarray:
    """Return what the mean over PAN keeps at frequencies in cycles per pixel of XS."""
    return np.sinc(frequencies) / np.sinc(frequencies / FACTOR)
