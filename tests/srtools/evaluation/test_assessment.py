"""The assessment: patches in batches of any size, each of them counted once."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from srtools.errors import SRError
from srtools.evaluation import assessment as room
from srtools.evaluation.assessment import Assessment, commands
from srtools.evaluation.test_set import TestSet
from srtools.network.saved_model import ModelInfo

import tensorflow as tf

COUNT, SIZE = 5, 32
TRUTH = np.random.default_rng(1).uniform(0.1, 0.4, (COUNT, SIZE, SIZE, 4))
TRUTH = TRUTH.astype(np.float32)
LR = TRUTH[:, ::4, ::4]


def errors(predicted, truth) -> dict:
    error = predicted - truth
    return {
        "l1": tf.reduce_mean(abs(error), axis=(1, 2)),
        "l2": tf.reduce_mean(error**2, axis=(1, 2)),
    }


def mean(scores: np.ndarray) -> np.ndarray:
    return scores.mean(axis=0, dtype=np.float64)


def predict(lr: np.ndarray, truth: np.ndarray) -> dict[str, np.ndarray]:
    zoomed = lr.repeat(4, axis=1).repeat(4, axis=2)
    zooms = dict.fromkeys(("nearest", "bilinear", "bicubic"), zoomed)
    return {**zooms, "model": (truth + zoomed) / 2}


def assess(step: int, lr: np.ndarray = LR, truth: np.ndarray = TRUTH) -> dict:
    """Score the patches in batches of `step`, and give the metrics."""
    windows = np.arange(COUNT)[:, None] * (SIZE // 4, 0)
    test = TestSet(Path("nowhere"), {}, COUNT, SIZE, {"groups": {}}, windows)
    assessment = Assessment(test, border=4, errors=errors, mean=mean)
    for first in range(0, COUNT, step):
        batch = lr[first : first + step], truth[first : first + step]
        assessment.add(batch[0], predict(*batch), batch[1])
    return assessment.metrics(
        ModelInfo("model", {}, {}, {"dataset": {}, "seed": 1}), ""
    )


@pytest.mark.parametrize("step", [1, 2])
def test_batches_do_not_matter(step):
    whole, parts = assess(COUNT), assess(step)
    assert whole["test_set"] == parts["test_set"]
    for area in ("inner", "whole"):
        one, other = (found[area]["model"] for found in (whole, parts))
        assert one["l1_dn"] == pytest.approx(other["l1_dn"], rel=1e-5)
    assert [w["patch"] for w in whole["worst"]] == [w["patch"] for w in parts["worst"]]


def test_checksum_knows_each_pixel_and_the_order():
    found = [assess(COUNT)["test_set"]]
    for name, image in (("lr", LR), ("truth", TRUTH)):
        changed = image.copy()
        changed[3, 2, 1, 0] += 1e-4
        found.append(assess(COUNT, **{name: changed})["test_set"])
    found.append(assess(COUNT, LR[::-1], TRUTH[::-1])["test_set"])
    assert len(set(found)) == 4


def test_gain_and_cards():
    """Half the error is 6.02 dB; the cards are kept without what is elsewhere."""
    found = assess(COUNT)
    assert found["inner"]["gain_db"] == pytest.approx(6.02, abs=0.01)
    assert found["share_won"] == 1
    assert found["model_card"] == {"seed": 1} and found["dataset"] == {}
    assert found["model_dir"] == "model"


def test_the_border_does_not_count():
    """A model that is wrong in the border alone wins all patches by far."""
    test = TestSet(Path("nowhere"), {}, COUNT, SIZE, {}, None)
    assessment = Assessment(test, border=4, errors=errors, mean=mean)
    predicted = predict(LR, TRUTH)
    model = TRUTH + 1
    model[:, 4:-4, 4:-4] -= 1
    assessment.add(LR, {**predicted, "model": model}, TRUTH)
    found = assessment.metrics(ModelInfo("model", {}, {}, {}), "")
    assert found["share_won"] == 1 and (assessment.gains > 20).all()
    assert found["whole"]["gain_db"] < 0 < found["inner"]["gain_db"]
    assert found["worst"][0]["gain_db"] > 20


def test_model_with_another_factor():
    test = TestSet(Path("nowhere"), {}, COUNT, SIZE, {}, None)
    assessment = Assessment(test, border=0, errors=errors, mean=mean)
    predicted = predict(LR, TRUTH)
    predicted["model"] = predicted["model"][:, ::2, ::2]
    with pytest.raises(SRError, match="factors differ"):
        assessment.add(LR, predicted, TRUTH)


def test_sample_is_spread_and_keeps_its_numbers(monkeypatch):
    """Sentinel-2's own pixels are asked for by the number in the whole test set."""
    asked = []
    own_grid = SimpleNamespace(spacing=10.0, view=asked.append)
    monkeypatch.setattr(room, "open_grid", lambda *_: own_grid)
    monkeypatch.setattr(room, "SAMPLE", 3)
    monkeypatch.setattr(room.Consistency, "possible", lambda *_: True)
    metrics = assess(2)
    assert asked == [0, 2, 4] and metrics["consistency"] is None
    assert metrics["closer_look"] == {"patches": 3}
    assert metrics["correctness"]["improvement"] > 0.3
    assert metrics["correctness"] == pytest.approx(assess(COUNT)["correctness"])


def test_small_patches_have_no_slow_scores():
    test = TestSet(Path("nowhere"), {}, COUNT, SIZE, {}, None)
    assessment = Assessment(test, border=9, errors=errors, mean=mean)
    assessment.add(LR, predict(LR, TRUTH), TRUTH)
    metrics = assessment.metrics(ModelInfo("model", {}, {}, {}), "")
    assert {metrics[n] for n in ("spectrum", "correctness", "consistency")} == {None}


DATASET = {
    "command": "sr_dataset.py --pan 'a b.tif' --stac_url 'http://h/$(touch /tmp/x)'",
    "sentinel2": {"items": ["S2A_1", "S2A_$(id)"]},
}


def test_commands_are_quoted_and_name_the_items():
    """Each once, in the order in which they are run."""
    at_hand = {"command": "sr_dataset.py --s2_images x.tif", "sentinel2": {"files": []}}
    scenes = [{"dataset": at_hand}, {"dataset": DATASET}]
    model = {"scenes": scenes, "command": "sr_train.py --patches a b; id"}
    assert commands("sr_eval.py --border 4", DATASET, model) == [
        "sr_dataset.py --s2_images x.tif",
        "sr_dataset.py --pan 'a b.tif' --stac_url 'http://h/$(touch /tmp/x)' "
        "--item S2A_1 'S2A_$(id)'",
        "sr_train.py --patches a 'b;' id",
        "sr_eval.py --border 4",
    ]


def test_cards_without_commands_have_none():
    for card in ({}, {"command": ""}, {"command": None}, {"command": "it's"}):
        assert commands("sr_eval.py", card, card) == ["sr_eval.py"]


def test_items_that_were_asked_for_are_named_once():
    card = {"command": "sr_dataset.py --item A", "sentinel2": {"items": ["A"]}}
    assert commands("", card, {}) == ["sr_dataset.py --item A"]
