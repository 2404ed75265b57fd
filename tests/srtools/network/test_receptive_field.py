"""The receptive field of lit lines against the extent of gradients."""

import numpy as np
import pytest

from srtools.errors import SRError
from srtools.network.receptive_field import receptive_field

import tensorflow as tf

layers = tf.keras.layers


def conv(size, **options):
    return layers.Conv2D(2, size, padding="same", **options)


def transposed(size, stride):
    return layers.Conv2DTranspose(2, size, strides=stride, padding="same")


def residual(x):
    return layers.Add()([x, conv(3)(layers.ReLU()(conv(5)(x)))])


def zoom_by_4(x):
    return transposed(4, 2)(transposed(4, 2)(x))


def deep(x):
    """Double the paths with each block, so that they cannot be enumerated."""
    for _ in range(40):
        x = residual(x)
    return x


NETWORKS = {
    "one convolution": lambda x: conv(7)(x),
    "one pixel": lambda x: layers.Conv2D(2, 1)(x),
    "a shift of the light": lambda x: conv(3)(layers.Rescaling(2.0, offset=1.0)(x)),
    "normalised": lambda x: layers.BatchNormalization()(conv(3)(x)),
    "two convolutions": lambda x: conv(3)(conv(3)(x)),
    "a sum by +": lambda x: conv(3)(x) + x,
    "even kernel": lambda x: conv(4)(x),
    "dilated": lambda x: conv(3, dilation_rate=2)(x),
    "wide": lambda x: conv((1, 5))(x),
    "blocks": lambda x: residual(residual(x)),
    "transposed 2": lambda x: transposed(2, 2)(x),
    "transposed 3": lambda x: transposed(3, 2)(x),
    "transposed 4": lambda x: transposed(4, 2)(x),
    "transposed 5, stride 3": lambda x: transposed(5, 3)(x),
    "transposed twice": lambda x: conv(7)(zoom_by_4(conv(3)(x))),
    "nearest": lambda x: conv(3)(layers.UpSampling2D(2)(x)),
    "bilinear": lambda x: conv(3)(layers.UpSampling2D(2, interpolation="bilinear")(x)),
    "many blocks": lambda x: deep(x),
}


def build(make):
    """Build a network whose weights are all positive: no path cancels another."""
    inputs = tf.keras.Input((None, None, 2))
    output = make(inputs)
    model = tf.keras.Model(inputs, {"hr": output, "hr_dn": output})
    model.set_weights([np.ones_like(w) for w in model.get_weights()])
    return model


def margin_of_gradients(model, size=48):
    """Measure how far a gradient reaches from four output pixels at the middle."""
    image = tf.ones((1, size, size, 2))
    factor = model(image)["hr"].shape[1] // size
    reach = [0]
    for pixel in range(size // 2 * factor, size // 2 * factor + 4):
        with tf.GradientTape() as tape:
            tape.watch(image)
            value = tf.reduce_sum(model(image)["hr"][0, pixel, pixel])
        gradient = np.abs(tape.gradient(value, image)[0].numpy()).sum(axis=-1)
        reach.append(np.abs(np.argwhere(gradient > 0) - pixel // factor).max())
    return max(reach)


@pytest.mark.parametrize("name", NETWORKS)
def test_margin_is_that_of_gradients(name):
    model = build(NETWORKS[name])
    expected = 40 * 3 if name == "many blocks" else margin_of_gradients(model)
    assert receptive_field(model) == expected


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        (layers.Conv2D(2, 3, name="edge"), "edge .Conv2D.*padding='same'"),
        (conv(3, strides=2, name="down"), "down .Conv2D.*no strides"),
        (layers.GaussianNoise(1.0, name="odd"), "odd .GaussianNoise.*lists"),
        (layers.UpSampling2D(2, interpolation="bicubic", name="up"), "layer up"),
    ],
)
def test_a_layer_that_cannot_be_measured_is_named(layer, words):
    with pytest.raises(SRError, match=words):
        receptive_field(build(layer))


def test_what_is_served_may_look_further_than_what_is_trained():
    image = tf.keras.Input((None, None, 2))
    hr = conv(3)(image)
    assert receptive_field(tf.keras.Model(image, {"hr": hr})) == 1
    assert receptive_field(tf.keras.Model(image, {"hr": hr, "hr_dn": conv(5)(hr)})) == 3
