"""Which pixels may be part of a patch, and what is wrong with the others."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.ndimage import maximum_filter
from tqdm import tqdm

from srtools.ahead import ahead
from srtools.conventions import BANDS, FACTOR
from srtools.errors import SRError
from srtools.images.raster import describe
from srtools.sentinel2.scl import BAD_CLASSES, LAST_CLASS, MISSING_CLASS

import pyotb

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
    # Sentinel-2 is seen.
    layers = [xs]
    for image in (s2, scl):
        if image is not None:
            layers.append(pyotb.Superimpose(inr=xs, inm=image, interpolator="nn"))
    everything = pyotb.ConcatenateImages(il=layers)
    pan_in_xs = PanInXS(pan, xs)
    height, width = everything.shape[:2]
    bad = {reason: np.zeros((height, width), bool) for reason in REASONS}
    spot_pixels = missing_pixels = cloud_pixels = 0
    strips = [slice(row, min(row + STRIP, height)) for row in range(0, height, STRIP)]

    def read(strip: slice) -> tuple:
        return everything[strip, :].to_numpy(), pan_in_xs.extremes(strip, width)

    seen = tqdm(
        zip(strips, ahead(map(read, strips)), strict=True), "looking at all pixels",
        len(strips), unit="strip", delay=3, disable=None,
    )  # fmt: skip
    for strip, (pixels, (darkest, brightest)) in seen:
        of_xs, of_s2, of_scl = np.split(pixels, (len(BANDS), 2 * len(BANDS)), axis=-1)
        if of_scl.size and of_scl.max() > LAST_CLASS:
            raise SRError(
                f"the scene classification holds {of_scl.max():g}, classes from 0 to "
                f"{LAST_CLASS} are expected; give the SCL band of the product"
            )
        spot = (of_xs > 0).all(axis=-1) & (darkest > 0)
        absent = (of_s2 <= 0).any(axis=-1) | (of_scl == MISSING_CLASS).any(axis=-1)
        clouds = np.isin(of_scl, list(BAD_CLASSES)).any(axis=-1)
        full = (of_s2 >= SATURATED).any(axis=-1)
        if saturated:
            full |= (of_xs >= saturated).any(axis=-1) | (brightest >= saturated)
        for reason, found in zip(REASONS, (absent | ~spot, full, clouds), strict=True):
            bad[reason][strip] = found
        spot_pixels += int(spot.sum())
        missing_pixels += int((spot & absent).sum())
        cloud_pixels += int((spot & clouds & ~absent).sum())
    return Seen(
        {why: maximum_filter(bad.pop(why), 2 * REACH + 1) for why in REASONS},
        missing_pixels / max(spot_pixels, 1),
        None if scl is None else cloud_pixels / max(spot_pixels, 1),
    )


class PanInXS:
    """The PAN pixels inside each pixel of XS; outside of PAN they count as 0."""

    def __init__(self, pan: str, xs: str):
        self.image = pyotb.Input(pan)
        self.height, self.width = self.image.shape[:2]
        corner = describe(xs, "the XS image").transform @ (0, 0)
        col, row = ~describe(pan, "the PAN image").transform @ corner
        self.row, self.col = (int(np.floor(place + 1e-3)) for place in (row, col))
        # Where the grids are not aligned a pixel of XS reaches into a fifth one.
        self.tall, self.wide = (
            FACTOR + (abs(place - round(place)) > 1e-3) for place in (row, col)
        )

    def extremes(self, rows: slice, width: int) -> tuple[np.ndarray, np.ndarray]:
        """Give the smallest and the largest DN in each pixel of some rows of XS.

        Arguments:
            rows: first and (excluded) last one.
            width: of XS in pixels.

        Returns:
            Two arrays [rows, width].
        """
        height = rows.stop - rows.start
        top, left = self.row + FACTOR * rows.start, self.col
        bottom = top + FACTOR * (height - 1) + self.tall
        right = left + FACTOR * (width - 1) + self.wide
        pixels = np.zeros((bottom - top, right - left), np.float32)
        first_row, last_row = max(top, 0), min(bottom, self.height)
        first_col, last_col = max(left, 0), min(right, self.width)
        if first_row < last_row and first_col < last_col:
            part = self.image[first_row:last_row, first_col:last_col].to_numpy()
            pixels[
                first_row - top : last_row - top, first_col - left : last_col - left
            ] = part[..., 0]
        found = []
        for extreme in (np.minimum, np.maximum):
            lines = _reduce(pixels, extreme, height, self.tall)
            found.append(_reduce(lines.T, extreme, width, self.wide).T)
        return tuple(found)


def _reduce(lines: np.ndarray, extreme: Any, count: int, size: int) -> np.ndarray:
    """Reduce the `size` lines that lie in each of `count` pixels of XS to one."""
    found = lines[::FACTOR][:count].copy()
    for step in range(1, size):
        extreme(found, lines[step::FACTOR][:count], out=found)
    return found
