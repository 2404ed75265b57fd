"""How far the scores would move if other places had been tested: block bootstrap.

Neighbouring patches are alike; if each were taken as a witness of its own, the
interval would be too narrow.  So whole blocks of neighbours are drawn, with
replacement, as many as there are.

Source: Efron and Tibshirani, "An introduction to the bootstrap", 1993; Lahiri,
"Resampling methods for dependent data", 2003.
"""

from collections.abc import Callable

import numpy as np

BLOCK_SIDE = 4  # patches: 768 m for patches of 32 pixels of 6 m
RESAMPLES = 1000
LEVEL = 0.95
FEWEST_BLOCKS = 2
ROUGH_BELOW = 10  # blocks; with less, the interval is a rough idea


def group(count: int, windows: np.ndarray | None, patch_size: int) -> np.ndarray:
    """Give the number of the block that each patch belongs to, [count] int.

    >>> group(4, np.array([[0, 0], [0, 32], [96, 0], [128, 0]]), 32).tolist()
    [0, 0, 0, 1]

    Arguments:
        count: number of patches.
        windows: [count, 2] first row and column of each patch, or None if unknown:
            then each patch is a block of its own.
        patch_size: in the pixels of `windows`.
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
        values: [n, columns] scores of each patch; nan spoils its column.
        blocks: [n] the block of each patch, 0 to m - 1.
        resamples: how often the m blocks are drawn.
        seed: the same seed draws the same blocks.

    Returns:
        [resamples, columns]
    """
    blocks_count = int(blocks.max()) + 1
    sizes = np.bincount(blocks, minlength=blocks_count)
    sums = np.stack(
        [np.bincount(blocks, column, blocks_count) for column in values.T], axis=1
    )
    rng = np.random.default_rng(seed)
    means = np.empty((resamples, values.shape[1]))
    for row in means:
        drawn = np.bincount(rng.integers(blocks_count, size=blocks_count))
        drawn = np.pad(drawn, (0, blocks_count - len(drawn)))
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
        statistics: by name, what makes [resamples] of means [resamples, columns].

    Returns:
        By name, the lower and the upper end; None with less than two blocks.
    """
    if blocks.max() + 1 < FEWEST_BLOCKS:
        return dict.fromkeys(statistics)
    means = resampled_means(values, blocks)
    return {name: interval(statistic(means)) for name, statistic in statistics.items()}
