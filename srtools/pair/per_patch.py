"""Training patches whose own ground does not fit, though the pair as a whole does.

Relief shifts a hillside, a field is cut between the two dates, haze lies in a valley:
`--per_patch` leaves such patches out of the training.  Those for testing stay, or the
test would be kinder than the ground.  A patch is looked at with a little around it.
It is "shifted" by more than 3 m, the limit of the pair's table; "unlike" if no shift
brings the images together (phase correlation below 0.4); "changed" if more than
15 % of it is off the pair's lines, Spot = gain x Sentinel-2 + bias.  The first reason
counts.
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
from srtools.pair import fits
from srtools.pair.criteria import CHECKS
from srtools.pair.groups import Split
from srtools.pair.quality import PairQuality

import pyotb

REASONS = ("shifted", "unlike", "changed")
AROUND = 2  # side of the square that is looked at, in patches


@engine_errors("looking at the patches")
def leave_out(split: Split, lr: Any, xs: ImageInfo, quality: PairQuality) -> Split:
    """Leave out of the training, and count by reason, what does not fit.

    Arguments:
        split: groups in blocks.
        lr: pyotb object, Sentinel-2 on the grid of `xs`, without offset.
        xs: the XS image of Spot.
        quality: of the pair, for the lines.
    """
    limits = fits.change_limits(*quality.samples[:2], quality.fits)
    reasons = []
    for block in _blocks(split, lr, xs):
        shift = block_shift(block, xs.spacing)
        samples = fits.radiometry_samples(
            [block], (0.0, 0.0), xs.spacing, fits.CHANGE_SUPPORT_METRES
        )
        changed = fits.is_changed(*samples, quality.fits, limits)
        length = np.hypot(shift.east, shift.north)
        if shift.verdict == "used" and length > CHECKS["shift"].warns:
            reasons.append("shifted")
        elif shift.verdict == "unlike":
            reasons.append("unlike")
        elif len(changed) and changed.mean() > CHECKS["changed ground"].warns:
            reasons.append("changed")
        else:
            reasons.append("")
    counts = {f"{reason} (training)": reasons.count(reason) for reason in REASONS}
    train = split.windows["train"][[not reason for reason in reasons]]
    windows, left_out = {**split.windows, "train": train}, {**split.left_out, **counts}
    return replace(split, windows=windows, left_out=left_out)


def _blocks(split: Split, lr: Any, xs: ImageInfo) -> Iterator[Block]:
    """Read the square around each training patch; the patch is its `own`."""
    size, spot = split.patch_size, pyotb.Input(xs.path)
    side = min(AROUND * size, *split.shape)

    def around(first: int, extent: int) -> tuple[slice, slice]:
        """Return the pixels of a square, and those of its patch in it."""
        start = int(np.clip(first - (side - size) // 2, 0, extent - side))
        return slice(start, start + side), slice(first - start, first - start + size)

    patches = tqdm(
        split.windows["train"], "looking at the patches", delay=3, disable=None
    )
    for row, line in itertools.groupby(patches, key=lambda place: place[0]):
        rows, own_rows = around(row, split.shape[0])
        strips = [np.array(image[rows, :, :].to_numpy()) for image in (lr, spot)]
        for _, col in line:
            cols, own_cols = around(col, split.shape[1])
            pixels = (strip[:, cols] for strip in strips)
            yield Block(rows.start, cols.start, *pixels, (own_rows, own_cols))
