"""Zooms saved as SavedModels: the checks take them for networks."""

from pathlib import Path

from tests.networks import save_function

import tensorflow as tf


def save_zoom(
    folder: Path,
    method: str = "bilinear",
    factor: int = 4,
    bands: int = 4,
    unit: float = 1e-4,
    shape: tuple[int | None, ...] = (None, None, None),
    crop: int = 16,
) -> Path:
    """Save a zoom as a SavedModel that can be served.

    Arguments:
        unit: reflectance of one DN, as the model has learned it.
        shape: images, rows and columns that its input must have; None for any.
        crop: pixels that another output lacks on each side; 0: all outputs are whole.
    """

    def answer(lr: tf.Tensor) -> dict:
        hr = tf.image.resize(lr, factor * tf.shape(lr)[1:3], method)[..., :bands]
        scaled = {"hr": hr * unit, "hr_dn": hr * unit * 1e4}
        cropped = {"cropped": hr[:, crop:-crop, crop:-crop]} if crop else {}
        return {"all": tf.repeat(hr, 5, -1), **scaled, **cropped}

    return Path(save_function(folder, answer, sentinel2=[*shape, 4]))
