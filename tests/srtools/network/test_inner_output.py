"""The middle of the output, against the whole output, cut off afterwards."""

import numpy as np
import pytest

import sr_model
from srtools.network import precision
from srtools.network.inner_output import inner_output
from srtools.network.receptive_field import receptive_field

import tensorflow as tf

layers = tf.keras.layers
SIZE = {"filters": 8, "blocks": 2}


def conv(filters=4):
    return layers.Conv2D(filters, 3, padding="same")


def zoom(stride=2):
    return layers.Conv2DTranspose(4, 4, stride, padding="same")


def twice(layer, x):
    return layer(layer(x))


NETWORKS = {  # from lr to hr
    "one branch": lambda x: conv()(layers.UpSampling2D(4)(conv(8)(x))),
    "no margin": lambda x: layers.Conv2D(4, 1)(layers.UpSampling2D(4)(x)),
    "two branches": lambda x: layers.Add()([zoom(4)(x), zoom(4)(conv(8)(conv()(x)))]),
    "a shared convolution": lambda x: zoom(4)(twice(conv(), conv()(x))),
    "a shared activation": lambda x: layers.UpSampling2D(4)(twice(layers.ReLU(), x)),
    "a shared zoom": lambda x: conv()(twice(zoom(), conv()(x))),
}


def of_layers(hr) -> tf.keras.Model:
    """Make a network of layers between lr and hr."""
    lr = layers.Input((None, None, 4), name="lr")
    hr = layers.Activation("linear", name="hr")(hr(lr))
    outputs = {"hr": hr, "hr_dn": layers.Rescaling(2.0, name="hr_dn")(hr)}
    return tf.keras.Model({"lr": lr}, outputs)


def middle_and_whole(network: tf.keras.Model, crop: int) -> tuple:
    """Return the middle, computed in both ways."""
    random = np.random.default_rng(0)
    lr = tf.constant(random.uniform(200, 4000, (1, 50, 60, 4)), tf.float32)
    whole = tf.function(lambda lr: network({"lr": lr})["hr_dn"])(lr)
    middle = tf.function(inner_output(network, crop))(lr)
    inner = slice(crop, -crop or None)
    return middle.numpy(), whole[:, inner, inner].numpy()


@pytest.mark.parametrize("name", NETWORKS)
def test_the_middle_is_that_of_the_whole(name):
    """A layer that is called twice has no input of its own to cut."""
    network = of_layers(NETWORKS[name])
    crop = 4 * receptive_field(network)
    middle, whole = middle_and_whole(network, crop)
    np.testing.assert_allclose(middle, whole, rtol=1e-5, atol=0.01)


@pytest.mark.parametrize("arithmetic", ["float32", "bfloat16"])
@pytest.mark.parametrize("crop", [64, 48, 8])
def test_of_the_exercise(arithmetic, crop):
    """A crop may be less than what the zooms look at."""
    with precision.layers_in(arithmetic):
        model = sr_model.SRModel(sr_model.element_spec(4), **SIZE).model
    middle, whole = middle_and_whole(model, crop)
    np.testing.assert_allclose(middle, whole, rtol=1e-5, atol=0.01)


def test_the_zooms_compute_little_of_what_is_cut_off():
    """Of 40 lr pixels on an axis 8 are left, and 4 on each side are needed for them."""
    model = sr_model.SRModel(sr_model.element_spec(4), **SIZE).model
    image = tf.TensorSpec((1, 40, 40, 4), tf.float32)
    middle = tf.function(inner_output(model, 64)).get_concrete_function(image)
    zooms = [x for x in middle.graph.get_operations() if x.type.endswith("Input")]
    assert [x.outputs[0].shape[1] for x in zooms] == [32, 64]
