"""Several scenes for one model: they fit together, and no validation ground leaks."""

import pytest

import sr_train
from srtools.cards import read_card
from srtools.errors import SRError
from srtools.network.saved_model import CARD
from srtools.training.training_scenes import Scene, read_scenes
from tests.training_patches import COUNTS, DATASET, TINY, make_patches, write_folder

EAST, NORTH = 452000.0, 5412000.0
SOUTH = (EAST, NORTH - 1000)


def card(origin=(EAST, NORTH), valid=COUNTS["valid"]):
    """Return a dataset.json with its patches in a row, group after group."""
    groups, first = {}, 0
    for group, count in {**COUNTS, "valid": valid, "test": 0}.items():
        windows = [[0, 8 * number] for number in range(first, first + count)]
        groups[group] = {"patches": count, "windows": windows}
        first += count
    xs = {"crs": "EPSG:32631", "origin": list(origin), "spacing": 6.0}
    return {**DATASET, "xs": xs, "groups": groups}


@pytest.fixture
def write(tmp_path):
    def write(name, groups=tuple(COUNTS), **changed):
        return str(write_folder(tmp_path / name, groups, **changed))

    return write


def test_one_model_is_trained_on_all_scenes(write, tmp_path):
    """The second scene, a kilometre away, is for training only."""
    lr, hr = make_patches(COUNTS["train"], seed=7)
    south = {"train_lr": lr, "train_hr": hr, "card": card(SOUTH, valid=0)}
    folders = [write("paris", card=card()), write("lyon", ["train"], **south)]
    model = tmp_path / "model"
    arguments = ["--patches", *folders, "--model_dir", str(model), *TINY]
    assert sr_train.main([*arguments, "--nb_epochs", "2"]) == 0
    model_card = read_card(model / CARD)
    counts = {"train": 2 * COUNTS["train"], "valid": COUNTS["valid"]}
    assert model_card["training"]["patches"] == counts
    first, second = model_card["scenes"]
    assert [first["name"], second["name"]] == ["paris", "lyon"]
    assert second["patches"] == {"train": COUNTS["train"]}
    assert len(second["ground"]["windows"]) == COUNTS["train"]
    assert model_card["offset_removed"] == DATASET["offset"]


def small_patches():
    """Return lr patches of 4 pixels a side, and their hr patches."""
    patches = {}
    for group, count in COUNTS.items():
        lr, hr = make_patches(count, seed=3)
        patches |= {f"{group}_lr": lr[:, :4, :4], f"{group}_hr": hr[:, :16, :16]}
    return patches


@pytest.mark.parametrize(
    ("changes", "patches", "words"),
    [
        ({"hr": {"spacing": 2.0}}, {}, "of 1.5 m in the first, hr pixels of 2.0 m in"),
        ({"harmonized": True}, {}, "harmonized is False in the first, harmonized is T"),
        ({"bands": ["B02", "B03", "B04", "B08"]}, {}, "says bands"),
        ({}, small_patches(), "of 8 pixels a side in the first, lr patches of 4 "),
    ],
)
def test_scenes_that_do_not_fit_together_are_refused(write, changes, patches, words):
    one = write("one", card={**card(), "harmonized": False})
    other = {**card(SOUTH), "harmonized": False, **changes}
    with pytest.raises(SRError, match=words):
        read_scenes([one, write("other", card=other, **patches)])


def test_validation_patches_on_training_ground_are_refused(write):
    """The second scene begins 11 patches further east: where the first validates."""
    one = write("one", card=card())
    other = write("other", card=card((EAST + 11 * 8 * 6, NORTH)))
    for folders in ([one, other], [other, one]):
        with pytest.raises(SRError, match="^5 validation patches of .*one show ground"):
            read_scenes(folders)
    with pytest.raises(SRError, match="names .*one twice"):
        read_scenes([one, one])


def test_different_offsets_are_a_warning(write, caplog):
    one = write("one", card=card())
    other = write("other", card={**card(SOUTH), "offset": 0})
    assert len(read_scenes([one, other])) == 2
    assert "offset of Sentinel-2 is 1000 DN in" in caplog.text


def test_a_group_that_is_empty_in_all_scenes_is_refused(write):
    with pytest.raises(SRError, match="without a valid group .*dataset.json"):
        read_scenes([write("one", ["train"], card=card(valid=0))])


def test_the_card_of_a_model_has_the_quality_of_the_pair():
    pair = {"modulation": {"value": 0.11, "low": 0.1, "high": 0.12}}
    record = Scene("paris", {}, {"pair": pair, "groups": {}}).record()
    assert record["dataset"] == {"pair": pair}
