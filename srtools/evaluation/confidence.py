"""Confidence intervals: how scores vary with the choice of test patches in a scene.

Neighbouring patches are alike, so the sampling unit is the block of neighbours.
"""

from collections.abc import Callable

import numpy as np
from scipy.ndimage import find_objects, label
from scipy.special import stdtrit

BLOCK_SIDE = 4  # patches: 768 m for patches of 32 pixels of 6 m
LEVEL = 0.95
FEWEST_BLOCKS = 3


def group(windows: np.ndarray, patch_size: int, separate: bool = False) -> np.ndarray:
    """Group patches in blocks of some 4 x 4; return the block number of each, [n] int.

    >>> group(np.array([[0, 0], [0, 32], [160, 0], [192, 0]]), 32).tolist()
    [0, 0, 1, 1]

    `windows` [n, 2] are the first row and column of each patch in pixels; `patch_size`
    is their side.  With `separate`, only patches linked by touching ones share a block.
    """
    cells = (windows - windows.min(axis=0)) // patch_size
    tested = np.full(cells.max(axis=0) + 1, not separate)
    tested[tuple(cells.T)] = True
    areas = label(tested, np.ones((3, 3)))[0]
    area = areas[tuple(cells.T)]
    ends = np.array([[(s.start, s.stop) for s in box] for box in find_objects(areas)])
    start, stop = np.moveaxis(ends[area - 1], -1, 0)
    # Large areas are split into equal pieces of about `BLOCK_SIDE` patches a side.
    pieces = np.maximum(np.rint((stop - start) / BLOCK_SIDE), 1).astype(int)
    piece = (cells - start) * pieces // (stop - start)
    keys = np.column_stack([area, piece])
    return np.unique(keys, axis=0, return_inverse=True)[1].reshape(-1)


def interval(
    values: np.ndarray,
    blocks: np.ndarray,
    statistic: Callable[[np.ndarray], np.ndarray] = lambda means: means[:, 0],
) -> list[float] | None:
    """Compute the confidence interval [low, high] of a score of patches, or of scenes.

    The interval is Student's t over blocks.  The standard error is the jackknife's: the
    deviation of the score without each block in turn.  Blocks of unequal size n count
    as (sum n)^2 / sum n^2 blocks.  There is no interval (None) with fewer than
    `FEWEST_BLOCKS` blocks, or if a value is nan.  `values` are [n, columns], `blocks`
    [n] their block numbers; `statistic` maps means [k, columns] to scores [k].

    >>> ends = interval(np.array([[1.0], [2.0], [3.0]]), np.arange(3))
    >>> [round(end, 3) for end in ends]  # 2 +- 4.303 / sqrt(3)
    [-0.484, 4.484]

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
    half_width = stdtrit(freedom, (1 + LEVEL) / 2) * deviation
    (score,) = statistic(values.mean(axis=0, keepdims=True))
    return [float(score - half_width), float(score + half_width)]
