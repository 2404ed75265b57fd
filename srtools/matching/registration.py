"""Shift between Sentinel-2 and Spot, measured in blocks on the grid of Spot's XS."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from skimage.registration import phase_cross_correlation

BLOCK = 128  # pixels of 6 m: enough texture for a sharp peak, and many blocks
MOST_BLOCKS = 8  # along each axis: 64 blocks of two images are 30 MB

FINEST_PERIOD = 25.0  # metres; Sentinel-2 shows finer detail weakly, and aliased
LUMINANCE = [0, 1, 2]  # near infrared is left out: it changes most between dates
LARGEST_SHIFT = 30.0  # metres; a peak further out is due to chance
UPSAMPLING = 50  # the peak is searched on a grid of 1/50 pixel, 0.12 m
MOST_MISSING = 0.05  # share of a block without data
LEAST_TEXTURE = 20.0  # DN of Sentinel-2, standard deviation; below it is much noise
LEAST_LEVELS = 0.5  # the same for Spot, which may be coded coarsely
LEAST_CORRELATION = 0.4  # blocks of unlike ground stay below it


class Block(NamedTuple):
    """The same square of both images, at `row` and `col` of XS's grid; nodata is 0."""

    row: int
    col: int
    lr: np.ndarray
    """[size, size, bands] Sentinel-2, DN without offset."""
    xs: np.ndarray
    """[size, size, bands] Spot, DN."""
    core: tuple[slice, slice] = (slice(None), slice(None))
    """Rows and columns of the block that belong to no other block's core."""
    pan: np.ndarray | None = None
    """[size, size] mean of PAN over each pixel, DN; 0 where a part is missing."""


class BlockShift(NamedTuple):
    """Shift of Sentinel-2 against Spot in one block of `size` x `size` XS pixels."""

    row: int
    col: int
    size: int
    east: float
    north: float
    """Offset of Sentinel-2 to the east and north, metres."""
    correlation: float
    verdict: str
    """"used", or the reason against it: "missing", "flat" or "unlike"."""


def read_blocks(lr: Any, xs: Any) -> Iterator[Block]:
    """Read up to 64 square blocks, spread evenly over two images, one at a time.

    `lr` and `xs` are pyotb objects: Sentinel-2 and Spot on one grid.
    """
    height, width = lr.shape[:2]
    size = min(BLOCK, height, width)
    for row, core_rows in _spread(height, size):
        for col, core_cols in _spread(width, size):
            window = slice(row, row + size), slice(col, col + size)
            # Band after band in memory, where sums over the bands are fast.
            bands = (image[window].to_numpy().transpose(2, 0, 1) for image in (lr, xs))
            pixels = (image.copy().transpose(1, 2, 0) for image in bands)
            yield Block(row, col, *pixels, (core_rows, core_cols))


def _spread(extent: int, size: int) -> Iterator[tuple[int, slice]]:
    """Yield first pixel and core of blocks on an axis, which overlap by half at most.

    >>> list(_spread(10, 6))
    [(0, slice(0, 5, None)), (4, slice(1, 6, None))]
    """
    count = min(1 + 2 * (extent - size) // size, MOST_BLOCKS)
    firsts = np.linspace(0, extent - size, count).round().astype(int).tolist()
    limits = [(a + b + size) // 2 for a, b in zip(firsts, firsts[1:], strict=False)]
    for first, start, stop in zip(firsts, [0, *limits], [*limits, extent], strict=True):
        yield first, slice(max(start - first, 0), min(stop - first, size))


def block_shift(
    block: Block, spacing: float, least: float = LEAST_TEXTURE
) -> BlockShift:
    """Measure the shift of Sentinel-2 against Spot in one block.

    The method is phase correlation, restricted to the frequencies that Sentinel-2
    resolves: full whitening would amplify the noise beyond them.  Only the square root
    of the amplitudes is kept; in trials this was the most robust against changed
    ground.  The correlation is that of the two filtered blocks.  `spacing` is the pixel
    size, metres; below a standard deviation of `least` DN `block.lr` is flat.

    Source: Guizar-Sicairos, Thurman and Fienup, "Efficient subpixel image
    registration algorithms", Optics Letters 33, 2008 (scikit-image).
    """
    valid = valid_mask(block)
    place = block.row, block.col, len(valid)
    if 1 - valid.mean() > MOST_MISSING:
        return BlockShift(*place, 0.0, 0.0, 0.0, "missing")
    spectra = []
    for pixels, limit in ((block.xs, LEAST_LEVELS), (block.lr, least)):
        image = pixels[..., LUMINANCE].mean(axis=-1, dtype=float)
        image = np.where(valid, image - image[valid].mean(), 0)
        if image.std() < limit:
            return BlockShift(*place, 0.0, 0.0, 0.0, "flat")
        taper = np.hanning(len(image))
        spectra.append(np.fft.fft2(image * np.outer(taper, taper)))
    frequencies = np.fft.fftfreq(len(valid))
    resolved = np.hypot(frequencies[:, None], frequencies) < spacing / FINEST_PERIOD
    xs, lr = (resolved * f / np.sqrt(np.maximum(np.abs(f), 1e-9)) for f in spectra)
    # Pixels to add to Sentinel-2's rows and columns.
    rows, cols = phase_cross_correlation(
        xs, lr, space="fourier", normalization=None, upsample_factor=UPSAMPLING
    )[0]
    phase = np.exp(-2j * np.pi * (frequencies[:, None] * rows + frequencies * cols))
    correlation = np.vdot(lr * phase, xs).real / np.linalg.norm(xs) / np.linalg.norm(lr)
    east, north = -cols * spacing, rows * spacing
    good = np.hypot(east, north) < LARGEST_SHIFT and correlation > LEAST_CORRELATION
    numbers = float(east), float(north), float(correlation)
    return BlockShift(*place, *numbers, "used" if good else "unlike")


def valid_mask(block: Block) -> np.ndarray:
    """Return the mask of pixels with data in both images, [size, size] bool.

    Next to nodata OTB interpolates values of some 1e-9 DN.
    """
    return (np.abs(block.lr) > 0.5).any(axis=-1) & (block.xs != 0).any(axis=-1)
