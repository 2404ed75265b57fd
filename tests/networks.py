"""Small networks of the exercise, and images for them."""

import numpy as np

import sr_model
from srtools.tf import tf


def make(filters=8, blocks=1, bands=4, seed=0, **options):
    tf.keras.utils.set_random_seed(seed)
    return sr_model.SRModel(sr_model.element_spec(bands), filters, blocks, **options)


def scene(height, width, seed=0):
    """Make plausible DN, [1, height, width, 4] float32."""
    dn = np.random.default_rng(seed).integers(100, 4000, (1, height, width, 4))
    return dn.astype(np.float32)
