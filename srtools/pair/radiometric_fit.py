"""Linear relation between the DN of Spot and Sentinel-2, robust to changed ground."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy import ndimage

from srtools.conventions import BANDS
from srtools.errors import SRError
from srtools.matching.point_spread import BLUR_METRES
from srtools.matching.registration import LEAST_LEVELS, LEAST_TEXTURE, Block, valid_mask
from srtools.pair.criteria import CHECKS

import pyotb

# Standard deviations of the Gaussian that smooths both images.
FIT_SMOOTHING_METRES = 18.0  # before the fit
CHANGE_SMOOTHING_METRES = 6.0  # before changed ground is detected
SAMPLE_STEP_METRES = 18.0  # between samples

CHANGED_DN = 200.0  # reflectance 0.02: more than haze or view angle change
SLOPES = 20000  # random pairs of samples for the first guess of the slope
LEAST_SAMPLES = 30  # for a fit
LEAST_R2 = 1 - CHECKS["radiometry: R2"].warns  # a line with less explains nothing


class LinearFit(NamedTuple):
    """Spot = gain x Sentinel-2 + bias, in DN (reflectance x 10000)."""

    gain: float
    bias: float
    r2: float
    """Share of the variance of Spot that the line explains, on unchanged ground."""


def samples(
    blocks: Iterable[Block],
    shift: tuple[float, float],
    spacing: float,
    sigma: float = CHANGE_SMOOTHING_METRES,
) -> tuple[np.ndarray, np.ndarray]:
    """Sample the DN of Sentinel-2 and of Spot on the same ground, [n, bands] each.

    Spot is blurred with the point spread of Sentinel-2 and shifted onto it.  Then both
    are smoothed, so that an error of the point spread is negligible, and the noise of
    Sentinel-2 does not flatten the slope (regression dilution).  `shift` of Sentinel-2
    (east, north), pixel size `spacing` and smoothing `sigma` are in metres.
    """
    pairs = [_block_samples(block, shift, spacing, sigma) for block in blocks]
    lr, xs = (np.concatenate(images) for images in zip(*pairs, strict=True))
    return lr, xs


def _block_samples(
    block: Block, shift: tuple[float, float], spacing: float, sigma: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return the `samples` of one block."""
    sigma /= spacing
    # The pixel of Spot is a box with a variance of 1/12.
    blur = np.sqrt(sigma**2 + (BLUR_METRES / spacing) ** 2 - 1 / 12)
    rows, cols = -shift[1] / spacing, shift[0] / spacing
    xs = _smooth(block.xs, blur, (rows, cols))
    lr = _smooth(block.lr, sigma, (0, 0))
    # The Fourier transform repeats the block and takes nodata for ground of DN 0.
    reach = int(np.ceil(2.5 * blur + max(abs(rows), abs(cols))))
    valid = valid_mask(block).astype(np.uint8)
    whole = ndimage.minimum_filter(valid, 2 * reach + 1, mode="constant", cval=0)
    step = max(1, round(SAMPLE_STEP_METRES / spacing))
    whole, lr, xs = (image[block.core][::step, ::step] for image in (whole, lr, xs))
    return lr[whole == 1], xs[whole == 1]


def _smooth(pixels: np.ndarray, sigma: float, shift: tuple[float, float]) -> np.ndarray:
    """Smooth [size, size, bands], and shift it by (rows, columns) without blur."""
    spectrum = np.fft.fft2(pixels, axes=(0, 1))
    spectrum = ndimage.fourier_gaussian(spectrum, (sigma, sigma, 0))
    spectrum = ndimage.fourier_shift(spectrum, (*shift, 0))
    return np.fft.ifft2(spectrum, axes=(0, 1)).real


