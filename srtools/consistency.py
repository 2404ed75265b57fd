"""Does the result, seen through Sentinel-2's eyes, still show what Sentinel-2 saw?

A patch holds Sentinel-2 on the 6 m grid, to which the bicubic interpolation of exercise
1 brought it from 10 m; its own 10 m grid is no longer known.  So the comparison is made
at 6 m: the 1.5 m result is blurred as Sentinel-2 blurs, and read at the centres of the
6 m pixels.
"""

import numpy as np

from srtools.metrics import spectral_angle
from srtools.registration import Block, block_shift

MODULATION = 0.28  # of Sentinel-2 at the highest frequency of its 10 m grid
SENTINEL2_SPACING = 10.0  # metres
REACH = 3.0  # sigmas, to which the Gaussian is followed
SMALLEST = 8  # pixels of 6 m that must be left to compare

OPERATOR = (
    "the 1.5 m image is blurred with a Gaussian whose modulation is 0.28 at one cycle "
    "per 20 m (sigma 5.08 m), read at the centres of the 6 m pixels, and compared with "
    "Sentinel-2 as it was resampled to 6 m; 6 m pixels whose blur would reach beyond "
    "the patch are left out"
)


def blur_sigma() -> float:
    """Give the sigma of the Gaussian that blurs like Sentinel-2, metres.

    exp(-2 pi^2 sigma^2 f^2) = 0.28 at f = 1 / 20 m.

    >>> round(blur_sigma(), 2)
    5.08
    """
    return float(np.sqrt(-np.log(MODULATION) / 2) / np.pi * 2 * SENTINEL2_SPACING)


def margin(factor: int, spacing: float) -> int:
    """Give the lr pixels at each side whose blur reaches beyond the patch.

    Arguments:
        factor: hr pixels per lr pixel.
        spacing: of the hr pixels, metres.
    """
    return int(np.ceil(REACH * blur_sigma() / (factor * spacing) - 0.5))


def see(image: np.ndarray, factor: int, spacing: float) -> np.ndarray:
    """Show what Sentinel-2 would see of an image.

    Arguments:
        image: [n, h, w, bands].
        factor: pixels per pixel of the result.
        spacing: of the pixels of `image`, metres.

    Returns:
        [n, h / factor - 2 margin, w / factor - 2 margin, bands]; see `margin`.
    """
    rows, cols = (_weights(size, factor, spacing) for size in image.shape[1:3])
    narrow = rows @ image.reshape(len(image), image.shape[1], -1)  # [n, rows, w b]
    return cols @ narrow.reshape(*narrow.shape[:2], *image.shape[2:])


def _weights(size: int, factor: int, spacing: float) -> np.ndarray:
    """Give the weight of each pixel in each pixel of the result."""
    left_out = margin(factor, spacing)
    centres = factor * np.arange(left_out, size // factor - left_out) + (factor - 1) / 2
    distances = (np.arange(size) - centres[:, None]) * spacing / blur_sigma()
    weights = np.exp(-np.square(distances) / 2) * (np.abs(distances) <= REACH)
    weights /= weights.sum(axis=1, keepdims=True)
    return weights.astype(np.float32)


class Consistency:
    """Difference from Sentinel-2, method by method, over any number of patches.

    Arguments:
        factor: hr pixels per lr pixel.
        spacing: of the hr pixels, metres.
        scale: reflectance of one DN.
    """

    def __init__(self, factor: int, spacing: float, scale: float):
        self.factor, self.spacing, self.scale = factor, spacing, scale
        self._found: dict[str, list] = {}

    def possible(self, size: int) -> bool:
        """Tell whether hr patches of this size are large enough."""
        return size // self.factor - 2 * margin(self.factor, self.spacing) >= SMALLEST

    def add(self, method: str, image: np.ndarray, lr: np.ndarray) -> None:
        """Add patches.

        Arguments:
            method: name of what made `image`.
            image: [n, factor h, factor w, bands] reflectance.
            lr: [n, h, w, bands] Sentinel-2, reflectance.
        """
        cut = margin(self.factor, self.spacing)
        seen = see(image, self.factor, self.spacing)
        lr = lr[:, cut : -cut or None, cut : -cut or None]
        for one, other in zip(seen, lr, strict=True):
            angle = np.nanmean(spectral_angle(one, other)) if other.any() else np.nan
            block = Block(0, 0, lr=one / self.scale, xs=other / self.scale)
            shift = block_shift(block, self.factor * self.spacing)
            place = (
                (shift.east, shift.north) if shift.verdict == "used" else [np.nan] * 2
            )
            row = (np.abs(one - other).mean(), (one - other).mean(), angle, *place)
            self._found.setdefault(method, []).append(row)

    def record(self) -> dict:
        """Give, by method, the means over patches, and the median shift.

        A shift is how far the result lies too far east and north.
        """
        record = {}
        for method, rows in self._found.items():
            table = np.array(rows, np.float64)
            l1, bias, angle = (_mean(column) for column in table.T[:3])
            shifts = table[~np.isnan(table[:, 3]), 3:]
            east, north = np.median(shifts, axis=0) if len(shifts) else (None, None)
            record[method] = {
                "l1_dn": l1 / self.scale,
                "bias_dn": bias / self.scale,
                "spectral_angle_degrees": angle,
                "shift_east_metres": east,
                "shift_north_metres": north,
                "shift_metres": float(np.hypot(east, north)) if len(shifts) else None,
                "patches_with_shift": len(shifts),
            }
        return record


def _mean(values: np.ndarray) -> float | None:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else None
