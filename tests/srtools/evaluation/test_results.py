"""The files of an evaluation: looked at before the work, and written all or none."""

from types import SimpleNamespace

import numpy as np
import pytest

from srtools.errors import SRError
from srtools.evaluation import results
from srtools.evaluation.report import report


def test_existing_results_are_kept(tmp_path):
    results.check_folder(tmp_path / "eval", overwrite=False)
    (tmp_path / "eval" / "report.html").touch()
    with pytest.raises(SRError, match="report.html exists already"):
        results.check_folder(tmp_path / "eval", overwrite=False)
    results.check_folder(tmp_path / "eval", overwrite=True)
    # A comparison in the same folder has files of its own.
    results.check_folder(tmp_path / "eval", False, results.COMPARISON_FILES)


DATASET = {
    "command": "sr_dataset.py --pan 'a b.tif' --stac_url 'http://h/$(touch /tmp/x)'",
    "sentinel2": {"items": ["S2A_1", "S2A_$(id)"]},
}


def test_commands_are_quoted_and_name_the_items():
    """Each once, in the order in which they are run."""
    at_hand = {"command": "sr_dataset.py --s2_images x.tif", "sentinel2": {"files": []}}
    scenes = [{"dataset": at_hand}, {"dataset": DATASET}]
    model = {"scenes": scenes, "command": "sr_train.py --patches a b; id"}
    assert results.commands("sr_eval.py --border 4", DATASET, model) == [
        "sr_dataset.py --s2_images x.tif",
        "sr_dataset.py --pan 'a b.tif' --stac_url 'http://h/$(touch /tmp/x)' "
        "--item S2A_1 'S2A_$(id)'",
        "sr_train.py --patches a 'b;' id",
        "sr_eval.py --border 4",
    ]


def test_cards_without_commands_have_none():
    for card in ({}, {"command": ""}, {"command": None}, {"command": "it's"}):
        assert results.commands("sr_eval.py", card, card) == ["sr_eval.py"]


def test_items_that_were_asked_for_are_named_once():
    card = {"command": "sr_dataset.py --item A", "sentinel2": {"items": ["A"]}}
    assert results.commands("", card, {}) == ["sr_dataset.py --item A"]


def test_nothing_is_left_if_the_report_fails(tmp_path, monkeypatch):
    """Rather no metrics.json than one without its report."""

    def fail(*_):
        raise SRError("no report")

    monkeypatch.setattr(results.pictures, "save_png", lambda path, *_: path.touch())
    monkeypatch.setattr(report, "save", fail)
    assessment = SimpleNamespace(
        write_patches=lambda path: path.touch(), gains=np.zeros(1)
    )
    with pytest.raises(SRError, match="no report"):
        results.write(tmp_path, {}, assessment, [])
    assert not list(tmp_path.iterdir())
