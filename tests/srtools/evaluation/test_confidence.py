"""Coverage of confidence intervals, and grouping of patches into blocks."""

import numpy as np
import pytest
from scipy import stats

from srtools.evaluation.confidence import group, interval

REPEATS = 1500  # of each simulation; the error of a share of 95 % is 0.6 %


def coverage(sizes: list[int]) -> float:
    """Simulate blocks with different means; return the coverage of the intervals."""
    random = np.random.default_rng(1)
    blocks = np.repeat(np.arange(len(sizes)), sizes)
    count = 0
    for _ in range(REPEATS):
        values = random.normal(0, 1, len(sizes))[blocks]
        values += random.normal(0, 0.7, len(blocks))
        low, high = interval(values[:, None], blocks)
        count += low <= 0 <= high
    return count / REPEATS


@pytest.mark.parametrize(
    "sizes", [[2, 2, 2, 3], [16, 1, 4], [1, 1, 1, 8], [16, 16, 4, 4, 1, 1]]
)
def test_coverage_with_blocks_of_unequal_size(sizes):
    assert coverage(sizes) > 0.932


def test_coverage_of_the_gain_in_decibel():
    """Four blocks; some have three times the error of others in both methods."""
    random, count = np.random.default_rng(2), 4000
    blocks = np.repeat(np.arange(4), 3)

    def gain(means: np.ndarray) -> np.ndarray:
        return 10 * np.log10(means[:, 0] / means[:, 1])

    def scene(blocks: np.ndarray) -> np.ndarray:
        of_block = random.normal(0, 1, (2, blocks.max() + 1))[:, blocks]
        of_patch = random.normal(0, 1, (2, len(blocks)))
        hard = np.exp(0.5 * of_block[0] + 0.3 * of_patch[0])
        better = 1 + 0.3 * of_block[1] + 0.2 * of_patch[1]
        return np.stack([hard, hard * 10 ** (-better / 10)], axis=1)

    (truth,) = gain(scene(np.arange(10**6)).mean(axis=0, keepdims=True))
    ends = np.array([interval(scene(blocks), blocks, gain) for _ in range(count)])
    share = ((ends[:, 0] <= truth) & (truth <= ends[:, 1])).mean()
    assert share == pytest.approx(0.945, abs=0.02)


def test_blocks_of_equal_size_give_the_textbook_interval():
    """Student's t over the means of the blocks."""
    blocks = np.arange(4).repeat(5)
    values = np.random.default_rng(3).normal(10, 2, (20, 1))
    means = values.reshape(4, 5).mean(axis=1)
    expected = stats.t.interval(0.95, 3, means.mean(), stats.sem(means))
    assert interval(values, blocks) == pytest.approx(list(expected))


def test_no_interval_below_three_blocks_or_of_nan():
    values, blocks = np.arange(6.0)[:, None], np.arange(6)
    assert interval(values, blocks // 3) is None
    assert interval(values, blocks // 2) is not None
    assert interval(np.full((6, 1), np.nan), blocks) is None


def test_grouping_of_a_whole_scene():
    """9 x 5 patches: two pieces along rows, one along columns."""
    windows = 32 * np.stack(np.indices((9, 5)), axis=-1).reshape(-1, 2)
    blocks = group(windows, 32).reshape(9, 5)
    assert blocks[:, 0].tolist() == [0] * 5 + [1] * 4
    assert (blocks == blocks[:, :1]).all()


def test_separate_blocks():
    """Blocks that do not touch stay separate, and a block may cross grid lines."""
    cells = [(3, 3), (3, 4), (4, 4), (3, 6), (4, 7), *((20, col) for col in range(12))]
    blocks = group(32 * np.array(cells), 32, separate=True)
    assert blocks.tolist() == [0] * 3 + [1] * 2 + [2] * 4 + [3] * 4 + [4] * 4
