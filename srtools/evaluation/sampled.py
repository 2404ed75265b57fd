"""The scores that take their time, on patches spread evenly over the test set."""

from typing import Any

import numpy as np

from srtools.conventions import FACTOR, SCALE
from srtools.evaluation.consistency import Consistency, reach
from srtools.evaluation.cpsnr import MOST, Robust
from srtools.evaluation.detail import Correctness
from srtools.evaluation.own_grid import open_grid
from srtools.evaluation.spectrum import RingSpectra
from srtools.evaluation.test_set import TestSet
from srtools.images.zooms import ZOOMS

METHODS = ("bicubic", "model")
SPECTRA = (*ZOOMS, "model")
SMALLEST = 16  # hr pixels inside the border, for cPSNR and spectra to mean anything


class CloserLook:
    """Tolerance to shifts, consistency, spectra and correctness, summed up.

    Arguments:
        test: the test set.
        sample: of its patches look at so many at most; 0 means all.
        border: hr pixels left out on each side.
    """

    def __init__(self, test: TestSet, sample: int, border: int):
        count, spacing = test.count, test.spacing
        sample = min(sample or count, count)
        self._chosen = np.zeros(count, bool)
        self._chosen[np.linspace(0, count - 1, sample).round().astype(int)] = True
        self._inner = slice(border, -border or None)
        self._robust, self._correctness = Robust(), Correctness()
        inner_size = test.size - 2 * border
        large = inner_size >= SMALLEST
        self.spectra = RingSpectra(inner_size, spacing) if large else None
        own_grid = open_grid(test, reach())
        consistency = Consistency(FACTOR, spacing, SCALE, own_grid)
        self._consistency = consistency if consistency.possible(test.size) else None
        self._spacing = spacing

    def add(
        self, first: int, lr: np.ndarray, predicted: dict[str, Any],
        truth: np.ndarray,
    ) -> None:  # fmt: skip
        """Add a batch, of which the chosen patches are looked at.

        Arguments:
            first: number of its first patch.
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
            images = {**{m: predicted[m] for m in METHODS}, "truth": truth}
            for number, patch in enumerate(first + here):
                one = {method: image[number] for method, image in images.items()}
                self._consistency.add(patch, one, lr[number])
        inner = np.s_[:, self._inner, self._inner]
        truth, predicted = truth[inner], {m: p[inner] for m, p in predicted.items()}
        if self.spectra:
            self.spectra.add({m: predicted[m] for m in SPECTRA}, truth)
            for method in METHODS:
                self._robust.add(method, predicted[method], truth)
            self._correctness.add(predicted["model"], truth, predicted["bicubic"])

    def record(self) -> dict:
        """Give what metrics.json keeps."""
        robust = {"tried_shifts_pixels": MOST, **self._robust.record(self._spacing)}
        consistency = self._consistency and self._consistency.record()
        return {
            "closer_look": {"patches": int(self._chosen.sum())},
            "robust": robust if self.spectra else None,
            "consistency": consistency,
            "spectrum": self.spectra.record(list(SPECTRA)) if self.spectra else None,
            "correctness": self._correctness.record() if self.spectra else None,
        }
