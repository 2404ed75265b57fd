"""Calibration: how far off a pixel may be, learned from patches not trained on.

The weights of the predictors of the error (`srtools.network.intervals`) are fitted on
training patches.  The width of the intervals is measured on validation patches,
apart from these: split-conformal prediction.  Validation patches have chosen the best
epoch, too, so that errors are a little larger elsewhere.
"""

from collections.abc import Callable
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
        records[str(views)] = _record(
            *(_look(network, *sample, views, rng) for sample in samples)
        )
    return records


def _look(
    network: Callable, lr: np.ndarray, hr: np.ndarray, views: int, rng: Any
) -> Pixels:
    """Return signs and errors of some pixels of each patch."""
    side = hr.shape[1] - 2 * intervals.CUT
    places = rng.permuted(np.tile(np.arange(side**2), (len(lr), 1)), axis=1)[:, :PIXELS]
    inner, pixels = slice(intervals.CUT, -intervals.CUT), []
    for first in range(0, len(lr), AT_A_TIME):
        batch = slice(first, first + AT_A_TIME)
        images = tf.constant(lr[batch], tf.float32)
        answer, spread = mean_of_views(network, images, views)
        errors = np.abs(answer.numpy() - hr[batch])[:, inner, inner]
        signs = intervals.predictors(answer, spread).numpy()
        rows, columns = np.divmod(places[batch], side)
        chosen = np.arange(len(signs))[:, None], rows, columns
        pixels.append((signs[chosen], errors[chosen]))
    signs, errors = map(np.concatenate, zip(*pixels, strict=True))
    return signs, errors


def _record(train: Pixels, valid: Pixels) -> dict:
    """Fit the weights of the signs, and the widths for each range of their sum."""
    weights, scales = [], []
    for band in range(len(BANDS)):
        signs, fitted = (each[0][..., band, :].astype(float) for each in (train, valid))
        errors = train[1][..., band].ravel()
        weights.append(nnls(signs.reshape(-1, signs.shape[-1]), errors)[0])
        scales.append(np.maximum(fitted @ weights[-1], 1))
    scales = np.stack(scales, axis=-1)
    coverage = _left_out(scales, valid[1])
    return {
        "signs": ["1", "brightness", "roughness", "spread"][: len(weights[0])],
        "weights": np.round(weights, 5).tolist(),
        **_widths(scales, valid[1]),
        "patches": len(scales),
        "on": "validation patches, which have chosen the epoch, too",
        "left_out": {
            level: {"coverage": float(c.mean()), "spread": float(c.std())}
            for level, c in zip(intervals.LEVELS, coverage.T, strict=True)
        },
    }


def _widths(scales: np.ndarray, errors: np.ndarray) -> dict:
    """Return knots of the scale, and at each level the widths there, [bands, n].

    In each range of the scale the width is the quantile of the errors that a new pixel
    of such a patch stays below as often as promised.

    Scales and errors are [patches, pixels, bands].
    """
    knots, widths, levels = [], [], np.array(intervals.LEVELS, float)
    for band in range(scales.shape[-1]):
        scale, error = (x[..., band].ravel().astype(float) for x in (scales, errors))
        order = np.argsort(scale, kind="stable")
        ranges = np.array_split(order, min(KNOTS, max(1, len(order) // 50)))
        knots.append([np.median(scale[part]) for part in ranges])
        quantiles = [
            np.quantile(
                error[part], np.minimum(1, levels + levels / len(part)), method="higher"
            )
            for part in ranges
        ]
        widths.append(np.maximum.accumulate(quantiles).T)
    widths = np.round(np.stack(widths, axis=1), 2).tolist()
    return {
        "knots": np.round(knots, 3).tolist(),
        "half_widths": dict(zip(intervals.LEVELS, widths, strict=True)),
    }


def _left_out(scales: np.ndarray, errors: np.ndarray) -> np.ndarray:
    """Return the coverage of patches left out of the calibration, [patches, levels].

    Its spread shows how sure the promise is: pixels of a patch are alike.
    """
    coverage, numbers = [], np.arange(len(scales))
    for part in np.array_split(numbers, min(FOLDS, len(scales))):
        others = np.delete(numbers, part)
        record = _widths(scales[others], errors[others])
        record["weights"] = np.ones((scales.shape[-1], 1))
        signs = tf.constant(scales[part][..., None], tf.float32)
        inside = [
            errors[part] <= intervals.half_widths(signs, record, level).numpy()
            for level in intervals.LEVELS
        ]
        coverage.append(np.mean(inside, axis=(2, 3)).T)
    return np.concatenate(coverage)
