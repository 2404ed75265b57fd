"""Which pixels may be part of a patch, and what is wrong with the others."""

import logging
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.ndimage import maximum_filter
from tqdm import tqdm

from srtools.conventions import BANDS
from srtools.engine import engine_errors
from srtools.errors import SRError
from srtools.pair.pan import PanInXS
from srtools.prefetch import prefetch
from srtools.sentinel2.scl import BAD_CLASSES, LAST_CLASS, MISSING_CLASS

import pyotb

log = logging.getLogger(__name__)

REASONS = ("no data", "saturated", "cloud, shadow or defect")
# Bicubic interpolation mixes 2 pixels of 10 m on each side into one of 6 m, and 2
# pixels of 6 m into one of hr: a bad pixel spoils so many lr pixels around it.
REACH_LR_PIXELS = 4
LEVELS = 50  # DN of an image with texture, at least
MOST_EVEN = 0.9  # share of XS pixels within which PAN is one value
SATURATED_DN = 65535  # of Sentinel-2
STRIP_ROWS = 256  # lr pixels that are read at a time


@dataclass(frozen=True)
class Survey:
    """Bad pixels of a pair, on the grid of Spot's XS."""

    bad: dict[str, np.ndarray]
    """Pixels that each of `REASONS` spoils, [h, w] bool."""
    shares: dict[str, float | None]
    """Shares (0-1) of Spot's ground: "missing", which Sentinel-2 lacks, and "cloud",
    under cloud or shadow; None without SCL."""

    @property
    def usable(self) -> np.ndarray:
        """Pixels that may be part of a patch, [h, w] bool."""
        return ~np.any(list(self.bad.values()), axis=0)


@engine_errors("looking at the pixels")
def survey_pixels(
    pan: str, xs: str, s2: Any, scl: Any | None = None, saturated: int | None = None
) -> Survey:
    """Read every pixel once, in strips.

    Arguments:
        pan, xs: the Spot images; 0 is no data.
        s2: pyotb object or file, Sentinel-2 as it is published, DN; 0 is no data.
        scl: the same for its scene classification, if there is one.
        saturated: DN at which Spot is saturated, None if there is none.
    """
    # The nearest pixel: 6 m are less than 10 m, so each Sentinel-2 pixel is read.
    images = [image for image in (s2, scl) if image is not None]
    layers = [pyotb.Superimpose(inr=xs, inm=i, interpolator="nn") for i in images]
    everything, pan_in_xs = pyotb.ConcatenateImages(il=[xs, *layers]), PanInXS(pan, xs)
    height, width = everything.shape[:2]
    bad = {reason: np.zeros((height, width), bool) for reason in REASONS}
    count = {"ground": 0, "missing": 0, "cloud": 0, "even": 0}

    def read(row: int) -> tuple:
        rows = slice(row, min(row + STRIP_ROWS, height))
        return rows, everything[rows, :].to_numpy(), pan_in_xs.extremes(rows, width)

    levels: set[float] = set()  # an image that is all even is no enlarged one
    strips = range(0, height, STRIP_ROWS)
    shown = {"total": len(strips), "unit": "strip", "delay": 3, "disable": None}
    strips = tqdm(prefetch(map(read, strips)), "looking at all pixels", **shown)
    for rows, pixels, (darkest, brightest) in strips:
        of_xs, of_s2, of_scl = np.split(pixels, (len(BANDS), 2 * len(BANDS)), axis=-1)
        _check_classes(of_scl)
        spot = (of_xs != 0).all(axis=-1) & (darkest != 0)
        missing = (of_s2 == 0).any(axis=-1) | (of_scl == MISSING_CLASS).any(axis=-1)
        cloud = np.isin(of_scl, list(BAD_CLASSES)).any(axis=-1)
        full = (of_s2 >= SATURATED_DN).any(axis=-1)
        if saturated:
            full |= (of_xs >= saturated).any(axis=-1) | (brightest >= saturated)
        for reason, where in zip(REASONS, (missing | ~spot, full, cloud), strict=True):
            bad[reason][rows] = where
        count["ground"] += int(spot.sum())
        count["missing"] += int((spot & missing).sum())
        count["cloud"] += int((spot & cloud & ~missing).sum())
        even = spot & (darkest == np.abs(brightest))
        count["even"] += int(even.sum())
        levels.update(brightest[even][:2000].tolist())
    if len(levels) > LEVELS and count["even"] > MOST_EVEN * count["ground"]:
        log.warning(
            "PAN has one value in each pixel of XS, as an enlarged XS has: it brings "
            "no detail; give the panchromatic image of 1.5 m"
        )
    bad = {why: maximum_filter(bad[why], 2 * REACH_LR_PIXELS + 1) for why in REASONS}
    shares = {key: n / max(count["ground"], 1) for key, n in count.items()}
    cloud = None if scl is None else shares["cloud"]
    return Survey(bad, {"cloud": cloud, "missing": shares["missing"]})


def _check_classes(scl: np.ndarray) -> None:
    if scl.size and scl.max() > LAST_CLASS:
        raise SRError(
            f"the scene classification holds {scl.max():g}, classes from 0 to "
            f"{LAST_CLASS} are expected; give the SCL band of the product"
        )
