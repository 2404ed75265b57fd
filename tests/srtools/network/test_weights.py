"""Starting from a model that is there already."""

import json

import numpy as np
import pytest

import sr_model
from srtools.errors import SRError
from srtools.network import weights
from srtools.network.saved_model import CARD

import tensorflow as tf

# Keras 2 on Python 3.10 draws seeds in an old-fashioned way.
pytestmark = pytest.mark.filterwarnings("ignore:non-integer arguments to randrange")

SIZE = {"filters": 4, "blocks": 1, "kernel": 4}
SAID = {"bands": ["B04"], "scale": 1e-4, "training": {"loss": "l1"}, "network": SIZE}


def make(seed, **changed):
    tf.keras.utils.set_random_seed(seed)
    return sr_model.SRModel(sr_model.element_spec(4), **{**SIZE, **changed})


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    model = make(seed=1)
    return model, sr_model.save(model, tmp_path_factory.mktemp("weights") / "m", SAID)


def test_names_do_not_depend_on_the_version_of_keras():
    """Nor on how many networks were built before."""
    expected = {f"{layer}/{weight}"
                for layer in ("first", "block1_conv1", "block1_conv2", "zoom1", "zoom2",
                              "hr")
                for weight in ("kernel", "bias")}  # fmt: skip
    assert set(weights.by_name(make(1).model)) == expected
    assert set(weights.by_name(make(1).model)) == expected


def test_all_weights_come_back(saved):
    first, folder = saved
    other = make(seed=2)
    weights.start_from(other.model, folder, {**SIZE, "scale": 1e-4, "unheard of": 1})
    pairs = zip(first.get_weights(), other.get_weights(), strict=True)
    for one, again in pairs:
        np.testing.assert_array_equal(one, again)


@pytest.mark.parametrize(
    ("expected", "words"),
    [
        ({"filters": 8}, "says filters 4, this training has 8"),
        ({"scale": 1.0}, "says scale 0.0001, this training has 1.0"),
        ({"bands": ["B02"]}, r"says bands \['B04'\], this training has \['B02'\]"),
    ],
)
def test_a_card_that_contradicts_is_refused(saved, expected, words):
    with pytest.raises(SRError, match=words):
        weights.start_from(make(2).model, saved[1], expected)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"filters": 8}, r"first/kernel has the shape \(7, 7, 4, 4\), \(7, 7, 4, 8\)"),
        ({"blocks": 2}, r"block2_conv1/kernel has the shape missing, \(3, 3, 4, 4\)"),
        ({"blocks": 0}, r"block1_conv1/kernel .*, no such weight is expected"),
    ],
)
def test_weights_that_do_not_fit_are_named(saved, changed, words):
    """A model whose card says nothing of its size."""
    model = make(2, **changed)
    before = model.get_weights()
    with pytest.raises(SRError, match=words):
        weights.start_from(model.model, saved[1], {})
    for one, again in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, again)


def test_a_model_without_a_file_of_weights_is_refused(saved, tmp_path):
    folder = sr_model.save(make(1), tmp_path / "m", {})
    assert json.loads((folder / CARD).read_text()) == {}
    (folder / weights.FILE).write_bytes(b"PK\x03\x04 no archive")
    with pytest.raises(SRError, match="m cannot be trained further: .*weights.npz"):
        weights.start_from(make(2).model, folder, {})
    (folder / weights.FILE).unlink()
    with pytest.raises(SRError, match="m cannot be trained further: .*weights.npz"):
        weights.start_from(make(2).model, folder, {})
    with pytest.raises(SRError, match="is not a SavedModel"):
        weights.start_from(make(2).model, tmp_path / "nowhere", {})
