"""PAN on the grid of XS: extremes, mean, and relation to XS."""

from collections.abc import Iterable

import numpy as np

from srtools.conventions import FACTOR
from srtools.images import raster
from srtools.matching import registration
from srtools.matching.registration import LEAST_LEVELS, Block, BlockShift


class PanInXS:
    """The 4 x 4 PAN pixels nearest to each pixel of XS; 0 outside of PAN."""

    def __init__(self, pan: raster.ImageInfo, xs: raster.ImageInfo):
        self.pan = pan
        left, _, _, top = xs.bounds
        self.row, self.col = map(round, pan.position(left, top))

    def read(self, row: int, col: int, height: int, width: int) -> np.ndarray:
        """Read PAN in a window of XS pixels, [height, 4, width, 4] of its own type."""
        top, left = self.row + FACTOR * row, self.col + FACTOR * col
        window = slice(top, top + FACTOR * height), slice(left, left + FACTOR * width)
        # Not by the engine: its float32 and its copies take longer than to decode.
        pixels = self.pan.read(
            window, lambda part: raster.read([self.pan], part)[..., 0], self.pan.dtype
        )
        return pixels.reshape(height, FACTOR, width, FACTOR)

    def extremes(self, rows: slice, width: int) -> tuple[np.ndarray, np.ndarray]:
        """Return smallest absolute and largest DN in XS pixels, [rows, width] each."""
        pixels = self.read(rows.start, 0, rows.stop - rows.start, width)
        # Two reductions are three times as fast as one over both axes.
        darkest = np.abs(pixels).min(axis=1).min(axis=2)
        return darkest, pixels.max(axis=1).max(axis=2)

    def mean(self, block: Block) -> np.ndarray:
        """Return the mean DN in each XS pixel of a block; 0 if a part is nodata."""
        pixels = self.read(block.row, block.col, *block.xs.shape[:2])
        mean = pixels.mean(axis=(1, 3), dtype=float)
        return np.where((pixels == 0).any(axis=(1, 3)), 0, mean)


def relation_to_xs(
    blocks: Iterable[Block], spacing: float
) -> tuple[list[BlockShift], float | None]:
    """Measure the shift of PAN against XS in each block, and R2 over all blocks.

    R2 is the share of the variance of PAN explained by a linear combination of the
    bands of XS, fitted in each block; None if PAN is uniform.  `spacing` is in metres.
    """
    shifts, residual, total, covariance, count = [], 0.0, 0.0, 0.0, 0
    for block in blocks:
        pan = np.broadcast_to(block.pan[..., None], block.xs.shape)
        pair = block._replace(lr=pan)
        shifts.append(registration.block_shift(pair, spacing, LEAST_LEVELS))
        valid = registration.valid_mask(pair)
        if not valid.any():
            continue
        dn, bands = block.pan[valid], block.xs[valid].astype(float)
        dn, bands = dn - dn.mean(), bands - bands.mean(axis=0)
        line = np.linalg.lstsq(bands, dn, rcond=None)[0]
        residual += float(np.square(dn - bands @ line).sum())
        total += float(np.square(dn).sum())
        covariance += float(dn @ bands[:, registration.LUMINANCE].sum(axis=1))
        count += len(dn)
    if total <= count * LEAST_LEVELS**2:
        return shifts, None
    # A linear fit also explains a negative of XS.
    return shifts, 1 - residual / total if covariance > 0 else 0.0
