"""The check of exercise 1 passes right patches, and names each mistake."""

from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, shift

from lesson.check import main
from lesson.patch_checks import check_patches, mean_of_squares, touching_patches
from srtools.images.interpolation import bicubic
from tests.training_patches import write_pair

COUNTS = {"train": 6, "valid": 2, "test": 2}
Patches = dict[str, list[np.ndarray]]


def ground(seed: int) -> np.ndarray:
    """Make a landscape of 12 patches in a row, [128, 1536, 4] DN."""
    rng = np.random.default_rng(seed)
    noise = [rng.normal(size=(128, 1536)) for _ in range(5)]
    shape = sum(gaussian_filter(noise[4], s, mode="wrap") * s for s in (1, 3, 9))
    bands = []
    for band, (level, share) in enumerate(((900, 1), (800, 1), (600, 1), (2500, 2))):
        detail = gaussian_filter(noise[band], 5, mode="wrap") * 5
        bands.append(level + 120 * share * shape + 150 * detail)
    return np.maximum(np.stack(bands, axis=-1), 50)


@pytest.fixture(scope="module")
def right() -> Patches:
    """Patches [n, side, side, 4] of lr and hr for each group, of one landscape."""
    hr = ground(0)
    lr = mean_of_squares(np.stack([gaussian_filter(hr, (5, 5, 0))]))[0]
    groups, first = {}, 0
    for group, count in COUNTS.items():
        places = range(first, first + count)
        groups[group] = [
            np.stack([image[:, side * p : side * (p + 1)] for p in places]).round()
            for side, image in ((32, lr), (128, hr))
        ]
        first += count + 1  # a gap of one patch
    return groups


def write(folder: Path, patches: Patches, dtype: str = "float32") -> Path:
    for group, pair in patches.items():
        write_pair(folder, group, *(stack.astype(dtype) for stack in pair))
    return folder


def put(patches: np.ndarray, value: float, *index: int) -> np.ndarray:
    """Change one pixel, or one band of it."""
    patches = patches.copy()
    patches[index] = value
    return patches


