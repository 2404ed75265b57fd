"""Zooms saved as SavedModels: the checks take them for networks."""

from pathlib import Path

import tensorflow as tf


def save_zoom(
    folder: Path,
    method: str = "bilinear",
    gain: float = 1.0,
    factor: int = 4,
    bands: int = 4,
    size: int | None = None,
) -> Path:
    """Save a zoom of DN, times `gain`, as a SavedModel that can be served.

    Arguments:
        size: rows and columns that its input must have; None for any.
    """

    def answer(lr: tf.Tensor) -> dict:
        hr = tf.image.resize(lr, factor * tf.shape(lr)[1:3], method) * gain
        hr = hr[..., :bands]
        return {"hr": hr * 1e-4, "cropped": hr[:, 16:-16, 16:-16]}

    module = tf.Module()
    spec = tf.TensorSpec([None, size, size, 4], tf.float32, name="sentinel2")
    module.serve = tf.function(answer, input_signature=[spec])
    tf.saved_model.save(module, str(folder), {"serving_default": module.serve})
    return folder
