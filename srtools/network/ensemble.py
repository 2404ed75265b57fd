"""Self-ensemble: the mean of the answers to an image turned in eight ways.

Source: Timofte, Rothe and Van Gool, "Seven ways to improve example-based single image
super resolution", CVPR 2016 (there called enhanced prediction).
"""

from collections.abc import Callable
from itertools import product

from srtools.conventions import INPUT, OUTPUT
from srtools.tf import tf

VIEWS = 8


def mean_of_views(
    network: Callable, image: tf.Tensor, views: int
) -> tuple[tf.Tensor, tf.Tensor | None]:
    """Answer an image once, or in each of eight turns and flips.

    Arguments:
        network: takes an image [n, h, w, bands] and gives another.
        image: [n, h, w, bands].
        views: 1 or 8.

    Returns:
        The mean of the answers, and their standard deviation; None of one view.
    """
    if views == 1:
        return tf.cast(network(image), tf.float32), None
    first, total, squares = None, 0.0, 0.0
    for way in product((False, True), repeat=3):
        answer = turn_back(tf.cast(network(turn(image, *way)), tf.float32), *way)
        first = answer if first is None else first
        # Differences are small, so that their squares lose no digits.
        total += answer - first
        squares += (answer - first) ** 2
    mean = total / VIEWS
    return first + mean, tf.sqrt(tf.maximum(squares / VIEWS - mean**2, 0))


def turn(image: tf.Tensor, flip: bool, flop: bool, swap: bool) -> tf.Tensor:
    """Reverse the rows, then the columns, then exchange both, of [n, h, w, bands]."""
    axes = [axis for axis, wanted in ((1, flip), (2, flop)) if wanted]
    image = tf.reverse(image, axes) if axes else image
    return tf.transpose(image, (0, 2, 1, 3)) if swap else image


def turn_back(image: tf.Tensor, flip: bool, flop: bool, swap: bool) -> tf.Tensor:
    """Undo `turn` with the same arguments."""
    image = tf.transpose(image, (0, 2, 1, 3)) if swap else image
    return turn(image, flip, flop, False)


def averaged(network: Callable, views: int) -> Callable:
    """Return a serving function whose output is the mean over `views`, 1 or 8."""

    def answer(image: tf.Tensor) -> tf.Tensor:
        return network(**{INPUT: image})[OUTPUT]

    def mean(**inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        return {OUTPUT: mean_of_views(answer, inputs[INPUT], views)[0]}

    return mean if views > 1 else network
