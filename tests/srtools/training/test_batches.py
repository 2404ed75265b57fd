"""Batches for `fit`: each epoch has each patch; only seed and epoch matter."""

import itertools

import numpy as np
import pytest

from srtools.training import batches

import otbtf
import tensorflow as tf

COUNT, BATCH_SIZE = 11, 4
STEPS = 3  # with a last batch that is filled
IMAGE = np.arange(18, dtype=np.uint16).reshape(3, 3, 2)


@pytest.fixture
def same_brightness(monkeypatch):
    """Do not change the brightness: these tests identify patches by their pixels."""
    monkeypatch.setattr(batches, "BRIGHTNESS_RANGE", 0.0)
    monkeypatch.setattr(batches, "BAND_BRIGHTNESS_RANGE", 0.0)


@pytest.fixture
def files(patches):
    """Write patches with pixels of 1000 times the number of the patch + 100 to 199."""
    rng = np.random.default_rng(0)
    lr = rng.integers(100, 200, (COUNT, 6, 6, 4))
    lr[:] += 1000 * np.arange(COUNT).reshape(-1, 1, 1, 1)
    folder = patches("train", lr, lr.repeat(4, axis=1).repeat(4, axis=2))
    return {k: [str(folder / f"train_{k}_patches.tif")] for k in ("lr", "hr")}


@pytest.fixture
def lr_patches(files):
    """Return all lr patches, [n, h, w, bands]."""
    return otbtf.PatchesImagesReader(files).patches_buffer["lr"]


def draw(files, first=0, last=2, streaming=False, **options):
    """Return the batches of some epochs as [(lr, hr), ...] of NumPy arrays."""
    options = {"seed": 1, "augment": True, "epochs": range(first, last), **options}
    patches = batches.open_patches(files, streaming)
    drawn = batches.training_batches(patches, BATCH_SIZE, **options)
    return [(inputs["lr"].numpy(), targets["hr"].numpy()) for inputs, targets in drawn]


