"""The assessment of a model: every score of a test set, batch by batch."""

import zlib
from pathlib import Path
from typing import Any

import numpy as np

from srtools import cards
from srtools.conventions import BANDS
from srtools.evaluation import runs, test_set
from srtools.evaluation.patch_scores import Errors, all_scores
from srtools.evaluation.sampled import SampledScores
from srtools.evaluation.scores import BASELINE, METHODS, MODEL, Scores
from srtools.evaluation.test_set import TestSet
from srtools.network import model_card
from srtools.network.saved_model import ModelInfo


class Assessment:
    """All scores of a model and of the simple zooms; no pixels are kept.

    Arguments:
        test: the test set.
        border: hr pixels left out on each side; the scores with them are kept as well.
        sample: number of patches for the slow scores, at most; 0: all.
        errors: by name, the errors of pixels, as `all_scores` takes them.
    """

    def __init__(self, test: TestSet, border: int, sample: int, errors: Errors):
        self.test, self.errors = test, errors
        self._borders = {"inner": border, "whole": 0}
        self._scores = Scores(BANDS)
        self._sampled = SampledScores(test, sample, border)
        self._checksum = 0

    def add(self, lr: np.ndarray, predicted: dict[str, Any], truth: np.ndarray) -> None:
        """Score the next patches of the test set.

        Arguments:
            lr: [n, h, w, bands] Sentinel-2, reflectance.
            predicted: by method, [n, 4 h, 4 w, bands] reflectance, array or tensor.
            truth: [n, 4 h, 4 w, bands] reflectance.

        Raises:
            SRError: if the model makes patches of another size, or a pixel is nan.
        """
        test_set.check_size(predicted[MODEL], truth)
        found = all_scores(predicted, truth, self._borders, self.errors)
        test_set.check_numbers(
            *(found[method]["whole"]["l1"] for method in (BASELINE, MODEL))
        )
        self._sampled.add(self._scores.count(), lr, predicted, truth)
        self._scores.add(found)
        # Patch by patch, so that the size of the batches does not matter.
        for images in zip(lr, truth, strict=True):
            for image in images:
                self._checksum = zlib.crc32(np.ascontiguousarray(image), self._checksum)

    @property
    def gains(self) -> np.ndarray:
        """PSNR of the model less that of bicubic, patch by patch, dB, [n]."""
        return self._scores.gains("inner")

    @property
    def columns(self) -> dict[str, np.ndarray]:
        """By method, `runs.COLUMNS` of each patch, [n, 4], the border left out."""
        return {m: self._scores.columns("inner", m) for m in METHODS}

    def write_patches(self, path: str | Path) -> None:
        """Write patches.csv."""
        blocks, _ = runs.blocks(self.test)
        runs.write_patches(path, self.columns, self.test.windows, blocks)

    def metrics(self, model: ModelInfo) -> dict:
        """Give the content of metrics.json."""
        blocks, kind = runs.blocks(self.test)
        dataset = self.test.dataset
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
            "intervals": runs.method_intervals(self.columns, blocks, kind),
            **self._sampled.record(),
            "worst": self._scores.worst("inner", self.test.windows),
            "model_dir": model.folder,
            "model_card": model_card.brief(model.card),
            "dataset": {k: v for k, v in dataset.items() if k != "groups"},
            "versions": cards.versions(),
        }
