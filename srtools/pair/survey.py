"""Which pixels may be part of a patch, and what is wrong with the others."""

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
# Bicubic interpolation mixes 2 pixels of 10 m on each side into one of 6 m, and 2
# pixels of 6 m into one of hr: a bad pixel spoils so many lr pixels around it.
REACH_LR_PIXELS = 4
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
    pan: ImageInfo, xs: ImageInfo, s2: Any, scl: Any | None = None
) -> Survey:
    """Read every pixel once, in strips.

    Arguments:
        pan, xs: the Spot images; 0 is no data.
        s2: pyotb object or file, Sentinel-2 as it is published, DN; 0 is no data.
        scl: the same for its scene classification, if there is one.
    """
    # The nearest pixel: 6 m are less than 10 m, so each Sentinel-2 pixel is read.
    images = [image for image in (s2, scl) if image is not None]
    layers = [pyotb.Superimpose(inr=xs.path, inm=i, interpolator="nn") for i in images]
    stacked = pyotb.ConcatenateImages(il=[xs.path, *layers])
    pan_in_xs, saturated = PanInXS(pan, xs), xs.largest_dn or np.inf
    bad = {reason: np.zeros((xs.height, xs.width), bool) for reason in REASONS}
    count: Counter[str] = Counter()

    def read(row: int) -> tuple:
        rows = slice(row, min(row + STRIP_ROWS, xs.height))
        return rows, stacked[rows, :].to_numpy(), pan_in_xs.extremes(rows, xs.width)

    strips = range(0, xs.height, STRIP_ROWS)
    shown = {"total": len(strips), "unit": "strip", "delay": 3, "disable": None}
    strips = tqdm(prefetch(map(read, strips)), "looking at all pixels", **shown)
    for rows, pixels, (darkest, brightest) in strips:
        of_xs, of_s2, of_scl = np.split(pixels, (len(BANDS), 2 * len(BANDS)), axis=-1)
        if of_scl.size and of_scl.max() > LAST_CLASS:
            raise SRError(
                f"the scene classification holds {of_scl.max():g}, classes from 0 to "
                f"{LAST_CLASS} are expected; give the SCL band of the product"
            )
        spot = (of_xs != 0).all(axis=-1) & (darkest != 0)
        missing = (of_s2 == 0).any(axis=-1) | (of_scl == MISSING_CLASS).any(axis=-1)
        cloud = np.isin(of_scl, list(BAD_CLASSES)).any(axis=-1)
        full = (of_s2 >= SATURATED_DN).any(axis=-1) | (brightest >= saturated)
        full |= (of_xs >= saturated).any(axis=-1)
        for reason, where in zip(REASONS, (missing | ~spot, full, cloud), strict=True):
            bad[reason][rows] = where
        even = darkest == np.abs(brightest)
        counted = {"ground": spot, "missing": spot & missing, "even": spot & even}
        counted["cloud"] = spot & cloud & ~missing
        count.update({key: int(where.sum()) for key, where in counted.items()})
    shares = {key: n / max(count["ground"], 1) for key, n in count.items()}
    if shares["even"] > MOST_EVEN:
        log.warning(
            "PAN has one value in each pixel of XS, as an enlarged XS has: it brings "
            "no detail; give the panchromatic image of 1.5 m"
        )
    bad = {why: maximum_filter(bad[why], 2 * REACH_LR_PIXELS + 1) for why in REASONS}
    cloud = None if scl is None else shares["cloud"]
    return Survey(bad, {"cloud": cloud, "missing": shares["missing"]})
