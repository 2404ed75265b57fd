"""The check of patches, symmetries and crops."""

import itertools

import numpy as np
import pytest

from srtools.data import (
    check_patches,
    check_train_size,
    lay_down,
    random_crop,
    random_symmetry,
    warn_of_leak,
)
from srtools.errors import SRError
from srtools.quiet import silent_stderr

with silent_stderr():
    import tensorflow as tf


def zeros(count, size, bands=4):
    return np.zeros((count, size, size, bands), np.uint16)


def test_check_gives_the_files(patches):
    folder = patches("train", zeros(3, 4), zeros(3, 16))
    assert check_patches(folder, "train", factor=4) == {
        "lr": str(folder / "train_lr_patches.tif"),
        "hr": str(folder / "train_hr_patches.tif"),
    }


@pytest.mark.parametrize(
    ("lr", "hr", "words"),
    [
        (zeros(3, 4), zeros(2, 16), "3 patches and .* 2, the same number"),
        (zeros(3, 4), zeros(3, 8), r"4 pixels a side .* 8, 4 times .* \(16\)"),
        (zeros(3, 4, 3), zeros(3, 16, 3), r"lr_patches.tif has 3 band.*4 are expected"),
        (zeros(3, 4), zeros(3, 16, 1), r"hr_patches.tif has 1 band.*B04, B03, B02"),
    ],
)
def test_check_names_what_does_not_fit(patches, lr, hr, words):
    with pytest.raises(SRError, match=words):
        check_patches(patches("train", lr, hr), "train", factor=4)


def test_check_names_what_is_missing(tmp_path, patches):
    with pytest.raises(SRError, match="nowhere does not exist"):
        check_patches(tmp_path / "nowhere", "train", factor=4)
    folder = patches("train", zeros(3, 4), zeros(3, 16))
    with pytest.raises(SRError, match=r"valid_lr_patches\.tif is missing"):
        check_patches(folder, "valid", factor=4)


def test_check_refuses_what_is_no_stack_of_squares(patches, write_raster):
    folder = patches("train", zeros(3, 4), zeros(3, 16))
    write_raster("train_lr_patches.tif", np.zeros((10, 4, 4), np.uint16), crs=None)
    with pytest.raises(SRError, match="a stack of square patches is expected"):
        check_patches(folder, "train", factor=4)


IMAGE = np.arange(18, dtype=np.uint16).reshape(3, 3, 2)


def test_coins_give_the_eight_symmetries_of_the_square():
    found = {
        lay_down(IMAGE, list(coins)).numpy().tobytes()
        for coins in itertools.product([False, True], repeat=3)
    }
    expected = {
        np.ascontiguousarray(np.rot90(image, turns)).tobytes()
        for image in (IMAGE, IMAGE[:, ::-1])
        for turns in range(4)
    }
    assert found == expected and len(found) == 8


def test_quarter_turn_of_the_docstring():
    turned = lay_down(IMAGE, [True, False, True])
    np.testing.assert_array_equal(turned, np.rot90(IMAGE, -1))


def test_lr_and_hr_are_laid_down_alike_and_in_every_way():
    sample = {"lr": IMAGE, "hr": IMAGE.repeat(4, axis=0).repeat(4, axis=1)}
    seen = set()
    for chances in itertools.product([0.2, 0.7], repeat=3):
        laid = random_symmetry(sample, chances)
        np.testing.assert_array_equal(laid["lr"], laid["hr"][::4, ::4])
        assert laid["hr"].dtype == tf.uint16
        seen.add(laid["lr"].numpy().tobytes())
    assert len(seen) == 8


def test_crops_show_the_same_ground_and_reach_every_corner():
    lr = np.arange(5 * 5 * 2).reshape(5, 5, 2)
    sample = {"lr": lr, "hr": lr.repeat(4, axis=0).repeat(4, axis=1)}
    seen = set()
    # The largest number that float32 chances can be lies just below 1.
    for chances in itertools.product([0.0, 0.4, np.float32(1 - 2**-24)], repeat=2):
        crop = random_crop(sample, 3, np.float32(chances))
        assert crop["lr"].shape == (3, 3, 2) and crop["hr"].shape == (12, 12, 2)
        np.testing.assert_array_equal(crop["lr"], crop["hr"][::4, ::4])
        seen.add(int(crop["lr"][0, 0, 0]))
    assert seen == {2 * (5 * row + column) for row in range(3) for column in range(3)}


def test_crops_larger_than_the_patches_are_refused(patches):
    folder = patches("train", zeros(3, 4), zeros(3, 16))
    files = check_patches(folder, "train", factor=4)
    check_train_size(4, files)
    check_train_size(None, files)
    with pytest.raises(SRError, match="--train_size is 5, .* have 4 pixels a side"):
        check_train_size(5, files)


@pytest.mark.parametrize(
    ("split", "told"),
    [
        ({"strategy": "blocks", "margin": 13}, None),
        ({"strategy": "blocks", "margin": 12}, "12 lr pixels apart"),
        ({"strategy": "interleaved"}, "0 lr pixels apart"),
        ({}, None),  # patches made elsewhere
    ],
)
def test_groups_that_leak_are_told(caplog, split, told):
    warn_of_leak({"split": split} if split else {}, 13)
    assert (told in caplog.text) if told else not caplog.text
