"""Consistency: would Sentinel-2, looking at the result, see its pixels again?

The 1.5 m result is blurred as Sentinel-2 blurs, and sampled at the centres of
Sentinel-2's own 10 m pixels.  Where these are not known, or lie in another CRS than the
patches, the result is sampled at the centres of the 6 m pixels to which Sentinel-2 was
resampled.
"""

from collections.abc import Callable

import numpy as np

from srtools.conventions import FACTOR, SCALE
from srtools.evaluation.own_grid import OwnGrid, View
from srtools.evaluation.scores import MODEL
from srtools.matching.back_projection import agree
from srtools.matching.point_spread import REACH_METRES, blur_weights
from srtools.matching.registration import Block, block_shift
from srtools.metrics import psnr, spectral_angle

LEAST_PIXELS = 4  # pixels a side for a comparison
LEAST_SHIFT_PIXELS = 8  # pixels a side for the measure of a shift
AGREEING = "consistent"  # the model's answer as `--consistent` changes it
ROUNDS = 3  # measures of a shift, each on top of the one before

OPERATOR = (
    "the 1.5 m image is blurred with a Gaussian whose modulation is 0.28 at one cycle "
    "per 20 m (sigma 5.08 m), read at the centres of the {grid}; pixels whose blur "
    "would reach beyond the patch are left out"
)
GRIDS = {
    "10 m": "pixels of Sentinel-2's own 10 m grid, and compared with these",
    "6 m": "6 m pixels, and compared with Sentinel-2 as it was resampled to these, "
    "because its own pixels are not known here",
}


def blur_at(
    image: np.ndarray, rows: np.ndarray, cols: np.ndarray, spacing: float
) -> np.ndarray:
    """Blur an image as Sentinel-2 blurs, and sample it in rows and columns.

    Arguments:
        image: [h, w, bands].
        rows: [n] positions, pixels of `image`; 0 is the middle of the first.
        cols: [m] positions.
        spacing: pixel size of `image`, metres.

    Returns:
        [n, m, bands]
    """
    height, width, bands = image.shape
    lines = blur_weights(rows, height, spacing) @ image.reshape(height, -1)
    return blur_weights(cols, width, spacing) @ lines.reshape(-1, width, bands)


def lr_view(lr: np.ndarray, spacing: float) -> View:
    """Return the lr pixels whose blur stays inside the patch, and their centres.

    Arguments:
        lr: [h, w, bands] Sentinel-2 on the 6 m grid, reflectance.
        spacing: pixel size of hr, metres.
    """
    cut = int(np.ceil(REACH_METRES / (FACTOR * spacing) - 0.5))
    rows, cols = (
        FACTOR * np.arange(cut, size - cut) + (FACTOR - 1) / 2 for size in lr.shape[:2]
    )
    return View(lr[cut:-cut, cut:-cut], rows, cols)


