"""The model that is served: its output, and intervals."""

import numpy as np
import pytest

from srtools import cards
from srtools.errors import SRError
from srtools.network import intervals, saved_model, serving

import tensorflow as tf


@pytest.fixture(scope="module")
def repeating(tmp_path_factory) -> str:
    """Save a model that repeats each pixel 4 x 4 times."""
    folder = tmp_path_factory.mktemp("repeating") / "model"
    module = tf.Module()
    module.weight = tf.Variable(1.0)

    def serve(lr):
        hr = tf.repeat(tf.repeat(lr, 4, axis=1), 4, axis=2) * module.weight
        # What nobody asked for must not be computed: this one cannot be.
        broken = tf.reshape(lr, [1, 1, 1, 4])
        return {"hr_dn_crop16": hr[:, 16:-16, 16:-16], "broken": broken}

    spec = tf.TensorSpec([None, None, None, 4], tf.float32, name="lr")
    signatures = {"serving_default": tf.function(serve, [spec], autograph=False)}
    tf.saved_model.save(module, str(folder), signatures=signatures)
    cards.write_card(folder / saved_model.CARD, {"bands": ["B04", "B03", "B02", "B08"]})
    return str(folder)


RECORD = {  # twice the brightness
    "weights": [[0.0, 1.0, 0.0]] * 4,
    "knots": [[10.0, 1000.0]] * 4,
    "half_widths": {"0.9": [[20.0, 2000.0]] * 4},
}


def test_intervals_lie_beside_the_output(repeating, tmp_path):
    """The output is cut by 8 pixels more, where the window of an interval lies."""
    random = np.random.default_rng(0)
    lr = random.uniform(1, 9000, (2, 14, 17, 4)).astype(np.float32)
    plain, wide = (
        saved_model.load(serving.save(repeating, tmp_path / name, 16, record))(lr=lr)
        for name, record in (("plain", None), ("wide", RECORD))
    )
    repeated = lr[:, 4:-4, 4:-4].repeat(4, axis=1).repeat(4, axis=2)
    inner = repeated[:, 8:-8, 8:-8]
    expected = {"hr_dn_crop24": inner, serving.INTERVAL: 2 * inner}
    assert set(plain) == {"hr_dn_crop16"} and set(wide) == set(expected)
    np.testing.assert_array_equal(plain["hr_dn_crop16"], repeated)
    for name, values in expected.items():
        np.testing.assert_allclose(wide[name], values, rtol=1e-3)


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
