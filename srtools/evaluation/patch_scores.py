"""Scores of each test patch, computed by TensorFlow on the device of the network.

Each score is a mean over the pixels of a patch, so that a mean over patches is a mean
over all pixels.  The scores take 544 bytes per patch; pixels are not kept.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from srtools.conventions import BANDS, SCALE
from srtools.evaluation import confidence, eval_set
from srtools.evaluation.eval_set import BORDER
from srtools.images.interpolation import ZOOMS
from srtools.metrics import ergas, psnr, spectral_angle, ssim
from srtools.tf import tf

MODEL = "model"
BASELINE = "bicubic"  # zoom that a model has to beat
METHODS = (*ZOOMS, MODEL)
AREAS = {"inner": BORDER, "whole": 0}  # parts: hr pixels left out on each side
COLUMNS = ("l1", "l2", "ssim", "sam")  # scores in patches.csv, means over bands
STATISTICS = {  # functions from means of `COLUMNS`, [k, 4], to scores [k]
    "l1_dn": lambda means: means[:, 0] / SCALE,
    "l2_dn": lambda means: means[:, 1] / SCALE**2,
    "psnr_db": lambda means: psnr(means[:, 1]),
    "ssim": lambda means: means[:, 2],
    "sam_degrees": lambda means: means[:, 3],
}

Errors = Callable[[tf.Tensor, tf.Tensor], dict[str, tf.Tensor]]
"""Function that takes prediction and truth, [n, h, w, bands], and returns the mean
errors over pixels, "l1" and "l2", [n, bands]."""

Mean = Callable[[np.ndarray], np.ndarray]
"""Function that averages scores over patches, [n, bands] to [bands]."""


def by_band(values: np.ndarray) -> dict[str, float]:
    """Return values [bands] by name of the band, and their mean under "all"."""
    named = dict(zip(BANDS, values.tolist(), strict=False))
    return {**named, "all": float(values.mean())}


class PatchScores:
    """Scores of patches of `size` hr pixels a side, by method and by `AREAS`."""

    def __init__(self, size: int, errors: Errors, mean: Mean):
        spec = tf.TensorSpec([None, size, size, len(BANDS)], tf.float32)
        # Tracing the graph takes longer than a call, so it is done once.
        self._score = tf.function(partial(score, errors), [spec] * 2, autograph=False)
        self._mean = mean
        self._batches: list[dict] = []

    def add(self, predicted: dict[str, Any], truth: np.ndarray) -> None:
        """Score the next patches, [n, h, w, bands] reflectance, of each method."""
        truth = tf.cast(truth, tf.float32)
        images = {m: tf.cast(image, tf.float32) for m, image in predicted.items()}
        scores = {m: self._score(image, truth) for m, image in images.items()}
        batch = tf.nest.map_structure(np.array, scores)
        eval_set.check_numbers(*(batch[m]["whole"]["l1"] for m in (BASELINE, MODEL)))
        self._batches.append(batch)

    def per_patch(self, area: str, method: str, name: str) -> np.ndarray:
        """Return a score of all patches by its name, [n, bands]; "sam" is [n, 1]."""
        return np.concatenate([batch[method][area][name] for batch in self._batches])

    def columns(self, method: str) -> np.ndarray:
        """Return the scores `COLUMNS` of each patch without its border, [n, 4]."""
        values = [self.per_patch("inner", method, name) for name in COLUMNS]
        return np.stack([v.mean(axis=1, dtype=np.float64) for v in values], axis=1)

    def gains(self) -> np.ndarray:
        """Subtract the PSNR of bicubic from the model's, without border, [n] dB."""
        return psnr(self.columns(MODEL)[:, 1]) - psnr(self.columns(BASELINE)[:, 1])

    def area_record(self, area: str) -> dict:
        """Return scores by method, gain, and mean of the truth in one of `AREAS`."""
        records = {m: self.method_record(area, m) for m in self._batches[0]}
        model, baseline = (records[m]["psnr_db"] for m in (MODEL, BASELINE))
        gains = {band: model[band] - baseline[band] for band in model}
        mean = self._mean(self.per_patch(area, MODEL, "mean"))
        return {
            **records,
            "truth_mean_dn": by_band(mean / SCALE),
            "gain_db": gains["all"],
            "gain_db_per_band": gains,
        }

    def method_record(self, area: str, method: str) -> dict:
        """Return the scores of a method over all patches, per band and over all bands.

        The PSNR over all bands is computed from the mean L2 of the bands.
        """
        l1, l2, similarity, angle, mean = (
            self._mean(self.per_patch(area, method, name))
            for name in (*COLUMNS, "mean")
        )
        ratios = {"all": ergas(l2, mean)} if mean.all() else None
        for i, band in enumerate(BANDS if ratios else ()):
            ratios[band] = ergas(l2[[i]], mean[[i]])
        return {
            "l1_reflectance": by_band(l1),
            "l2_reflectance": by_band(l2),
            "l1_dn": by_band(l1 / SCALE),
            "l2_dn": by_band(l2 / SCALE**2),
            "psnr_db": {**by_band(psnr(l2)), "all": float(psnr(l2.mean()))},
            "ssim": by_band(similarity),
            "sam_degrees": float(angle[0]),
            "ergas": ratios,
        }

    def gain_interval(self, blocks: np.ndarray, kind: str) -> dict:
        """Return the interval of the gain, dB; `kind` says what the blocks [n] are."""
        columns = (self.columns(method) for method in (BASELINE, MODEL))
        return {
            "level": confidence.LEVEL,
            "blocks": int(blocks.max()) + 1,
            "kind": kind,
            "gain_db": difference("psnr_db", *columns, blocks)["interval"],
        }


