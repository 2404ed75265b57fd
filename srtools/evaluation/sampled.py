"""The slow scores, measured on a sample of the patches, evenly spread."""

from typing import Any

import numpy as np

from srtools.evaluation.consistency import Consistency
from srtools.evaluation.detail import Correctness
from srtools.evaluation.own_grid import open_grid
from srtools.evaluation.scores import BASELINE, METHODS, MODEL
from srtools.evaluation.spectrum import RingSpectra
from srtools.evaluation.test_set import TestSet, spread

SMALLEST = 16  # hr pixels inside the border, for spectra to mean anything


class SampledScores:
    """Consistency, spectra and correctness of a sample of the patches.

    Arguments:
        test: the test set.
        sample: number of patches to measure, at most; 0: all.
        border: hr pixels left out on each side; consistency leaves out its own.
    """

    def __init__(self, test: TestSet, sample: int, border: int):
        chosen = spread(test.count, sample)
        self._chosen = np.isin(np.arange(test.count), chosen)
        self._inner = slice(border, -border or None)
        self._correctness = Correctness()
        size = test.size - 2 * border
        self._spectra = RingSpectra(size, test.spacing) if size >= SMALLEST else None
        own_grid = open_grid(test)
        consistency = Consistency(test.spacing, own_grid)
        self._consistency = consistency if consistency.possible(test.size) else None

    def add(
        self, first: int, lr: np.ndarray, predicted: dict[str, Any], truth: np.ndarray
    ) -> None:
        """Add a batch; only its patches in the sample are measured.

        Arguments:
            first: number of the first patch of the batch.
            lr: [n, h, w, bands] Sentinel-2, reflectance.
            predicted: by method, [n, 4 h, 4 w, bands] reflectance, array or tensor.
            truth: [n, 4 h, 4 w, bands] reflectance.
        """
        here = np.flatnonzero(self._chosen[first : first + len(truth)])
        if not len(here):
            return
        lr, truth = lr[here], truth[here]
        predicted = {m: np.asarray(image)[here] for m, image in predicted.items()}
        if self._consistency:
            self._add_consistency(first + here, lr, predicted, truth)
        if self._spectra:
            inner = np.s_[:, self._inner, self._inner]
            cut = {method: image[inner] for method, image in predicted.items()}
            self._add_inner(cut, truth[inner])

    def _add_consistency(
        self, numbers: np.ndarray, lr: np.ndarray, predicted: dict, truth: np.ndarray
    ) -> None:
        images = {**{m: predicted[m] for m in (BASELINE, MODEL)}, "truth": truth}
        for place, patch in enumerate(numbers):
            one = {method: image[place] for method, image in images.items()}
            self._consistency.add(patch, one, lr[place], self._inner)

    def _add_inner(self, predicted: dict[str, np.ndarray], truth: np.ndarray) -> None:
        self._spectra.add(predicted, truth)
        self._correctness.add(predicted[MODEL], truth, predicted[BASELINE])

    def record(self) -> dict:
        """Give the part of metrics.json that these scores make."""
        spectra = self._spectra
        return {
            "closer_look": {"patches": int(self._chosen.sum())},
            "consistency": self._consistency and self._consistency.record(),
            "spectrum": spectra.record(list(METHODS)) if spectra else None,
            "correctness": self._correctness.record() if spectra else None,
        }
