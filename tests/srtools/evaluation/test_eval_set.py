"""Refusals of models and patches that contradict each other."""

import json

import numpy as np
import pytest

from srtools.errors import SRError
from srtools.evaluation.eval_set import (
    EvalSet,
    check_ground,
    check_model_card,
    read_eval_set,
    read_windows,
)
from srtools.network.saved_model import ModelInfo

COMMON = {"bands": ["B04", "B03", "B02", "B08"], "factor": 4, "scale": 1e-4}
CARD = {**COMMON, "offset_removed": 1000, "lr_spacing": 6.0, "hr_spacing": 1.5}
PLACES = {"lr": {"spacing": 6.0}, "hr": {"spacing": 1.5}}
DATASET = {**COMMON, **PLACES, "offset": 1000}


def check(card: dict, dataset: dict, bands: int = 4) -> None:
    check_model_card(ModelInfo("model", {"lr": bands}, {}, card), dataset)


def test_what_fits():
    check(CARD, DATASET)
    check({}, {})  # cards without these keys contradict nothing
    check({"bands": None}, {})
    check(CARD, {})
    check({}, DATASET, bands=-1)
    check({**CARD, "lr_spacing": 6.0001}, DATASET)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"bands": ["B02", "B03", "B04", "B08"]}, r"says bands \['B02', 'B03'"),
        ({"factor": 2}, "says factor 2, 4 is expected"),
        ({"scale": 1.0}, "says scale 1.0, 0.0001 is expected"),
        ({"lr_spacing": 10.0}, "lr pixels of 10 m, but .* have lr pixels of 6 m"),
        ({"hr_spacing": 2.5}, "hr pixels of 2.5 m, but .* have hr pixels of 1.5 m"),
    ],
)
def test_contradictions(change, words):
    with pytest.raises(SRError, match=words) as caught:
        check({**CARD, **change}, DATASET)
    assert "\n" not in str(caught.value)


def test_number_of_bands():
    with pytest.raises(SRError, match="takes 3 bands"):
        check(CARD, DATASET, bands=3)


def test_windows():
    dataset = {"groups": {"test": {"windows": [[0, 32], [32, 32]]}}}
    np.testing.assert_array_equal(read_windows(dataset, 2), [[0, 32], [32, 32]])
    assert read_windows({}, 2) is None
    assert read_windows({"groups": {"test": {"patches": 2}}}, 2) is None
    with pytest.raises(SRError, match="the places of 2 test patches, but there are 3"):
        read_windows(dataset, 3)


def write(patches, card: dict | None = None, side: int = 8):
    lr = np.full((2, side, side, 4), 99)
    folder = patches("test", lr, lr.repeat(4, axis=1).repeat(4, axis=2))
    if card is not None:
        (folder / "dataset.json").write_text(json.dumps(card))
    return folder


def test_reading(patches):
    windows = [[0, 0], [8, 0]]
    folder = write(patches, {**DATASET, "groups": {"test": {"windows": windows}}})
    test = read_eval_set(folder)
    assert (test.count, test.size, test.spacing) == (2, 32, 1.5)
    np.testing.assert_array_equal(test.windows, windows)
    assert test.dataset["offset"] == 1000
    (folder / "dataset.json").unlink()
    test = read_eval_set(folder)
    assert (test.dataset, test.windows, test.spacing) == ({}, None, 1.5)


def test_bad_test_set(patches, tmp_path):
    with pytest.raises(SRError, match="dataset.json says factor 2, 4 is expected"):
        read_eval_set(write(patches, {**DATASET, "factor": 2}))
    with pytest.raises(SRError, match="28 pixels a side; at least 32.*--patch_size 8"):
        read_eval_set(write(patches, DATASET, side=7))
    (write(patches, DATASET) / "test_lr_patches.tif").unlink()
    with pytest.raises(SRError, match="test_lr_patches.tif is missing"):
        read_eval_set(tmp_path)


XS = {"crs": "EPSG:32631", "origin": [452000.0, 5412000.0], "spacing": 6.0}
TRAINED = {**XS, "patch_size": 8, "windows": [[0, 0], [40, 16]]}


@pytest.mark.parametrize(
    ("windows", "changed", "card", "count"),
    [
        ([[7, 7], [8, 0], [33, 9]], {}, {"ground": TRAINED}, 2),
        ([[7, 7]], {}, {"scenes": [{"ground": None}, {"ground": TRAINED}]}, 1),
        ([[7, 0]], {"origin": [452042.0, 5412000.0]}, {"ground": TRAINED}, 1),
        # They lie elsewhere, or the card of the model has no ground.
        ([[7, 7]], {"crs": "EPSG:2154"}, {"ground": TRAINED}, 0),
        ([[7, 7]], {}, {}, 0),
    ],
)
def test_ground_that_was_trained_on_is_refused(tmp_path, windows, changed, card, count):
    """Patches of 8 lr pixels of 6 m may touch training patches but not overlap."""
    dataset = {
        "xs": {**XS, **changed},
        "lr": {"patch_size": 8},
        "groups": {"test": {"windows": windows}},
    }
    model = ModelInfo("model", {}, {}, card)
    test = EvalSet(tmp_path, {}, len(windows), 32, dataset, np.array(windows))
    if count:
        words = f"^{count} of {len(windows)} test patches show ground that"
        with pytest.raises(SRError, match=words):
            check_ground(model, test)
    else:
        check_ground(model, test)
