"""Self-ensemble: the mean and the spread of what eight views of an image give."""

import numpy as np
import pytest

from srtools import cards
from srtools.network import ensemble, saved_model

import tensorflow as tf


@pytest.fixture(scope="module")
def crooked(tmp_path_factory) -> str:
    """Give a model that repeats, 4 x 4 times, the pixel to the right."""
    folder = tmp_path_factory.mktemp("crooked") / "model"
    module = tf.Module()
    module.weight = tf.Variable(1.0)

    def serve(lr):
        right = tf.pad(lr[:, :, 1:], ((0, 0), (0, 0), (0, 1), (0, 0)))
        hr = tf.repeat(tf.repeat(right, 4, axis=1), 4, axis=2) * module.weight
        # What nobody asked for must not be computed: this one cannot be.
        broken = tf.reshape(lr, [1, 1, 1, 4])
        return {"hr_dn_crop16": hr[:, 16:-16, 16:-16], "broken": broken}

    spec = tf.TensorSpec([None, None, None, 4], tf.float32, name="lr")
    signatures = {"serving_default": tf.function(serve, [spec], autograph=False)}
    tf.saved_model.save(module, str(folder), signatures=signatures)
    cards.write_card(folder / saved_model.CARD, {"bands": ["B04", "B03", "B02", "B08"]})
    return str(folder)


def test_mean_and_spread(crooked, tmp_path):
    """Turned eight ways, "to the right" means each neighbour twice."""
    folder = ensemble.save(crooked, "lr", "hr_dn_crop16", "std", tmp_path / "m")
    lr = np.random.default_rng(0).uniform(1, 9000, (2, 12, 17, 4)).astype(np.float32)
    found = saved_model.load(folder)(lr=tf.constant(lr))
    neighbours = np.stack(
        [
            lr[:, 4:-4, 5:-3],
            lr[:, 4:-4, 3:-5],
            lr[:, 5:-3, 4:-4],
            lr[:, 3:-5, 4:-4],
        ]
    )
    for name, expected in (("hr_dn_crop16", "mean"), ("std", "std")):
        values = getattr(neighbours.astype(float), expected)(axis=0)
        repeated = values.repeat(4, axis=1).repeat(4, axis=2)
        np.testing.assert_allclose(found[name].numpy(), repeated, rtol=1e-4, atol=0.05)
    assert saved_model.describe(folder).card == saved_model.describe(crooked).card


def test_a_model_that_does_not_care_is_sure(repeating_model, tmp_path):
    folder = ensemble.save(repeating_model, "lr", "hr_dn_crop16", "std", tmp_path / "m")
    lr = np.random.default_rng(0).uniform(1, 9000, (1, 12, 12, 4)).astype(np.float32)
    found = saved_model.load(folder)(lr=tf.constant(lr))
    single = saved_model.load(repeating_model)(lr=tf.constant(lr))
    np.testing.assert_array_equal(found["std"], 0)
    np.testing.assert_array_equal(found["hr_dn_crop16"], single["hr_dn_crop16"])
