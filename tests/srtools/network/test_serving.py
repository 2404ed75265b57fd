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


def ground(height=12, width=17) -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.uniform(1, 9000, (2, height, width, 4)).astype(np.float32)


def four_neighbours(crooked_lr: np.ndarray) -> np.ndarray:
    """Turned eight ways, "to the right" means each neighbour twice."""
    lr = crooked_lr.astype(float)
    right, left = lr[:, 4:-4, 5:-3], lr[:, 4:-4, 3:-5]
    below, above = lr[:, 5:-3, 4:-4], lr[:, 3:-5, 4:-4]
    views = np.stack([right, left, below, above])
    return views.repeat(4, axis=2).repeat(4, axis=3)


def test_mean_and_spread_of_eight_views(crooked, tmp_path):
    folder = serving.save(crooked, tmp_path / "m", crop=16, views=8)
    lr = tf.constant(ground())
    served = saved_model.load(folder)(lr=lr)
    assert list(served) == ["hr_dn_crop16"]
    network = saved_model.load(crooked, "hr_dn_crop16")
    mean, spread = serving.mean_of_views(
        lambda image: network(lr=image)["hr_dn_crop16"], lr, 8
    )
    views, close = four_neighbours(ground()), {"rtol": 1e-4, "atol": 0.05}
    np.testing.assert_allclose(served["hr_dn_crop16"], views.mean(axis=0), **close)
    np.testing.assert_allclose(mean, views.mean(axis=0), **close)
    np.testing.assert_allclose(spread, views.std(axis=0), **close)


RECORD = {  # of one view, and of eight: each doubles the sign that counts
    1: {"weights": [[0.0, 1.0, 0.0]] * 4},
    8: {"weights": [[0.0, 0.0, 0.0, 1.0]] * 4},
}
for record in RECORD.values():
    record |= {"knots": [[10.0, 1000.0]] * 4}
    record |= {"half_widths": {"0.9": [[20.0, 2000.0]] * 4}}


@pytest.mark.parametrize("views", [1, 8])
def test_intervals_lie_beside_the_answer(crooked, tmp_path, views):
    """Twice the brightness, or twice the spread, 8 pixels further inside."""
    folder = serving.save(crooked, tmp_path / "m", 16, views, RECORD[views])
    lr = ground()
    served = saved_model.load(folder)(lr=tf.constant(lr))
    answers = four_neighbours(lr)[:, :, 8:-8, 8:-8]
    expected = answers.mean(axis=0) if views == 8 else answers[0]
    np.testing.assert_allclose(served["hr_dn_crop24"], expected, rtol=1e-4, atol=0.05)
    width = answers.std(axis=0) if views == 8 else expected
    np.testing.assert_allclose(served[serving.INTERVAL], 2 * width, rtol=1e-3, atol=1)


def test_signs_are_brightness_and_roughness():
    """A chessboard of -100 and +100 DN has a standard deviation of 100, nearly."""
    board = 3000 + 100.0 * (-1) ** np.indices((40, 50)).sum(axis=0)
    answer = np.broadcast_to(board[None, ..., None], (1, 40, 50, 4)).astype(np.float32)
    signs = intervals.predictors(tf.constant(answer)).numpy()
    assert signs.shape == (1, 24, 34, 4, 3)
    np.testing.assert_array_equal(signs[..., 0], 1)
    np.testing.assert_array_equal(signs[..., 1], answer[:, 8:-8, 8:-8])
    np.testing.assert_allclose(signs[..., 2], 100, rtol=0.01)


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
    for card in ({}, {"intervals": {"1": {}}}, {"intervals": {"8": RECORD[8]}}):
        with pytest.raises(SRError, match="has no intervals"):
            intervals.record_of(card, 1, "model")
    assert intervals.record_of({"intervals": {"8": RECORD[8]}}, 8, "m") == RECORD[8]
