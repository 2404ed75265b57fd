"""A model and a data set that contradict each other are refused, in one line."""

import numpy as np
import pytest

from srtools.errors import SRError
from srtools.evaluation.test_set import check_model, read_windows
from srtools.images.patch_files import read_dataset_card
from srtools.network.saved_model import ModelInfo

CARD = {
    "bands": ["B04", "B03", "B02", "B08"], "factor": 4, "scale": 1e-4,
    "offset_removed": 1000, "lr_spacing": 6.0, "hr_spacing": 1.5,
}  # fmt: skip
DATASET = {
    "bands": ["B04", "B03", "B02", "B08"], "factor": 4, "scale": 1e-4,
    "offset": 1000, "lr": {"spacing": 6.0}, "hr": {"spacing": 1.5},
}  # fmt: skip


def check(card: dict, dataset: dict, bands: int = 4, **options) -> None:
    check_model(ModelInfo("model", {"lr": bands}, {}, card), dataset, "lr", **options)


def test_what_fits():
    check(CARD, DATASET)
    check({}, {})  # nothing is said, nothing is contradicted
    check(CARD, {})
    check({}, DATASET, bands=-1)
    check({**CARD, "lr_spacing": 6.0001}, DATASET)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"bands": ["B02", "B03", "B04", "B08"]}, "B02, B03, B04, B08"),
        ({"factor": 2}, "hr pixels per lr pixel: 2, the patches have 4"),
        ({"scale": 1.0}, "DN of so much reflectance: 1, the patches have 0.0001"),
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


def test_patches_without_card(tmp_path):
    assert read_dataset_card(tmp_path) == {}
    (tmp_path / "dataset.json").write_text("{")
    with pytest.raises(SRError, match="not a readable JSON file"):
        read_dataset_card(tmp_path)
