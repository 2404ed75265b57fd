"""Blocks of two images, and the shift between them."""

import numpy as np
import pytest
from scipy import ndimage

from srtools.matching.registration import Block, block_shift, read_blocks
from tests.ground import landscape


class Recorder:
    """An image that records the windows that are read."""

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
    counted = np.zeros((height, width), np.uint8)
    for block in blocks:
        counted[block.row :, block.col :][:size, :size][block.core] += 1
    assert counted.max() == 1
    if count == 9:
        assert counted.min() == 1


def xs_blocks(seed):
    """Make ground on the grid of XS, blurred."""
    return ndimage.gaussian_filter(landscape(seed), (4, 4, 0))[::4, ::4]


def test_blocks_of_other_ground_are_left_out():
    """A block of another place has no peak; its shift would be chance."""
    one, other = (xs_blocks(seed)[:128, :128] for seed in (1, 2))
    # Bare ground that was green turns the contrast round: the peak is negative.
    inverse = one.mean(axis=(0, 1)) * 2 - one
    far = xs_blocks(1)[:128, 8:136]
    flat = np.full_like(one, 700)
    for lr, xs, verdict in (
        (one, one, "used"),
        (one, other, "unlike"),
        (one, inverse, "unlike"),
        (one, far, "unlike"),
        (one, flat, "flat"),
    ):
        assert block_shift(Block(0, 0, lr, xs), 6.0).verdict == verdict


def test_a_shift_is_measured_also_beside_a_hole():
    """Nodata as dark ground would have a shift of its own."""
    ground = xs_blocks(1)
    xs, lr = ground[:128, :128].copy(), ground[:128, 1:129]
    xs[50:76, 50:76] = 0
    shift = block_shift(Block(0, 0, lr, xs), 6.0)
    assert (shift.east, shift.north) == pytest.approx((-6, 0), abs=0.15)
    assert shift.correlation > 0.9
    near = block_shift(Block(0, 0, ground[:128, :128], ground[:128, 2:130]), 6.0)
    assert (near.east, near.north) == pytest.approx((12, 0), abs=0.3)
