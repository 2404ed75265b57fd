"""Crops inside the network against crops of its finished output."""

import numpy as np
import pytest

from srtools.network.blockwise import BlockwiseConv2D
from srtools.network.early_crop import early_crop, smallest_crop
from srtools.network.receptive_field import ReceptiveField, receptive_field

import tensorflow as tf

layers = tf.keras.layers


def conv(size, **options):
    return layers.Conv2D(3, size, padding="same", **options)


def block(x):
    return layers.ReLU()(layers.Add()([x, conv(3)(conv(3, activation="relu")(x))]))


def zoom(size):
    return layers.Conv2DTranspose(3, size, strides=2, padding="same")


def course(x):
    """Like the network of the course, with one skip around all blocks."""
    first = x = conv(7)(x)
    for _ in range(4):
        x = block(x)
    last = BlockwiseConv2D(3, 7, name="last")
    return last(zoom(4)(zoom(4)(layers.Add()([x, first]))))


NETWORKS = {
    "course": course,
    "no zoom": lambda x: conv(5)(block(block(conv(3)(x)))),
    "even kernels": lambda x: conv(4)(zoom(6)(zoom(2)(conv(4)(conv(6)(conv(6)(x)))))),
    "upsampling": lambda x: conv(3)(layers.UpSampling2D(2)(block(block(conv(9)(x))))),
    "wide": lambda x: zoom(4)(conv((1, 9))(conv((9, 3), dilation_rate=(1, 2))(x))),
    "two paths": lambda x: layers.Concatenate()([zoom(4)(conv(9)(x)), zoom(2)(x)]),
}


def build(name):
    tf.keras.utils.set_random_seed(3)
    inputs = tf.keras.Input((None, None, 2))
    return tf.keras.Model(inputs, NETWORKS[name](inputs))


@pytest.fixture
def image():
    return tf.constant(np.random.default_rng(0).normal(size=(2, 45, 52, 2)), tf.float32)


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("more", [0, 1, 8])
def test_what_is_kept_is_the_same(name, more, image):
    model = build(name)
    crop = smallest_crop(receptive_field(model.output)) + more
    whole = model(image).numpy()
    assert whole.std() > 0.01
    found = early_crop(model.output, crop, image).numpy()
    expected = whole[:, crop:-crop, crop:-crop]
    np.testing.assert_allclose(found, expected, atol=1e-5 * whole.std())


def test_what_is_not_kept_is_not_computed(monkeypatch):
    """The last layer sees 3 more pixels than it makes, and what the zooms round up."""
    model = build("course")
    seen = []
    last = type(model.get_layer("last"))
    call = last.call

    def spy(layer, image):
        if layer.name == "last":
            seen.append(image.shape[1:3])
        return call(layer, image)

    monkeypatch.setattr(last, "call", spy)
    crop = smallest_crop(receptive_field(model.output))
    assert crop == 56
    early_crop(model.output, crop, tf.zeros((1, 60, 80, 2)))
    ((height, width),) = seen
    assert 4 * 32 + 6 <= height <= 4 * 32 + 16 and width - height == 80


@pytest.mark.parametrize("size", [1, 5, 12, 28])
def test_of_too_small_an_image_nothing_is_left(size):
    model = build("course")
    found = early_crop(model.output, 56, tf.zeros((1, size, 40, 2)))
    assert found.shape == (1, 0, 4 * 40 - 2 * 56, 3)


def test_the_crop_is_whole_and_even_in_input_pixels():
    assert smallest_crop(ReceptiveField(4, 13, 12)) == 56
    assert smallest_crop(ReceptiveField(4, 8, 8)) == 32
    assert smallest_crop(ReceptiveField(2, 0, 0)) == 0
