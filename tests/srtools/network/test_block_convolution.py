"""The convolution in blocks against the Keras layer that it replaces."""

import numpy as np
import pytest

from srtools.network import precision
from srtools.network.block_convolution import BlockwiseConv2D, convolve_blocks

import tensorflow as tf

layers = tf.keras.layers
CHANNELS = 6
KINDS = {
    "course": (4, 7, "relu"),
    "one pixel": (2, 1, None),
    "as many bands as channels": (CHANNELS, 3, None),
    "bands that sum up to 1": (4, 5, "softmax"),  # which needs all bands of a pixel
}


def both(filters, size, activation, channels=CHANNELS):
    """Make the layer and a Conv2D with the same random weights."""
    random = np.random.default_rng(1)
    options = {"activation": activation, "padding": "same"}
    pair = [kind(filters, size, **options) for kind in (BlockwiseConv2D, layers.Conv2D)]
    for layer in pair:
        layer.build((None, None, None, channels))
    weights = [random.normal(size=w.shape) for w in pair[0].get_weights()]
    for layer in pair:
        layer.set_weights(weights)
    return pair


@pytest.mark.parametrize("size", [(2, 4), (10, 16)])
@pytest.mark.parametrize("name", KINDS)
def test_output_and_gradients_are_those_of_keras(name, size):
    """Up to the edge of the image, and for images smaller than the kernel."""
    layer, plain = both(*KINDS[name])
    image = np.random.default_rng(2).normal(size=(2, *size, CHANNELS))
    image = tf.constant(image, tf.float32)
    output, expected = layer(image).numpy(), plain(image).numpy()
    assert output.shape == expected.shape and expected.std() > 0.1
    np.testing.assert_allclose(output, expected, atol=1e-5 * np.abs(expected).max())
    gradients = []
    for each in (layer, plain):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(each(image) ** 2)
        gradients.append(tape.gradient(loss, each.trainable_variables))
    for one, other in zip(*gradients, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4 * np.abs(other).max())


def test_the_output_of_bfloat16_has_no_steps():
    """A layer like a trained one: it takes a band from a channel, and sharpens it."""
    random, channels = np.random.default_rng(3), 32  # fewer are summed in float32
    layer, _ = both(4, 7, None, channels)
    kernel, bias = layer.get_weights()
    bands = np.arange(4)
    kernel *= 1e-3
    kernel[2:5, 2:5, bands, bands] -= 0.02
    kernel[3, 3, bands, bands] += 0.7
    layer.set_weights([kernel, 0 * bias])
    image = tf.constant(random.uniform(0.3, 0.6, (2, 24, 24, channels)), tf.bfloat16)
    exact = layer(tf.cast(image, tf.float32)).numpy()
    output = layer(image)
    assert output.dtype == tf.float32
    plain = tf.nn.conv2d(image, tf.cast(kernel, tf.bfloat16), 1, "SAME")
    plain = tf.cast(plain, tf.float32).numpy()
    error, usual = (np.abs(a - exact)[:, 3:-3, 3:-3].mean() for a in (output, plain))
    assert error < 2e-4 < 3e-4 < usual  # 1 or 2 DN; 3 DN with TensorFlow alone
    values, steps = (len(np.unique(np.rint(1e4 * a))) for a in (output.numpy(), plain))
    assert values > 4 * steps


def test_in_mixed_precision_the_weights_stay_float32():
    with precision.layers_in("bfloat16"):
        body, layer = layers.Conv2D(CHANNELS, 3), BlockwiseConv2D(4, 3)
        between = body(tf.ones((1, 10, 12, 2)))
        output = layer(between)
    assert between.dtype == tf.bfloat16 and output.dtype == tf.float32
    assert all(weight.dtype in ("float32", tf.float32) for weight in layer.weights)


@pytest.mark.parametrize("channels", [4, 8, 12, 64])
def test_bfloat16_is_the_same_sum(channels):
    """For every number of channels: oneDNN on AMX is wrong for 8 and 12."""
    rng = np.random.default_rng(0)
    image = tf.constant(rng.normal(size=(1, 40, 40, channels)), tf.float32)
    kernel = tf.constant(rng.normal(size=(7, 7, channels, 4)), tf.float32)
    exact = convolve_blocks(image, kernel).numpy()
    rounded = convolve_blocks(tf.cast(image, tf.bfloat16), kernel).numpy()
    assert np.abs(rounded - exact).mean() < 0.01 * np.abs(exact).mean()
