"""What training makes small, and the score that is watched meanwhile."""

from collections.abc import Iterable

import numpy as np

from srtools.images.zooms import bicubic
from srtools.metrics import psnr
from srtools.tf import tf

EPSILON = 1e-3
"""Reflectance below which Charbonnier's loss is round like L2 (Lai et al.)."""


def charbonnier(truth: tf.Tensor, predicted: tf.Tensor) -> tf.Tensor:
    """Compute sqrt(d^2 + EPSILON^2), L1 with a round bottom, per pixel.

    Arguments:
        truth, predicted: `[n, h, w, bands]` reflectance.

    Returns:
        `[n, h, w]`, the mean over the bands.  An error of 0 gives 0.001, one of 0.1
        gives 0.100005.

    Source: Charbonnier et al., 1994; Lai et al., LapSRN, 2017.
    """
    squared = tf.square(tf.cast(predicted, truth.dtype) - truth)
    return tf.reduce_mean(tf.sqrt(squared + EPSILON**2), axis=-1)


LOSSES = {
    "l1": "mean_absolute_error",
    "l2": "mean_squared_error",
    "charbonnier": charbonnier,
}


class PSNR(tf.keras.metrics.MeanSquaredError):
    """Peak signal-to-noise ratio over all patches of an epoch, dB; R = 1.

    It is 10 log10(1 / MSE) of the mean squared error over all patches, and not the
    mean of the PSNR of single patches.
    """

    def __init__(self, name: str = "psnr", **options):
        super().__init__(name=name, **options)

    def result(self):
        """Give the score so far."""
        # The floor keeps a perfect answer, and an empty epoch, finite.
        mse = tf.maximum(tf.convert_to_tensor(super().result()), 1e-20)
        return -10 * tf.math.log(mse) / np.log(10)


def bicubic_psnr(batches: Iterable[tuple[dict, dict]], scale: float) -> float:
    """Compute the PSNR of the bicubic zoom of all batches, dB.

    Arguments:
        batches: of `({"lr": DN}, {"hr": reflectance})`.
        scale: reflectance of one DN.
    """
    squares = count = 0
    for inputs, targets in batches:
        truth = targets["hr"].numpy()
        error = bicubic(inputs["lr"] * scale, truth.shape[1:3]) - truth
        squares += float(np.square(error, dtype=np.float64).sum())
        count += truth.size
    return float(psnr(squares / count))
