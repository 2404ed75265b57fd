"""The network that exercise 5 serves, if one answer of it is not enough.

The mean of several views, and the width of the intervals, are parts of a SavedModel, so
that any engine serves them like any other.

Source of the self-ensemble: Timofte, Rothe and Van Gool, "Seven ways to improve
example-based single image super resolution", CVPR 2016 (enhanced prediction).
"""

import shutil
from collections.abc import Callable
from itertools import product
from pathlib import Path

from srtools import files
from srtools.conventions import INPUT, OUTPUT, OUTPUT_DN
from srtools.network import intervals, saved_model
from srtools.network.intervals import Record
from srtools.tf import tf

VIEWS = 8
"""Turns and flips of an image in a self-ensemble."""

INTERVAL = f"{OUTPUT_DN}_interval"
"""Output: half the width of the interval of each pixel, DN."""


def cropped(crop: int) -> str:
    """Name the output that has so many pixels less on each side.

    >>> cropped(56)
    'hr_dn_crop56'
    """
    return f"{OUTPUT_DN}_crop{crop}"


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
    for flip, flop, swap in product((False, True), repeat=3):
        view = _turn(image, flip, flop)
        view = tf.transpose(view, (0, 2, 1, 3)) if swap else view
        answer = tf.cast(network(view), tf.float32)
        answer = tf.transpose(answer, (0, 2, 1, 3)) if swap else answer
        answer = _turn(answer, flip, flop)
        first = answer if first is None else first
        # Differences are small, so that their squares lose no digits.
        total += answer - first
        squares += (answer - first) ** 2
    mean = total / VIEWS
    return first + mean, tf.sqrt(tf.maximum(squares / VIEWS - mean**2, 0))


def averaged(network: Callable, views: int) -> Callable:
    """Return a serving function whose output is the mean over `views`, 1 or 8."""

    def answer(image: tf.Tensor) -> tf.Tensor:
        return network(**{INPUT: image})[OUTPUT]

    def mean(**inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        return {OUTPUT: mean_of_views(answer, inputs[INPUT], views)[0]}

    return mean if views > 1 else network


def _turn(image: tf.Tensor, flip: bool, flop: bool) -> tf.Tensor:
    """Reverse the rows, the columns or both of [n, h, w, bands]."""
    axes = [axis for axis, wanted in ((1, flip), (2, flop)) if wanted]
    return tf.reverse(image, axes) if axes else image


def save(
    model_dir: str, folder: Path, crop: int, views: int, record: Record | None = None
) -> str:
    """Write a SavedModel around another one.

    Its output is `cropped(crop)`; with a calibration of intervals it is cut by
    `intervals.CUT` more and named so, and `INTERVAL` lies beside it.

    Arguments:
        model_dir: the other SavedModel.
        folder: path of the new one, which is returned.
        crop: of the output of the other one that is used, output pixels.
        views: 1, or 8 for the self-ensemble.
        record: calibration of the intervals, if there are any.
    """
    files.check_no_pattern(folder)
    network = saved_model.load(model_dir, cropped(crop))
    spec = network.structured_input_signature[1][INPUT]

    def answer(image: tf.Tensor) -> tf.Tensor:
        return network(**{INPUT: image})[cropped(crop)]

    def serve(image: tf.Tensor) -> dict[str, tf.Tensor]:
        mean, spread = mean_of_views(answer, image, views)
        if record is None:
            return {cropped(crop): mean}
        signs = intervals.signs(mean, spread)
        cut = slice(intervals.CUT, -intervals.CUT)
        return {
            cropped(crop + intervals.CUT): mean[:, cut, cut],
            INTERVAL: intervals.half_widths(signs, record, intervals.SERVED),
        }

    module = tf.Module()
    module.network = network.model  # whose weights are saved
    spec = tf.TensorSpec(spec.shape, spec.dtype, name=INPUT)
    saved_model.write(module, tf.function(serve, [spec], autograph=False), folder)
    card = Path(model_dir) / saved_model.CARD
    if card.exists():
        files.make_folder((folder / saved_model.CARD).parent)
        shutil.copy(card, folder / saved_model.CARD)
    return str(folder)
