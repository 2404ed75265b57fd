"""PAN inside the pixels of XS: its extremes, its mean, and whether it follows XS."""

from collections.abc import Iterable

import numpy as np

from srtools.conventions import FACTOR
from srtools.images.raster import ImageInfo
from srtools.matching.registration import (
    LEAST_LEVELS,
    LUMINANCE,
    Block,
    block_shift,
    valid_mask,
)

import pyotb


class PanInXS:
    """The 4 x 4 PAN pixels of each pixel of XS; outside of PAN they count as 0.

    Where the grids of PAN and XS are not aligned it is the nearest pixels, as in the
    patches.
    """

    def __init__(self, pan: ImageInfo, xs: ImageInfo):
        self.image, self.grid = pyotb.Input(pan.path), pan.grid
        left, _, _, top = xs.bounds
        self.row, self.col = map(round, self.grid.position(left, top))

    def read(self, row: int, col: int, height: int, width: int) -> np.ndarray:
        """Read the PAN pixels of a window of XS, [height, 4, width, 4] float32."""
        top, left = self.row + FACTOR * row, self.col + FACTOR * col
        window = slice(top, top + FACTOR * height), slice(left, left + FACTOR * width)
        pixels = self.grid.read(
            window, lambda inside: self.image[inside].to_numpy()[..., 0], np.float32
        )
        return pixels.reshape(height, FACTOR, width, FACTOR)

    def extremes(self, rows: slice, width: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the DN nearest to 0, and the largest, in each pixel of rows of XS."""
        pixels = self.read(rows.start, 0, rows.stop - rows.start, width)
        # One axis after the other: three times as fast as both at once.
        darkest = np.abs(pixels).min(axis=1).min(axis=2)
        return darkest, pixels.max(axis=1).max(axis=2)

    def mean(self, block: Block) -> np.ndarray:
        """Return the mean DN in each pixel of a block of XS; 0 where one is missing."""
        size = len(block.xs)
        pixels = self.read(block.row, block.col, size, size)
        mean = pixels.mean(axis=(1, 3), dtype=float)
        return np.where((pixels == 0).any(axis=(1, 3)), 0, mean)


def follows(blocks: Iterable[Block], spacing: float) -> tuple[list, float | None]:
    """Measure how PAN follows XS, whose pixels have a spacing in metres.

    Returns:
        Shift of PAN against XS in each block; and the share of PAN's variance within
        the blocks that a line over the bands of XS explains, each block having its own:
        R2, None if PAN is even.
    """
    shifts, left, total, together, count = [], 0.0, 0.0, 0.0, 0
    for block in blocks:
        pan = np.broadcast_to(block.pan[..., None], block.xs.shape)
        pair = block._replace(lr=pan)
        shifts.append(block_shift(pair, spacing, LEAST_LEVELS))
        valid = valid_mask(pair)
        if not valid.any():
            continue
        dn, bands = block.pan[valid], block.xs[valid].astype(float)
        dn, bands = dn - dn.mean(), bands - bands.mean(axis=0)
        line = np.linalg.lstsq(bands, dn, rcond=None)[0]
        left += float(np.square(dn - bands @ line).sum())
        total += float(np.square(dn).sum())
        together += float(dn @ bands[:, LUMINANCE].sum(axis=1))
        count += len(dn)
    if total <= count * LEAST_LEVELS**2:
        return shifts, None
    # A line fits a negative, too; no PAN is dark where XS is bright.
    return shifts, 1 - left / total if together > 0 else 0.0
