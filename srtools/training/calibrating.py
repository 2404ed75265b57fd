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
        network: takes lr [n, h, w, bands] DN, and gives hr [n, 4 h, 4 w, bands] DN.
        files: the patches images of the groups train and valid, by kind.
        seed: of the choice of pixels.

    Returns:
        By number of views, as text, a record for the model's card; None if there are
        too few validation patches, or too small ones.
    """
    patches = {g: feeding.some_samples(files[g], PATCHES) for g in ("train", "valid")}
    lr, hr = patches["valid"]
    if len(lr) < LEAST_PATCHES or hr.shape[1] < 2 * intervals.CUT + LEAST_SIDE:
        return None
    found = {}
    for views in (1, VIEWS):
        rng = np.random.default_rng(seed)
        learned, measured = (
            _look(network, *patches[group], views, rng) for group in ("train", "valid")
        )
        found[str(views)] = _record(learned, measured)
    return found


def _look(
    network: Callable, lr: np.ndarray, hr: np.ndarray, views: int, rng: Any
) -> Pixels:
    """Give signs and errors of some pixels of each patch."""
    side = hr.shape[1] - 2 * intervals.CUT
    chosen = rng.permuted(np.tile(np.arange(side**2), (len(lr), 1)), axis=1)[:, :PIXELS]
    shown, errors = [], []
    for first in range(0, len(lr), AT_A_TIME):
        batch = slice(first, first + AT_A_TIME)
        answer, spread = mean_of_views(
            network, tf.constant(lr[batch], tf.float32), views
        )
        cut = slice(intervals.CUT, -intervals.CUT)
        error = np.abs(answer.numpy() - hr[batch])[:, cut, cut]
        places = chosen[batch]
        for patch, all_signs in zip(
            range(len(places)), intervals.signs(answer, spread).numpy(), strict=True
        ):
            shape = all_signs.shape
            shown.append(all_signs.reshape(-1, *shape[2:])[places[patch]])
            errors.append(error[patch].reshape(-1, shape[2])[places[patch]])
    return np.stack(shown), np.stack(errors)


def _record(learned: Pixels, measured: Pixels) -> dict:
    """Learn the weights of the signs, and the widths for each range of their sum."""
    weights = [
        nnls(_flat(learned[0][..., band, :]), learned[1][..., band].ravel())[0]
        for band in range(len(BANDS))
    ]
    scales = np.stack(
        [
            np.maximum(measured[0][..., band, :] @ weights[band], 1)
            for band in range(len(BANDS))
        ],
        axis=-1,
    )
    knots, widths = _widths(scales, measured[1])
    coverage = np.concatenate(list(_left_out(scales, measured[1])))
    return {
        "signs": ["1", "brightness", "roughness", "spread"][: len(weights[0])],
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


def _flat(values: np.ndarray) -> np.ndarray:
    return values.reshape(-1, values.shape[-1]).astype(np.float64)


def _widths(
    scales: np.ndarray, errors: np.ndarray
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Give knots [bands, n] of the scale, and at each level the widths there.

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
        for level, found in widths.items():
            shares = [min(1, float(level) * (1 + 1 / len(part))) for part in ranges]
            found.append(
                np.maximum.accumulate(
                    [
                        np.quantile(error[part], share, method="higher")
                        for part, share in zip(ranges, shares, strict=True)
                    ]
                )
            )
    rounded = {level: np.round(found, 2) for level, found in widths.items()}
    return np.round(knots, 3), rounded


def _left_out(scales: np.ndarray, errors: np.ndarray) -> Iterator[np.ndarray]:
    """Give the coverage of patches left out of the calibration, [patches, levels].

    How much it varies says how sure the promise is: pixels of a patch are alike.
    """
    count = len(scales)
    for part in np.array_split(np.arange(count), min(FOLDS, count)):
        others = np.setdiff1d(np.arange(count), part)
        knots, widths = _widths(scales[others], errors[others])
        held = []
        for level in intervals.LEVELS:
            record = {
                "weights": np.ones((scales.shape[-1], 1)),
                "knots": knots,
                "half_widths": {level: widths[level]},
            }
            shown = tf.constant(scales[part][..., None], tf.float32)
            half = intervals.half_widths(shown, record, level).numpy()
            held.append((errors[part] <= half).mean(axis=(1, 2)))
        yield np.stack(held, axis=-1)
