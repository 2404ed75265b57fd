"""Which pixels may be part of a patch, and what is wrong with the others."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.ndimage import maximum_filter
from tqdm import tqdm

from srtools.ahead import ahead
from srtools.conventions import BANDS
from srtools.engine import engine_errors
from srtools.errors import SRError
from srtools.pair.pan import PanInXS
from srtools.sentinel2.scl import BAD_CLASSES, LAST_CLASS, MISSING_CLASS

import pyotb

REASONS = ("no data", "saturated", "cloud, shadow or defect")
# Bicubic interpolation mixes 2 pixels of 10 m on each side into one of 6 m, and 2
# pixels of 6 m into one of hr: a bad pixel spoils so many lr pixels around it.
REACH_LR_PIXELS = 4
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
    shape, strips = read_strips(pan, xs, s2, scl)
    bad = {reason: np.zeros(shape, bool) for reason in REASONS}
    spot_pixels = missing_pixels = cloud_pixels = 0
    for rows, of_xs, of_s2, of_scl, (darkest, brightest) in strips:
        spot = (of_xs != 0).all(axis=-1) & (darkest != 0)
        missing = (of_s2 == 0).any(axis=-1) | (of_scl == MISSING_CLASS).any(axis=-1)
        cloud = np.isin(of_scl, list(BAD_CLASSES)).any(axis=-1)
        full = (of_s2 >= SATURATED_DN).any(axis=-1)
        if saturated:
            full |= (of_xs >= saturated).any(axis=-1) | (brightest >= saturated)
        for reason, found in zip(REASONS, (missing | ~spot, full, cloud), strict=True):
            bad[reason][rows] = found
        spot_pixels += int(spot.sum())
        missing_pixels += int((spot & missing).sum())
        cloud_pixels += int((spot & cloud & ~missing).sum())
    ground = max(spot_pixels, 1)
    cloud = None if scl is None else cloud_pixels / ground
    bad = {why: maximum_filter(bad[why], 2 * REACH_LR_PIXELS + 1) for why in REASONS}
    return Survey(bad, {"cloud": cloud, "missing": missing_pixels / ground})


def read_strips(
    pan: str, xs: str, s2: Any, scl: Any | None
) -> tuple[tuple[int, int], Iterator[tuple]]:
    """Read all images on the grid of XS, strip by strip; see `survey_pixels`.

    Returns:
        Height and width; and an iterator over: rows (a slice); XS, Sentinel-2 and SCL
        (no band if there is none) [rows, width, bands]; PAN DN nearest to 0, and the
        largest.

    Raises:
        SRError: if the scene classification holds something else than classes.
    """
    # The nearest pixel: 6 m are less than 10 m, so that each pixel of Sentinel-2 is
    # read.
    layers = [xs]
    for image in (s2, scl):
        if image is not None:
            layers.append(pyotb.Superimpose(inr=xs, inm=image, interpolator="nn"))
    everything = pyotb.ConcatenateImages(il=layers)
    pan_in_xs = PanInXS(pan, xs)
    height, width = everything.shape[:2]
    firsts = range(0, height, STRIP_ROWS)
    strips = [slice(row, min(row + STRIP_ROWS, height)) for row in firsts]

    def read(rows: slice) -> tuple:
        pixels = everything[rows, :].to_numpy()
        of_xs, of_s2, of_scl = np.split(pixels, (len(BANDS), 2 * len(BANDS)), axis=-1)
        if of_scl.size and of_scl.max() > LAST_CLASS:
            raise SRError(
                f"the scene classification holds {of_scl.max():g}, classes from 0 to "
                f"{LAST_CLASS} are expected; give the SCL band of the product"
            )
        return rows, of_xs, of_s2, of_scl, pan_in_xs.extremes(rows, width)

    progress = {"total": len(strips), "unit": "strip", "delay": 3, "disable": None}
    found = tqdm(ahead(map(read, strips)), "looking at all pixels", **progress)
    return (height, width), found
