"""A SavedModel for exercise 5, with options that the trained SavedModel lacks.

Mean of views, intervals and arithmetic are in its graph: any engine can compute them.
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

INTERVAL = f"{OUTPUT_DN}_interval"  # output: half-width of the interval of a pixel, DN


def mean_of_views(network: Callable, image: tf.Tensor) -> tf.Tensor:
    """Return the mean output of a network over the eight turns and flips of an image.

    `network` takes an image [n, h, w, bands]; the mean is float32.
    """
    views = []
    for axes, swap in product(([], [2], [1], [1, 2]), ((0, 1, 2, 3), (0, 2, 1, 3))):
        axes = tf.constant(axes, tf.int32)
        output = network(tf.transpose(tf.reverse(image, axes), swap))
        views.append(tf.reverse(tf.transpose(tf.cast(output, tf.float32), swap), axes))
    return tf.add_n(views) / len(views)


def averaged(network: Callable) -> Callable:
    """Return a serving function whose output `hr` is the mean of eight views."""

    def one_view(image: tf.Tensor) -> tf.Tensor:
        return network(**{INPUT: image})[OUTPUT]

    return lambda lr: {OUTPUT: mean_of_views(one_view, lr)}


def save(
    model_dir: str,
    folder: Path,
    crop: int,
    self_ensemble: bool,
    record: Mapping | None = None,
    network: tf.keras.Model | None = None,
) -> str:
    """Write a SavedModel for serving into `folder`, and return `folder` as text.

    The output is `cropped(crop)` of the model in `model_dir`, or its `mean_of_views`.
    With intervals it lacks `intervals.CUT` more, and `INTERVAL` is a second output.

    Arguments:
        crop: pixels that the output lacks on each side.
        record: calibration of the intervals; None: no intervals.
        network: the model in another arithmetic; None: that of `model_dir`.
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
        mean = mean_of_views(one_view, lr) if self_ensemble else one_view(lr)
        if record is None:
            return {cropped(crop): mean}
        predictors = intervals.predictors(mean)
        cut = slice(intervals.CUT, -intervals.CUT)
        return {
            cropped(crop + intervals.CUT): mean[:, cut, cut],
            INTERVAL: intervals.half_widths(predictors, record, intervals.SERVED),
        }

    saved_model.write(module, serve, folder)
    return str(folder)
