"""Batches for `fit`: every patch in each epoch; only seed and epoch matter."""

import itertools

import numpy as np
import pytest

from srtools.training import feeding

import otbtf
import tensorflow as tf

COUNT, BATCH = 11, 4
STEPS = 3  # the last of which is filled up
IMAGE = np.arange(18, dtype=np.uint16).reshape(3, 3, 2)


@pytest.fixture
def one_light(monkeypatch):
    """Leave the light as it is: these tests know patches by their pixels."""
    monkeypatch.setattr(feeding, "LIGHT", 0.0)
    monkeypatch.setattr(feeding, "BAND_LIGHT", 0.0)


@pytest.fixture
def files(patches):
    """Patches that can be told from each other: their number is the first pixel."""
    rng = np.random.default_rng(0)
    lr = rng.integers(100, 200, (COUNT, 6, 6, 4))
    lr[:] += 1000 * np.arange(COUNT).reshape(-1, 1, 1, 1)
    folder = patches("train", lr, lr.repeat(4, axis=1).repeat(4, axis=2))
    return {k: [str(folder / f"train_{k}_patches.tif")] for k in ("lr", "hr")}


def batches(files, first=0, last=2, streaming=False, **options):
    """Give the batches of some epochs as [(lr, hr), ...] of NumPy arrays."""
    options = {"seed": 1, "augment": True, **options}
    source = feeding.open_patches(files, streaming)
    made = feeding.training_batches(source, BATCH, epochs=range(first, last), **options)
    return [(inputs["lr"].numpy(), targets["hr"].numpy()) for inputs, targets in made]


