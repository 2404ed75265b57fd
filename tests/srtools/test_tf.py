"""TensorFlow and Keras with the settings of another project, or incomplete."""

import importlib
import os
import sys
import types

import pytest

import srtools.tf
from srtools.errors import SRError

import tensorflow as tf


@pytest.fixture(autouse=True)
def as_before():
    yield
    importlib.reload(srtools.tf)


def test_keras_computes_in_float32_with_channels_last():
    """The settings of keras.json, which Keras has read before, do not matter."""
    tf.keras.backend.set_floatx("float16")
    tf.keras.backend.set_image_data_format("channels_first")
    importlib.reload(srtools.tf)
    layer = tf.keras.layers.Conv2D(2, 1)
    layer.build((None, 8, 8, 3))
    assert [tuple(weight.shape) for weight in layer.weights] == [(1, 1, 3, 2), (2,)]
    assert all("float32" in str(weight.dtype) for weight in layer.weights)


def test_another_backend_is_one_line(monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    with pytest.raises(SRError, match="KERAS_BACKEND is torch, tensorflow is expec"):
        importlib.reload(srtools.tf)
    # That of keras.json is overruled.
    monkeypatch.delenv("KERAS_BACKEND")
    importlib.reload(srtools.tf)
    assert os.environ["KERAS_BACKEND"] == "tensorflow"


def test_an_incomplete_keras_is_one_line(monkeypatch):
    without_keras = types.SimpleNamespace(get_logger=tf.get_logger)
    monkeypatch.setitem(sys.modules, "tensorflow", without_keras)
    monkeypatch.setenv("TF_USE_LEGACY_KERAS", "1")
    with pytest.raises(SRError, match="TF_USE_LEGACY_KERAS is 1: unset it, or pip"):
        importlib.reload(srtools.tf)
