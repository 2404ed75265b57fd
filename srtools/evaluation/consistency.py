"""Consistency of a 1.5 m image with the native 10 m pixels of Sentinel-2."""

import numpy as np

from srtools.conventions import SCALE
from srtools.evaluation.eval_set import INNER, EvalSet, Sample
from srtools.evaluation.patch_scores import BASELINE, MODEL
from srtools.evaluation.sentinel2_pixels import NativePixels, open_sentinel2
from srtools.matching.back_projection import back_project
from srtools.matching.point_spread import SIGMAS, blur_at
from srtools.matching.registration import Block, block_shift
from srtools.metrics import psnr, spectral_angle

LEAST_SHIFT_PIXELS = 8  # least side of the square in which a shift is measured
CONSISTENT = "consistent"  # prediction after the back-projection of `--consistent`
IMAGES = (BASELINE, MODEL, CONSISTENT, "truth")
ROUNDS = 3  # iterations of the shift measurement

OPERATOR = (
    "the 1.5 m image is blurred with a Gaussian of modulation {:.3g} at one cycle per "
    "20 m (sigma {:.2f} m), sampled at the centres of Sentinel-2's native 10 m pixels, "
    "and compared with these; pixels with a blur beyond the patch are left out"
)


class Consistency:
    """Difference from Sentinel-2 of bicubic, prediction and truth, over a test set."""

    def __init__(self, test: EvalSet):
        self.spacing, self.sentinel2 = test.spacing, open_sentinel2(test)
        self._scores: list[np.ndarray] = []  # results of `_measure`

    def add(self, sample: Sample) -> None:
        """Compare each image with native Sentinel-2, in patches that have it."""
        for index, number in enumerate(sample.numbers if self.sentinel2 else ()):
            if (native := self.sentinel2.read(number)) is None:
                continue
            bicubic, model = (sample.predicted[m][index] for m in (BASELINE, MODEL))
            # sr_infer.py serves at least 1 DN where it has data, because 0 is nodata.
            sizes = self.spacing, self.sentinel2.spacing, self.sentinel2.blur
            consistent = back_project(np.maximum(model, SCALE), *native, *sizes)
            images = np.stack([bicubic, model, consistent, sample.truth[index]])
            self._scores.append(self._measure(images, native))

    def _measure(self, images: np.ndarray, native: NativePixels) -> np.ndarray:
        """Return L1, bias, angle, `_shift`, L2 from the truth of `IMAGES`, [4, 6]."""
        optics = native.rows, native.cols, self.spacing, self.sentinel2.blur
        simulated = np.array([blur_at(image, *optics) for image in images], float)
        # Of all images at once: calling TensorFlow takes longer than the angles.
        angles = np.ma.masked_invalid(spectral_angle(simulated, native.pixels))
        errors, axes = simulated - native.pixels, (1, 2, 3)
        means = np.abs(errors).mean(axes), errors.mean(axes), angles.mean(axes)
        shifts = [self._shift(image, native) for image in images]
        l2 = np.square(images - images[-1])[INNER].mean(axes)
        return np.ma.column_stack([*means, shifts, l2]).filled(np.nan)

    def _shift(self, image: np.ndarray, native: NativePixels) -> tuple[float, float]:
        """Return the shift of an image to (east, north), metres, or nan if unknown.

        Phase correlation underestimates the shift in a small square, because the taper
        lies at the same place in both images.  Therefore the image is sampled again,
        displaced by the shift so far, and the remaining shift is added.
        """
        optics = self.spacing, self.sentinel2.blur
        east = north = 0.0
        if len(native.pixels) < LEAST_SHIFT_PIXELS:
            return np.nan, np.nan
        for _ in range(ROUNDS):
            rows = native.rows - north / self.spacing
            cols = native.cols + east / self.spacing
            simulated = blur_at(image, rows, cols, *optics)
            block = Block(0, 0, lr=simulated / SCALE, xs=native.pixels / SCALE)
            rest = block_shift(block, self.sentinel2.spacing)
            if rest.verdict != "used":
                return np.nan, np.nan
            east, north = east + rest.east, north + rest.north
            if max(abs(east), abs(north)) > SIGMAS * self.sentinel2.blur:
                break  # the next iteration would sample beyond the patch
        return east, north

    def record(self) -> dict | None:
        """Return `consistency` of metrics.json, or None if no patch was compared."""
        if not self._scores:
            return None
        tables = dict(zip(IMAGES, np.stack(self._scores, axis=1), strict=True))
        before, after = (psnr(tables[m][:, 5].mean()) for m in (MODEL, CONSISTENT))
        operator = OPERATOR.format(self.sentinel2.modulation, self.sentinel2.blur)
        record = {"grid": "10 m", "operator": operator, "patches": len(self._scores)}
        record |= {image: _summary(table) for image, table in tables.items()}
        record[CONSISTENT]["gain_change_db"] = after - before
        return record


def _summary(table: np.ndarray) -> dict:
    """Average the results of `_measure`, in DN; for the shift take the median."""
    l1, bias = table[:, :2].mean(axis=0) / SCALE
    angles = table[~np.isnan(table[:, 2]), 2]
    shifts = table[~np.isnan(table[:, 3]), 3:5]
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
