"""Calibration of the intervals by split-conformal prediction.

Weights of the error predictors come from training patches, widths of the intervals from
validation patches.  These chose the best epoch: other errors are a little larger.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.optimize import nnls
from tqdm import tqdm

from srtools.conventions import BANDS
from srtools.network import intervals
from srtools.tf import tf
from srtools.training.batches import read_evenly_spaced

MAX_PATCHES = {"train": 32, "valid": 64}  # evenly spread; the weights need fewer
MAX_PIXELS = 2000  # per patch, at random
KNOTS = 15  # ranges of the scale, with equally many pixels
MIN_SIDE = 8  # pixels of a patch inside its border
MIN_PATCHES = 2
BATCH_SIZE = 4  # patches

Pixels = tuple[np.ndarray, np.ndarray]
"""Predictors [patches, pixels, bands, predictors], errors [patches, pixels, bands]."""


def calibrate(
    network: Callable, files: dict[str, dict[str, Any]], seed: int
) -> dict | None:
    """Calibrate the intervals of a network.

    They also serve the mean over flips and turns, which has slightly smaller errors.

    Arguments:
        network: function of lr [n, h, w, bands] DN; returns hr [n, 4 h, 4 w, bands] DN.
        files: patches images, by group ("train", "valid") and kind.

    Returns:
        Record for the card; None if validation patches are too few or too small.
    """
    samples = [read_evenly_spaced(files[g], most) for g, most in MAX_PATCHES.items()]
    lr, hr = samples[1]
    if len(lr) < MIN_PATCHES or hr.shape[1] < 2 * intervals.CUT + MIN_SIDE:
        return None
    rng, patches = np.random.default_rng(seed), sum(len(lr) for lr, _ in samples)
    progress = {"total": patches, "unit": "patch", "disable": None}
    with tqdm(desc="measuring the intervals", **progress) as bar:
        return _fit(*(_measure(network, *sample, rng, bar) for sample in samples))


def _measure(
    network: Callable, lr: np.ndarray, hr: np.ndarray, rng: Any, bar: tqdm
) -> Pixels:
    """Compute error predictors and errors (DN) of random pixels of each patch."""
    side = hr.shape[1] - 2 * intervals.CUT
    indexes = np.tile(np.arange(side**2), (len(lr), 1))
    indexes = rng.permuted(indexes, axis=1)[:, :MAX_PIXELS]
    inner, pixels = slice(intervals.CUT, -intervals.CUT), []
    for first in range(0, len(lr), BATCH_SIZE):
        batch = slice(first, first + BATCH_SIZE)
        answer = tf.cast(network(tf.constant(lr[batch], tf.float32)), tf.float32)
        errors = np.abs(answer.numpy() - hr[batch])[:, inner, inner]
        predictors = intervals.predictors(answer).numpy()
        rows, columns = np.divmod(indexes[batch], side)
        chosen = np.arange(len(errors))[:, None], rows, columns
        pixels.append((predictors[chosen], errors[chosen]))
        bar.update(len(errors))
    predictors, errors = map(np.concatenate, zip(*pixels, strict=True))
    return predictors, errors


def _fit(train: Pixels, valid: Pixels) -> dict:
    """Fit weights of error predictors to `train`, widths of intervals to `valid`."""
    weights, scales = [], []
    for band in range(len(BANDS)):
        fitted, measured = (p[0][..., band, :].astype(float) for p in (train, valid))
        errors = train[1][..., band].ravel()
        weights.append(nnls(fitted.reshape(-1, fitted.shape[-1]), errors)[0])
        scales.append(np.maximum(measured @ weights[-1], 1))
    scales = np.stack(scales, axis=-1)
    return {
        "signs": ["1", "brightness", "roughness"],
        "weights": np.round(weights, 5).tolist(),
        **_widths(scales, valid[1]),
        "patches": len(scales),
        "on": "validation patches, which have chosen the epoch, too",
    }


def _widths(scales: np.ndarray, errors: np.ndarray) -> dict:
    """Return knots of the scale, and half-widths of intervals there by level, DN.

    Half-widths [bands, knots] are quantiles of the errors in ranges of the scale, the
    weighted sum of the predictors.  `scales` and `errors` are [patches, pixels, bands].
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
