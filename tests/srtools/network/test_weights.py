"""Weights of a saved model in another network of the same size."""

import numpy as np
import pytest

from srtools.errors import SRError
from srtools.network import saved_model, weights
from tests.networks import make

SIZE = {"filters": 4, "blocks": 1, "kernel": 4}


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Save a model with an empty card."""
    model = make(**SIZE, seed=1)
    return model, saved_model.save(model.model, tmp_path_factory.mktemp("w") / "m", {})


def test_all_weights_are_assigned(saved):
    first, folder = saved
    other = make(**SIZE, seed=2)
    weights.assign(other.model, folder)
    np.testing.assert_equal(other.get_weights(), first.get_weights())


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        (
            {"filters": 8},
            r"the shape of first/kernel is \(7, 7, 4, 4\), \(7, 7, 4, 8\)",
        ),
        ({"blocks": 2}, r"the shape of block2_conv1/kernel is unknown, \(3, 3, 4, 4\)"),
        ({"blocks": 0}, r"block1_conv1/kernel .*, no such weight is expected"),
    ],
)
def test_weights_that_do_not_fit_are_named(saved, changed, words):
    model = make(**{**SIZE, **changed}, seed=2)
    before = model.get_weights()
    with pytest.raises(SRError, match=words):
        weights.assign(model.model, saved[1])
    np.testing.assert_equal(model.get_weights(), before)


def test_a_model_without_a_file_of_weights_is_refused(tmp_path):
    folder = saved_model.save(make(**SIZE, seed=1).model, tmp_path / "m", {})
    (folder / weights.FILE).write_bytes(b"PK\x03\x04 no archive")
    with pytest.raises(SRError, match="m cannot be taken over: .*weights.npz"):
        weights.assign(make(**SIZE, seed=2).model, folder)
