"""Assessment of a model: all scores of a test set, computed batch by batch."""

import zlib
from typing import Any

import numpy as np

from srtools import cards
from srtools.conventions import BANDS, FACTOR, SCALE
from srtools.evaluation import confidence, eval_set, patch_scores
from srtools.evaluation.consistency import Consistency
from srtools.evaluation.coverage import Coverage
from srtools.evaluation.detail_correctness import Correctness
from srtools.evaluation.eval_set import BORDER, EvalSet, Sample
from srtools.evaluation.patch_scores import PatchScores
from srtools.evaluation.spectrum import RingSpectra
from srtools.network import domain_shift, model_card
from srtools.network.saved_model import ModelInfo

PICTURES = 5  # patches that the report shows
SAMPLE = 100
"""Number of evenly spaced patches for the slow measures; their means need no more."""


class Assessment:
    """Scores of a model, and of zooms such as bicubic, on a test set."""

    def __init__(
        self,
        test: EvalSet,
        model: ModelInfo,
        errors: patch_scores.Errors,
        mean: patch_scores.Mean,
    ):
        self.test, self.model = test, model
        self.scores = PatchScores(test.size, errors, mean)
        self._checksum = self._count = 0
        self._sample = eval_set.evenly_spaced(test.count, SAMPLE)
        self._sampled_lr: list[np.ndarray] = []
        # The keys are those of metrics.json.
        self._measures = {
            "coverage": Coverage(model.card),
            "consistency": Consistency(test),
            "correctness": Correctness(),
            "spectrum": RingSpectra(test.size - 2 * BORDER, test.spacing),
        }

    def add(self, lr: np.ndarray, predicted: dict[str, Any], truth: np.ndarray) -> None:
        """Score the next n patches of the test set.

        `lr` [n, h, w, bands] is in DN.  `truth` and the images of `predicted`, arrays
        or tensors by method, are [n, 4 h, 4 w, bands] reflectance.
        """
        eval_set.check_size(predicted[patch_scores.MODEL], truth)
        self.scores.add(predicted, truth)
        # Patch by patch, so that the checksum does not depend on the batch size.
        for images in zip(lr * np.float32(SCALE), truth, strict=True):
            for image in images:
                self._checksum = zlib.crc32(np.ascontiguousarray(image), self._checksum)
        numbers = self._count + np.arange(len(truth))
        self._count += len(truth)
        chosen = np.isin(numbers, self._sample)
        if chosen.any():
            images = {m: np.asarray(image)[chosen] for m, image in predicted.items()}
            self._sampled_lr.append(lr[chosen])
            sample = Sample(numbers[chosen], images, truth[chosen])
            for measure in self._measures.values():
                measure.add(sample)

    def patches_to_show(self) -> list[int]:
        """Return indexes of patches at evenly spaced ranks, from most to least gain."""
        ranked = np.argsort(-self.scores.gains(), kind="stable")
        return ranked[eval_set.evenly_spaced(self.test.count, PICTURES)].tolist()

    @property
    def blocks(self) -> np.ndarray:
        """Block number of each patch, [n]: its neighbours', if places are known."""
        if self.test.windows is None:
            return np.arange(self.test.count)
        counts = self.test.dataset.get("split", {}).get("blocks") or {}
        size, separate = self.test.size // FACTOR, "test" in counts
        return confidence.group(self.test.windows, size, separate)

    def _domain_shift(self) -> dict | None:
        """Compare the patches with the training set in the model's card, if any."""
        lr = np.concatenate(self._sampled_lr)
        compared = domain_shift.compare(self.model.card, lr, str(self.test.folder))
        return compared and compared._asdict()

    def metrics(self, command: str) -> dict:
        """Return the content of metrics.json; `command` is that of this evaluation."""
        kind = "patches" if self.test.windows is None else "blocks of neighbours"
        dataset, card = self.test.dataset, self.model.card
        trained = [scene.get("dataset") or {} for scene in card.get("scenes") or ()]
        commands = [each.get("command") for each in (*trained, dataset, card)]
        return cards.plain(
            {
                "patches": self.test.count,
                "test_set": f"{self._checksum:08x}",
                "bands": BANDS,
                "methods": patch_scores.METHODS,
                "border": BORDER,
                "psnr_range": "reflectance 0-1",
                **{a: self.scores.area_record(a) for a in patch_scores.AREAS},
                "share_won": (self.scores.gains() > 0).mean(),
                "intervals": self.scores.gain_interval(self.blocks, kind),
                "closer_look": {"patches": len(self._sample)},
                **{key: m.record() for key, m in self._measures.items()},
                "training_set": self._domain_shift(),
                "model_dir": self.model.folder,
                "model_card": model_card.brief(card),
                "dataset": {k: v for k, v in dataset.items() if k != "groups"},
                "versions": cards.versions(),
                "commands": [*dict.fromkeys(filter(None, [*commands, command]))],
            }
        )
