"""Block bootstrap: how far would the scores move if other places had been tested?

Neighbouring patches are alike; an interval from single patches would be too narrow.
So whole blocks of neighbours are drawn, with replacement, as many as there are.

Source: Efron and Tibshirani, "An introduction to the bootstrap", 1993; Lahiri,
"Resampling methods for dependent data", 2003.
"""

from collections.abc import Callable

import numpy as np

BLOCK_SIDE = 4  # patches: 768 m for patches of 32 pixels of 6 m
RESAMPLES = 1000
LEVEL = 0.95
FEWEST_BLOCKS = 2
ROUGH_BELOW = 10  # blocks; from fewer, the interval is a rough idea


def group(count: int, windows: np.ndarray | None, patch_size: int) -> np.ndarray:
    """Give the number of the block that each patch belongs to, [count] int.

    >>> group(4, np.array([[0, 0], [0, 32], [96, 0], [128, 0]]), 32).tolist()
    [0, 0, 0, 1]

    Arguments:
        count: number of patches.
        windows: [count, 2] first row and column of each patch.  None: unknown, and
            each patch is a block of its own.
        patch_size: side of the patches, pixels of `windows`.
    """
    if windows is None:
        return np.arange(count)
    squares = np.asarray(windows) // (patch_size * BLOCK_SIDE)
    return np.unique(squares, axis=0, return_inverse=True)[1].reshape(-1)


def resampled_means(
    values: np.ndarray, blocks: np.ndarray, resamples: int = RESAMPLES, seed: int = 0
) -> np.ndarray:
    """Average patches over blocks drawn with replacement.

    Arguments:
        values: [n, columns] scores of each patch; a nan makes its whole column nan.
        blocks: [n] the block of each patch, 0 to m - 1.
        resamples: number of draws of m blocks.
        seed: start of the random numbers.

    Returns:
        [resamples, columns]
    """
    count = int(blocks.max()) + 1
    sizes = np.bincount(blocks, minlength=count)
    sums = np.stack([np.bincount(blocks, column, count) for column in values.T], axis=1)
    rng = np.random.default_rng(seed)
    same_chance = np.full(count, 1 / count)
    means = np.empty((resamples, values.shape[1]))
    for row in means:  # one draw at a time: the blocks can be as many as the patches
        drawn = rng.multinomial(count, same_chance)
        row[:] = drawn @ sums / (drawn @ sizes)
    return means


def interval(samples: np.ndarray, level: float = LEVEL) -> list[float] | None:
    """Give the middle `level` of samples, by their percentiles; None if any is nan."""
    if np.isnan(samples).any():
        return None
    tail = 50 * (1 - level)
    return np.percentile(samples, (tail, 100 - tail)).tolist()


def intervals(
    values: np.ndarray,
    blocks: np.ndarray,
    statistics: dict[str, Callable[[np.ndarray], np.ndarray]],
) -> dict[str, list[float] | None]:
    """Give the interval of each statistic of the resampled means.

    Arguments:
        values: [n, columns] scores of each patch.
        blocks: [n] the block of each patch.
        statistics: by name, a function of means [resamples, columns] that gives
            [resamples].

    Returns:
        By name, the lower and the upper end; None with less than two blocks.
    """
    if blocks.max() + 1 < FEWEST_BLOCKS:
        return dict.fromkeys(statistics)
    means = resampled_means(values, blocks)
    return {name: interval(statistic(means)) for name, statistic in statistics.items()}
