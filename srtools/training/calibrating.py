"""Calibration: how far off a pixel may be, learned from patches not trained on.

What makes errors large is learned on training patches, as weights of the signs that
`srtools.network.intervals` reads off an answer.  How wide an interval must be is
learned on validation patches, apart from these: split-conformal prediction.  They have
chosen the best epoch, too, so that errors are a little larger elsewhere.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from scipy.optimize import nnls

from srtools.conventions import BANDS
from srtools.network import intervals
from srtools.network.serving import VIEWS, mean_of_views
from srtools.tf import tf
from srtools.training import feeding

PATCHES = 64  # of a group at most, evenly spread
PIXELS = 2000  # of a patch at most, by chance
KNOTS = 15  # ranges of the scale, of equally many pixels
LEAST_SIDE = 8  # pixels of a patch that are left when the rim is cut
LEAST_PATCHES = 2
FOLDS = 10
AT_A_TIME = 4  # patches

Pixels = tuple[np.ndarray, np.ndarray]
"""Signs [patches, pixels, bands, signs], absolute errors [patches, pixels, bands]."""


def calibrate(
    network: Callable, files: dict[str, dict[str, Any]], seed: int
) -> dict[str, dict] | None:
    """Measure intervals for one view of the image, and for eight.

    Arguments:
        network: function of lr [n, h, w, bands] DN; returns hr [n, 4 h, 4 w, bands] DN.
        files: patches images of the groups train and valid, by kind.
        seed: seed of the choice of pixels.

    Returns:
        Records for the model's card by number of views, as text; None if there are too
        few validation patches, or too small ones.
    """
    samples = [feeding.some_samples(files[g], PATCHES) for g in ("train", "valid")]
    lr, hr = samples[1]
    if len(lr) < LEAST_PATCHES or hr.shape[1] < 2 * intervals.CUT + LEAST_SIDE:
        return None
    records = {}
    for views in (1, VIEWS):
        rng = np.random.default_rng(seed)
        pixels = [_look(network, *sample, views, rng) for sample in samples]
        records[str(views)] = _record(*pixels)
    return records


def _look(
    network: Callable, lr: np.ndarray, hr: np.ndarray, views: int, rng: Any
) -> Pixels:
    """Return signs and errors of some pixels of each patch."""
    side = hr.shape[1] - 2 * intervals.CUT
    places = rng.permuted(np.tile(np.arange(side**2), (len(lr), 1)), axis=1)[:, :PIXELS]
    inner = slice(intervals.CUT, -intervals.CUT)
    all_signs, all_errors = [], []
    for first in range(0, len(lr), AT_A_TIME):
        batch = slice(first, first + AT_A_TIME)
        images = tf.constant(lr[batch], tf.float32)
        answer, spread = mean_of_views(network, images, views)
        errors = np.abs(answer.numpy() - hr[batch])[:, inner, inner]
        signs = intervals.signs(answer, spread).numpy()
        for chosen, sign, error in zip(places[batch], signs, errors, strict=True):
            all_signs.append(sign.reshape(side**2, *sign.shape[2:])[chosen])
            all_errors.append(error.reshape(side**2, -1)[chosen])
    return np.stack(all_signs), np.stack(all_errors)


def _record(train: Pixels, valid: Pixels) -> dict:
    """Learn the weights of the signs, and the widths for each range of their sum."""
    signs, errors = valid
    weights, scales = [], []
    for band in range(len(BANDS)):
        predictors = train[0][..., band, :].reshape(-1, signs.shape[-1]).astype(float)
        weights.append(nnls(predictors, train[1][..., band].ravel())[0])
        scales.append(np.maximum(signs[..., band, :] @ weights[-1], 1))
    scales = np.stack(scales, axis=-1)
    knots, widths = _widths(scales, errors)
    coverage = np.concatenate(list(_left_out(scales, errors)))
    return {
        "signs": ["1", "brightness", "roughness", "spread"][: signs.shape[-1]],
        "weights": np.round(weights, 5).tolist(),
        "knots": knots.tolist(),
        "half_widths": {level: w.tolist() for level, w in widths.items()},
        "patches": len(scales),
        "on": "validation patches, which have chosen the epoch, too",
        "left_out": {
            level: {"coverage": float(c.mean()), "spread": float(c.std())}
            for level, c in zip(intervals.LEVELS, coverage.T, strict=True)
        },
    }


def _widths(
    scales: np.ndarray, errors: np.ndarray
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Return knots [bands, n] of the scale, and at each level the widths there.

    In each range of the scale the width is the quantile of the errors that a new pixel
    of such a patch stays below as often as promised.

    Arguments:
        scales, errors: [patches, pixels, bands].
    """
    knots, widths = [], {level: [] for level in intervals.LEVELS}
    for band in range(scales.shape[-1]):
        scale, error = (x[..., band].ravel().astype(float) for x in (scales, errors))
        order = np.argsort(scale, kind="stable")
        ranges = np.array_split(order, min(KNOTS, max(1, len(order) // 50)))
        knots.append([np.median(scale[part]) for part in ranges])
        for level, rows in widths.items():
            quantiles = [
                np.quantile(
                    error[part],
                    min(1, float(level) * (1 + 1 / len(part))),
                    method="higher",
                )
                for part in ranges
            ]
            rows.append(np.maximum.accumulate(quantiles))
    return np.round(knots, 3), {k: np.round(rows, 2) for k, rows in widths.items()}


def _left_out(scales: np.ndarray, errors: np.ndarray) -> Iterator[np.ndarray]:
    """Yield the coverage of patches left out of the calibration, [patches, levels].

    How much it varies says how sure the promise is: pixels of a patch are alike.
    """
    count = len(scales)
    for part in np.array_split(np.arange(count), min(FOLDS, count)):
        others = np.setdiff1d(np.arange(count), part)
        knots, widths = _widths(scales[others], errors[others])
        record = {
            "weights": np.ones((scales.shape[-1], 1)),
            "knots": knots,
            "half_widths": widths,
        }
        signs = tf.constant(scales[part][..., None], tf.float32)
        halves = [
            intervals.half_widths(signs, record, level).numpy()
            for level in intervals.LEVELS
        ]
        held = [(errors[part] <= half).mean(axis=(1, 2)) for half in halves]
        yield np.stack(held, axis=-1)
