"""Checks of patches images and of their card."""

import re

import numpy as np
import pytest

from srtools.cards import write_card
from srtools.errors import SRError
from srtools.patches.patch_files import (
    check_card,
    check_count,
    check_patches,
    warn_of_leak,
)
from tests.training_patches import write_pair


def zeros(count, size, bands=4):
    return np.zeros((count, size, size, bands), np.uint16)


@pytest.fixture
def folder(patches):
    """A folder with three training patches."""
    return patches("train", zeros(3, 4), zeros(3, 16))


def test_patches_and_their_number(folder):
    files = {kind: str(folder / f"train_{kind}_patches.tif") for kind in ("lr", "hr")}
    assert check_patches(folder, "train") == files
    check_count(files["lr"], 3)
    with pytest.raises(SRError, match="3 patches were cut at 4 places"):
        check_count(files["lr"], 4)


@pytest.mark.parametrize(
    ("lr", "hr", "words"),
    [
        (zeros(3, 4), zeros(2, 16), "3 patches and .* 2, the same number"),
        (zeros(3, 4), zeros(3, 8), r"4 pixels a side .* 8, 4 times .* \(16\)"),
        (zeros(3, 4, 3), zeros(3, 16, 3), r"lr_patches.tif has 3 band.*4 are expected"),
        (zeros(3, 4), zeros(3, 16, 1), r"hr_patches.tif has 1 band.*B04, B03, B02"),
        (zeros(1, 5)[:, :4], zeros(3, 16), "a stack of square patches is expected"),
    ],
)
def test_images_that_do_not_fit(patches, lr, hr, words):
    with pytest.raises(SRError, match=words):
        check_patches(patches("train", lr, hr), "train")


def test_images_that_are_missing_or_cut_off(tmp_path, folder):
    (tmp_path / "file").touch()
    path = folder / "train_hr_patches.tif"
    path.write_bytes(path.read_bytes()[:-100])
    for place, group, words in (
        (tmp_path / "nowhere", "train", "nowhere does not exist"),
        (tmp_path / "file", "train", "file is a file, not a folder"),
        (folder, "valid", r"valid_lr_patches\.tif is missing"),
        (folder, "train", "hr_patches.tif is damaged, a part of its"),
    ):
        with pytest.raises(SRError, match=words):
            check_patches(place, group)


@pytest.mark.parametrize("left_over", [False, True])
def test_a_scene_without_the_group(folder, patches, left_over):
    """Files of an earlier scene do not count."""
    if left_over:
        patches("test", zeros(3, 4), zeros(3, 16))
    groups = {name: {"patches": n} for name, n in (("train", 3), ("test", 0))}
    card = {"proportions": [4.0, 1.0, 0.0], "groups": groups}
    write_card(folder / "dataset.json", card)
    check_patches(folder, "train")
    words = r"without a test group \(.*dataset.json: --proportions 4 1 0\)"
    with pytest.raises(SRError, match=words):
        check_patches(folder, "test")


def test_reflectances_are_refused(folder, write_raster):
    """DN as float32, which OTB writes by default, are not."""
    dn = np.full((12, 4, 4), 800.0, np.float32)
    write_raster("train_lr_patches.tif", dn, crs=None)
    check_patches(folder, "train")
    write_raster("train_lr_patches.tif", dn * np.float32(1e-4), crs=None)
    with pytest.raises(SRError, match="larger than 0.08, .* DN .* are expected"):
        check_patches(folder, "train")


@pytest.mark.parametrize(
    ("split", "words"),
    [
        ({"strategy": "blocks", "margin": 21}, None),
        ({"strategy": "blocks", "margin": 20}, "20 lr pixels apart and .* needs 21"),
        ({"strategy": "interleaved"}, "0 lr pixels apart"),
        ({}, None),  # patches made elsewhere
    ],
)
def test_groups_that_leak_are_a_warning(caplog, split, words):
    warn_of_leak({"split": split} if split else {}, 13)
    assert re.search(words, caplog.text) if words else not caplog.text


@pytest.mark.parametrize("value", [np.nan, np.inf, -9999])
@pytest.mark.parametrize("kind", ["lr", "hr"])
def test_pixels_that_are_no_numbers(tmp_path, kind, value):
    """The loss would not show those of lr: a ReLU turns nan into 0."""
    stacks = {"lr": zeros(3, 4), "hr": zeros(3, 16)}
    stacks[kind] = stack = stacks[kind].astype(np.float32)
    check_patches(write_pair(tmp_path, "train", **stacks), "train")
    stack[2, 3, 3, 1] = value
    with pytest.raises(SRError, match=f"patch 2 of .*{kind}_patches.tif holds pixels"):
        check_patches(write_pair(tmp_path, "train", **stacks), "train")


def test_patches_made_elsewhere_need_no_card(tmp_path):
    assert check_card(tmp_path) == {}
    write_card(tmp_path / "dataset.json", {"factor": 4, "split": None, "pair": None})
    assert check_card(tmp_path) == {"factor": 4}
