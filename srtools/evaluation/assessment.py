"""The assessment of a model: every score of a test set, batch by batch."""

import shlex
import zlib
from typing import Any

import numpy as np

from srtools import cards
from srtools.conventions import BANDS, FACTOR
from srtools.evaluation import confidence, scores, test_set
from srtools.evaluation.consistency import Consistency
from srtools.evaluation.detail import Correctness
from srtools.evaluation.own_grid import open_grid
from srtools.evaluation.patch_scores import Errors, all_scores
from srtools.evaluation.scores import BASELINE, METHODS, MODEL, Mean, Scores
from srtools.evaluation.spectrum import RingSpectra
from srtools.evaluation.test_set import TestSet
from srtools.network import model_card
from srtools.network.saved_model import ModelInfo

SAMPLE = 100
"""Patches, evenly spread, on which consistency, spectra and correctness are measured:
enough for their means, and slow."""

SMALLEST = 16  # hr pixels inside the border, for spectra to mean anything


class Assessment:
    """All scores of a model and of the simple zooms; no pixels are kept.

    Arguments:
        test: the test set.
        border: hr pixels left out on each side; the scores with them are kept as well.
        errors: mean errors of each patch, as `all_scores` takes them.
        mean: mean of the scores of all patches.
    """

    def __init__(self, test: TestSet, border: int, errors: Errors, mean: Mean):
        self.test, self.errors = test, errors
        self._borders = {"inner": border, "whole": 0}
        self._scores = Scores(mean)
        self._checksum = 0
        self.sample = test_set.spread(test.count, SAMPLE)
        """Numbers of the patches on which the slow scores are measured."""
        size = test.size - 2 * border
        self._spectra = RingSpectra(size, test.spacing) if size >= SMALLEST else None
        self._correctness = Correctness() if self._spectra else None
        consistency = Consistency(test.spacing, open_grid(test))
        self._consistency = consistency if consistency.possible(test.size) else None

    def add(self, lr: np.ndarray, predicted: dict[str, Any], truth: np.ndarray) -> None:
        """Score the next patches of the test set.

        Arguments:
            lr: [n, h, w, bands] Sentinel-2, reflectance.
            predicted: by method, [n, 4 h, 4 w, bands] reflectance, array or tensor.
            truth: [n, 4 h, 4 w, bands] reflectance.
        """
        test_set.check_size(predicted[MODEL], truth)
        batch = all_scores(predicted, truth, self._borders, self.errors)
        test_set.check_numbers(*(batch[m]["whole"]["l1"] for m in (BASELINE, MODEL)))
        first = self._scores.count()
        self._scores.add(batch)
        # Patch by patch, so that the size of the batches does not matter.
        for images in zip(lr, truth, strict=True):
            for image in images:
                self._checksum = zlib.crc32(np.ascontiguousarray(image), self._checksum)
        chosen = np.intersect1d(self.sample, first + np.arange(len(truth))) - first
        if len(chosen):
            images = {m: np.asarray(image)[chosen] for m, image in predicted.items()}
            self._add_sample(first + chosen, lr[chosen], images, truth[chosen])

    def _add_sample(
        self, numbers: np.ndarray, lr: np.ndarray, images: dict, truth: np.ndarray
    ) -> None:
        """Measure patches of the sample, with their numbers in the test set."""
        border = self._borders["inner"]
        inner = slice(border, -border or None)
        if self._consistency:
            seen = {BASELINE: images[BASELINE], MODEL: images[MODEL], "truth": truth}
            for place, patch in enumerate(numbers):
                one = {method: image[place] for method, image in seen.items()}
                self._consistency.add(patch, one, lr[place], inner)
        if self._spectra:
            truth = truth[:, inner, inner]
            cut = {method: image[:, inner, inner] for method, image in images.items()}
            self._spectra.add(cut, truth)
            self._correctness.add(cut[MODEL], truth, cut[BASELINE])

    @property
    def gains(self) -> np.ndarray:
        """PSNR of the model less that of bicubic, patch by patch, dB, [n]."""
        return self._scores.gains("inner")

    @property
    def columns(self) -> dict[str, np.ndarray]:
        """By method, `COLUMNS` of each patch, [n, 4], the border left out."""
        return {method: self._scores.columns("inner", method) for method in METHODS}

    @property
    def blocks(self) -> np.ndarray:
        """Block of neighbours of each patch, [n]."""
        numbers = self.test.dataset.get("split", {}).get("blocks") or {}
        size, apart = self.test.size // FACTOR, "test" in numbers
        return confidence.group(self.test.count, self.test.windows, size, apart)

    def metrics(self, model: ModelInfo, command: str) -> dict:
        """Return the content of metrics.json, but for the coverage of intervals."""
        placed = self.test.windows is not None
        kind = "blocks of neighbours" if placed else "patches"
        return {
            "patches": self.test.count,
            "test_set": f"{self._checksum:08x}",
            "bands": list(BANDS),
            "methods": list(METHODS),
            "border": self._borders["inner"],
            "psnr_range": "reflectance 0-1",
            **{area: self._scores.area(area) for area in self._borders},
            "share_won": float((self.gains > 0).mean()),
            "coverage": None,
            "intervals": scores.method_intervals(self.columns, self.blocks, kind),
            "closer_look": {"patches": len(self.sample)},
            "consistency": self._consistency and self._consistency.record(),
            "correctness": self._correctness and self._correctness.record(),
            "spectrum": self._spectra and self._spectra.record(),
            "worst": self._scores.worst("inner", self.test.windows),
            "model_dir": model.folder,
            "model_card": model_card.brief(model.card),
            "dataset": {k: v for k, v in self.test.dataset.items() if k != "groups"},
            "versions": cards.versions(),
            "training_set": test_set.compare_with_training(
                self.test, model, self.sample
            ),
            "commands": commands(command, self.test.dataset, model.card),
        }


def commands(evaluation: str, dataset: dict, model: dict) -> list[str]:
    """Return the commands that make patches, model and scores, from the cards.

    Each word is quoted again, so that nothing in a card is run by a shell, and a search
    takes the same items.  Those of the training and test patches are in their cards.
    """
    trained = [scene.get("dataset") or {} for scene in model.get("scenes") or ()]
    lines = []
    for card in (*trained, dataset, model, {"command": evaluation}):
        try:
            words = shlex.split(card.get("command") or "")
        except ValueError:  # a quotation without an end
            continue
        items = (card.get("sentinel2") or {}).get("items") or ()
        pinned = [] if "--item" in words or not items else ["--item", *map(str, items)]
        lines.append(shlex.join([*words, *pinned]) if words else "")
    return [line for line in dict.fromkeys(lines) if line]