def numbers(lr):
    return [int(patch.flat[0]) // 1000 for patch in lr]


@pytest.mark.parametrize("streaming", [False, True])
def test_each_epoch_has_full_batches_and_every_patch(files, same_brightness, streaming):
    drawn = draw(files, streaming=streaming)
    assert len(drawn) == 2 * STEPS
    epochs = [drawn[:STEPS], drawn[STEPS:]]
    orders = [[n for lr, _ in epoch for n in numbers(lr)] for epoch in epochs]
    for order in orders:
        assert len(order) == STEPS * BATCH_SIZE
        assert sorted(order[:COUNT]) == list(range(COUNT))
        assert order[COUNT:] == order[: STEPS * BATCH_SIZE - COUNT]
    assert orders[0] != orders[1] and orders[0][:COUNT] != sorted(orders[0][:COUNT])


def test_another_seed_is_another_order(files, same_brightness):
    one, other = (draw(files, seed=seed, last=1) for seed in (1, 2))
    assert numbers(one[0][0]) != numbers(other[0][0])


@pytest.mark.parametrize("augment", [False, True])
def test_only_augmentation_flips_patches(files, lr_patches, same_brightness, augment):
    lr = np.concatenate([lr for lr, _ in draw(files, 0, 9, augment=augment)])
    pairs = zip(numbers(lr), lr, strict=True)
    share = np.mean([(patch == lr_patches[number]).all() for number, patch in pairs])
    # One of the eight symmetries changes nothing.
    assert 0.02 < share < 0.35 if augment else share == 1


@pytest.mark.parametrize("augment", [False, True])
def test_only_augmentation_changes_the_brightness(files, lr_patches, augment):
    """lr and hr share one factor per patch and band."""
    lr, hr = map(np.concatenate, zip(*draw(files, 0, 3, augment=augment), strict=True))
    np.testing.assert_allclose(lr * 1e-4, hr[:, ::4, ::4], rtol=1e-6)
    # The pixels of a patch differ by 100 DN only: the ratio of the means is the factor.
    means = lr_patches.mean(axis=(1, 2))
    nearest = np.argmin(abs(lr.mean((1, 2, 3))[:, None] - means.mean(1)), 1)
    factors = lr.mean(axis=(1, 2)) / means[nearest]
    if augment:
        assert factors.std() > 0.05 and factors.std(axis=1).min() > 1e-3
    else:
        np.testing.assert_allclose(factors, 1, rtol=1e-5)


@pytest.mark.parametrize("streaming", [False, True])
def test_validation_has_each_patch_once_in_full_batches(files, lr_patches, streaming):
    """The weights make the mean over all batches the mean over the patches."""
    patches = batches.open_patches(files, streaming)
    triples = list(batches.validation_batches(patches, BATCH_SIZE))
    assert [len(inputs["lr"]) for inputs, _, _ in triples] == [BATCH_SIZE] * STEPS
    lr = np.concatenate([inputs["lr"] for inputs, _, _ in triples])
    weights = np.concatenate([weight for _, _, weight in triples])
    assert numbers(lr)[:COUNT] == list(range(COUNT))
    assert weights.shape == (STEPS * BATCH_SIZE, 1, 1)
    assert (weights[:COUNT] > 1).all() and (weights[COUNT:] == 0).all()
    weighted = (lr.mean(axis=(1, 2, 3)) * weights.ravel()).mean()
    assert weighted == pytest.approx(lr_patches.mean(), rel=1e-6)


def test_large_patches_are_streamed(files, monkeypatch, caplog):
    caplog.set_level("INFO")
    batches.open_patches(files)
    assert not caplog.messages
    monkeypatch.setattr(batches, "MAX_BYTES_IN_MEMORY", 100)
    batches.open_patches(files)
    assert caplog.messages == ["the patches are read from the disk as they are needed"]


def test_memory_holds_one_copy_of_the_patches(files, monkeypatch):
    readers, make = [], otbtf.PatchesImagesReader
    record = lambda *a, **o: readers.append(make(*a, **o)) or readers[-1]  # noqa: E731
    monkeypatch.setattr(otbtf, "PatchesImagesReader", record)
    patches = batches.open_patches(files, streaming=False)
    assert not readers[-1].use_streaming and not readers[-1].patches_buffer
    assert patches.read(tf.constant(1))["hr"].shape[-1] == 4


def test_lr_and_hr_are_flipped_alike_in_all_eight_ways():
    sample = {"lr": IMAGE, "hr": IMAGE.repeat(4, axis=0).repeat(4, axis=1)}
    results = set()
    for three in itertools.product([0.2, 0.7], repeat=3):
        flipped = batches.random_symmetry(sample, three)
        np.testing.assert_array_equal(flipped["lr"], flipped["hr"][::4, ::4])
        assert flipped["hr"].dtype == tf.uint16
        results.add(flipped["lr"].numpy().tobytes())
    assert results == {
        np.ascontiguousarray(np.rot90(image, turns)).tobytes()
        for image in (IMAGE, IMAGE[:, ::-1])
        for turns in range(4)
    }
    turned = batches.random_symmetry(sample, [0.0, 1.0, 0.0])["lr"]
    np.testing.assert_array_equal(turned, np.rot90(IMAGE, -1))


@pytest.mark.parametrize(
    ("random_numbers", "factors"),
    [
        ([0.5, 0.5, 0.5], [1, 1]),
        ([1, 0.5, 0.5], [np.exp(0.3), np.exp(0.3)]),
        ([0, 0.5, 0.5], [np.exp(-0.3), np.exp(-0.3)]),
        ([0.5, 1, 0], [np.exp(0.15), np.exp(-0.15)]),
        ([1, 1, 0.5], [np.exp(0.45), np.exp(0.3)]),
    ],
)
def test_brightness_has_a_factor_for_all_and_one_per_band(random_numbers, factors):
    sample = {"lr": IMAGE.astype("float32"), "hr": 2 * IMAGE.astype("float32")}
    changed = batches.random_brightness(sample, random_numbers)
    for name, image in sample.items():
        np.testing.assert_allclose(changed[name], image * factors, rtol=1e-6)
