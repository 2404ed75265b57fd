"""Several scenes for one model: checked together, learned together, told apart."""

import json

import pytest

import sr_train
from srtools.errors import SRError
from srtools.network.saved_model import CARD
from srtools.training.scenes import Scene, files_of, read_scenes
from tests.training_patches import COUNTS, DATASET, TINY, make_patches, write_folder


def card(origin=(452000.0, 5412000.0), **counts):
    """Make a dataset.json whose patches lie in a row, group after group."""
    counts = {**COUNTS, "test": 0, **counts}
    groups, first = {}, 0
    for group, count in counts.items():
        places = [[0, 8 * number] for number in range(first, first + count)]
        groups[group] = {"patches": count, "windows": places}
        first += count
    xs = {"crs": "EPSG:32631", "origin": list(origin), "spacing": 6.0}
    return {**DATASET, "xs": xs, "groups": groups}


@pytest.fixture
def two(tmp_path):
    """Write two scenes, a kilometre apart; the second one is for training only."""
    one = write_folder(tmp_path / "paris", card=card())
    lr, hr = make_patches(COUNTS["train"], seed=7)
    other = write_folder(
        tmp_path / "lyon",
        train_lr=lr,
        train_hr=hr,
        card=card((452000.0, 5411000.0), valid=0),
    )
    for kind in ("lr", "hr"):
        (other / f"valid_{kind}_patches.tif").unlink()
    return one, other


def train(folders, model, *options):
    names = ["--patches", *map(str, folders), "--model_dir", str(model)]
    return sr_train.main([*names, *TINY, "--nb_epochs", "2", *options])


def test_one_model_learns_from_all(two, tmp_path):
    """Each patch of each scene in each epoch; the card knows them all."""
    found = files_of(read_scenes(list(map(str, two))))
    assert [len(found[group]["lr"]) for group in ("train", "valid")] == [2, 1]
    assert train(two, tmp_path / "model", "--streaming") == 0
    known = json.loads((tmp_path / "model" / CARD).read_text())
    assert known["training"]["patches"] == {
        "train": 2 * COUNTS["train"],
        "valid": COUNTS["valid"],
    }
    first, second = known["scenes"]
    assert [first["name"], second["name"]] == ["paris", "lyon"]
    assert second["patches"] == {"train": COUNTS["train"]}
    assert len(second["ground"]["windows"]) == COUNTS["train"]
    assert known["offset_removed"] == DATASET["offset"]


def make(tmp_path, name, **changed):
    return str(write_folder(tmp_path / name, **changed))


def smaller():
    """Make lr patches of 4 pixels a side, and their hr patches."""
    changed = {}
    for group, count in COUNTS.items():
        lr, hr = make_patches(count, seed=3)
        changed |= {f"{group}_lr": lr[:, :4, :4], f"{group}_hr": hr[:, :16, :16]}
    return changed


SOUTH = (452000.0, 5411000.0)


@pytest.mark.parametrize(
    ("changes", "pixels", "words"),
    [
        ({"hr": {"spacing": 2.0}}, {}, "of 1.5 m here, hr pixels of 2.0 m there"),
        ({"harmonized": True}, {}, "harmonized is False here, harmonized is True"),
        ({"bands": ["B02", "B03", "B04", "B08"]}, {}, "says bands"),
        ({}, smaller(), "of 8 pixels a side here, lr patches of 4 "),
    ],
)
def test_scenes_that_do_not_go_together(tmp_path, changes, pixels, words):
    one = make(tmp_path, "one", card={**card(), "harmonized": False})
    other = {**card(SOUTH), "harmonized": False, **changes}
    with pytest.raises(SRError, match=words):
        read_scenes([one, make(tmp_path, "other", card=other, **pixels)])


def test_ground_of_another_scene_is_not_validated_on(tmp_path):
    """The second scene lies 11 patches further east: on the first one's valid ones."""
    one = make(tmp_path, "one", card=card())
    shifted = (452000.0 + 11 * 8 * 6, 5412000.0)
    other = make(tmp_path, "other", card=card(shifted))
    with pytest.raises(SRError, match="^5 validation patches of .*one show ground of"):
        read_scenes([one, other])
    with pytest.raises(SRError, match="names .*one twice"):
        read_scenes([one, one])


def test_another_offset_is_told(tmp_path, caplog):
    one = make(tmp_path, "one", card=card())
    other = make(tmp_path, "other", card={**card(SOUTH), "offset": 0})
    scenes = read_scenes([one, other])
    assert "1000 DN were subtracted" in caplog.text and len(scenes) == 2


def test_a_group_that_is_empty_in_all(tmp_path):
    folder = write_folder(tmp_path / "one", card=card(valid=0))
    for kind in ("lr", "hr"):
        (folder / f"valid_{kind}_patches.tif").unlink()
    words = "without a valid group .*dataset.json"
    with pytest.raises(SRError, match=words):
        read_scenes([str(folder)])


def test_the_card_of_a_model_knows_its_pair():
    """How sharp the Sentinel-2 was that it learned from, among others."""
    pair = {"modulation": {"value": 0.11, "low": 0.1, "high": 0.12}}
    record = Scene("paris", {}, {"pair": pair, "groups": {}}).record()
    assert record["dataset"]["pair"] == pair
