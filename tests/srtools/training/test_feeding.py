"""Batches for `fit`: every patch in each epoch; only seed and epoch matter."""

import numpy as np
import pytest

from srtools.training import augmenting, feeding

import otbtf
import tensorflow as tf

COUNT, BATCH = 11, 4
STEPS = 3  # the last of which is filled up


@pytest.fixture(autouse=True)
def one_light(monkeypatch):
    """Patches are known by their pixels here; the light is not what is tested."""
    monkeypatch.setattr(augmenting, "LIGHT", 0.0)
    monkeypatch.setattr(augmenting, "BAND_LIGHT", 0.0)


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
def test_each_epoch_has_full_batches_and_every_patch(files, streaming):
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


def test_another_seed_is_another_order(files):
    one, other = (batches(files, seed=seed, last=1) for seed in (1, 2))
    assert numbers(one[0][0]) != numbers(other[0][0])


def test_lr_is_dn_and_hr_reflectance_of_the_same_ground(files):
    for lr, hr in batches(files):
        assert lr.shape == (BATCH, 6, 6, 4) and hr.shape == (BATCH, 24, 24, 4)
        np.testing.assert_allclose(lr * 1e-4, hr[:, ::4, ::4], rtol=1e-6)


def test_patches_are_flipped_only_if_asked_for(files):
    stacks = held(files)
    shares = {}
    for augment in (False, True):
        lr = np.concatenate([lr for lr, _ in batches(files, 0, 9, augment=augment)])
        as_was = [(patch == stacks[n]).all() for n, patch in zip(numbers(lr), lr)]  # noqa: B905
        shares[augment] = np.mean(as_was)
    assert shares[False] == 1
    assert 0.02 < shares[True] < 0.35  # one in eight is left as it was


def test_the_light_is_changed_only_if_asked_for(files, monkeypatch):
    """By one factor per patch and band, which lr and hr share."""
    monkeypatch.undo()
    stacks = held(files)
    for augment in (False, True):
        lr, hr = zip(*batches(files, 0, 3, augment=augment), strict=True)
        lr, hr = np.concatenate(lr), np.concatenate(hr)
        np.testing.assert_allclose(lr * 1e-4, hr[:, ::4, ::4], rtol=1e-6)
        # Of a patch all pixels are within 100 DN: the ratio of the means is the light.
        means = stacks.mean(axis=(1, 2))
        known = means[np.argmin(abs(lr.mean((1, 2, 3))[:, None] - means.mean(1)), 1)]
        light = lr.mean(axis=(1, 2)) / known
        if augment:
            assert light.std() > 0.05 and light.std(axis=1).min() > 1e-3
        else:
            np.testing.assert_allclose(light, 1, rtol=1e-5)


@pytest.mark.parametrize("streaming", [False, True])
def test_validation_has_each_patch_once_in_order(files, streaming):
    source = feeding.open_patches(files, streaming)
    found = list(feeding.validation_batches(source, BATCH))
    assert [len(inputs["lr"]) for inputs, _ in found] == [4, 4, 3]
    order = [n for inputs, _ in found for n in numbers(inputs["lr"].numpy())]
    assert order == list(range(COUNT))


def test_a_filled_batch_leaves_the_mean_as_it_is(files):
    source = feeding.open_patches(files)
    found = list(feeding.validation_batches(source, BATCH, fill=True))
    assert [len(inputs["lr"]) for inputs, _, _ in found] == [BATCH] * STEPS
    values, weights = (
        np.concatenate(arrays)
        for arrays in zip(*((i["lr"], w) for i, _, w in found), strict=True)
    )
    assert weights.shape == (STEPS * BATCH, 1, 1)
    weights = weights.ravel()
    assert (weights[:COUNT] > 1).all() and (weights[COUNT:] == 0).all()
    weighted = (values.mean(axis=(1, 2, 3)) * weights).mean()
    expected = held(files).mean()
    assert weighted == pytest.approx(expected, rel=1e-6)


def test_patches_are_streamed_if_they_take_too_much_memory(files, monkeypatch):
    assert not feeding.open_patches(files).streaming
    monkeypatch.setattr(feeding, "MEMORY_SHARE", 1e-9)
    assert feeding.open_patches(files).streaming


def test_keras_knows_the_shapes(files):
    """A network cannot be built on an unknown number of bands."""
    for streaming in (False, True):
        source = feeding.open_patches(files, streaming)
        made = feeding.training_batches(
            source, BATCH, epochs=range(1), seed=1, augment=True
        )
        inputs, targets = made.element_spec
        assert inputs["lr"].shape == tf.TensorShape([BATCH, 6, 6, 4])
        assert targets["hr"].shape == tf.TensorShape([BATCH, 24, 24, 4])


def test_patches_are_held_once(files, monkeypatch):
    readers, make = [], otbtf.PatchesImagesReader
    remember = lambda *a, **o: readers.append(make(*a, **o)) or readers[-1]  # noqa: E731
    monkeypatch.setattr(otbtf, "PatchesImagesReader", remember)
    source = feeding.open_patches(files, streaming=False)
    assert not readers[-1].use_streaming and not readers[-1].patches_buffer
    assert source.read(tf.constant(1))["hr"].shape[-1] == 4


@pytest.mark.parametrize(
    ("texts", "limit"),
    [
        ({}, None),
        ({"memory.max": "max\n"}, None),
        ({"memory.max": "1000\n"}, 1000),
        ({"memory/memory.limit_in_bytes": "9223372036854771712\n"}, None),
        ({"memory/memory.limit_in_bytes": "77\n"}, 77),
    ],
)
def test_the_memory_is_that_of_the_container(tmp_path, texts, limit):
    for name, text in texts.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    machine = feeding.memory_bytes(tmp_path / "no")
    assert machine > 2**20
    assert feeding.memory_bytes(tmp_path) == (limit or machine)
