"""Small networks of the exercise, images for them, and functions as SavedModels."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

import sr_model
from srtools.tf import tf

NAMES = ("hr", "hr_dn")
CROPS = (16, 32, 64, 96, 128)
KEYS = {*NAMES, *(f"{name}_crop{crop}" for name in NAMES for crop in CROPS)}


def make(filters=8, blocks=1, bands=4, seed=0, **options):
    tf.keras.utils.set_random_seed(seed)
    return sr_model.SRModel(sr_model.element_spec(bands), filters, blocks, **options)


def scene(height, width, seed=0):
    """Make plausible DN, [1, height, width, 4] float32."""
    dn = np.random.default_rng(seed).integers(100, 4000, (1, height, width, 4))
    return dn.astype(np.float32)


def save_function(folder: Path | str, function: Callable, **shapes) -> str:
    """Save a function of images, by name, as the signature that is served."""
    specs = [tf.TensorSpec(s, tf.float32, name=name) for name, s in shapes.items()]
    module = tf.Module()
    module.unused = tf.Variable(tf.ones(1000))  # so that there is a file of variables
    module.serve = tf.function(function, input_signature=specs)
    tf.saved_model.save(module, str(folder), {"serving_default": module.serve})
    return str(folder)
