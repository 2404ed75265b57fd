"""Which pixels may be part of a patch, and what is wrong with the others."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyotb
from scipy.ndimage import maximum_filter
from tqdm import tqdm

from srtools.conventions import BANDS
from srtools.scl import BAD_CLASSES, MISSING_CLASS

REASONS = ("no data", "saturated", "cloud, shadow or defect")
# Bicubic interpolation mixes 2 pixels of 10 m on each side into one of 6 m, and
# 2 pixels of 6 m into one of hr: what is bad spoils so many lr pixels around it.
REACH = 4
SATURATED = 65535  # DN of Sentinel-2
STRIP = 256  # lr pixels that are looked at together, along the rows


@dataclass(frozen=True)
class Seen:
    """What was found, on the grid of Spot's XS."""

    bad: dict[str, np.ndarray]
    """For each of `REASONS` the pixels it spoils, [h, w] bool."""
    missing: float
    """Share (0-1) of Spot's ground that Sentinel-2 lacks."""
    cloud: float | None
    """Share (0-1) of Spot's ground under cloud or shadow, None without SCL."""

    @property
    def usable(self) -> np.ndarray:
        """Tell which pixels may be part of a patch, [h, w] bool."""
        return ~np.any(list(self.bad.values()), axis=0)


def look(
    pan: str, xs: str, s2: Any, scl: Any | None = None, saturated: int | None = None
) -> Seen:
    """Look at every pixel once, in strips.

    Arguments:
        pan, xs: the Spot images; 0 is no data.
        s2: pyotb object or file, Sentinel-2 as it is published, DN; 0 is no data.
        scl: the same for its scene classification, if there is one.
        saturated: DN of Spot that means saturated, None if there is none.
    """
    # The pixel nearest to the middle: 6 m are less than 10 m, so that each pixel of
    # Sentinel-2 is seen, and PAN's no data lies in large pieces.
    layers = [xs]
    for image in (s2, pan, scl):
        if image is not None:
            layers.append(pyotb.Superimpose(inr=xs, inm=image, interpolator="nn"))
    everything = pyotb.ConcatenateImages(il=layers)
    height, width = everything.shape[:2]
    bad = {reason: np.zeros((height, width), bool) for reason in REASONS}
    spot_pixels = missing_pixels = cloud_pixels = 0
    rows = range(0, height, STRIP)
    for row in tqdm(rows, "looking at all pixels", unit="strip", delay=3, disable=None):
        strip = slice(row, min(row + STRIP, height))
        pixels = everything[strip, :].to_numpy()
        of_xs, of_s2, rest = np.split(pixels, (len(BANDS), 2 * len(BANDS)), axis=-1)
        of_pan, of_scl = rest[..., 0], rest[..., 1:]
        spot = (of_xs != 0).all(axis=-1) & (of_pan != 0)
        absent = (of_s2 == 0).any(axis=-1) | (of_scl == MISSING_CLASS).any(axis=-1)
        clouds = np.isin(of_scl, list(BAD_CLASSES)).any(axis=-1)
        full = (of_s2 >= SATURATED).any(axis=-1)
        if saturated:
            full |= (of_xs >= saturated).any(axis=-1) | (of_pan >= saturated)
        for reason, found in zip(REASONS, (absent | ~spot, full, clouds), strict=True):
            bad[reason][strip] = found
        spot_pixels += int(spot.sum())
        missing_pixels += int((spot & absent).sum())
        cloud_pixels += int((spot & clouds & ~absent).sum())
    return Seen(
        {reason: maximum_filter(found, 2 * REACH + 1) for reason, found in bad.items()},
        missing_pixels / max(spot_pixels, 1),
        None if scl is None else cloud_pixels / max(spot_pixels, 1),
    )
