"""Splits: the engine takes exactly these patches, and no group sees another."""

import functools
import itertools
import json

import numpy as np
import pytest
import rasterio
from scipy import ndimage

from srtools.errors import SRError
from srtools.pair.layouts import TEST, TRAIN, VALID
from srtools.pair.leakage import check_groups
from srtools.pair.splits import GROUPS, split_in_blocks

import pyotb

# (height, width), patch size, margin
SIZES = [
    ((64, 80), 8, 14),
    ((62, 79), 8, 3),
    ((63, 81), 7, 9),
    ((292, 299), 32, 14),
    ((256, 400), 32, 33),
    ((700, 512), 16, 30),
]


def whole(shape) -> np.ndarray:
    return np.ones(shape, bool)


@functools.cache
def deal(shape, size, margin, seed=0, hole=None):
    usable = whole(shape)
    if hole:
        usable[hole[0] : hole[0] + 3, hole[1] : hole[1] + 5] = False
    return split_in_blocks(usable, size, margin, seed=seed)


def all_windows(split, step=None) -> dict[str, np.ndarray]:
    windows = {group: split.windows(group) for group in GROUPS}
    return {**windows, "train": split.windows("train", step)}


def touching(windows, size, margin) -> int:
    """Count pairs of groups' patches of which one, widened, meets the other."""
    count = 0
    for one, other in itertools.combinations(windows, 2):
        for row, col in windows[one]:
            below = windows[other][:, 0] < row + size + margin
            above = windows[other][:, 0] + size > row - margin
            right = windows[other][:, 1] < col + size + margin
            left = windows[other][:, 1] + size > col - margin
            count += int((below & above & right & left).sum())
    return count


@pytest.mark.parametrize("seed", [0, 5])
@pytest.mark.parametrize(("shape", "size", "margin"), SIZES)
def test_no_patch_widened_by_the_margin_touches_another_group(
    shape, size, margin, seed
):
    split = deal(shape, size, margin, seed)
    windows = all_windows(split)
    assert touching(windows, size, margin) == 0
    gaps = check_groups(windows, size, margin)
    assert min(gaps.values()) >= margin
    # The check measures: one pixel more and some patch does touch.
    assert touching(windows, size, min(gaps.values()) + 1) > 0