def overlapping(patches: Patches) -> Patches:
    """Test patches that begin in the middle of a training patch."""
    taken = [
        np.concatenate([stack[0], stack[1]], axis=1)[None, :, side // 2 : side * 3 // 2]
        for stack, side in zip(patches["train"], (32, 128), strict=True)
    ]
    return patches | {"test": taken}


def moved(hr: np.ndarray, rows: float, cols: float) -> np.ndarray:
    return shift(hr, (0, rows, cols, 0), order=1, mode="nearest")


# Changes of lr and hr of each group, and words of the line that must fail.
MISTAKES = {
    "hr patches of 64": (lambda lr, hr: (lr, hr[:, :64, :64]), "4 times as"),
    "three bands": (lambda lr, hr: (lr[..., :3], hr[..., :3]), "4 bands"),
    "reflectance": (lambda lr, hr: (lr / 1e4, hr / 1e4), "lr: DN"),
    "no data": (lambda lr, hr: (put(lr, 0, 0, 3, 4), hr), "lr: no pixel without"),
    "NaN": (lambda lr, hr: (lr, put(hr, np.nan, 0, 3, 4, 1)), "hr: only numbers"),
    "points in another order": (lambda lr, hr: (lr[::-1], hr), "same ground"),
    "shifted by 3 m": (lambda lr, hr: (lr, moved(hr, 2, 0)), "lies where hr lies"),
    "shifted by 18 m": (lambda lr, hr: (lr, moved(hr, 0, -12)), "lies where hr lies"),
    "a corner for a centre": (lambda lr, hr: (lr, moved(hr, 1.5, 1.5)), "lies where"),
    "blue first in lr": (lambda lr, hr: (lr[..., [2, 1, 0, 3]], hr), "one order"),
    "near infrared first": (
        lambda lr, hr: (lr[..., [3, 0, 1, 2]], hr[..., [3, 0, 1, 2]]),
        "near infrared",
    ),
    "the offset in lr": (lambda lr, hr: (lr + 1000, hr), "offset is removed"),
    "the offset taken twice": (lambda lr, hr: (lr - 1000, hr), "offset is removed"),
    "the offset in both": (lambda lr, hr: (lr + 1000, hr + 1000), "somewhere it is"),
    "raw counts of Spot": (lambda lr, hr: (lr, hr * 0.6), "radiometry"),
    "hr is a zoom of XS": (
        lambda lr, hr: (lr, bicubic(mean_of_squares(hr), (128, 128))),
        "detail of PAN",
    ),
    "red and blue exchanged": (
        lambda lr, hr: (lr[..., [2, 1, 0, 3]], hr[..., [2, 1, 0, 3]]),
        "bright ground is not blue (red / blue is 0.7",
    ),
    "8 bits": (lambda lr, hr: (lr // 20, hr // 20), "lr: DN"),
    "65535 for no data": (lambda lr, hr: (lr, put(hr, 65535, 0, 3)), "hr: no pixel"),
    "4 pixels": (lambda lr, hr: (lr[:, :4, :4], hr[:, :16, :16]), "one size (lr: [4"),
    "hr mirrored": (lambda lr, hr: (lr, hr[:, :, ::-1]), "same ground"),
    "hr is PAN": (lambda lr, hr: (lr, hr[..., [0, 0, 0, 0]]), "has colours"),
}
TURNS = {
    "turned": lambda image: np.rot90(image, 1, (1, 2)),
    "mirrored": lambda image: image[:, ::-1],
    "turned and mirrored": lambda image: image.transpose(0, 2, 1, 3)[:, :, ::-1],
}
# Changes of groups.
MIXED = {
    **{
        f"test patches are training patches {name}": (
            lambda p, turn=turn: p | {"test": [turn(k[:2]) for k in p["train"]]},
            "no test patch shows ground of train or valid (2 of 2",
        )
        for name, turn in TURNS.items()
    },
    "groups of two sizes": (
        lambda p: p | {"test": [p["test"][0][:, :16, :16], p["test"][1][:, :64, :64]]},
        "one size (lr: [32, 32, 16]",
    ),
    "a patch too few": (
        lambda p: p | {"train": [p["train"][0][1:], p["train"][1]]},
        "as many lr as hr",
    ),
    "test patches in training patches": (overlapping, "no test patch shows"),
    "one group turned": (
        lambda p: p | {"test": [p["test"][0], np.rot90(p["test"][1], 1, (1, 2))]},
        "in test, ",
    ),
    "some exchanged": (
        lambda p: p | {"train": [p["train"][0], p["train"][1][[1, 0, 2, 3, 4, 5]]]},
        "33% of a group",
    ),
    "dealt out in turn": (
        lambda p: {
            "train": [stack[[0, 2, 3, 5]] for stack in p["train"]],
            "valid": [stack[[1]] for stack in p["train"]],
            "test": [stack[[4]] for stack in p["train"]],
        },
        "no test patch touches one of train or valid (1 of 1",
    ),
    "valid equals train": (
        lambda p: p | {"valid": [stack[:2] for stack in p["train"]]},
        "no valid patch shows",
    ),
}


def cut(patches: np.ndarray, side: int) -> np.ndarray:
    """Cut each patch [n, s, s, bands] into smaller ones."""
    n, size, _, bands = patches.shape
    parts = patches.reshape(n, size // side, side, size // side, side, bands)
    return parts.swapaxes(2, 3).reshape(-1, side, side, bands)


RIGHT = {
    "floats": lambda p: p,
    "patches of 8": lambda p: {
        g: [cut(lr, 8), cut(hr, 32)] for g, (lr, hr) in p.items()
    },
    "patches of 16": lambda p: {
        g: [cut(lr, 16), cut(hr, 64)] for g, (lr, hr) in p.items()
    },
    "1.5 m apart": lambda p: {g: [lr, np.roll(hr, 1, 2)] for g, (lr, hr) in p.items()},
    "turned copies to train": lambda p: (
        p | {"train": [np.concatenate([k, np.rot90(k, 1, (1, 2))]) for k in p["train"]]}
    ),
}


@pytest.mark.parametrize(
    "way, dtype", [("floats", "float32"), *((way, "uint16") for way in RIGHT)]
)
def test_right_patches_pass(right, way, dtype, tmp_path, capsys):
    folder = write(tmp_path, RIGHT[way](right), dtype)
    assert main(["1", "--patches", str(folder)]) == 0, capsys.readouterr().out
    assert "29 of 29 passed" in capsys.readouterr().out


@pytest.mark.parametrize("seed", range(3))
def test_patches_of_16_have_no_false_neighbours(seed, tmp_path):
    """Chance continues few edges, and real neighbours most of them."""
    lr = mean_of_squares(np.stack([gaussian_filter(ground(seed), (5, 5, 0))]))
    patches = cut(lr.reshape(1, 32, 12, 32, 4).swapaxes(1, 2)[0], 16)
    assert touching_patches(patches[:12], patches[16:]) <= 1  # gap of a patch
    assert touching_patches(patches[::2], patches[1::2]) > 12


@pytest.mark.parametrize("mistake", [*MISTAKES, *MIXED])
def test_each_mistake_is_named(right, mistake, tmp_path):
    if mistake in MIXED:
        spoil, words = MIXED[mistake]
        wrong = spoil(right)
    else:
        spoil, words = MISTAKES[mistake]
        wrong = {group: list(spoil(*pair)) for group, pair in right.items()}
    report = check_patches(write(tmp_path, wrong))
    assert any(words in line.statement for line in report.failed), str(report)
    assert len({line.hint for line in report.failed}) == 1  # of one root cause
    assert all(line.hint for line in report.failed)


def test_a_missing_file_and_no_column_of_squares(right, tmp_path, write_raster, capsys):
    write(tmp_path, right)
    (tmp_path / "valid_lr_patches.tif").unlink()
    write_raster("test_lr_patches.tif", np.ones((50, 32, 4)))
    assert main(["1", "--patches", str(tmp_path)]) == 1
    printed = capsys.readouterr().out
    assert "FAIL  valid_lr_patches.tif" in printed and "hint: " in printed
    assert "FAIL  test_lr_patches.tif: 32 x 50 pixels are no column of sq" in printed
