"""The check of exercise 1 passes right patches, and names each mistake."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import rasterio
from scipy.ndimage import gaussian_filter
from scipy.ndimage import shift as moved

from lesson.check import main
from lesson.patches import check_patches, mean_of_squares
from srtools.images.zooms import bicubic
from tests.training_patches import write_stack

COUNTS = {"train": 6, "valid": 2, "test": 2}
Patches = dict[str, list[np.ndarray]]


def ground(seed: int) -> np.ndarray:
    """Make a landscape of 10 patches a row and one column, [128, 1280, 4] DN."""
    rng = np.random.default_rng(seed)
    noise = [rng.normal(size=(128, 1280)) for _ in range(5)]
    shape = sum(gaussian_filter(noise[4], s, mode="wrap") * s for s in (1, 3, 9))
    bands = []
    for band, (level, share) in enumerate(((900, 1), (800, 1), (600, 1), (2500, 2))):
        own = gaussian_filter(noise[band], 5, mode="wrap") * 5
        bands.append(level + 120 * share * shape + 150 * own)
    return np.maximum(np.stack(bands, axis=-1), 50)


@pytest.fixture(scope="module")
def right() -> Patches:
    """Patches [n, side, side, 4] of lr and hr for each group, of one landscape."""
    hr = ground(0)
    lr = mean_of_squares(np.stack([gaussian_filter(hr, (2, 2, 0))]))[0]
    found, first = {}, 0
    for group, count in COUNTS.items():
        places = range(first, first + count)
        found[group] = [
            np.stack([image[:, side * p : side * (p + 1)] for p in places]).round()
            for side, image in ((32, lr), (128, hr))
        ]
        first += count
    return found


def write(folder: Path, patches: Patches, dtype: str = "float32") -> Path:
    for group, pair in patches.items():
        for kind, stack in zip(("lr", "hr"), pair, strict=True):
            name = f"{group}_{kind}_patches.tif"
            write_stack(folder / name, stack.astype(dtype))
    return folder


def both(change: Callable[[np.ndarray, np.ndarray], tuple]) -> Callable:
    """Make a mistake of all groups out of one of a pair (lr, hr)."""
    return lambda patches: {
        group: list(change(*pair)) for group, pair in patches.items()
    }


def with_hole(lr: np.ndarray, hr: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    lr = lr.copy()
    lr[0, 3, 4] = 0
    return lr, hr


def with_nan(lr: np.ndarray, hr: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    hr = hr.copy()
    hr[0, 3, 4, 1] = np.nan
    return lr, hr


def overlapping(patches: Patches) -> Patches:
    """Test patches that begin in the middle of a training patch."""
    taken = [
        np.concatenate([stack[0], stack[1]], axis=1)[None, :, side // 2 : side * 3 // 2]
        for stack, side in zip(patches["train"], (32, 128), strict=True)
    ]
    return patches | {"test": taken}


# What went wrong, and words of the line that must fail.
MISTAKES = {
    "a patch too few": (
        lambda p: p | {"train": [p["train"][0][1:], p["train"][1]]},
        "as many lr as hr",
    ),
    "hr patches of 64": (both(lambda lr, hr: (lr, hr[:, :64, :64])), "4 times as"),
    "three bands": (both(lambda lr, hr: (lr[..., :3], hr[..., :3])), "4 bands"),
    "reflectance": (both(lambda lr, hr: (lr / 1e4, hr / 1e4)), "lr: DN"),
    "a pixel without data": (both(with_hole), "lr: no pixel without data"),
    "not a number": (both(with_nan), "hr: only numbers"),
    "points in another order": (both(lambda lr, hr: (lr[::-1], hr)), "same ground"),
    "shifted by 3 m": (
        both(lambda lr, hr: (lr, moved(hr, (0, 0, 2, 0), order=1, mode="nearest"))),
        "lies where hr lies",
    ),
    "a corner taken for a centre": (
        both(lambda lr, hr: (lr, moved(hr, (0, 1.5, 1.5, 0), order=1, mode="nearest"))),
        "lies where hr lies",
    ),
    "blue first in lr": (both(lambda lr, hr: (lr[..., [2, 1, 0, 3]], hr)), "one order"),
    "near infrared first": (
        both(lambda lr, hr: (lr[..., [3, 0, 1, 2]], hr[..., [3, 0, 1, 2]])),
        "near infrared",
    ),
    "the offset in lr": (both(lambda lr, hr: (lr + 1000, hr)), "offset is removed"),
    "the offset taken twice": (
        both(lambda lr, hr: (lr - 1000, hr)),
        "offset is removed",
    ),
    "the offset in both": (
        both(lambda lr, hr: (lr + 1000, hr + 1000)),
        "somewhere it is dark",
    ),
    "raw counts of Spot": (both(lambda lr, hr: (lr, hr * 0.6)), "radiometry"),
    "hr is a zoom of XS": (
        both(lambda lr, hr: (lr, bicubic(mean_of_squares(hr), (128, 128)))),
        "detail of PAN",
    ),
    "hr repeats the pixels of XS": (
        both(
            lambda lr, hr: (
                lr,
                mean_of_squares(hr).repeat(4, axis=1).repeat(4, axis=2) + 1e-3,
            )
        ),
        "detail of PAN",
    ),
    "hr is PAN": (
        both(lambda lr, hr: (lr, hr.mean(axis=3, keepdims=True).repeat(4, axis=3))),
        "has colours",
    ),
    "test patches in training patches": (overlapping, "no test patch shows"),
    "valid equals train": (
        lambda p: p | {"valid": [stack[:2] for stack in p["train"]]},
        "no valid patch shows",
    ),
}


def test_right_patches_pass(right, tmp_path, capsys):
    report = check_patches(write(tmp_path, right))
    assert report.passed and len(report.lines) == 26, str(report)
    assert main(["1", "--patches", str(tmp_path)]) == 0
    assert "26 of 26 passed" in capsys.readouterr().out


def test_whole_numbers_pass(right, tmp_path):
    report = check_patches(write(tmp_path, right, "uint16"))
    assert report.passed, str(report)


@pytest.mark.parametrize("mistake", MISTAKES)
def test_each_mistake_is_named(right, mistake, tmp_path):
    spoil, words = MISTAKES[mistake]
    report = check_patches(write(tmp_path, spoil(right)))
    assert any(words in line.what for line in report.failed), str(report)
    assert all(line.hint for line in report.failed)


def test_a_missing_file_is_named(right, tmp_path, capsys):
    write(tmp_path, right)
    (tmp_path / "valid_lr_patches.tif").unlink()
    assert main(["1", "--patches", str(tmp_path)]) == 1
    said = capsys.readouterr().out
    assert "FAIL  valid_lr_patches.tif" in said and "hint: " in said


def test_no_column_of_squares(right, tmp_path):
    with rasterio.open(
        write(tmp_path, right) / "test_lr_patches.tif",
        "w",
        driver="GTiff",
        dtype="float32",
        width=32,
        height=50,
        count=4,
    ) as file:
        file.write(np.ones((4, 50, 32), np.float32))
    report = check_patches(tmp_path)
    assert "no column of squares" in str(report)
