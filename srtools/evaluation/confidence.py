"""Confidence intervals: how far would a score move if other places had been tested?

Neighbouring patches are alike, so that blocks of neighbours are what counts.
"""

from collections.abc import Callable

import numpy as np
from scipy.ndimage import find_objects, label
from scipy.special import stdtrit

BLOCK_SIDE = 4  # patches: 768 m for patches of 32 pixels of 6 m
LEVEL = 0.95
FEWEST_BLOCKS = 3


def group(
    count: int, windows: np.ndarray | None, patch_size: int, apart: bool = False
) -> np.ndarray:
    """Return the number of the block that each patch belongs to, [count] int.

    >>> group(4, np.array([[0, 0], [0, 32], [160, 0], [192, 0]]), 32).tolist()
    [0, 0, 1, 1]

    Arguments:
        count: number of patches.
        windows: [count, 2] first row and column of each patch.  None: unknown, and
            each patch is a block of its own.
        patch_size: side of the patches, pixels of `windows`.
        apart: whether patches that do not touch are of other blocks.
    """
    if windows is None:
        return np.arange(count)
    cells = (np.asarray(windows) - np.min(windows, axis=0)) // patch_size
    tested = np.full(cells.max(axis=0) + 1, not apart)
    tested[tuple(cells.T)] = True
    areas = label(tested, np.ones((3, 3)))[0]
    area = areas[tuple(cells.T)]
    ends = np.array([[(s.start, s.stop) for s in box] for box in find_objects(areas)])
    start, stop = np.moveaxis(ends[area - 1], -1, 0)
    # Large areas are cut into equal pieces of about `BLOCK_SIDE` patches a side.
    pieces = np.maximum(np.rint((stop - start) / BLOCK_SIDE), 1).astype(int)
    piece = (cells - start) * pieces // (stop - start)
    keys = np.column_stack([area, piece])
    return np.unique(keys, axis=0, return_inverse=True)[1].reshape(-1)


def interval(
    values: np.ndarray,
    blocks: np.ndarray,
    statistic: Callable[[np.ndarray], np.ndarray] = lambda means: means[:, 0],
) -> list[float] | None:
    """Return the ends of the confidence interval of a score of patches, or scenes.

    None with fewer than `FEWEST_BLOCKS` blocks, or if a value is nan.

    Student's t over the means of blocks.  For a score that is no mean, and for blocks
    of unequal size, the deviation is that of the score without each block in turn
    (jackknife), and blocks of unequal size count as fewer: (sum n)^2 / sum n^2.

    >>> ends = interval(np.array([[1.0], [2.0], [3.0]]), np.arange(3))
    >>> [round(end, 3) for end in ends]  # 2 +- 4.303 / sqrt(3)
    [-0.484, 4.484]

    Arguments:
        values: [n, columns] scores of each patch.
        blocks: [n] the block of each patch, 0 to m - 1.
        statistic: makes scores [k] of means [k, columns].

    Source: Efron and Tibshirani, "An introduction to the bootstrap", 1993, chapter 11.
    """
    sizes = np.bincount(blocks)
    count = len(sizes)
    if count < FEWEST_BLOCKS or np.isnan(values).any():
        return None
    sums = np.stack([np.bincount(blocks, column) for column in values.T], axis=1)
    without = (sums.sum(axis=0) - sums) / (len(values) - sizes)[:, None]
    deviation = np.sqrt(count - 1) * statistic(without).std()
    freedom = len(values) ** 2 / np.square(sizes).sum() - 1
    half = stdtrit(freedom, (1 + LEVEL) / 2) * deviation
    (score,) = statistic(values.mean(axis=0, keepdims=True))
    return [float(score - half), float(score + half)]
