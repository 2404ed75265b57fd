"""Losses that training minimizes.

The command line takes their names from here: TensorFlow is imported when it is needed.
"""

from typing import Any

EPSILON = 1e-3
"""Reflectance below which Charbonnier's loss is round like L2 (Lai et al.)."""


def charbonnier(truth: Any, predicted: Any) -> Any:
    """Compute sqrt(d^2 + EPSILON^2), L1 with a round bottom, per pixel.

    Arguments:
        truth, predicted: `[n, h, w, bands]` reflectance.

    Returns:
        `[n, h, w]`, the mean over the bands.  An error of 0 gives 0.001, one of 0.1
        gives 0.100005.

    Source: Charbonnier et al., 1994; Lai et al., LapSRN, 2017.
    """
    from srtools.tf import tf

    squared = tf.square(tf.cast(predicted, truth.dtype) - truth)
    return tf.reduce_mean(tf.sqrt(squared + EPSILON**2), axis=-1)


LOSSES = {
    "l1": "mean_absolute_error",
    "l2": "mean_squared_error",
    "charbonnier": charbonnier,
}
