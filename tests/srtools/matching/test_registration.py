"""Blocks of two images, and the shift between them."""

import numpy as np
import pytest
from scipy import ndimage

from srtools.matching.registration import Block, block_shift, read_blocks
from tests.ground import landscape


class Recorder:
    """An image that notes what is read of it."""

    def __init__(self, height: int, width: int):
        self.shape = (height, width, 4)
        self.windows: list[tuple[slice, slice]] = []

    def __getitem__(self, window):
        self.windows.append(window)
        return self

    def to_numpy(self):
        rows, cols = self.windows[-1]
        return np.ones((rows.stop - rows.start, cols.stop - cols.start, 4))


@pytest.mark.parametrize(
    ("height", "width", "size", "count"),
    [(64, 80, 64, 1), (40, 700, 40, 8), (292, 299, 128, 9), (10000, 9000, 128, 64)],
)
def test_blocks_are_few_and_reach_the_edges(height, width, size, count):
    lr, xs = Recorder(height, width), Recorder(height, width)
    blocks = list(read_blocks(lr, xs))
    assert len(blocks) == count == len(lr.windows)
    assert lr.windows == xs.windows
    assert {block.lr.shape for block in blocks} == {(size, size, 4)}
    if count > 1:
        assert blocks[-1].col + size == width
    assert min(block.row for block in blocks) == 0
    assert max(block.row for block in blocks) <= height - size
    owned = np.zeros((height, width), np.uint8)
    for block in blocks:
        rows, cols = block.core
        owned[
            block.row + rows.start : block.row + rows.stop,
            block.col + cols.start : block.col + cols.stop,
        ] += 1
    assert owned.max() == 1  # no pixel counts twice
    if count == 9:
        assert owned.min() == 1


def test_blocks_of_other_ground_are_left_out():
    """A block of another place has no peak; its shift would be chance."""
    one, other = (
        ndimage.gaussian_filter(landscape(seed), (4, 4, 0))[::4, ::4][:128, :128]
        for seed in (1, 2)
    )
    assert block_shift(Block(0, 0, one, one), 6.0).verdict == "used"
    assert block_shift(Block(0, 0, one, other), 6.0).verdict == "unlike"
    # Bare where it was green: the contrast is turned round, the peak is negative.
    turned = one.mean(axis=(0, 1)) * 2 - one
    assert block_shift(Block(0, 0, one, turned), 6.0).verdict == "unlike"
    flat = np.full_like(one, 700)
    assert block_shift(Block(0, 0, one, flat), 6.0).verdict == "flat"


def test_a_hole_does_not_hold_the_images_together():
    """Were no data dark ground, its outline would have its own shift."""
    ground = ndimage.gaussian_filter(landscape(1), (4, 4, 0))[::4, ::4]
    xs, lr = ground[:128, :128].copy(), ground[:128, 1:129].copy()
    xs[50:76, 50:76] = 0
    found = block_shift(Block(0, 0, lr, xs), 6.0)
    assert (found.east, found.north) == pytest.approx((-6, 0), abs=0.15)
    assert found.correlation > 0.9


def test_shift_far_away_is_chance():
    ground = ndimage.gaussian_filter(landscape(1), (4, 4, 0))[::4, ::4]
    one, other = ground[:128, :128], ground[:128, 8:136]
    assert block_shift(Block(0, 0, one, other), 6.0).verdict == "unlike"
    near = block_shift(Block(0, 0, one, ground[:128, 2:130]), 6.0)
    assert (near.east, near.north) == pytest.approx((12, 0), abs=0.3)
