"""Splits: the engine takes exactly these patches, and no group sees another."""

import functools
import itertools

import numpy as np
import pytest
import rasterio
from scipy import ndimage

import sr_dataset
from srtools.conventions import GROUPS
from srtools.errors import SRError
from srtools.images.raster import describe
from srtools.pair.block_layout import best_layout
from srtools.pair.patch_groups import (
    check_gaps,
    count_unusable,
    read_windows,
    split_in_blocks,
    split_interleaved,
)

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


def touching(windows, size, margin) -> int:
    """Count pairs of groups' patches of which one, widened, meets the other."""
    count = 0
    for one, other in itertools.combinations(windows, 2):
        apart = np.abs(windows[one][:, None] - windows[other][None]).max(axis=-1)
        count += int((apart < size + margin).sum())
    return count


@pytest.mark.parametrize("seed", [0, 5])
@pytest.mark.parametrize(("shape", "size", "margin"), SIZES)
def test_no_patch_widened_by_the_margin_touches_another_group(
    shape, size, margin, seed
):
    split = deal(shape, size, margin, seed)
    windows = split.windows
    assert touching(windows, size, margin) == 0
    gaps = check_gaps(windows, size, margin)
    assert min(gaps.values()) >= margin
    # The check measures: one pixel more and some patch does touch.
    assert touching(windows, size, min(gaps.values()) + 1) > 0


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
def test_proportions_are_met(shape, size, margin, most_lost):
    """Within a patch or three; what the gaps cost is counted."""
    split = deal(shape, size, margin, 1)
    counts = np.array([len(split.windows[group]) for group in GROUPS])
    total = (shape[0] - 1) // size * ((shape[1] - 1) // size)
    assert counts.sum() + split.record["patches_lost_in_gaps"] == total
    assert split.record["patches_lost_in_gaps"] <= most_lost * total
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
def test_test_patches_are_four_blocks_or_more(shape, least_valid, margin):
    """Each on ground of its own, for the intervals of exercise 4."""
    split = deal(shape, 32, margin)
    for group, least in (("valid", least_valid), ("test", 4)):
        cells = np.zeros((shape[0] // 32 + 1, shape[1] // 32 + 1), bool)
        cells[tuple(split.windows[group].T // 32)] = True
        touching = ndimage.label(cells, np.ones((3, 3)))[1]
        assert touching == split.record["blocks"][group] >= least


def test_a_small_image_keeps_its_patches():
    """Four blocks in 25 patches would leave little to learn from."""
    split = deal((192, 192), 32, 21)
    assert split.record["blocks"] == {"valid": 1, "test": 1}
    assert [len(split.windows[group]) for group in GROUPS] == [15, 2, 2]


def test_other_proportions():
    split = split_in_blocks(whole((600, 600)), 16, 5, proportions=(5, 2, 3))
    counts = np.array([len(split.windows[group]) for group in GROUPS])
    assert counts / counts.sum() == pytest.approx([0.5, 0.2, 0.3], abs=0.01)


def test_a_group_may_be_all_or_nothing():
    usable = whole((300, 350))
    split = split_in_blocks(usable, 16, 9, proportions=(0, 0, 1))
    counts = [len(split.windows[group]) for group in GROUPS]
    assert counts == [0, 0, (300 // 16) * (350 // 16)]
    split = split_in_blocks(usable, 16, 9, proportions=(0.9, 0.1, 0))
    train, valid, test = (len(split.windows[group]) for group in GROUPS)
    assert test == 0 and valid / (train + valid) == pytest.approx(0.1, abs=0.02)
    check_gaps({g: split.windows[g] for g in GROUPS[:2]}, 16, 9)


def test_seed():
    """The same seed gives the same groups, another one gives others."""
    one, same, other = (
        split_in_blocks(whole((300, 350)), 16, 9, seed=seed).windows["test"].tolist()
        for seed in (3, 3, 4)
    )
    assert one == same != other


def test_unusable_pixels_are_in_no_patch():
    rows, cols = np.ogrid[:400, :420]
    usable = (rows + cols > 160) & ((rows - 260) ** 2 + (cols - 300) ** 2 > 900)
    split = split_in_blocks(usable, 16, 10)
    for group in GROUPS:
        assert len(split.windows[group])
        for row, col in split.windows[group]:
            assert usable[row : row + 16, col : col + 16].all()
    # All that is usable and in no gap is used, up to the corner of the wedge.
    assert sum(map(len, split.windows.values())) * 16**2 > 0.5 * usable.sum()


@pytest.mark.parametrize(
    ("shape", "size"), [((64, 80), 8), ((66, 81), 8), ((63, 79), 8), ((63, 81), 7)]
)
def test_the_engine_takes_these_patches(shape, size, tmp_path, write_raster):
    """Each pixel of the image holds its own row and column."""
    split = deal(shape, size, 9, hole=(40, 30))
    places = np.stack(np.indices(shape), axis=-1).astype(np.uint16)
    image = write_raster("places.tif", places)
    centres = {group: tmp_path / f"{group}.geojson" for group in GROUPS}
    for mask, parameters in split.selections(centres):
        sr_dataset.select_patches(image, mask, parameters)
    if size % 2 == 0:
        for group, found in read_windows(centres, describe(image, "it"), split).items():
            assert (found == split.windows[group]).all()
    for group in GROUPS:
        extraction = pyotb.PatchesExtraction(
            {
                "source1.il": [image],
                "source1.patchsizex": size,
                "source1.patchsizey": size,
                "vec": str(centres[group]),
                "field": "id",
            },
            n_sources=1,
            frozen=True,
        )
        patches = str(tmp_path / "patches.tif")
        extraction.write({"source1.out": patches}, pixel_type="uint16")
        with rasterio.open(patches) as file:
            corners = file.read()[:, ::size, 0].T
        assert len(corners) and (corners == split.windows[group]).all()


def test_an_interleaved_patch_with_one_unusable_pixel_is_left_out(
    tmp_path, write_raster
):
    """The patch begins in row 34 and column 33; the pixel is not its centre."""
    usable = whole((64, 80))
    usable[36, 35] = False
    image = write_raster("xs.tif", usable[..., None].astype(np.uint16))
    centres = {group: tmp_path / f"{group}.geojson" for group in GROUPS}
    split = split_interleaved(usable, 8, (0.8, 0.1, 0.1))
    for mask, parameters in split.selections(centres):
        sr_dataset.select_patches(image, mask, parameters)
    windows = read_windows(centres, describe(image, "it"), split)
    places = np.concatenate(list(windows.values())).tolist()
    assert [34, 41] in places and [34, 33] not in places


def test_left_out_patches_are_counted_once():
    """Patches of 4 pixels begin in row 2 and column 1, two by two."""
    missing, cloud = np.zeros((2, 10, 10), bool)
    missing[3, 2] = True
    missing[0, 0] = True  # in no patch
    cloud[3, 1:7] = True  # over the same patch, and its neighbour
    counts = count_unusable({"missing": missing, "cloud": cloud}, 4)
    assert counts == {"missing": 1, "cloud": 1}


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


def test_check_groups_is_exact():
    """8 pixels from column 0, then the next group from column 18: 10 are between."""
    windows = {"train": np.array([[0, 0], [40, 0]]), "test": np.array([[4, 18]])}
    assert check_gaps(windows, 8, 10) == {"train-test": 10}
    with pytest.raises(SRError, match="train and test have 10 pixels between them"):
        check_gaps(windows, 8, 11)
    diagonal = {"train": np.array([[0, 0]]), "test": np.array([[20, 9]])}
    assert check_gaps(diagonal, 8, 12) == {"train-test": 12}
    with pytest.raises(SRError, match="no test patch of 8 x 8 pixels is left"):
        check_gaps({**windows, "test": np.zeros((0, 2), int)}, 8, 0)
    with pytest.raises(SRError, match="have -8 pixels"):
        check_gaps({"a": np.array([[3, 3]]), "b": np.array([[3, 3]])}, 8, 0)


def test_interleaved_patches_do_not_pass():
    """The course's split puts test patches between train patches."""
    rows, cols = np.meshgrid(np.arange(9) * 8, np.arange(9) * 8)
    windows = np.stack([rows.ravel(), cols.ravel()], axis=1)
    groups = {"train": windows[1::2], "test": windows[::2]}
    with pytest.raises(SRError, match="0 pixels between"):
        check_gaps(groups, 8, 1)


def test_groups_look_alike_if_they_can():
    """Town in two opposite quarters, forest in the others: a group may miss either."""
    rows, cols = np.indices((20, 30))
    town = (rows < 10) == (cols < 15)
    cells, shares = np.ones(town.shape, bool), np.array([0.8, 0.1, 0.1])
    quicklook = 1000 * np.kron(town, np.ones((2, 2)))[..., None].repeat(4, axis=-1)
    quicklook += np.random.default_rng(0).normal(0, 1, quicklook.shape)

    def difference(seed, look) -> float:
        groups, _ = best_layout(cells, shares, 1, seed, look)
        return max(abs(town[groups == g].mean() - town.mean()) for g in (2, 3))

    blind = np.mean([difference(seed, None) for seed in range(3)])
    seeing = np.mean([difference(seed, quicklook) for seed in range(3)])
    assert seeing < 0.2 < 0.3 < blind


def test_groups_lie_all_over_the_image():
    """Blocks in one corner cost the fewest patches, and show one kind of ground."""
    cells, shares = np.ones((30, 40), bool), np.array([0.8, 0.1, 0.1])
    for seed in range(3):
        groups, _ = best_layout(cells, shares, 1, seed)
        for group in (2, 3):
            places = np.argwhere(groups == group) / cells.shape
            assert (abs(places.mean(axis=0) - 0.5) < 0.25).all()
            assert (places.std(axis=0) > 0.15).all()
