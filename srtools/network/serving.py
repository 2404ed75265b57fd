"""The SavedModel that exercise 5 serves, if it is not that of the training.

Mean of views, intervals and arithmetic are parts of it, so that any engine serves them.
Source of the self-ensemble: Timofte, Rothe and Van Gool, "Seven ways to improve
example-based single image super resolution", CVPR 2016 (enhanced prediction).
"""

from collections.abc import Callable, Mapping
from itertools import product
from pathlib import Path

from srtools import files
from srtools.conventions import INPUT, OUTPUT, OUTPUT_DN
from srtools.network import intervals, saved_model
from srtools.network.saved_model import cropped
from srtools.tf import tf

VIEWS = 8  # turns and flips of an image in a self-ensemble
INTERVAL = f"{OUTPUT_DN}_interval"  # output: half-width of the interval of a pixel, DN


def mean_of_views(
    network: Callable, image: tf.Tensor, views: int
) -> tuple[tf.Tensor, tf.Tensor | None]:
    """Return mean and standard deviation of a network's outputs for 1 or 8 views.

    The network takes an image [n, h, w, bands].  One view has the deviation None.
    """
    if views == 1:
        return tf.cast(network(image), tf.float32), None
    first, total, squares = None, 0.0, 0.0
    for axes, swap in product(([], [2], [1], [1, 2]), ((0, 1, 2, 3), (0, 2, 1, 3))):
        axes = tf.constant(axes, tf.int32)
        output = network(tf.transpose(tf.reverse(image, axes), swap))
        output = tf.reverse(tf.transpose(tf.cast(output, tf.float32), swap), axes)
        first = output if first is None else first
        # Differences are small, so that their squares lose no digits.
        total += output - first
        squares += (output - first) ** 2
    mean = total / VIEWS
    return first + mean, tf.sqrt(tf.maximum(squares / VIEWS - mean**2, 0))


def averaged(network: Callable, views: int) -> Callable:
    """Return a serving function whose output `hr` is the mean over `views`, 1 or 8."""

    def one_view(image: tf.Tensor) -> tf.Tensor:
        return network(**{INPUT: image})[OUTPUT]

    return lambda lr: {OUTPUT: mean_of_views(one_view, lr, views)[0]}


def save(
    model_dir: str,
    folder: Path,
    crop: int,
    views: int,
    record: Mapping | None = None,
    network: tf.keras.Model | None = None,
) -> str:
    """Write a SavedModel around that of a training, and return its folder.

    Its output is `cropped(crop)`.  With intervals the output is cut by `intervals.CUT`
    more, and `INTERVAL` is another output.

    Arguments:
        crop: crop of the output that is used, output pixels.
        record: calibration of the intervals, if there are any.
        network: the same network in another arithmetic, which is served instead.
    """
    files.check_name(folder, "TensorFlow")
    if network is None:
        module, loaded = tf.Module(), saved_model.load(model_dir, cropped(crop))
        module.network = loaded.model  # its weights are saved
    else:
        module = saved_model.module_of(network)

    def one_view(lr: tf.Tensor) -> tf.Tensor:
        if network is None:
            return loaded(**{INPUT: lr})[cropped(crop)]
        return network({INPUT: lr})[OUTPUT_DN][:, crop:-crop, crop:-crop]

    def serve(lr: tf.Tensor) -> dict[str, tf.Tensor]:
        mean, spread = mean_of_views(one_view, lr, views)
        if record is None:
            return {cropped(crop): mean}
        predictors = intervals.predictors(mean, spread)
        cut = slice(intervals.CUT, -intervals.CUT)
        return {
            cropped(crop + intervals.CUT): mean[:, cut, cut],
            INTERVAL: intervals.half_widths(predictors, record, intervals.SERVED),
        }

    saved_model.write(module, serve, folder)
    return str(folder)
