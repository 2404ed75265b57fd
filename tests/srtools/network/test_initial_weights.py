"""First weights of the zooms, and the constraint that keeps them even."""

import numpy as np
import pytest

from srtools.errors import SRError
from srtools.network import initial_weights

import tensorflow as tf


@pytest.mark.parametrize("size", [2, 4, 6])
def test_a_fresh_zoom_is_smooth(size):
    """Each pair of channels: one number, times a linear interpolation."""
    weights = initial_weights.SmoothZoom()((size, size, 3, 5), "float32").numpy()
    line = {2: [4, 4], 4: [1, 3, 3, 1], 6: [0, 1, 3, 3, 1, 0]}[size]
    zoom, middle = np.outer(line, line) / 16, size // 2
    numbers = weights[middle, middle] / zoom[middle, middle]
    np.testing.assert_allclose(weights, zoom[:, :, None, None] * numbers, rtol=1e-5)
    assert len(np.unique(numbers)) == 15 and np.abs(numbers).max() < (1.5 / 5) ** 0.5


@pytest.mark.parametrize("size", [2, 4, 6])
def test_an_even_zoom_keeps_all_but_the_differences_of_the_sums(size):
    kernel = np.random.default_rng(0).normal(size=(size, size, 3, 5)).astype("float32")
    even = initial_weights.EvenZoom()(tf.constant(kernel)).numpy()
    sums = [even[i::2, j::2].sum(axis=(0, 1)) for i in (0, 1) for j in (0, 1)]
    for each in sums:
        np.testing.assert_allclose(each, kernel.sum(axis=(0, 1)) / 4, atol=1e-5)
    again = initial_weights.EvenZoom()(tf.constant(even)).numpy()
    np.testing.assert_allclose(again, even, atol=1e-6)
    # Within a part, pixels keep their differences.
    change = (even - kernel)[::2, ::2]
    np.testing.assert_allclose(change - change[:1, :1], 0, atol=1e-6)


def test_layers_are_found_by_name():
    network = tf.keras.Sequential([tf.keras.Input((2,)), tf.keras.layers.Dense(1)])
    with pytest.raises(SRError, match="needs a layer with the name first"):
        initial_weights.start_as_zoom(network)
