"""Consistency: would Sentinel-2, looking at the result, see its pixels again?

The 1.5 m result is blurred as Sentinel-2 blurs, and sampled at the centres of
Sentinel-2's own 10 m pixels.
"""

from collections.abc import Callable

import numpy as np

from srtools.conventions import SCALE
from srtools.evaluation.eval_set import CUT, EvalSet, Sample
from srtools.evaluation.patch_scores import BASELINE, MODEL
from srtools.evaluation.sentinel2_pixels import View, open_grid
from srtools.matching.back_projection import agree
from srtools.matching.point_spread import REACH_METRES, blur_weights
from srtools.matching.registration import Block, block_shift
from srtools.metrics import psnr, spectral_angle

LEAST_SHIFT_PIXELS = 8  # pixels a side for the measure of a shift
TRUTH = "truth"
AGREEING = "consistent"  # the model's answer as `--consistent` changes it
ROUNDS = 3  # measures of a shift, each on top of the one before

OPERATOR = (
    "the 1.5 m image is blurred with a Gaussian whose modulation is 0.28 at one cycle "
    "per 20 m (sigma 5.08 m), read at the centres of the pixels of Sentinel-2's own "
    "10 m grid, and compared with these; pixels whose blur would reach beyond the "
    "patch are left out"
)


def blur_at(
    image: np.ndarray, rows: np.ndarray, cols: np.ndarray, spacing: float
) -> np.ndarray:
    """Blur an image as Sentinel-2 blurs, and sample it, [h, w, b] to [n, m, b].

    `rows` [n] and `cols` [m] are positions in pixels of `image`, of which 0 is the
    middle of the first; `spacing` is their size in metres.
    """
    height, width, bands = image.shape
    lines = blur_weights(rows, height, spacing) @ image.reshape(height, -1)
    return blur_weights(cols, width, spacing) @ lines.reshape(-1, width, bands)


class Consistency:
    """Difference from Sentinel-2 of bicubic, model and truth, over a test set."""

    def __init__(self, test: EvalSet):
        self.spacing, self.own_grid = test.spacing, open_grid(test)
        self._scores: dict[str, list] = {}
        self._errors: list[list[float]] = []  # L2 of model and `AGREEING`

    def add(self, sample: Sample) -> None:
        """Compare patches where Sentinel-2's pixels are known."""
        for place, number in enumerate(sample.numbers if self.own_grid else ()):
            if (view := self.own_grid.view(number)) is None:
                continue
            images = {m: sample.predicted[m][place] for m in (BASELINE, MODEL)}
            # As `sr_infer.py` serves it: at least 1 DN where it has data, 0 is nodata.
            served = np.maximum(images[MODEL], SCALE)
            pixel = self.own_grid.spacing
            images[AGREEING] = agree(
                served, view.pixels, view.rows, view.cols, self.spacing, pixel
            )
            images[TRUTH] = truth = sample.truth[place]
            errors = [(images[m] - truth)[CUT] for m in (MODEL, AGREEING)]
            self._errors.append([np.square(error).mean() for error in errors])
            for method, image in images.items():
                scores = self._scores.setdefault(method, [])
                scores.append(self._measure(image, view))

    def _measure(self, image: np.ndarray, view: View) -> tuple[float, ...]:
        """Return L1, bias, spectral angle, and the shift to the east and north."""

        def blurred(down: float = 0, right: float = 0) -> np.ndarray:
            return blur_at(image, view.rows + down, view.cols + right, self.spacing)

        seen = blurred()
        error = seen - view.pixels
        angles = spectral_angle(seen.astype(float), view.pixels.astype(float)).numpy()
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
        if len(pixels) < LEAST_SHIFT_PIXELS:
            return np.nan, np.nan
        for _ in range(ROUNDS):
            seen = blurred(-north / self.spacing, east / self.spacing)
            block = Block(0, 0, lr=seen / SCALE, xs=pixels / SCALE)
            rest = block_shift(block, self.own_grid.spacing)
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
        if not self._scores:
            return None
        before, after = psnr(np.mean(self._errors, axis=0))
        record = {"grid": "10 m", "operator": OPERATOR, "patches": len(self._errors)}
        record |= {method: _summary(rows) for method, rows in self._scores.items()}
        record[AGREEING]["gain_change_db"] = after - before
        return record


def _summary(rows: list[tuple[float, ...]]) -> dict:
    """Sum up the measures of the patches."""
    table = np.array(rows, np.float64)
    l1, bias = table[:, :2].mean(axis=0) / SCALE
    angles = table[~np.isnan(table[:, 2]), 2]
    shifts = table[~np.isnan(table[:, 3]), 3:]
    east, north = np.median(shifts, axis=0) if len(shifts) else (np.nan, np.nan)
    return {
        "l1_dn": l1,
        "bias_dn": bias,
        "spectral_angle_degrees": angles.mean() if len(angles) else None,
        "shift_east_metres": east,
        "shift_north_metres": north,
        "shift_metres": np.hypot(east, north),
        "patches_with_shift": len(shifts),
    }
