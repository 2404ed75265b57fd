"""The SavedModel that exercise 5 serves, if one answer of the network is not enough.

That the mean of several views, and the width of the intervals, are parts of the model
lets any engine serve it like any other.
"""

import shutil
from pathlib import Path

from srtools import files
from srtools.conventions import INPUT, OUTPUT_DN
from srtools.network import intervals, saved_model
from srtools.network.ensemble import mean_of_views
from srtools.network.intervals import Record
from srtools.tf import tf

INTERVAL = f"{OUTPUT_DN}_interval"
"""Output: half the width of the interval of each pixel, DN."""


def cropped(crop: int) -> str:
    """Name the output that has so many pixels less on each side.

    >>> cropped(56)
    'hr_dn_crop56'
    """
    return f"{OUTPUT_DN}_crop{crop}"


def save(
    model_dir: str, folder: Path, crop: int, views: int, record: Record | None = None
) -> str:
    """Write a SavedModel around another one.

    Arguments:
        model_dir: the other SavedModel.
        folder: path of the new one.
        crop: of its cropped output that is used, output pixels.
        views: 1, or 8 for the self-ensemble.
        record: calibration of the intervals; None: there are none.

    Returns:
        The folder.  Its output is `cropped(crop)`; with intervals it is cut by
        `intervals.CUT` more and is named so, and `INTERVAL` lies beside it.
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
        shown = intervals.signs(mean, spread)
        cut = slice(intervals.CUT, -intervals.CUT)
        return {
            cropped(crop + intervals.CUT): mean[:, cut, cut],
            INTERVAL: intervals.half_widths(shown, record, intervals.SERVED),
        }

    module = tf.Module()
    module.network = network.model  # whose weights are saved
    spec = tf.TensorSpec(spec.shape, spec.dtype, name=INPUT)
    signatures = {saved_model.SIGNATURE: tf.function(serve, [spec], autograph=False)}
    tf.saved_model.save(module, str(folder), signatures=signatures)
    saved_model.split_outputs(folder)
    card = Path(model_dir) / saved_model.CARD
    if card.exists():
        files.make_folder((folder / saved_model.CARD).parent)
        shutil.copy(card, folder / saved_model.CARD)
    return str(folder)
