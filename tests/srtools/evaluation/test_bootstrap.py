"""Intervals: known cases, and what neighbours change."""

import numpy as np
import pytest

from srtools.evaluation import bootstrap


def test_equal_patches_leave_no_doubt():
    values = np.full((20, 1), 0.25)
    found = bootstrap.intervals(values, np.arange(20), {"x": lambda m: m[:, 0]})
    assert found["x"] == [0.25, 0.25]


def test_independent_patches_give_the_textbook_interval():
    """Mean +- 1.96 s / sqrt(n), for n independent patches."""
    values = np.random.default_rng(3).normal(10, 2, (400, 1))
    found = bootstrap.intervals(values, np.arange(400), {"x": lambda m: m[:, 0]})
    half = 1.96 * values.std() / 20
    low, high = found["x"]
    assert (low + high) / 2 == pytest.approx(values.mean(), abs=0.1 * half)
    assert (high - low) / 2 == pytest.approx(half, rel=0.1)


def test_neighbours_that_are_alike_count_once():
    """16 copies of 25 values are 25 observations, not 400: four times as wide."""
    values = np.random.default_rng(3).normal(10, 2, (25, 1)).repeat(16, axis=0)
    ends = {}
    for name, blocks in (
        ("patches", np.arange(400)),
        ("blocks", np.arange(25).repeat(16)),
    ):
        found = bootstrap.intervals(values, blocks, {"x": lambda m: m[:, 0]})
        ends[name] = np.diff(found["x"])[0]
    assert ends["blocks"] == pytest.approx(4 * ends["patches"], rel=0.15)


def test_blocks_of_unequal_size_are_weighted_by_patches():
    """Only two blocks: all means are the three that can be drawn."""
    values = np.array([[0.0], [0.0], [0.0], [4.0]])
    means = bootstrap.resampled_means(values, np.array([0, 0, 0, 1]), resamples=200)
    assert set(means[:, 0]) == {0.0, 1.0, 4.0}


def test_order_of_patches_does_not_matter():
    random = np.random.default_rng(3)
    values, blocks = random.random((30, 2)), random.integers(0, 6, 30)
    blocks[:6] = range(6)
    order = random.permutation(30)
    one = bootstrap.resampled_means(values, blocks)
    other = bootstrap.resampled_means(values[order], blocks[order])
    np.testing.assert_allclose(one, other)


def test_the_seed_decides():
    values, blocks = np.arange(20.0)[:, None], np.arange(20)
    one, same, other = (
        bootstrap.resampled_means(values, blocks, seed=seed) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()


def test_grouping():
    windows = np.array([[0, 0], [0, 96], [0, 128], [127, 3], [128, 0], [640, 640]])
    assert bootstrap.group(6, windows, 32).tolist() == [0, 0, 1, 0, 2, 3]
    assert bootstrap.group(3, None, 32).tolist() == [0, 1, 2]


def test_no_interval_from_one_block_or_of_nan():
    statistic = {"x": lambda m: m[:, 0]}
    one = bootstrap.intervals(np.ones((5, 1)), np.zeros(5, int), statistic)
    assert one == {"x": None}
    unknown = bootstrap.intervals(np.full((5, 1), np.nan), np.arange(5), statistic)
    assert unknown == {"x": None}
