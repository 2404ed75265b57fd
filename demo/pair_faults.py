"""What real pairs of Spot-7 and Sentinel-2 have, and a made-up one lacks.

Relief and parallax shift the ground locally; days pass between the images; haze, the
optics of both satellites, the register of Sentinel-2's bands and its noise differ.
The amounts are typical of the field, not measured on one pair.
"""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from demo.render import PIXEL
from srtools.matching.point_spread import MODULATION

Bands = tuple[float, float, float, float]
"""One number for each of B04, B03, B02 and B08."""

RELIEF_METRES = 200.0  # scale of the field of local shifts, standard deviation
FIELD_METRES = 60.0  # scale of changed ground
HAZE_DN = 1500.0  # reflectance of thick haze, x 10000
SCATTERING = np.array([0.7, 0.85, 1.0, 0.4])  # thin haze scatters the blue most


@dataclass(frozen=True)
class Faults:
    """Faults of a pair of images; those of `good` are none."""

    relief: float = 0.0
    """Greatest local shift of Sentinel-2, metres."""
    changed: float = 0.0
    """Share of the ground that was harvested between the days."""
    haze: float = 0.0
    """Opacity of the haze over Sentinel-2 in the blue, 0-1."""
    spot_blur: float = 0.0
    """Blur of Spot, standard deviation in PAN pixels."""
    modulation: Bands = (MODULATION,) * 4
    """Modulation of Sentinel-2's optics at 1/20 m."""
    east: Bands = (0.0,) * 4
    """Shift of each band of Sentinel-2 to the east, metres."""
    noise: Bands = (4.0,) * 4
    """Standard deviation of Sentinel-2's noise, DN."""


LEVELS = {
    "good": Faults(),
    "fair": Faults(
        relief=3.0,
        changed=0.03,
        haze=0.03,
        spot_blur=0.4,
        modulation=(0.27, 0.29, 0.31, 0.23),
        east=(0.0, 0.5, -0.5, 1.0),
        noise=(5.0, 6.0, 7.0, 9.0),
    ),
    "poor": Faults(
        relief=6.0,
        changed=0.1,
        haze=0.1,
        spot_blur=0.7,
        modulation=(0.23, 0.28, 0.35, 0.15),
        east=(0.0, 1.0, -1.5, 3.0),
        noise=(8.0, 9.0, 11.0, 14.0),
    ),
}
"""By name for the command line.  Only `good` is a perfect pair."""


def harvest(truth: np.ndarray, share: float, random: np.random.Generator) -> np.ndarray:
    """Return [h, w, 4] in which `share` of the ground is mown, if it was green."""
    noise = _smooth(truth.shape[:2], FIELD_METRES, random)
    red, green, blue, near_infrared = np.moveaxis(truth, -1, 0)
    mown = (noise > np.quantile(noise, 1 - share)) & (near_infrared > 2 * red)
    stubble = np.stack([2.2 * red, 1.6 * green, 1.5 * blue, 0.7 * near_infrared], -1)
    return np.where(mown[..., None], stubble, truth)


def local_shifts(
    shape: tuple[int, int], greatest: float, random: np.random.Generator
) -> np.ndarray:
    """Return a smooth field of shifts, [2, h, w] metres down and to the right.

    A tenth of the ground is shifted by `greatest`; the median is some 0.6 of it.
    """
    field = np.stack([_smooth(shape, RELIEF_METRES, random) for _ in range(2)])
    length = np.hypot(*field)
    return field * (greatest / np.maximum(length, np.quantile(length, 0.9)))


def cover_with_haze(reflectance: np.ndarray, opacity: float) -> np.ndarray:
    """Return [h, w, 4] through haze that is `opacity` opaque in the blue."""
    opaque = opacity * SCATTERING
    return reflectance * (1 - opaque) + HAZE_DN * opaque


def blur(image: np.ndarray, sigma: float) -> np.ndarray:
    """Blur [h, w, bands] with a Gaussian of `sigma` pixels."""
    return ndimage.gaussian_filter(image, (sigma, sigma, 0))


def _smooth(
    shape: tuple[int, int], metres: float, random: np.random.Generator
) -> np.ndarray:
    """Return smooth noise, made on a coarse grid, [h, w] on pixels of 1.5 m."""
    step = metres / PIXEL / 4
    coarse = tuple(int(np.ceil(side / step)) + 2 for side in shape)
    noise = ndimage.gaussian_filter(random.standard_normal(coarse), 4, mode="reflect")
    rows, cols = (np.arange(side) / step for side in shape)
    return ndimage.map_coordinates(noise, np.meshgrid(rows, cols, indexing="ij"))
