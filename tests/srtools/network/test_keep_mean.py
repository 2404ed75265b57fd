"""The layer that keeps the mean of the input."""

import numpy as np
import pytest

from srtools.network import precision
from srtools.network.keep_mean import KeepMean
from tests.networks import make, scene

import tensorflow as tf


def means(hr):
    n, height, width, bands = hr.shape
    pixels = np.reshape(hr, (n, height // 4, 4, width // 4, 4, bands))
    return pixels.mean(axis=(2, 4))


@pytest.mark.parametrize("arithmetic", ["float32", "bfloat16"])
def test_flat_ground_keeps_its_brightness(arithmetic):
    """Whatever the network has learned."""
    with precision.layers_in(arithmetic):
        model = make()
    last = model.get_layer("last")
    kernel, bias = last.get_weights()
    last.set_weights([1.3 * kernel, bias + [0.01, 0.02, -0.03, 0.04]])
    flat = np.ones((1, 24, 28, 1), np.float32) * [300, 1500, 2500, 4000]
    dn = model.model({"lr": flat})["hr_dn"].numpy()
    wrong = tf.keras.Model(model.input, last.output)({"lr": flat}).numpy() * 1e4
    inner = np.s_[:, 40:-40, 40:-40]
    assert np.abs(wrong - flat[:, :1, :1])[inner].max() > 100
    limit = 0.01 if arithmetic == "float32" else 1
    assert np.abs(dn - flat[:, :1, :1])[inner].max() < limit


def test_detail_stays_and_the_means_come_closer():
    """Detail without a mean passes unchanged; what is added is as smooth as lr."""
    rng = np.random.default_rng(0)
    lr = scene(12, 16) * 1e-4
    detail = rng.normal(0, 0.01, (1, 48, 64, 4)).astype(np.float32)
    detail -= means(detail).repeat(4, axis=1).repeat(4, axis=2)
    layer = KeepMean(activation="linear")
    dark = np.full((1, 48, 64, 4), 0.05, np.float32)
    added = layer([dark + detail, lr]) - detail
    np.testing.assert_allclose(added, layer([dark, lr]), atol=1e-6)
    steps = np.abs(np.diff(added, axis=1)).max()
    assert steps < np.abs(np.diff(lr, axis=1)).max() / 4
    np.testing.assert_allclose(np.mean(added), lr.mean(), rtol=0.02)


def test_nothing_is_negative():
    lr = np.full((1, 4, 4, 4), 0.01, np.float32)
    hr = np.zeros((1, 16, 16, 4), np.float32)
    hr[:, ::4, ::4] = 1
    assert KeepMean()([hr, lr]).numpy().min() == 0


def test_the_layer_is_made_again_from_its_configuration():
    layer = KeepMean("linear", name="x")
    again = KeepMean.from_config(layer.get_config())
    assert (again.name, again.activation) == ("x", layer.activation)
