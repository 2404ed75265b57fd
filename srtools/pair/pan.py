"""PAN inside the pixels of XS: its extremes, its mean, and whether it follows XS."""

import functools
from collections.abc import Iterable

import numpy as np

from srtools.conventions import FACTOR
from srtools.images.grid import Grid
from srtools.images.raster import describe
from srtools.matching.registration import (
    LEAST_LEVELS,
    LUMINANCE,
    Block,
    block_shift,
    present,
)

import pyotb

ALIGNED = 1e-3  # PAN pixels, below which the grids of PAN and XS are one


class PanInXS:
    """The PAN pixels inside each pixel of XS; outside of PAN they count as 0."""

    def __init__(self, pan: str, xs: str):
        self.image = pyotb.Input(pan)
        self.grid = Grid.of(describe(pan, "the PAN image"))
        left, _, _, top = Grid.of(describe(xs, "the XS image")).bounds
        corner = self.grid.position(left, top)
        self.row, self.col = (int(np.floor(place + ALIGNED)) for place in corner)
        # Where the grids are not aligned a pixel of XS reaches into a fifth one.
        self.tall, self.wide = (
            FACTOR + (abs(place - round(place)) > ALIGNED) for place in corner
        )
        self.offset = corner[0] - self.row, corner[1] - self.col

    def read(self, row: int, col: int, height: int, width: int) -> np.ndarray:
        """Read the PAN pixels of a window of XS."""
        top, left = self.row + FACTOR * row, self.col + FACTOR * col
        bottom = top + FACTOR * (height - 1) + self.tall
        right = left + FACTOR * (width - 1) + self.wide
        return self.grid.read(
            (slice(top, bottom), slice(left, right)),
            lambda window: self.image[window].to_numpy()[..., 0],
            np.float32,
        )

    def extremes(self, rows: slice, width: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the DN nearest to 0, and the largest, in each pixel of rows of XS."""
        height = rows.stop - rows.start
        pixels = self.read(rows.start, 0, height, width)

        def reduced(extreme: np.ufunc, dn: np.ndarray) -> np.ndarray:
            lines = (dn[row::FACTOR][:height] for row in range(self.tall))
            dn = functools.reduce(extreme, lines)
            lines = (dn[:, col::FACTOR][:, :width] for col in range(self.wide))
            return functools.reduce(extreme, lines)

        return reduced(np.minimum, np.abs(pixels)), reduced(np.maximum, pixels)

    def mean(self, block: Block) -> np.ndarray:
        """Return the mean DN in each pixel of a block of XS; 0 where one is missing."""
        size = len(block.xs)
        pixels = self.read(block.row, block.col, size, size)
        rows, cols = (
            _shares(offset, size, count)
            for offset, count in zip(self.offset, pixels.shape, strict=True)
        )
        missing = rows @ (pixels == 0) @ cols.T > ALIGNED
        return np.where(missing, 0, rows @ pixels @ cols.T)


def _shares(offset: float, count: int, size: int) -> np.ndarray:
    """Return the share of each of `size` PAN pixels in `count` pixels of XS.

    The first pixel of XS begins `offset` PAN pixels after the first of PAN.
    """
    first, pixel = offset + FACTOR * np.arange(count)[:, None], np.arange(size)
    inside = np.minimum(pixel + 1, first + FACTOR) - np.maximum(pixel, first)
    return np.clip(inside, 0, None) / FACTOR


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
        valid = present(pair)
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
