"""The receptive field of lit lines, against the one that gradients show."""

from math import ceil, floor

import numpy as np
import pytest

from srtools.errors import SRError
from srtools.network.receptive_field import (
    ReceptiveField,
    layer_table,
    receptive_field,
)

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
    "down": lambda x: conv(3, strides=2)(conv(3)(x)),
    "down and up": lambda x: transposed(4, 2)(conv(3, strides=2)(x)),
}


def build(make):
    """Build a network whose weights are all positive: no path cancels another."""
    inputs = tf.keras.Input((None, None, 2))
    model = tf.keras.Model(inputs, make(inputs))
    model.set_weights([np.ones_like(w) for w in model.get_weights()])
    return model


def measured(model, factor, size=48):
    """Measure how far a gradient reaches, from four output pixels at the middle."""
    image = tf.ones((1, size, size, 2))
    reach = [(0, 0)]
    for pixel in range(int(size // 2 * factor), int(size // 2 * factor) + 4):
        with tf.GradientTape() as tape:
            tape.watch(image)
            value = tf.reduce_sum(model(image)[0, pixel, pixel])
        used = np.abs(tape.gradient(value, image)[0].numpy()).sum(axis=-1) > 0
        # the input pixels that the output pixel lies in
        first, last = floor(pixel / factor), ceil((pixel + 1) / factor) - 1
        for axis in (0, 1):
            (indices,) = np.nonzero(used.any(axis=axis))
            reach.append((first - indices[0], indices[-1] - last))
    return np.max(reach)


@pytest.mark.parametrize("name", NETWORKS)
def test_field_is_what_gradients_show(name):
    model = build(NETWORKS[name])
    field = receptive_field(model.output)
    assert field.margin == measured(model, field.factor)


def test_many_blocks():
    """Each block doubles the paths: they can be neither walked nor added up."""

    def deep(x):
        for _ in range(40):
            x = residual(x)
        return x

    inputs = tf.keras.Input((None, None, 2))
    assert receptive_field(deep(inputs)).margin == 40 * 3


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        (lambda: layers.Conv2D(2, 3, name="edge"), "edge .Conv2D.*padding='same'"),
        (lambda: layers.GaussianNoise(1.0, name="odd"), "odd .GaussianNoise.*teach"),
        (
            lambda: layers.UpSampling2D(2, interpolation="bicubic", name="up"),
            "layer up",
        ),
    ],
)
def test_a_layer_that_cannot_be_measured_is_named(layer, words):
    inputs = tf.keras.Input((None, None, 2))
    with pytest.raises(SRError, match=words):
        receptive_field(layer()(inputs))


def test_table_has_a_line_per_layer():
    lines = layer_table(build(NETWORKS["transposed twice"]).output).splitlines()
    assert len(lines) == 1 + 5
    assert lines[-1].split()[2:] == "4 h x 4 w x 2 198 3 px".split()


def test_the_crop_is_whole_and_even_in_input_pixels():
    assert ReceptiveField(4, 13).crop == 56
    assert ReceptiveField(4, 8).crop == 32
    assert ReceptiveField(2, 0).crop == 0
