"""Splits: the engine takes exactly these patches, far from those of other groups."""

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
def test_no_patch_and_its_margin_touch_another_group(shape, size, margin, seed):
    windows = deal(shape, size, margin, seed).windows
    assert touching(windows, size, margin) == 0
    check_gaps(windows, size, margin)


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
    """Within three patches; the loss in the gaps is counted."""
    split = deal(shape, size, margin, 1)
    counts = np.array([len(split.windows[group]) for group in GROUPS])
    total = (shape[0] - 1) // size * ((shape[1] - 1) // size)
    assert counts.sum() + split.record["patches_lost_in_gaps"] == total
    assert split.record["patches_lost_in_gaps"] <= most_lost * total
    assert np.abs(counts - np.array([0.8, 0.1, 0.1]) * counts.sum()).max() <= 3


@pytest.mark.parametrize(
    ("shape", "least_valid", "margin"),
    [((384, 384), 1, 21), ((500, 500), 2, 21), ((960, 900), 2, 21), ((384, 384), 2, 0)],
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
    """Four blocks in 25 patches would leave few for the training."""
    split = deal((192, 192), 32, 21)
    assert split.record["blocks"] == {"valid": 1, "test": 1}
    assert [len(split.windows[group]) for group in GROUPS] == [15, 2, 2]


@pytest.mark.parametrize("shares", [(5, 2, 3), (0, 0, 1), (0.9, 0.1, 0)])
def test_other_proportions(shares):
    split = split_in_blocks(whole((600, 600)), 16, 5, shares)
    counts = np.array([len(split.windows[group]) for group in GROUPS])
    expected = np.divide(shares, sum(shares))
    assert counts / counts.sum() == pytest.approx(expected, abs=0.01)
    assert all(counts[expected == 0] == 0)
    check_gaps({g: w for g, w in split.windows.items() if len(w)}, 16, 5)


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
    sr_dataset.select_patches(image, split.selections(centres))
    if size % 2 == 0:
        windows = read_windows(centres, describe(image, "it"), split)
        assert all((windows[g] == split.windows[g]).all() for g in GROUPS)
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


def test_an_interleaved_patch_with_an_unusable_pixel_goes(tmp_path, write_raster):
    """The patch begins in row 34 and column 33; the pixel is not its centre."""
    usable = whole((64, 80))
    usable[36, 35] = False
    image = write_raster("xs.tif", usable[..., None].astype(np.uint16))
    centres = {group: tmp_path / f"{group}.geojson" for group in GROUPS}
    split = split_interleaved(usable, 8, (0.8, 0.1, 0.1))
    sr_dataset.select_patches(image, split.selections(centres))
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
    ("usable", "margin", "words"),
    [
        (whole((34, 34)), 14, "1 usable patches of 32 x 32"),
        (whole((20, 20)), 14, "0 usable patches"),
        (whole((130, 70)), 70, "8 usable patches"),
        (whole((292, 299)), 260, "260 pixels apart"),
        (~whole((300, 300)), 14, "0 usable patches.*--split interleaved"),
    ],
)
def test_too_little_room(usable, margin, words):
    with pytest.raises(SRError, match=words):
        split_in_blocks(usable, 32, margin)


@pytest.mark.parametrize(
    ("train", "test", "gap"),
    [
        ([[0, 0], [40, 0]], [[4, 18]], 10),  # columns 0 to 7 and 18 to 25
        ([[0, 0]], [[20, 9]], 12),
        ([[3, 3]], [[3, 3]], -8),
        ([[0, 0], [0, 16]], [[0, 8]], 0),  # interleaved, as in the course
    ],
)
def test_the_check_of_the_gaps_is_exact(train, test, gap):
    windows = {"train": np.array(train), "test": np.array(test)}
    check_gaps(windows, 8, gap)
    with pytest.raises(SRError, match=f"train and test have {gap} pixels between them"):
        check_gaps(windows, 8, gap + 1)


def test_a_group_without_patches_is_refused():
    windows = {"train": np.array([[0, 0]]), "test": np.zeros((0, 2), int)}
    with pytest.raises(SRError, match="no test patch of 8 x 8 pixels is left"):
        check_gaps(windows, 8, 0)


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
