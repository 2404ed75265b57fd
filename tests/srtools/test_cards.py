"""Cards: reading them, and comparing them with the conventions of all scripts."""

import json
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from srtools import cards
from srtools.errors import SRError


@pytest.mark.parametrize("text", ["[1, 2]", "3", "{oops", ""])
def test_what_is_no_card_is_refused(tmp_path, text):
    (tmp_path / "card.json").write_text(text)
    with pytest.raises(SRError, match="card.json is not a readable JSON file"):
        cards.read_card(tmp_path / "card.json")


def test_what_is_written_is_read(tmp_path):
    """NumPy's numbers are numbers, nan is null, and null stays an entry."""
    entries = {
        "float": (np.float32(0.5), 0.5),
        "whole": (np.int64(3), 3),
        "true": (np.bool_(True), True),
        "array": (np.array([[1, 2], [3, 4]]), [[1, 2], [3, 4]]),
        "unknown": ([np.nan, np.float64("inf"), float("nan"), None], [None] * 4),
        "path": (Path("a/b"), "a/b"),
        "day": (date(2022, 7, 14), "2022-07-14"),
        "deeper": ({"tuple": (np.uint8(7), "text")}, {"tuple": [7, "text"]}),
        "spectrum": (None, None),
    }
    card = {name: value for name, (value, _) in entries.items()}
    cards.write_card(path := tmp_path / "card.json", card)
    json.loads(path.read_text(), parse_constant=pytest.fail)
    assert cards.read_card(path) == {name: read for name, (_, read) in entries.items()}


def test_what_no_card_can_hold_is_refused(tmp_path):
    with pytest.raises(TypeError):
        cards.write_card(tmp_path / "card.json", {"what": object()})
    assert not list(tmp_path.iterdir())


def test_differences_of_settings_in_any_order(tmp_path):
    one = {"crop": 16, "out": tmp_path, "box": (1.0, 2.5)}
    read = json.loads(json.dumps({"box": [1, 2.5], "out": str(tmp_path), "crop": 16}))
    assert cards.differences(one, {**read, "mask": None}) == []
    other = {**read, "crop": 32, "mask": "SCL"}
    assert cards.differences(one, other) == ["crop", "mask"]


def test_cards_name_the_release_of_the_changelog():
    text = (Path(__file__).parents[2] / "CHANGELOG.md").read_text()
    assert f"\n## [{cards.versions()['srtools']}] - 2" in text