def score(
    errors: Errors, image: tf.Tensor, truth: tf.Tensor
) -> dict[str, dict[str, tf.Tensor]]:
    """Score each patch in each of `AREAS`: {area: {score: [n, bands]}}.

    "sam" is [n, 1] degrees, without black pixels; "mean" averages the truth.
    """
    similarity, angle = ssim(image, truth), spectral_angle(image, truth)
    scores = {}
    for area, border in AREAS.items():
        inside = np.s_[:, border : -border or None, border : -border or None]
        scores[area] = {
            **errors(image[inside], truth[inside]),
            "ssim": tf.reduce_mean(similarity[inside], axis=(1, 2)),
            "sam": _mean_angle(angle[inside]),
            "mean": tf.reduce_mean(truth[inside], axis=(1, 2)),
        }
    return scores


def _mean_angle(angle: tf.Tensor) -> tf.Tensor:
    """Average angles that are not nan, [n, h, w, 1] to [n, 1]; 0 if all are nan."""
    black = tf.math.is_nan(angle)
    total = tf.reduce_sum(tf.where(black, 0.0, angle), axis=(1, 2))
    count = tf.reduce_sum(tf.cast(~black, tf.float32), axis=(1, 2))
    return tf.math.divide_no_nan(total, count)


def difference(
    name: str, one: np.ndarray, other: np.ndarray, blocks: np.ndarray
) -> dict:
    """Compare two methods on the same patches: scores, `other` - `one`, interval.

    `one` and `other` are `COLUMNS` [n, 4]; the score `name` is one of `STATISTICS`.
    """
    statistic = STATISTICS[name]

    def change(means: np.ndarray) -> np.ndarray:
        before, after = np.split(means, 2, axis=1)
        return statistic(after) - statistic(before)

    values = [float(statistic(v.mean(0)[None])[0]) for v in (one, other)]
    both = np.concatenate([one, other], axis=1)
    return {
        "values": values,
        "difference": values[1] - values[0],
        "interval": confidence.interval(both, blocks, change),
    }
