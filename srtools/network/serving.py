"""A SavedModel for exercise 5, with options that the trained SavedModel lacks.

Intervals and arithmetic are in its graph: any engine can compute them.
"""

from collections.abc import Mapping
from pathlib import Path

from srtools import files
from srtools.conventions import INPUT, OUTPUT_DN
from srtools.network import intervals, saved_model
from srtools.network.inner_output import inner_output
from srtools.network.saved_model import cropped
from srtools.tf import tf

INTERVAL = f"{OUTPUT_DN}_interval"  # output: half-width of the interval of a pixel, DN


def save(
    model_dir: str,
    folder: Path,
    crop: int,
    record: Mapping | None = None,
    network: tf.keras.Model | None = None,
) -> str:
    """Write a SavedModel for serving into `folder`, and return `folder` as text.

    The output is `cropped(crop)` of the model in `model_dir`.  With intervals it lacks
    `intervals.CUT` more, and `INTERVAL` is a second output.

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
        module, inner = saved_model.module_of(network), inner_output(network, crop)

    def serve(lr: tf.Tensor) -> dict[str, tf.Tensor]:
        output = inner(lr) if network else loaded(**{INPUT: lr})[cropped(crop)]
        if record is None:
            return {cropped(crop): output}
        predictors = intervals.predictors(output)
        cut = slice(intervals.CUT, -intervals.CUT)
        return {
            cropped(crop + intervals.CUT): output[:, cut, cut],
            INTERVAL: intervals.half_widths(predictors, record, intervals.SERVED),
        }

    saved_model.write(module, serve, folder)
    return str(folder)
