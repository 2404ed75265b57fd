"""Starting from the weights of an earlier model."""

import numpy as np
import pytest

import sr_model
from srtools.errors import SRError
from srtools.network import saved_model, weights
from srtools.training import finetuning

import tensorflow as tf

SIZE = {"filters": 4, "blocks": 1, "kernel": 4}


def make(seed, **changed):
    tf.keras.utils.set_random_seed(seed)
    return sr_model.SRModel(sr_model.element_spec(4), **{**SIZE, **changed})


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Save a model whose card says nothing about it."""
    model = make(seed=1)
    folder = tmp_path_factory.mktemp("finetuning") / "model"
    return model, saved_model.save(model.model, folder, {})


def test_all_weights_come_back(saved):
    first, folder = saved
    other = make(seed=2)
    finetuning.start_from(other.model, folder)
    pairs = zip(first.get_weights(), other.get_weights(), strict=True)
    for one, again in pairs:
        np.testing.assert_array_equal(one, again)


def test_a_card_that_contradicts_is_refused(tmp_path):
    model = make(1).model
    folder = saved_model.save(model, tmp_path / "model", {"scale": 1.0})
    words = "model says scale 1.0, 0.0001 is expected; give another"
    with pytest.raises(SRError, match=words):
        finetuning.start_from(model, folder)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"filters": 8}, r"first/kernel has the shape \(7, 7, 4, 4\), \(7, 7, 4, 8\)"),
        ({"blocks": 2}, r"block2_conv1/kernel has the shape missing, \(3, 3, 4, 4\)"),
        ({"blocks": 0}, r"block1_conv1/kernel .*, no such weight is expected"),
    ],
)
def test_weights_that_do_not_fit_are_named(saved, changed, words):
    model = make(2, **changed)
    before = model.get_weights()
    with pytest.raises(SRError, match=words):
        finetuning.start_from(model.model, saved[1])
    for one, again in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, again)


def test_a_model_without_a_file_of_weights_is_refused(saved, tmp_path):
    folder = saved_model.save(make(1).model, tmp_path / "m", {})
    (folder / weights.FILE).write_bytes(b"PK\x03\x04 no archive")
    with pytest.raises(SRError, match="m cannot be taken over: .*weights.npz"):
        finetuning.start_from(make(2).model, folder)
    with pytest.raises(SRError, match="is not a SavedModel"):
        finetuning.start_from(make(2).model, tmp_path / "nowhere")
