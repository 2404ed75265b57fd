"""Coverage: share of true pixels inside the intervals that a model promises."""

from collections.abc import Callable

import numpy as np

from srtools.conventions import INPUT, OUTPUT, SCALE
from srtools.evaluation.eval_set import Sample
from srtools.evaluation.patch_scores import by_band
from srtools.network import intervals
from srtools.network.serving import mean_of_views
from srtools.tf import tf


class Coverage:
    """Share of true pixels inside the intervals of a model, by level and band."""

    def __init__(self, network: Callable, card: dict, views: int):
        self.network, self.views = network, views
        self.calibration = (card.get(intervals.SECTION) or {}).get(str(views))
        self._within: dict[str, list] = {level: [] for level in intervals.LEVELS}
        self._widths: dict[str, list] = {level: [] for level in intervals.LEVELS}

    def add(self, sample: Sample) -> None:
        """Measure the coverage of patches, if the model's card has intervals."""
        if not self.calibration:
            return

        def answer(image: tf.Tensor) -> tf.Tensor:
            return self.network(**{INPUT: image})[OUTPUT] / SCALE

        mean, spread = mean_of_views(answer, tf.constant(sample.lr), self.views)
        predictors = intervals.predictors(mean, spread)
        inner = slice(intervals.CUT, -intervals.CUT)
        errors = np.abs(mean.numpy() - sample.truth / SCALE)[:, inner, inner]
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
        return {
            "views": self.views,
            "patches": patches,
            "levels": levels,
            "left_out": self.calibration["left_out"],
        }
