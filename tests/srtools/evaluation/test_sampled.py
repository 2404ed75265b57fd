"""The closer look: at patches spread over the whole test set, whatever the batches."""

from pathlib import Path

import numpy as np
import pytest

from srtools.evaluation.sampled import CloserLook
from srtools.evaluation.test_set import TestSet

RNG = np.random.default_rng(8)
TRUTH = RNG.uniform(0.1, 0.4, (7, 64, 64, 4)).astype(np.float32)
LR = TRUTH.reshape(7, 16, 4, 16, 4, 4).mean(axis=(2, 4))
PREDICTED = {
    "bicubic": TRUTH + RNG.normal(0, 0.02, TRUTH.shape).astype(np.float32),
    "model": TRUTH + RNG.normal(0, 0.01, TRUTH.shape).astype(np.float32),
    "nearest": LR.repeat(4, axis=1).repeat(4, axis=2),
    "bilinear": TRUTH * 0.9,
}


def look(step: int, sample: int, border: int = 8) -> dict:
    test = TestSet(Path("nowhere"), {}, 7, 64, {}, None)
    closer = CloserLook(test, sample, border)
    for first in range(0, 7, step):
        part = slice(first, first + step)
        predicted = {method: images[part] for method, images in PREDICTED.items()}
        closer.add(first, LR[part], predicted, TRUTH[part])
    return closer.record()


@pytest.mark.parametrize("sample", [0, 3, 100])
def test_batches_do_not_matter(sample):
    whole, parts = look(7, sample), look(2, sample)
    assert whole["closer_look"]["patches"] == {0: 7, 3: 3, 100: 7}[sample]
    for method in ("bicubic", "model"):
        for part in ("robust", "consistency"):
            assert whole[part][method] == pytest.approx(
                parts[part][method], nan_ok=True
            )
    for method in PREDICTED:
        one, other = (r["spectrum"]["correlation"][method] for r in (whole, parts))
        np.testing.assert_allclose(one, other)
    assert whole["correctness"] == pytest.approx(parts["correctness"])


def test_sample_is_the_first_the_middle_and_the_last():
    """Changing another patch changes nothing."""
    before = look(7, 3)
    kept = PREDICTED["model"][1].copy()
    PREDICTED["model"][1] = 0
    try:
        assert look(7, 3) == before
    finally:
        PREDICTED["model"][1] = kept


def test_better_images_score_better():
    found = look(7, 0)
    assert found["robust"]["model"]["cpsnr_db"] == pytest.approx(40, abs=0.2)
    assert found["robust"]["bicubic"]["cpsnr_db"] == pytest.approx(34, abs=0.2)
    assert set(found["consistency"]) == {
        "grid", "operator", "patches", "bicubic", "model", "truth",
    }  # fmt: skip
    assert found["correctness"]["improvement"] > 0.4


def test_what_patches_are_too_small_for_is_left_out():
    found = look(7, 0, border=26)
    assert found["robust"] is found["spectrum"] is found["correctness"] is None
    assert found["consistency"]["model"]["l1_dn"] > 0
