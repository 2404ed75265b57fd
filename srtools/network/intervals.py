"""Intervals around output pixels that hold the true DN with a promised coverage.

A weighted sum of predictors (brightness, roughness) is the scale of the error;
`srtools.training.calibration` measures the width per scale.
Source: split-conformal prediction with a local scale, Lei et al., "Distribution-free
predictive inference for regression", Journal of the American Statistical Association
113, 2018, section 5.2; here each range of the scale has a quantile of its own.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from srtools.errors import SRError
from srtools.tf import tf

SECTION = "intervals"
"""Section of the model's card: weights of the predictors, knots and half-widths."""

LEVELS = ("0.8", "0.9", "0.95")
"""Promised coverage: shares of the pixels within their interval."""

SERVED = "0.9"  # level that exercise 5 writes
WINDOW = 7  # hr pixels a side, over which roughness is measured
CUT = 8  # hr pixels at each side without an interval: 3 for the window, 8 for OTBTF


def predictors(output: tf.Tensor) -> tf.Tensor:
    """Compute predictors of a pixel's error: 1, brightness, roughness.

    `output` of the network is [n, h, w, bands] DN; the result
    [n, h - 2 CUT, w - 2 CUT, bands, 3].
    """
    mean, squares = (
        tf.nn.avg_pool2d(values, WINDOW, 1, "VALID") for values in (output, output**2)
    )
    rough = tf.sqrt(tf.maximum(squares - mean**2, 0))
    rim, cut = CUT - WINDOW // 2, slice(CUT, -CUT)
    brightness = output[:, cut, cut]
    roughness = rough[:, rim:-rim, rim:-rim]
    return tf.stack([tf.ones_like(brightness), brightness, roughness], axis=-1)


def half_widths(values: tf.Tensor, record: Mapping, level: str) -> tf.Tensor:
    """Compute half the width of the interval of each pixel, [..., bands] DN.

    `values` [..., bands, 3] are `predictors`, `record` their calibration, `level`
    one of `LEVELS`.  The scale is the weighted sum of the predictors.  The width is
    interpolated between knots of the scale, and proportional to it outside of them.
    """
    weights = tf.constant(record["weights"], tf.float32)
    scale = tf.reduce_sum(values * weights, axis=-1)
    knots = np.array(record["knots"]).T.astype(np.float32)  # [knots, bands]
    widths = np.array(record["half_widths"][level]).T.astype(np.float32)
    steps, rises = np.diff(knots, axis=0), np.diff(widths, axis=0)
    slopes = np.divide(rises, steps, out=np.zeros_like(rises), where=steps > 0)
    width = widths[0] / knots[0] * tf.minimum(scale, knots[0])
    for knot, step, slope in zip(knots, steps, slopes, strict=False):
        width += slope * tf.clip_by_value(scale - knot, 0, step)
    return width + widths[-1] / knots[-1] * tf.nn.relu(scale - knots[-1])


def find_record(card: Mapping[str, Any]) -> Mapping | None:
    """Return the calibration in the card of a model, or None."""
    record = card.get(SECTION) or {}
    # Version 1.0.0 had a calibration for 1 view of the image, and another one for 8.
    return record.get("1", record) or None


def record_of(card: Mapping[str, Any], model: str) -> Mapping:
    """Return the calibration in the card of a model, named `model`."""
    if record := find_record(card):
        return record
    raise SRError(
        f"the card of {model} has no intervals: it is of an earlier version, or had "
        "fewer than two validation patches, or small ones; train it again with "
        "sr_train.py (--finetune starts from it), or leave --uncertainty out"
    )
