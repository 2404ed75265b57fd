"""A model and a data set that contradict each other are refused, in one line."""

import json

import numpy as np
import pytest

from srtools.errors import SRError
from srtools.evaluation.test_set import (
    TestSet,
    check_ground,
    check_model,
    check_numbers,
    check_size,
    read_test_set,
    read_windows,
)
from srtools.network.saved_model import ModelInfo

CARD = {
    "bands": ["B04", "B03", "B02", "B08"],
    "factor": 4,
    "scale": 1e-4,
    "offset_removed": 1000,
    "lr_spacing": 6.0,
    "hr_spacing": 1.5,
}
DATASET = {
    "bands": ["B04", "B03", "B02", "B08"],
    "factor": 4,
    "scale": 1e-4,
    "offset": 1000,
    "lr": {"spacing": 6.0},
    "hr": {"spacing": 1.5},
}


def check(card: dict, dataset: dict, bands: int = 4, **options) -> None:
    check_model(ModelInfo("model", {"lr": bands}, {}, card), dataset, "lr", **options)


def test_what_fits():
    check(CARD, DATASET)
    check({}, {})  # cards without these keys contradict nothing
    check(CARD, {})
    check({}, DATASET, bands=-1)
    check({**CARD, "lr_spacing": 6.0001}, DATASET)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"bands": ["B02", "B03", "B04", "B08"]}, r"says bands \['B02', 'B03'"),
        ({"factor": 2}, "says factor 2, 4 is expected"),
        ({"scale": 1.0}, "says scale 1.0, 0.0001 is expected"),
        ({"lr_spacing": 10.0}, "lr pixels of 10 m, those of the patches have 6 m"),
        ({"hr_spacing": 2.5}, "hr pixels of 2.5 m, those of the patches have 1.5 m"),
        ({"offset_removed": 0}, "0 DN subtracted, from the patches 1000 were"),
    ],
)
def test_contradictions(change, words):
    with pytest.raises(SRError, match=words) as caught:
        check({**CARD, **change}, DATASET)
    assert "\n" not in str(caught.value)


def test_number_of_bands():
    with pytest.raises(SRError, match="takes 3 bands"):
        check({}, DATASET, bands=3)


def test_offset_can_be_ignored():
    check({**CARD, "offset_removed": 0}, DATASET, ignore_offset=True)


def test_windows():
    dataset = {"groups": {"test": {"windows": [[0, 32], [32, 32]]}}}
    np.testing.assert_array_equal(read_windows(dataset, 2), [[0, 32], [32, 32]])
    assert read_windows({}, 2) is None
    assert read_windows({"groups": {"test": {"patches": 2}}}, 2) is None
    with pytest.raises(SRError, match="tells where 2 test patches lie, there are 3"):
        read_windows(dataset, 3)


def write(patches, card: dict | None = None):
    """Write two test patches of 8 x 8 lr pixels, and a card."""
    folder = patches("test", np.full((2, 8, 8, 4), 99), np.full((2, 32, 32, 4), 99))
    if card is not None:
        (folder / "dataset.json").write_text(json.dumps(card))
    return folder


def test_reading(patches):
    windows = [[0, 0], [8, 0]]
    folder = write(patches, {**DATASET, "groups": {"test": {"windows": windows}}})
    found = read_test_set(folder, border=15)
    assert (found.count, found.size, found.spacing) == (2, 32, 1.5)
    np.testing.assert_array_equal(found.windows, windows)
    assert found.dataset["offset"] == 1000


def test_patches_of_another_program(patches):
    found = read_test_set(write(patches), border=8)
    assert (found.dataset, found.windows, found.spacing) == ({}, None, 1.5)


def test_bad_test_set(patches):
    """A card that contradicts what all scripts agree on, and too wide a border."""
    with pytest.raises(SRError, match="dataset.json says factor 2, 4 is expected"):
        read_test_set(write(patches, {**DATASET, "factor": 2}), border=8)
    with pytest.raises(SRError, match="a border of 16 pixels leaves nothing"):
        read_test_set(write(patches, DATASET), border=16)


def test_size_of_the_answer():
    truth = np.zeros((2, 32, 32, 4))
    check_size(truth, truth)
    with pytest.raises(SRError, match=r"patches \(16, 16, 4\) of the lr patches"):
        check_size(truth[:, ::2, ::2], truth)


def test_pixels_that_are_no_numbers():
    """If bicubic fails too the patches are to blame, or else the model."""
    good, bad = np.zeros(3), np.array([0, np.nan, 0])
    check_numbers(good, good)
    with pytest.raises(SRError, match="the test patches hold pixels"):
        check_numbers(bad, bad)
    with pytest.raises(SRError, match="its training has diverged"):
        check_numbers(good, bad)


def test_ground_that_was_trained_on_is_refused(tmp_path):
    """Patches of 8 lr pixels of 6 m; two of three test patches touch a training one."""
    xs = {"crs": "EPSG:32631", "origin": [452000.0, 5412000.0], "spacing": 6.0}
    ground = {**xs, "patch_size": 8, "windows": [[0, 0], [40, 16]]}

    def look(windows, card=ground, **changed):
        model = ModelInfo("model", {}, {}, {"ground": card})
        dataset = {
            "xs": {**xs, **changed},
            "lr": {"patch_size": 8},
            "groups": {"test": {"windows": windows}},
        }
        test = TestSet(tmp_path, {}, len(windows), 32, dataset, np.array(windows))
        return lambda **accepted: check_ground(model, test, **accepted)

    overlapping = look([[7, 7], [8, 0], [33, 9]])
    with pytest.raises(SRError, match="^2 of 3 test patches show ground that"):
        overlapping()
    overlapping(accepted=True)
    scenes = [{"ground": None}, {"ground": ground}]
    model = ModelInfo("model", {}, {}, {"scenes": scenes})
    groups = {"test": {"windows": [[7, 7]]}}
    dataset = {"xs": xs, "lr": {"patch_size": 8}, "groups": groups}
    with pytest.raises(SRError, match="^1 of 1 test patches"):
        check_ground(model, TestSet(tmp_path, {}, 1, 32, dataset, np.array([[7, 7]])))
    look([[8, 0], [0, 8], [48, 16], [32, 16]])()  # they touch
    look([[7, 7]], crs="EPSG:2154")()  # elsewhere
    look([[7, 7]], origin=[452048.0, 5412000.0])()
    with pytest.raises(SRError, match="^1 of 1"):
        look([[7, 0]], origin=[452042.0, 5412000.0])()
    look([[7, 7]], card=None)()  # a model that does not tell
