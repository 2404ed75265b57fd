"""The score of the validation patches during training: PSNR."""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from srtools.conventions import INPUT, OUTPUT
from srtools.metrics import psnr
from srtools.tf import tf


class PSNR(tf.keras.metrics.MeanSquaredError):
    """Peak signal-to-noise ratio, dB; R = 1.

    It is 10 log10(1 / MSE) of the mean squared error over all patches of an epoch, and
    not the mean of the PSNR of single patches.
    """

    def __init__(self, name: str = "psnr", **options):
        super().__init__(name=name, **options)

    def result(self):
        """Return the score so far."""
        # The floor keeps a perfect answer, and an empty epoch, finite.
        mse = tf.maximum(tf.convert_to_tensor(super().result()), 1e-20)
        return -10 * tf.math.log(mse) / np.log(10)


def psnr_of(
    batches: Iterable[tuple[dict, dict]], enlarge: Callable[[tf.Tensor, tuple], Any]
) -> float:
    """Compute the PSNR of all pixels of all batches, dB.

    Arguments:
        batches: batches of `({"lr": DN}, {"hr": reflectance})`.
        enlarge: function of lr [n, h, w, bands] and a size (height, width).
    """
    squares = count = 0
    for inputs, targets in batches:
        truth = targets[OUTPUT].numpy()
        error = np.asarray(enlarge(inputs[INPUT], truth.shape[1:3])) - truth
        squares += float(np.square(error, dtype=np.float64).sum())
        count += truth.size
    return float(psnr(squares / count))
