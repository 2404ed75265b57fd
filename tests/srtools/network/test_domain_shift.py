"""Ground that is unlike a training set is named."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from srtools.network import domain_shift

BASE = np.array([900.0, 1000.0, 800.0, 2500.0])


def ground(
    count: int, seed: int, light=1.0, rough=150.0, blur=1.5, bands=slice(None)
) -> np.ndarray:
    """Make patches whose brightness and roughness vary as those of fields do."""
    rng = np.random.default_rng(seed)
    noise = gaussian_filter(rng.normal(0, 1, (count, 32, 32, 1)), (0, blur, blur, 0))
    noise /= noise.std(axis=(1, 2), keepdims=True)
    noise = noise + 0.1 * rng.normal(0, 1, (count, 32, 32, 4))
    mean = BASE * light * rng.uniform(0.8, 1.2, (count, 1, 1, 4))
    noise *= rough * rng.uniform(0.7, 1.3, (count, 1, 1, 1))
    return np.maximum(mean + noise, 1)[..., bands]


@pytest.fixture(scope="module", params=[12, 100])
def card(request) -> dict:
    return {"training_set": domain_shift.record(ground(request.param, seed=0))}


def test_the_same_ground_is_usual(card, caplog):
    for seed in range(1, 6):
        assert domain_shift.compare(card, ground(40, seed), "a")
    assert not caplog.text


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"light": 2.5}, "brightness: +"),
        ({"light": 0.3, "rough": 45.0}, "brightness: -"),
        ({"rough": 420.0}, "contrast: +"),
        ({"rough": 20.0}, "contrast: -"),
        ({"blur": 0.4, "rough": 151.0}, "fineness: +"),
        ({"blur": 5.0}, "fineness: -"),
        ({"bands": [3, 1, 2, 0]}, "unlike"),  # near infrared in place of red
    ],
)
def test_other_ground_is_named(card, other, words, caplog):
    domain_shift.compare(card, ground(40, 3, **other), "a scene")
    (warning,) = caplog.messages
    assert words in warning and warning.startswith("a scene: ")
    assert "is usual" in warning and "expect less, check the result" in warning
    assert ("try --consistent" in warning) is ("fineness: " in warning)


def test_features_by_hand():
    """A chessboard of 900 and 1100 DN: 100 DN around the mean, steps of 200."""
    board = 1000 + 100.0 * (-1) ** np.indices((32, 32)).sum(axis=0)
    values = domain_shift.features(np.repeat(board[None, ..., None], 4, axis=-1))[0]
    expected = [1000, np.log(100), np.log(8)] * 4 + [0]
    np.testing.assert_allclose(values, expected, atol=1e-3)


def test_nothing_to_compare(card):
    for other in ({}, {"training_set": {"features": ["x"]}}):
        assert domain_shift.compare(other, ground(4, 0), "a") is None
    assert domain_shift.compare(card, ground(0, 0), "a") is None