def numbers(lr):
    return [int(patch.flat[0]) // 1000 for patch in lr]


def assert_same(one, other):
    assert len(one) == len(other)
    for (lr, hr), (other_lr, other_hr) in zip(one, other, strict=True):
        np.testing.assert_array_equal(lr, other_lr)
        np.testing.assert_array_equal(hr, other_hr)


@pytest.mark.parametrize("streaming", [False, True])
def test_each_epoch_has_full_batches_and_every_patch(files, one_light, streaming):
    found = batches(files, streaming=streaming)
    assert len(found) == 2 * STEPS
    epochs = [found[:STEPS], found[STEPS:]]
    seen = [[n for lr, _ in epoch for n in numbers(lr)] for epoch in epochs]
    for order in seen:
        assert len(order) == STEPS * BATCH
        assert sorted(order[:COUNT]) == list(range(COUNT))
        assert order[COUNT:] == order[: STEPS * BATCH - COUNT]
    assert seen[0] != seen[1] and seen[0][:COUNT] != sorted(seen[0][:COUNT])


def test_an_epoch_is_the_same_whatever_came_before_and_wherever_it_is_read(files):
    """A training that goes on with epoch 2 sees what it would have seen anyway."""
    at_once = batches(files, 0, 4)
    assert_same(at_once[2 * STEPS :], batches(files, 2, 4, streaming=True))


def held(files):
    """Give all lr patches as OTBTF's reader holds them."""
    return otbtf.PatchesImagesReader(files).patches_buffer["lr"]


def test_another_seed_is_another_order(files, one_light):
    one, other = (batches(files, seed=seed, last=1) for seed in (1, 2))
    assert numbers(one[0][0]) != numbers(other[0][0])


@pytest.mark.parametrize("augment", [False, True])
def test_patches_are_flipped_only_if_asked_for(files, one_light, augment):
    stacks = held(files)
    lr = np.concatenate([lr for lr, _ in batches(files, 0, 9, augment=augment)])
    pairs = zip(numbers(lr), lr, strict=True)
    share = np.mean([(patch == stacks[number]).all() for number, patch in pairs])
    # One in eight is left as it was.
    assert 0.02 < share < 0.35 if augment else share == 1


@pytest.mark.parametrize("augment", [False, True])
def test_the_light_is_changed_only_if_asked_for(files, augment):
    """By one factor per patch and band, which lr and hr share."""
    lr, hr = zip(*batches(files, 0, 3, augment=augment), strict=True)
    lr, hr = np.concatenate(lr), np.concatenate(hr)
    np.testing.assert_allclose(lr * 1e-4, hr[:, ::4, ::4], rtol=1e-6)
    # Of a patch all pixels are within 100 DN: the ratio of the means is the light.
    means = held(files).mean(axis=(1, 2))
    known = means[np.argmin(abs(lr.mean((1, 2, 3))[:, None] - means.mean(1)), 1)]
    light = lr.mean(axis=(1, 2)) / known
    if augment:
        assert light.std() > 0.05 and light.std(axis=1).min() > 1e-3
    else:
        np.testing.assert_allclose(light, 1, rtol=1e-5)


@pytest.mark.parametrize("streaming", [False, True])
def test_validation_has_each_patch_once_in_order_and_full_batches(files, streaming):
    """The weights make the mean over all batches the mean over the patches."""
    source = feeding.open_patches(files, streaming)
    found = list(feeding.validation_batches(source, BATCH))
    assert [len(inputs["lr"]) for inputs, _, _ in found] == [BATCH] * STEPS
    values, weights = (
        np.concatenate(arrays)
        for arrays in zip(*((i["lr"], w) for i, _, w in found), strict=True)
    )
    assert numbers(values)[:COUNT] == list(range(COUNT))
    assert weights.shape == (STEPS * BATCH, 1, 1)
    weights = weights.ravel()
    assert (weights[:COUNT] > 1).all() and (weights[COUNT:] == 0).all()
    weighted = (values.mean(axis=(1, 2, 3)) * weights).mean()
    assert weighted == pytest.approx(held(files).mean(), rel=1e-6)


def test_patches_are_streamed_if_they_take_too_much_memory(files, monkeypatch, caplog):
    caplog.set_level("INFO")
    feeding.open_patches(files)
    assert not caplog.messages
    monkeypatch.setattr(feeding, "LARGEST_IN_MEMORY", 100)
    feeding.open_patches(files)
    assert caplog.messages == ["the patches are read from the disk as they are needed"]


@pytest.mark.parametrize("streaming", [False, True])
def test_keras_knows_the_shapes(files, streaming):
    """A network cannot be built on an unknown number of bands."""
    source = feeding.open_patches(files, streaming)
    options = {"epochs": range(1), "seed": 1, "augment": True}
    inputs, targets = feeding.training_batches(source, BATCH, **options).element_spec
    assert inputs["lr"].shape == tf.TensorShape([BATCH, 6, 6, 4])
    assert targets["hr"].shape == tf.TensorShape([BATCH, 24, 24, 4])


def test_patches_are_held_once(files, monkeypatch):
    readers, make = [], otbtf.PatchesImagesReader
    remember = lambda *a, **o: readers.append(make(*a, **o)) or readers[-1]  # noqa: E731
    monkeypatch.setattr(otbtf, "PatchesImagesReader", remember)
    source = feeding.open_patches(files, streaming=False)
    assert not readers[-1].use_streaming and not readers[-1].patches_buffer
    assert source.read(tf.constant(1))["hr"].shape[-1] == 4


def test_lr_and_hr_are_flipped_alike_and_in_every_way():
    sample = {"lr": IMAGE, "hr": IMAGE.repeat(4, axis=0).repeat(4, axis=1)}
    seen = set()
    for chances in itertools.product([0.2, 0.7], repeat=3):
        laid = feeding.random_symmetry(sample, chances)
        np.testing.assert_array_equal(laid["lr"], laid["hr"][::4, ::4])
        assert laid["hr"].dtype == tf.uint16
        seen.add(laid["lr"].numpy().tobytes())
    expected = {
        np.ascontiguousarray(np.rot90(image, turns)).tobytes()
        for image in (IMAGE, IMAGE[:, ::-1])
        for turns in range(4)
    }
    assert seen == expected and len(seen) == 8
    turned = feeding.random_symmetry(sample, [0.0, 1.0, 0.0])["lr"]
    np.testing.assert_array_equal(turned, np.rot90(IMAGE, -1))


@pytest.mark.parametrize(
    ("chances", "factors"),
    [
        ([0.5, 0.5, 0.5], [1, 1]),
        ([1, 0.5, 0.5], [np.exp(0.3), np.exp(0.3)]),
        ([0, 0.5, 0.5], [np.exp(-0.3), np.exp(-0.3)]),
        ([0.5, 1, 0], [np.exp(0.15), np.exp(-0.15)]),
        ([1, 1, 0.5], [np.exp(0.45), np.exp(0.3)]),
    ],
)
def test_light_has_one_factor_for_all_bands_and_one_for_each(chances, factors):
    """No light is no light, whatever the factor: 0 stays 0."""
    sample = {"lr": IMAGE.astype("float32"), "hr": 2 * IMAGE.astype("float32")}
    changed = feeding.random_light(sample, chances)
    for name, image in sample.items():
        np.testing.assert_allclose(changed[name], image * factors, rtol=1e-6)
