"""Symmetries and light: lr and hr show the same ground, and all of them come."""

import itertools

import numpy as np
import pytest

from srtools.training.augmenting import random_light, random_symmetry

import tensorflow as tf

IMAGE = np.arange(18, dtype=np.uint16).reshape(3, 3, 2)


def test_lr_and_hr_are_flipped_alike_and_in_every_way():
    sample = {"lr": IMAGE, "hr": IMAGE.repeat(4, axis=0).repeat(4, axis=1)}
    seen = set()
    for chances in itertools.product([0.2, 0.7], repeat=3):
        laid = random_symmetry(sample, chances)
        np.testing.assert_array_equal(laid["lr"], laid["hr"][::4, ::4])
        assert laid["hr"].dtype == tf.uint16
        seen.add(laid["lr"].numpy().tobytes())
    expected = {
        np.ascontiguousarray(np.rot90(image, turns)).tobytes()
        for image in (IMAGE, IMAGE[:, ::-1])
        for turns in range(4)
    }
    assert seen == expected and len(seen) == 8
    turned = random_symmetry(sample, [0.0, 1.0, 0.0])["lr"]
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
    changed = random_light(sample, chances)
    for name, image in sample.items():
        np.testing.assert_allclose(changed[name], image * factors, rtol=1e-6)
