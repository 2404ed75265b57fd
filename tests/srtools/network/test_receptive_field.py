"""The receptive field from the graph, against the one that gradients show."""

import numpy as np
import pytest

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
    "two convolutions": lambda x: conv(3)(conv(3)(x)),
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
    """Measure how far a gradient reaches, from all output pixels around the middle."""
    image = tf.ones((1, size, size, 2))
    reach = []
    middle = size // 2  # a multiple of every stride used here
    for phase in range(max(1, factor.numerator)):
        pixel = middle * factor + phase
        with tf.GradientTape() as tape:
            tape.watch(image)
            value = tf.reduce_sum(model(image)[0, int(pixel), int(pixel)])
        used = np.abs(tape.gradient(value, image)[0].numpy()).sum(axis=-1) > 0
        first = middle  # the input pixels that the output pixel lies in
        last = middle + max(1, factor.denominator) - 1
        for axis in (0, 1):
            (indices,) = np.nonzero(used.any(axis=axis))
            reach.append((first - indices[0], indices[-1] - last))
    return tuple(np.max(reach, axis=0))


@pytest.mark.parametrize("name", NETWORKS)
def test_field_is_what_gradients_show(name):
    model = build(NETWORKS[name])
    field = receptive_field(model.output)
    assert (field.before, field.after) == measured(model, field.factor)


def test_hand_computed():
    field = receptive_field(build(NETWORKS["two convolutions"]).output)
    assert (field.factor, field.margin, field.size) == (1, 2, 5)
    field = receptive_field(build(NETWORKS["transposed 4"]).output)
    assert (field.factor, field.before, field.after) == (2, 1, 1)


def test_many_blocks_are_no_slower_than_their_number():
    """Each block doubles the paths: walking each path would never end."""

    def deep(x):
        for _ in range(40):
            x = residual(x)
        return x

    inputs = tf.keras.Input((None, None, 2))
    assert receptive_field(deep(inputs)).margin == 40 * 3


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        (lambda: layers.Conv2D(2, 3, name="edge"), "edge has padding 'valid'"),
        (lambda: layers.GaussianNoise(1.0, name="odd"), "odd .GaussianNoise.*teach"),
        (
            lambda: layers.UpSampling2D(2, interpolation="bicubic", name="up"),
            "up .UpSampling2D",
        ),
    ],
)
def test_what_is_not_known_is_named(layer, words):
    inputs = tf.keras.Input((None, None, 2))
    with pytest.raises(ValueError, match=words):
        receptive_field(layer()(inputs))


def test_table_has_a_line_per_layer():
    model = build(NETWORKS["transposed twice"])
    lines = layer_table(model.output).splitlines()
    assert len(lines) == 1 + 5
    assert lines[-1].split()[2:] == [
        "4",
        "h",
        "x",
        "4",
        "w",
        "x",
        "2",
        "198",
        "3",
        "px",
    ]


def test_the_crop_is_whole_and_even_in_input_pixels():
    assert ReceptiveField(4, 13, 12).crop == 56
    assert ReceptiveField(4, 8, 8).crop == 32
    assert ReceptiveField(2, 0, 0).crop == 0
