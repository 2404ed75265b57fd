"""The SavedModel that exercise 5 serves, if it is not that of the training.

The mean of several views, the width of the intervals and another arithmetic are parts
of it, so that any engine serves them.

Source of the self-ensemble: Timofte, Rothe and Van Gool, "Seven ways to improve
example-based single image super resolution", CVPR 2016 (enhanced prediction).
"""

from collections.abc import Callable
from itertools import product
from pathlib import Path

from srtools import files
from srtools.conventions import INPUT, OUTPUT, OUTPUT_DN
from srtools.network import intervals, saved_model
from srtools.network.intervals import Record
from srtools.network.saved_model import cropped
from srtools.tf import tf

VIEWS = 8
"""Turns and flips of an image in a self-ensemble."""

INTERVAL = f"{OUTPUT_DN}_interval"
"""Output: half the width of the interval of each pixel, DN."""


def mean_of_views(
    network: Callable, image: tf.Tensor, views: int
) -> tuple[tf.Tensor, tf.Tensor | None]:
    """Compute the mean of a network's answers to an image or to its eight views.

    The network takes an image [n, h, w, bands] and returns another; views are 1 or 8.

    Returns:
        The mean and the standard deviation of the answers; None for one view.
    """
    if views == 1:
        return tf.cast(network(image), tf.float32), None
    first, total, squares = None, 0.0, 0.0
    for axes, swap in product(([], [2], [1], [1, 2]), ((0, 1, 2, 3), (0, 2, 1, 3))):
        axes = tf.constant(axes, tf.int32)
        answer = network(tf.transpose(tf.reverse(image, axes), swap))
        answer = tf.reverse(tf.transpose(tf.cast(answer, tf.float32), swap), axes)
        first = answer if first is None else first
        # Differences are small, so that their squares lose no digits.
        total += answer - first
        squares += (answer - first) ** 2
    mean = total / VIEWS
    return first + mean, tf.sqrt(tf.maximum(squares / VIEWS - mean**2, 0))


def averaged(network: Callable, views: int) -> Callable:
    """Return a serving function whose output `hr` is the mean over `views`, 1 or 8."""

    def mean(**inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        answer, _ = mean_of_views(
            lambda image: network(**{INPUT: image})[OUTPUT], inputs[INPUT], views
        )
        return {OUTPUT: answer}

    return mean


def save(
    model_dir: str,
    folder: Path,
    crop: int,
    views: int,
    record: Record | None = None,
    network: tf.keras.Model | None = None,
) -> str:
    """Write a SavedModel around another one, and return its folder.

    Its output is `cropped(crop)`; with a calibration of intervals the output is cut by
    `intervals.CUT` more and named so, and `INTERVAL` lies beside it.

    Arguments:
        crop: crop of the output of the other one that is used, output pixels.
        views: 1, or 8 for the self-ensemble.
        record: calibration of the intervals, if there are any.
        network: the same network in another arithmetic, which takes its place.
    """
    files.check_name(folder, "TensorFlow")
    if network is None:
        module, loaded = tf.Module(), saved_model.load(model_dir, cropped(crop))
        module.network = loaded.model  # its weights are saved
    else:
        module = saved_model.module_of(network)

    def answer(image: tf.Tensor) -> tf.Tensor:
        if network is None:
            return loaded(**{INPUT: image})[cropped(crop)]
        return network({INPUT: image})[OUTPUT_DN][:, crop:-crop, crop:-crop]

    def serve(lr: tf.Tensor) -> dict[str, tf.Tensor]:
        mean, spread = mean_of_views(answer, lr, views)
        if record is None:
            return {cropped(crop): mean}
        signs = intervals.predictors(mean, spread)
        cut = slice(intervals.CUT, -intervals.CUT)
        return {
            cropped(crop + intervals.CUT): mean[:, cut, cut],
            INTERVAL: intervals.half_widths(signs, record, intervals.SERVED),
        }

    saved_model.write(module, serve, folder)
    return str(folder)
