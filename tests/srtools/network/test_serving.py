"""The model that is served: the mean of eight views, and intervals."""

import numpy as np
import pytest

from srtools import cards
from srtools.errors import SRError
from srtools.network import intervals, saved_model, serving

import tensorflow as tf


@pytest.fixture(scope="module")
def crooked(tmp_path_factory) -> str:
    """Save a model that repeats, 4 x 4 times, the pixel to the right."""
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


def ground() -> tf.Tensor:
    random = np.random.default_rng(0)
    return tf.constant(random.uniform(1, 9000, (2, 14, 17, 4)), tf.float32)


def four_neighbours(lr: tf.Tensor) -> np.ndarray:
    """Turned eight ways, "to the right" means each neighbour twice."""
    lr = lr.numpy().astype(float)
    right, left = lr[:, 4:-4, 5:-3], lr[:, 4:-4, 3:-5]
    below, above = lr[:, 5:-3, 4:-4], lr[:, 3:-5, 4:-4]
    views = np.stack([right, left, below, above])
    return views.repeat(4, axis=2).repeat(4, axis=3)


RECORD = {  # twice the brightness
    "weights": [[0.0, 1.0, 0.0]] * 4,
    "knots": [[10.0, 1000.0]] * 4,
    "half_widths": {"0.9": [[20.0, 2000.0]] * 4},
}


def test_mean_of_eight_views(crooked, tmp_path):
    """Intervals lie beside the mean, which is cut by 8 pixels more."""
    lr = ground()
    plain, wide = (
        saved_model.load(serving.save(crooked, tmp_path / x, 16, True, record))(lr=lr)
        for x, record in (("plain", None), ("wide", RECORD))
    )
    assert set(plain) == {"hr_dn_crop16"}
    assert set(wide) == {"hr_dn_crop24", serving.INTERVAL}
    views, close = four_neighbours(lr), {"rtol": 1e-4, "atol": 0.05}
    np.testing.assert_allclose(plain["hr_dn_crop16"], views.mean(axis=0), **close)
    inner = views[:, :, 8:-8, 8:-8]
    np.testing.assert_allclose(wide["hr_dn_crop24"], inner.mean(axis=0), **close)
    assert inner.size
    twice = 2 * inner.mean(axis=0)
    np.testing.assert_allclose(wide[serving.INTERVAL], twice, rtol=1e-3, atol=1)


def test_widths_between_and_beyond_the_knots():
    record = {
        "weights": [[1.0]] * 4,
        "knots": [[10.0, 20.0, 20.0, 40.0]] * 4,
        "half_widths": {"0.8": [[30.0, 40.0, 50.0, 100.0]] * 4},
    }
    scale = np.array([0, 5, 10, 15, 30, 40, 80], np.float32)
    shown = np.broadcast_to(scale[:, None, None], (7, 4, 1))
    widths = intervals.half_widths(tf.constant(shown), record, "0.8").numpy()
    # The jump at 20 is left out of the sum; beyond the knots it is proportional.
    assert widths[:4, 0].tolist() == [0, 15, 30, 35]
    assert widths[-1, 0] - widths[-2, 0] == pytest.approx(100)


def test_a_card_without_intervals_is_told():
    for card in ({}, {"intervals": None}, {"intervals": {"1": {}}}):
        with pytest.raises(SRError, match="has no intervals"):
            intervals.record_of(card, "model")
    one_and_eight = {"1": RECORD, "8": {}}  # of version 1.0.0
    for record in (RECORD, one_and_eight):
        assert intervals.record_of({"intervals": record}, "m") == RECORD
