"""Convolutions in blocks against the Keras layers that they stand for."""

import numpy as np
import pytest

from srtools.network import blockwise

import tensorflow as tf

layers = tf.keras.layers

SAME = {
    "course": layers.Conv2D(4, 7, padding="same", activation="relu"),
    "one pixel": layers.Conv2D(2, 1, padding="same"),
    "wide": layers.Conv2D(3, (3, 9), padding="same", use_bias=False),
    "bands that sum up to 1": layers.Conv2D(4, 5, padding="same", activation="softmax"),
}
OTHER = {
    "many channels": layers.Conv2D(5, 3, padding="same"),
    "even": layers.Conv2D(4, (3, 4), padding="same"),
    "strides": layers.Conv2D(4, 3, 2, padding="same"),
    "holes": layers.Conv2D(4, 3, padding="same", dilation_rate=(1, 2)),
    "groups": layers.Conv2D(4, 3, padding="same", groups=2),
    "valid": layers.Conv2D(4, 3),
    "transposed": layers.Conv2DTranspose(4, 3, padding="same"),
    "no convolution": layers.ReLU(),
}


@pytest.mark.parametrize("size", [(2, 4), (10, 16), (32, 6)])
@pytest.mark.parametrize("name", SAME)
def test_as_the_layer_does(name, size):
    """To the edge of the image, and of images smaller than the kernel."""
    random = np.random.default_rng(1)
    image = random.normal(size=(2, *size, 6)).astype(np.float32)
    layer = SAME[name]
    layer(image)  # which makes its weights, the first time
    layer.set_weights([random.normal(size=w.shape) for w in layer.get_weights()])
    assert blockwise.suits(layer)
    expected = layer(image).numpy()
    found = blockwise.convolve(layer, tf.constant(image)).numpy()
    assert found.shape == expected.shape and expected.std() > 0.1
    np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
def test_mixed_precision(dtype):
    """The input has the type of the layer before, the weights are float32."""
    image = np.random.default_rng(1).normal(size=(1, 16, 16, 6)).astype(np.float32)
    image = tf.cast(image, tf.bfloat16)
    layer = layers.Conv2D(4, 3, padding="same", bias_initializer="ones", dtype=dtype)
    expected, found = layer(image), blockwise.convolve(layer, image)
    assert found.dtype == expected.dtype
    found, expected = (tf.cast(a, tf.float32).numpy() for a in (found, expected))
    step = 2**-8 if dtype == "mixed_bfloat16" else 2**-23
    np.testing.assert_allclose(found, expected, atol=4 * step * np.abs(expected).max())


@pytest.mark.parametrize("name", OTHER)
def test_what_it_does_not_suit(name):
    assert not blockwise.suits(OTHER[name])
