"""Filter of training patches that do not fit, in a pair that fits as a whole.

A patch is "shifted" by more than the limit for the pair, "unlike" if no shift aligns
the square around it, or "changed" if too much of it is off the linear fits of the pair.
"""

import itertools
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from tqdm import tqdm

from srtools.engine import engine_errors
from srtools.images.raster import ImageInfo
from srtools.matching.registration import Block, block_shift
from srtools.pair import radiometric_fit
from srtools.pair.criteria import CHECKS
from srtools.pair.patch_groups import Split
from srtools.pair.quality import PairQuality

import pyotb

REASONS = ("shifted", "unlike", "changed")
CONTEXT = 2  # side of the square around a patch, patches


@engine_errors("filtering the patches")
def leave_out(split: Split, lr: Any, xs: ImageInfo, quality: PairQuality) -> Split:
    """Return a split without training patches that do not fit, counted by reason.

    The test group keeps such patches, so that the scores hold for real ground.  `lr` is
    a pyotb object, Sentinel-2 on the grid of `xs`, without offset.
    """
    limits = radiometric_fit.change_limits(*quality.samples[:2], quality.fits)
    reasons = []
    for block in _blocks(split, lr, xs):
        shift = block_shift(block, xs.spacing)
        samples = radiometric_fit.samples([block], (0.0, 0.0), xs.spacing)
        changed = radiometric_fit.is_changed(*samples, quality.fits, limits)
        length = np.hypot(shift.east, shift.north)
        faults = (
            shift.verdict == "used" and length > CHECKS["shift"].warns,
            shift.verdict == "unlike",
            len(changed) and changed.mean() > CHECKS["changed ground"].warns,
        )
        reasons.append(next(itertools.compress(REASONS, faults), ""))
    counts = {f"{reason} (training)": reasons.count(reason) for reason in REASONS}
    train = split.windows["train"][[not reason for reason in reasons]]
    windows, left_out = {**split.windows, "train": train}, {**split.left_out, **counts}
    return replace(split, windows=windows, left_out=left_out)


def _blocks(split: Split, lr: Any, xs: ImageInfo) -> Iterator[Block]:
    """Yield the square around each training patch; `core` is the patch itself."""
    size, spot = split.patch_size, pyotb.Input(xs.path)
    side = min(CONTEXT * size, *split.shape)

    def context(first: int, extent: int) -> tuple[slice, slice]:
        """Return the rows or columns of the square, and of the patch inside it."""
        start = int(np.clip(first - (side - size) // 2, 0, extent - side))
        return slice(start, start + side), slice(first - start, first - start + size)

    patches = tqdm(split.windows["train"], "filtering patches", delay=3, disable=None)
    for row, line in itertools.groupby(patches, key=lambda place: place[0]):
        rows, core_rows = context(row, split.shape[0])
        strips = [np.array(image[rows, :, :].to_numpy()) for image in (lr, spot)]
        for _, col in line:
            cols, core_cols = context(col, split.shape[1])
            pixels = (strip[:, cols] for strip in strips)
            yield Block(rows.start, cols.start, *pixels, (core_rows, core_cols))
