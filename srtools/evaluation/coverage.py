"""Coverage: share of true pixels inside the intervals that a model promises."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from srtools.conventions import SCALE
from srtools.evaluation.eval_set import Sample
from srtools.evaluation.patch_scores import MODEL, by_band
from srtools.network import intervals
from srtools.tf import tf


class Coverage:
    """Share of true pixels inside the intervals of a model, by level and band."""

    def __init__(self, card: Mapping[str, Any]):
        self.calibration = intervals.find_record(card)
        self._within: dict[str, list] = {level: [] for level in intervals.LEVELS}
        self._widths: dict[str, list] = {level: [] for level in intervals.LEVELS}

    def add(self, sample: Sample) -> None:
        """Measure the coverage of patches, if the model's card has intervals."""
        if not self.calibration:
            return
        predicted, inner = sample.predicted[MODEL], slice(intervals.CUT, -intervals.CUT)
        predictors = intervals.predictors(tf.constant(predicted / SCALE))
        errors = np.abs(predicted - sample.truth)[:, inner, inner] / SCALE
        for level in intervals.LEVELS:
            width = intervals.half_widths(predictors, self.calibration, level).numpy()
            self._within[level] += list((errors <= width).mean(axis=(1, 2)))
            self._widths[level] += list(width.mean(axis=(1, 2), dtype=np.float64))

    def record(self) -> dict | None:
        """Return coverage and mean half-width (DN) by level; None if not measured."""
        patches = len(self._within[intervals.SERVED])
        if not patches:
            return None
        levels = {
            level: {
                "coverage": by_band(np.mean(self._within[level], axis=0)),
                "half_width_dn": by_band(np.mean(self._widths[level], axis=0)),
            }
            for level in intervals.LEVELS
        }
        return {"patches": patches, "levels": levels}