def fit_line(x: np.ndarray, y: np.ndarray) -> LinearFit | None:
    """Fit y = gain x + bias; a third of the ground may have changed.

    The first guess is the most common slope between two samples.  Then samples off the
    line are excluded and the line is fitted again, until it is stable.  The slope is
    the ratio of the standard deviations, because both images have errors.

    x, Sentinel-2, and y, Spot, are [n] DN.  Return None if their texture is too weak.

    Source: Theil-Sen's slopes between pairs, with Rousseeuw's shortest interval for
    their median; geometric mean regression (reduced major axis).
    """
    if len(x) < LEAST_SAMPLES or x.std() < LEAST_TEXTURE or y.std() < LEAST_LEVELS:
        return None
    x, y = x.astype(float), y.astype(float)
    one, other = np.random.default_rng(0).integers(0, len(x), (2, SLOPES))
    rise, run = y[one] - y[other], x[one] - x[other]
    # The smallest differences are noise, and the largest are between ground and cloud.
    apart = np.abs(run) > LEAST_TEXTURE
    if not apart.any():
        return None
    low, high = np.quantile(np.abs(run[apart]), (0.25, 0.6))
    apart = (np.abs(run) >= low) & (np.abs(run) <= high)
    slopes = np.arctan(rise[apart] / run[apart])
    gain = np.tan(_densest_median(slopes, 0.4))
    bias = _densest_median(y - gain * x, 0.5)
    for _ in range(10):
        residual = np.abs(y - gain * x - bias)
        # Flat ground, such as water, must not narrow the tolerance for other ground.
        spread = 3 * _robust_deviation(residual)
        follows = residual <= max(spread, 0.5 * CHANGED_DN * abs(gain), 1)
        if min(x[follows].std(), y[follows].std()) == 0:
            return None
        correlation = np.corrcoef(x[follows], y[follows])[0, 1]
        previous = gain
        gain = np.sign(correlation) * y[follows].std() / x[follows].std()
        bias = y[follows].mean() - gain * x[follows].mean()
        if abs(gain - previous) < 1e-6:
            break
    return LinearFit(float(gain), float(bias), float(correlation**2))


def is_changed(
    lr: np.ndarray, xs: np.ndarray, fits: Sequence[LinearFit | None]
) -> np.ndarray:
    """Return the mask [n] of samples [n, bands] that are far from a line of any band.

    A band without a line shows no change.
    """
    bands = zip(lr.T, xs.T, fits, strict=True)
    residuals = [y - fit.gain * x - fit.bias if fit else 0 * y for x, y, fit in bands]
    distances = np.abs(np.transpose(residuals))  # [n, bands] DN of Spot
    gains = np.array([abs(fit.gain) if fit else np.inf for fit in fits])
    spread = _robust_deviation(distances) if len(lr) else 0.0
    return (distances > np.maximum(3 * spread, CHANGED_DN * gains)).any(axis=1)


def _robust_deviation(residual: np.ndarray) -> np.ndarray:
    """Estimate the standard deviation from absolute residuals, [n, ...] to [...]."""
    return 1.4826 * np.median(residual, axis=0)


def _densest_median(values: np.ndarray, share: float) -> float:
    """Return the median of the shortest interval with a `share` of the values."""
    values = np.sort(values)
    count = int(share * (len(values) - 1))
    first = (values[count:] - values[: len(values) - count]).argmin()
    return float(np.median(values[first : first + count + 1]))


def harmonize(image: Any, fits: Sequence[LinearFit | None]) -> pyotb.App:
    """Map the DN of Spot to the DN of Sentinel-2: (DN - bias) / gain, for each band.

    Nodata stays 0, and pixels with data become 1 at least.
    """
    bands = []
    for number, fit in enumerate(fits):
        if fit is None or fit.gain <= 0 or fit.r2 < LEAST_R2:
            relation = fit and f"a gain of {fit.gain:.3f} (R2 {fit.r2:.2f})"
            raise SRError(
                f"{relation or 'no relation'} was found between Spot and Sentinel-2 in "
                f"{BANDS[number]}, a positive gain and an R2 of {LEAST_R2} or more are "
                "expected; check that both show the same place and bands, or do "
                "without --harmonize"
            )
        dn = f"im1b{number + 1}"
        mapped = f"max(1, ({dn} - ({fit.bias!r})) / {fit.gain!r})"
        bands.append(f"({dn} == 0 ? 0 : {mapped})")
    return pyotb.BandMathX(il=[image], exp="; ".join(bands))
