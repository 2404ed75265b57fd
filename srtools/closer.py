"""The scores that take their time, on patches spread evenly over the test set."""

import numpy as np

from srtools.consistency import Consistency
from srtools.conventions import FACTOR, SCALE
from srtools.cpsnr import MOST, Robust
from srtools.detail import Correctness
from srtools.own_grid import OwnGrid
from srtools.spectrum import RingSpectra

METHODS = ("bicubic", "model")
SMALLEST = 16  # hr pixels inside the border, for cPSNR and spectra to mean anything


class CloserLook:
    """Tolerance to shifts, consistency, spectra and correctness, summed up.

    Arguments:
        count: patches of the test set.
        sample: of these look at so many at most; 0 means all.
        size: of the hr patches in pixels.
        border: hr pixels left out on each side.
        spacing: of the hr pixels, metres.
        own_grid: Sentinel-2 on its own grid, if there is one.
    """

    def __init__(
        self, *, count: int, sample: int, size: int, border: int, spacing: float,
        own_grid: OwnGrid | None = None,
    ):  # fmt: skip
        sample = min(sample or count, count)
        self._chosen = np.zeros(count, bool)
        self._chosen[np.linspace(0, count - 1, sample).round().astype(int)] = True
        self._inner = slice(border, -border or None)
        self._robust, self._correctness = Robust(), Correctness()
        inner_size = size - 2 * border
        large = inner_size >= SMALLEST
        self.spectra = RingSpectra(inner_size, spacing) if large else None
        consistency = Consistency(FACTOR, spacing, SCALE, own_grid)
        self._consistency = consistency if consistency.possible(size) else None
        self._spacing = spacing

    def add(
        self, first: int, lr: np.ndarray, predicted: dict[str, np.ndarray],
        truth: np.ndarray,
    ) -> None:  # fmt: skip
        """Add a batch, of which the chosen patches are looked at.

        Arguments:
            first: number of its first patch.
            lr: [n, h, w, bands] Sentinel-2, reflectance.
            predicted: by method, [n, 4 h, 4 w, bands] reflectance.
            truth: [n, 4 h, 4 w, bands] reflectance.
        """
        here = np.flatnonzero(self._chosen[first : first + len(truth)])
        if not len(here):
            return
        lr, truth = lr[here], truth[here]
        predicted = {m: predicted[m][here] for m in METHODS}
        if self._consistency:
            images = {**predicted, "truth": truth}
            for number, patch in enumerate(first + here):
                one = {method: image[number] for method, image in images.items()}
                self._consistency.add(patch, one, lr[number])
        inner = np.s_[:, self._inner, self._inner]
        truth, predicted = truth[inner], {m: p[inner] for m, p in predicted.items()}
        if self.spectra:
            self.spectra.add(predicted, truth)
            for method, image in predicted.items():
                self._robust.add(method, image, truth)
            self._correctness.add(predicted["model"], truth, predicted["bicubic"])

    def record(self) -> dict:
        """Give what metrics.json keeps."""
        robust = {"tried_shifts_pixels": MOST, **self._robust.record(self._spacing)}
        consistency = self._consistency and self._consistency.record()
        return {
            "closer_look": {"patches": int(self._chosen.sum())},
            "robust": robust if self.spectra else None,
            "consistency": consistency,
            "spectrum": self.spectra.record(list(METHODS)) if self.spectra else None,
            "correctness": self._correctness.record() if self.spectra else None,
        }
