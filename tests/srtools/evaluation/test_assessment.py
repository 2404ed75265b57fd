"""The assessment counts each patch once, whatever the size of the batches."""

from pathlib import Path

import numpy as np
import pytest

from sr_eval import errors_of_patches, mean_over_patches
from srtools.errors import SRError
from srtools.evaluation import assessment as module
from srtools.evaluation.assessment import Assessment
from srtools.evaluation.eval_set import EvalSet
from srtools.network import domain_shift
from srtools.network.saved_model import ModelInfo

COUNT, SIZE = 5, 32
RANDOM = np.random.default_rng(1)
TRUTH = RANDOM.uniform(0.1, 0.4, (COUNT, SIZE, SIZE, 4)).astype(np.float32)
LR = 1e4 * TRUTH[:, ::4, ::4]


def predict(lr: np.ndarray, truth: np.ndarray) -> dict[str, np.ndarray]:
    zoomed = np.float32(1e-4) * lr.repeat(4, axis=1).repeat(4, axis=2)
    zooms = dict.fromkeys(("nearest", "bilinear", "bicubic"), zoomed)
    return {**zooms, "model": (truth + zoomed) / 2}


def assess(step: int, lr: np.ndarray = LR, truth: np.ndarray = TRUTH, **dataset):
    """Score the patches in batches of `step`."""
    windows = np.arange(COUNT)[:, None] * (SIZE // 4, 0)
    test = EvalSet(Path("nowhere"), {}, COUNT, SIZE, dataset, windows)
    model = ModelInfo("model", {}, {}, {"dataset": {}, "seed": 1})
    assessment = Assessment(test, model, errors_of_patches, mean_over_patches)
    for first in range(0, COUNT, step):
        batch = lr[first : first + step], truth[first : first + step]
        assessment.add(batch[0], predict(*batch), batch[1])
    return assessment


@pytest.mark.parametrize("step", [1, 2])
def test_batches_do_not_matter(step):
    whole, parts = (assess(size).metrics("") for size in (COUNT, step))
    assert whole["test_set"] == parts["test_set"]
    assert whole["correctness"] == pytest.approx(parts["correctness"])
    one, other = (m["spectrum"]["correlation"]["model"] for m in (whole, parts))
    assert one == pytest.approx(other)
    for area in ("inner", "whole"):
        one, other = (metrics[area]["model"] for metrics in (whole, parts))
        assert one["l1_dn"] == pytest.approx(other["l1_dn"], rel=1e-5)


def test_checksum_depends_on_each_pixel_and_the_order():
    metrics = [assess(COUNT).metrics("")["test_set"]]
    for name, image in (("lr", LR), ("truth", TRUTH)):
        changed = image.copy()
        changed[3, 2, 1, 0] *= 1.001
        metrics.append(assess(COUNT, **{name: changed}).metrics("")["test_set"])
    metrics.append(assess(COUNT, LR[::-1], TRUTH[::-1]).metrics("")["test_set"])
    assert len(set(metrics)) == 4


def test_gain_and_cards():
    """Half the error is 6.02 dB; sections of the cards that are long are left out."""
    metrics = assess(COUNT, groups={}, offset=0).metrics("sr_eval.py")
    assert metrics["inner"]["gain_db"] == pytest.approx(6.02, abs=0.01)
    assert metrics["share_won"] == 1
    assert metrics["model_card"] == {"seed": 1} and metrics["dataset"] == {"offset": 0}
    assert metrics["model_dir"] == "model" and metrics["commands"] == ["sr_eval.py"]
    metrics = assess(COUNT, command="sr_dataset.py --item A").metrics("sr_eval.py")
    assert metrics["commands"] == ["sr_dataset.py --item A", "sr_eval.py"]
    assert (metrics["consistency"], metrics["coverage"]) == (None, None)
    assert metrics["intervals"]["kind"] == "blocks of neighbours"


def test_patches_unlike_the_training_set_are_a_warning(caplog):
    assessment = assess(COUNT)
    assessment.model.card["training_set"] = domain_shift.record(LR / 2)
    assert assessment.metrics("")["training_set"]["share_unlike"] == 1
    assert f"{assessment.test.folder}: 100% of the ground is unlike" in caplog.text


def test_model_with_another_factor():
    assessment, predicted = assess(COUNT), predict(LR, TRUTH)
    predicted["model"] = predicted["model"][:, ::2, ::2]
    with pytest.raises(SRError, match="factors differ"):
        assessment.add(LR, predicted, TRUTH)


def test_sample_is_spread_and_keeps_its_numbers(monkeypatch):
    """Each measure gets the same patches, with their numbers in the whole test set."""
    samples = []
    monkeypatch.setattr(module, "SAMPLE", 3)
    monkeypatch.setattr(
        module.Consistency, "add", lambda _, sample: samples.append(sample)
    )
    metrics = assess(2).metrics("")
    assert [n for sample in samples for n in sample.numbers] == [0, 2, 4]
    np.testing.assert_array_equal(samples[-1].truth, TRUTH[4:])
    assert metrics["closer_look"] == {"patches": 3}


def test_shown_patches_go_from_the_best_to_the_worst(monkeypatch):
    assessment = assess(COUNT)
    gains = np.array([5.0, 1.0, 3.0, 4.0, 2.0])
    monkeypatch.setattr(assessment.scores, "gains", lambda: gains)
    assert assessment.patches_to_show() == [0, 3, 2, 4, 1]
    monkeypatch.setattr(module, "PICTURES", 3)
    assert assessment.patches_to_show() == [0, 2, 1]


@pytest.mark.parametrize(
    ("split", "expected"),
    [({"blocks": {"test": 2}}, [0, 1]), ({"blocks": {}}, [0, 0]), ({}, [0, 0])],
)
def test_blocks_of_the_card(split, expected):
    """A test scene, and interleaved groups, have no blocks in the card."""
    windows = np.array([[0, 0], [0, 64]])
    test = EvalSet(Path("nowhere"), {}, 2, 128, {"split": split}, windows)
    assessment = Assessment(test, ModelInfo("m", {}, {}, {}), None, None)
    assert assessment.blocks.tolist() == expected
