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
        # Coverage and half-width of each patch, [2, bands], by level.
        self._scores: dict[str, list] = {level: [] for level in intervals.LEVELS}

    def add(self, sample: Sample) -> None:
        """Measure the coverage of patches, if the model's card has intervals."""
        if not self.calibration:
            return
        predicted, inner = sample.predicted[MODEL], slice(intervals.CUT, -intervals.CUT)
        predictors = intervals.predictors(tf.constant(predicted / SCALE))
        errors = np.abs(predicted - sample.truth)[:, inner, inner] / SCALE
        for level in intervals.LEVELS:
            width = intervals.half_widths(predictors, self.calibration, level).numpy()
            both = np.stack([errors <= width, width], axis=1)
            self._scores[level] += list(both.mean(axis=(2, 3), dtype=np.float64))

    def record(self) -> dict | None:
        """Return coverage and mean half-width (DN) by level; None if not measured."""
        if not (patches := len(self._scores[intervals.SERVED])):
            return None
        levels = {}
        for level, scores in self._scores.items():
            coverage, width = map(by_band, np.mean(scores, axis=0))
            levels[level] = {"coverage": coverage, "half_width_dn": width}
        return {"patches": patches, "levels": levels}