class Consistency:
    """Difference from Sentinel-2, method by method, over any number of patches.

    Arguments:
        spacing: pixel size of hr, metres.
        own_grid: Sentinel-2 on its own grid, if it was kept.
    """

    def __init__(self, spacing: float, own_grid: OwnGrid | None = None):
        self.spacing, self.own_grid = spacing, own_grid
        self.grid_spacing = own_grid.spacing if own_grid else FACTOR * spacing
        self._found: dict[str, list] = {}
        self._errors: list[tuple[float, float]] = []

    def possible(self, size: int) -> bool:
        """Check that hr patches of `size` pixels a side are large enough."""
        side = size * self.spacing - 2 * REACH_METRES
        return side >= LEAST_PIXELS * self.grid_spacing

    def add(
        self,
        patch: int,
        images: dict[str, np.ndarray],
        lr: np.ndarray,
        inner: slice = slice(None),
    ) -> None:
        """Compare one patch; without Sentinel-2's pixels nothing is added.

        Arguments:
            patch: number of the patch in the test set.
            images: by method, [4 h, 4 w, bands] reflectance, one of them "truth".
            lr: [h, w, bands] Sentinel-2 on the 6 m grid, reflectance.
            inner: rows and columns that count for the gain of `AGREEING`.
        """
        own_grid = self.own_grid
        view = own_grid.view(patch) if own_grid else lr_view(lr, self.spacing)
        if view is None:
            return
        if MODEL in images and own_grid:
            images = images | {AGREEING: self._agreeing(images[MODEL], view)}
            before, after = (
                np.square(images[m] - images["truth"])[inner, inner].mean()
                for m in (MODEL, AGREEING)
            )
            self._errors.append((before, after))
        for method, image in images.items():
            scores = self._compare(image, view)
            self._found.setdefault(method, []).append(scores)

    def _agreeing(self, image: np.ndarray, view: View) -> np.ndarray:
        """Do what `sr_infer.py --consistent` does, as far as a patch allows."""
        # An image that is served is at least 1 DN, where it has data: 0 is nodata.
        served = np.maximum(image, SCALE)
        places = view.rows, view.cols
        return agree(served, view.pixels, *places, self.spacing, self.grid_spacing)

    def _compare(self, image: np.ndarray, view: View) -> tuple[float, ...]:
        """Return L1, bias, spectral angle, and the shift to the east and north."""

        def blurred(down: float = 0, right: float = 0) -> np.ndarray:
            return blur_at(image, view.rows + down, view.cols + right, self.spacing)

        seen = blurred()
        error = seen - view.pixels
        angles = spectral_angle(seen, view.pixels)
        angle = np.nan if np.isnan(angles).all() else np.nanmean(angles)
        shift = self._shift(blurred, view.pixels)
        return np.abs(error).mean(), error.mean(), angle, *shift

    def _shift(
        self, blurred: Callable[[float, float], np.ndarray], pixels: np.ndarray
    ) -> tuple[float, float]:
        """Measure how far an image lies too far east and north, metres; nan if unknown.

        In so small a square phase correlation finds too small a shift, because the
        sides fade out at the same place in both.  So the image is sampled again,
        displaced by the shift found so far, and the rest is added.
        """
        east = north = 0.0
        if min(pixels.shape[:2]) < LEAST_SHIFT_PIXELS:
            return np.nan, np.nan
        for _ in range(ROUNDS):
            seen = blurred(-north / self.spacing, east / self.spacing)
            block = Block(0, 0, lr=seen / SCALE, xs=pixels / SCALE)
            rest = block_shift(block, self.grid_spacing)
            if rest.verdict != "used":
                return np.nan, np.nan
            east, north = east + rest.east, north + rest.north
            if max(abs(east), abs(north)) > REACH_METRES:
                break  # the next round would sample beyond the patch
        return east, north

    def record(self) -> dict | None:
        """Return, by method, the means over patches and the median shift.

        None if Sentinel-2 shows none of the patches.
        """
        if not self._found:
            return None
        grid = "10 m" if self.own_grid else "6 m"
        record = {"grid": grid, "operator": OPERATOR.format(grid=GRIDS[grid])}
        for method, rows in self._found.items():
            record["patches"] = len(rows)
            record[method] = self._summary(np.array(rows, np.float64))
        if self._errors:
            before, after = psnr(np.mean(self._errors, axis=0))
            record[AGREEING]["gain_change_db"] = float(after - before)
        return record

    def _summary(self, table: np.ndarray) -> dict:
        """Sum up the results of `_compare`, [patches, 5]."""
        l1, bias, angles = table.T[:3]
        angles = angles[~np.isnan(angles)]
        shifts = table[~np.isnan(table[:, 3]), 3:]
        east = north = length = None
        if len(shifts):
            east, north = np.median(shifts, axis=0).tolist()
            length = float(np.hypot(east, north))
        return {
            "l1_dn": float(l1.mean()) / SCALE,
            "bias_dn": float(bias.mean()) / SCALE,
            "spectral_angle_degrees": float(angles.mean()) if len(angles) else None,
            "shift_east_metres": east,
            "shift_north_metres": north,
            "shift_metres": length,
            "patches_with_shift": len(shifts),
        }
