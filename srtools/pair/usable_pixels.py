"""Masks of pixels that may be part of a patch, and reasons against the others."""

import logging
from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.ndimage import maximum_filter
from tqdm import tqdm

from srtools.conventions import BANDS
from srtools.engine import engine_errors
from srtools.errors import SRError
from srtools.images.raster import ImageInfo
from srtools.pair.pan import PanInXS
from srtools.prefetch import prefetch
from srtools.sentinel2.scl import BAD_CLASSES, LAST_CLASS, MISSING_CLASS

import pyotb

log = logging.getLogger(__name__)

REASONS = ("no data", "saturated", "cloud, shadow or defect")
# Bicubic interpolation reaches 2 pixels on each side: of 10 m for lr, of 6 m for hr.
REACH_LR_PIXELS = 4
MOST_EVEN = 0.9  # share of XS pixels in which all PAN pixels are equal
SATURATED_DN = 65535  # of Sentinel-2
STRIP_ROWS = 256  # lr pixels read at once


@dataclass(frozen=True)
class UsablePixels:
    """Bad pixels by reason, on the grid of XS."""

    bad: dict[str, np.ndarray]
    """Mask of the pixels near a fault, for each of `REASONS`, [h, w] bool."""
    shares: dict[str, float | None]
    """Shares of Spot's ground, 0-1, "missing" in Sentinel-2 and under "cloud" or
    shadow; None without SCL."""

    @property
    def usable(self) -> np.ndarray:
        """Mask of the pixels that may be part of a patch, [h, w] bool."""
        return ~np.any(list(self.bad.values()), axis=0)


@engine_errors("reading all pixels")
def find_usable_pixels(
    pan: ImageInfo, xs: ImageInfo, s2: Any, scl: Any | None = None
) -> UsablePixels:
    """Read every pixel once, in strips, and mask the bad ones; 0 is nodata.

    `s2` and `scl` are pyotb objects: Sentinel-2 as published, and its scene classes.
    """
    # The nearest pixel: 6 m are less than 10 m, so each Sentinel-2 pixel is read.
    images = [image for image in (s2, scl) if image is not None]
    layers = [pyotb.Superimpose(inr=xs.path, inm=i, interpolator="nn") for i in images]
    stacked = pyotb.ConcatenateImages(il=[xs.path, *layers])
    pan_in_xs = PanInXS(pan, xs)

    def read(row: int) -> tuple:
        rows = slice(row, min(row + STRIP_ROWS, xs.height))
        # Band by band the pixels are compared several times as fast.
        return rows, np.moveaxis(stacked[rows, :].to_numpy(), -1, 0).copy()

    bad = {reason: np.zeros((xs.height, xs.width), bool) for reason in REASONS}
    count: Counter[str] = Counter()
    strips = range(0, xs.height, STRIP_ROWS)
    progress = {"total": len(strips), "unit": "strip", "delay": 3, "disable": None}
    saturated = np.iinfo(xs.dtype).max if xs.dtype.startswith("uint") else np.inf
    parts = tqdm(prefetch(map(read, strips)), "reading all pixels", **progress)
    for rows, bands in parts:
        masks = _masks(bands, *pan_in_xs.extremes(rows, xs.width), saturated)
        for reason in REASONS:
            bad[reason][rows] = masks[reason]
        count.update({key: int(mask.sum()) for key, mask in masks.items()})
    shares = {key: number / max(count["ground"], 1) for key, number in count.items()}
    if shares["even"] > MOST_EVEN:
        log.warning(
            "PAN has one value in each pixel of XS, as an enlarged XS has: it brings "
            "no detail; give the panchromatic image of 1.5 m"
        )
    bad = {why: maximum_filter(bad[why], 2 * REACH_LR_PIXELS + 1) for why in REASONS}
    cloud = None if scl is None else shares["cloud"]
    return UsablePixels(bad, {"cloud": cloud, "missing": shares["missing"]})


def _masks(
    bands: np.ndarray, darkest: np.ndarray, brightest: np.ndarray, saturated: float
) -> dict[str, np.ndarray]:
    """Return [h, w] masks: `REASONS`, "ground", "missing", "cloud" and "even"."""
    xs, s2, scl = np.split(bands, (len(BANDS), 2 * len(BANDS)))
    if scl.size and scl.max() > LAST_CLASS:
        raise SRError(
            f"the scene classification holds {scl.max():g}, classes from 0 to "
            f"{LAST_CLASS} are expected; give the SCL band of the product"
        )
    ground = (xs != 0).all(axis=0) & (darkest != 0)
    missing = (s2 == 0).any(axis=0) | (scl == MISSING_CLASS).any(axis=0)
    cloud = np.isin(scl, list(BAD_CLASSES)).any(axis=0)
    full = (s2 >= SATURATED_DN).any(axis=0) | (brightest >= saturated)
    full |= (xs >= saturated).any(axis=0)
    return {
        **dict(zip(REASONS, (missing | ~ground, full, cloud), strict=True)),
        "ground": ground,
        "missing": ground & missing,
        "cloud": ground & cloud & ~missing,
        "even": ground & (darkest == np.abs(brightest)),
    }
