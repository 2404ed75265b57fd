"""Sampled scores: of patches spread over the whole test set, whatever the batches."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from srtools.evaluation import sampled
from srtools.evaluation.sampled import SampledScores
from srtools.evaluation.test_set import TestSet

TRUTH = np.random.default_rng(8).uniform(0.1, 0.4, (7, 64, 64, 4)).astype(np.float32)
LR = TRUTH.reshape(7, 16, 4, 16, 4, 4).mean(axis=(2, 4))
NOISE = np.random.default_rng(9).normal(0, 0.01, TRUTH.shape).astype(np.float32)
PREDICTED = {
    "bicubic": TRUTH + 2 * NOISE,
    "model": TRUTH + NOISE,
    "nearest": LR.repeat(4, axis=1).repeat(4, axis=2),
    "bilinear": TRUTH * 0.9,
}


def score(
    step: int, sample: int, border: int = 8, images: dict[str, np.ndarray] = PREDICTED
) -> dict:
    """Score 7 patches in batches of `step`."""
    test = TestSet(Path("nowhere"), {}, 7, 64, {}, None)
    scores = SampledScores(test, sample, border)
    for first in range(0, 7, step):
        part = slice(first, first + step)
        predicted = {method: image[part] for method, image in images.items()}
        scores.add(first, LR[part], predicted, TRUTH[part])
    return scores.record()


@pytest.mark.parametrize("sample", [0, 3, 100])
def test_batches_do_not_matter(sample):
    whole, parts = score(7, sample), score(2, sample)
    assert whole["closer_look"]["patches"] == {0: 7, 3: 3, 100: 7}[sample]
    for method in ("bicubic", "model"):
        assert whole["consistency"][method] == pytest.approx(
            parts["consistency"][method], nan_ok=True
        )
    for method in PREDICTED:
        one, other = (r["spectrum"]["correlation"][method] for r in (whole, parts))
        np.testing.assert_allclose(one, other)
    assert whole["correctness"] == pytest.approx(parts["correctness"])


def test_sample_is_the_first_the_middle_and_the_last():
    """Only a change of one of these changes the scores."""
    before = score(7, 3)
    for patch, same in ((1, True), (3, False)):
        model = PREDICTED["model"].copy()
        model[patch] = 0.1
        found = score(7, 3, images={**PREDICTED, "model": model})
        assert (found == before) == same


def test_patches_keep_their_numbers(monkeypatch):
    """Sentinel-2's own pixels are asked for by the number in the whole test set."""
    asked = []
    own_grid = SimpleNamespace(spacing=10.0, view=asked.append)
    monkeypatch.setattr(sampled, "open_grid", lambda *_: own_grid)
    assert score(2, 3)["consistency"] is None
    assert asked == [0, 3, 6]


def test_better_images_score_better():
    found = score(7, 0)
    model, bicubic = (found["spectrum"]["correlation"][m] for m in ("model", "bicubic"))
    assert (np.array(model) > bicubic).all()
    assert set(found["consistency"]) == {
        "grid",
        "operator",
        "patches",
        "bicubic",
        "model",
        "truth",
    }
    assert found["correctness"]["improvement"] > 0.4


def test_what_patches_are_too_small_for_is_left_out():
    found = score(7, 0, border=26)
    assert found["spectrum"] is found["correctness"] is None
    assert found["consistency"]["model"]["l1_dn"] > 0