@pytest.mark.parametrize(("shape", "size", "margin"), SIZES)
def test_overlapping_train_patches_keep_their_distance(shape, size, margin):
    split = deal(shape, size, margin)
    windows = all_windows(split, step=size // 3)
    assert len(windows["train"]) > 3 * len(split.windows("train"))
    assert touching(windows, size, margin) == 0


@pytest.mark.parametrize(
    ("shape", "size", "margin", "most_lost"),
    [
        ((64, 80), 8, 14, 0.4),
        ((64, 80), 8, 8, 0.2),
        ((292, 299), 32, 14, 0.18),
        ((512, 512), 32, 14, 0.25),
        ((2048, 2048), 32, 14, 0.08),
    ],
)
@pytest.mark.parametrize("seed", [1, 2])
def test_proportions_are_met(shape, size, margin, most_lost, seed):
    """Within a patch or three; what the gaps cost is counted."""
    split = deal(shape, size, margin, seed)
    counts = np.array([len(split.windows(group)) for group in GROUPS])
    total = (shape[0] - 1) // size * ((shape[1] - 1) // size)
    assert counts.sum() + split.lost == total
    assert split.lost <= most_lost * total
    assert np.abs(counts - np.array([0.8, 0.1, 0.1]) * counts.sum()).max() <= 3


@pytest.mark.parametrize(
    ("shape", "least_valid", "margin"),
    [
        ((384, 384), 1, 21),
        ((500, 500), 2, 21),
        ((1200, 900), 2, 21),
        ((384, 384), 2, 0),
    ],
)
@pytest.mark.parametrize("seed", range(4))
def test_test_patches_are_four_blocks_or_more(shape, least_valid, margin, seed):
    """Each on ground of its own, for the intervals of exercise 4."""
    split = deal(shape, 32, margin, seed)
    for group, least in (("valid", least_valid), ("test", 4)):
        cells = np.zeros((shape[0] // 32 + 1, shape[1] // 32 + 1), bool)
        cells[tuple(split.windows(group).T // 32)] = True
        touching = ndimage.label(cells, np.ones((3, 3)))[1]
        assert touching == split.blocks[group] >= least


def test_a_small_image_keeps_its_patches():
    """Four blocks in 25 patches would leave little to learn from."""
    split = deal((192, 192), 32, 21)
    assert split.blocks == {"valid": 1, "test": 1}
    assert [len(split.windows(group)) for group in GROUPS] == [15, 2, 2]


def test_other_proportions():
    split = split_in_blocks(whole((600, 600)), 16, 5, proportions=(5, 2, 3))
    counts = np.array([len(split.windows(group)) for group in GROUPS])
    assert counts / counts.sum() == pytest.approx([0.5, 0.2, 0.3], abs=0.01)


def test_a_group_may_be_all_or_nothing():
    usable = whole((300, 350))
    split = split_in_blocks(usable, 16, 9, proportions=(0, 0, 1))
    counts = [len(split.windows(group)) for group in GROUPS]
    assert counts == [0, 0, (300 // 16) * (350 // 16)]
    split = split_in_blocks(usable, 16, 9, proportions=(0.9, 0.1, 0))
    train, valid, test = (len(split.windows(group)) for group in GROUPS)
    assert test == 0 and valid / (train + valid) == pytest.approx(0.1, abs=0.02)
    check_groups({g: split.windows(g) for g in GROUPS[:2]}, 16, 9)


def test_seed():
    """The same seed gives the same areas, another one gives others."""
    areas = [split_in_blocks(whole((300, 350)), 16, 9, seed=s).areas for s in (3, 3, 4)]
    assert (areas[0] == areas[1]).all()
    assert (areas[0] != areas[2]).any()


def test_unusable_pixels_are_in_no_patch():
    rows, cols = np.ogrid[:400, :420]
    usable = (rows + cols > 160) & ((rows - 260) ** 2 + (cols - 300) ** 2 > 900)
    split = split_in_blocks(usable, 16, 10)
    for group, step in (("train", 5), ("train", None), ("valid", None), ("test", None)):
        windows = split.windows(group, step)
        assert len(windows)
        for row, col in windows:
            assert usable[row : row + 16, col : col + 16].all()
    # All that is usable and in no gap is used, up to the corner of the wedge.
    assert split.windows("train", 1).min() < 20


@pytest.mark.parametrize(
    ("shape", "size", "step"),
    [((64, 80), 8, 8), ((66, 81), 8, 8), ((63, 79), 8, 3), ((63, 81), 7, 7)],
)
@pytest.mark.parametrize("group", GROUPS)
def test_the_engine_takes_these_patches(
    shape, size, step, group, tmp_path, write_raster
):
    """Each pixel of the image holds its own row and column."""
    split = deal(shape, size, 9, hole=(40, 30))
    step = step if group == "train" else size
    places = np.stack(np.indices(shape), axis=-1).astype(np.uint16)
    image = write_raster("places.tif", places)
    selection = pyotb.PatchesSelection(
        {
            "in": image,
            "grid.step": step,
            "grid.psize": size,
            "strategy": "all",
            "outtrain": str(tmp_path / "centres.geojson"),
        },
        frozen=True,
    )
    band = pyotb.Input(image)[:, :, 0]  # kept: its export refers to it
    exported = {**band.export(), "array": split.mask(group, step)}
    selection.app.ImportVectorImage("mask", exported)
    selection.execute()
    selection.app.WriteOutput()
    points = json.loads((tmp_path / "centres.geojson").read_text())["features"]
    windows = split.windows(group, step)
    assert len(points) == len(windows) > 0
    extraction = pyotb.PatchesExtraction(
        {
            "source1.il": [image],
            "source1.patchsizex": size,
            "source1.patchsizey": size,
            "vec": str(tmp_path / "centres.geojson"),
            "field": "id",
        },
        n_sources=1,
        frozen=True,
    )
    patches = str(tmp_path / "patches.tif")
    extraction.write({"source1.out": patches}, pixel_type="uint16")
    with rasterio.open(patches) as file:
        corners = file.read()[:, ::size, 0].T
    assert (corners == windows).all()


def test_areas_say_which_group_a_pixel_belongs_to():
    split = deal((292, 299), 32, 14)
    for number, group in ((TRAIN, "train"), (VALID, "valid"), (TEST, "test")):
        for row, col in split.windows(group):
            assert (split.areas[row : row + 32, col : col + 32] == number).all()


@pytest.mark.parametrize(
    ("shape", "size", "margin", "words"),
    [
        ((34, 34), 32, 14, "1 usable patches of 32 x 32"),
        ((20, 20), 32, 14, "0 usable patches"),
        ((130, 70), 32, 70, "8 usable patches"),
        ((292, 299), 32, 260, "260 pixels apart"),
    ],
)
def test_too_little_room(shape, size, margin, words):
    with pytest.raises(SRError, match=words):
        split_in_blocks(whole(shape), size, margin)


def test_nothing_usable():
    with pytest.raises(SRError, match="0 usable patches.*--split interleaved"):
        split_in_blocks(np.zeros((300, 300), bool), 32, 14)


def test_record_is_json():
    record = deal((292, 299), 32, 14, 7).record()
    assert json.loads(json.dumps(record))["seed"] == 7
