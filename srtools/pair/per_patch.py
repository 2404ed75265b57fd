"""Training patches whose own ground does not fit, though the pair as a whole does.

Relief shifts a hillside, a field is cut between the two dates, haze lies in a valley:
`--per_patch` leaves such patches out of the training.  Those for testing stay, or the
test would be kinder than the ground.  A patch is looked at with a little around it.
It is "shifted" by more than 3 m, the limit of the pair's table; "unlike" if no shift
brings the images together (phase correlation below 0.4); "changed" if more than
15 % of it is off the pair's lines, Spot = gain x Sentinel-2 + bias.  The first reason
counts.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from tqdm import tqdm

from srtools.engine import engine_errors
from srtools.images.raster import ImageInfo
from srtools.matching.registration import Block, block_shift
from srtools.pair import fits
from srtools.pair.groups import Split, whole_patches
from srtools.pair.quality import CHANGE, SHIFT, PairQuality

import pyotb

REASONS = ("shifted", "unlike", "changed")
AROUND = 2  # side of the square that is looked at, in patches


@engine_errors("looking at the patches")
def leave_out(
    split: Split, lr: Any, xs: ImageInfo, quality: PairQuality, usable: np.ndarray
) -> Split:
    """Leave out of the training, and count by reason, what does not fit.

    Arguments:
        split: groups in blocks.
        lr: pyotb object, Sentinel-2 on the grid of `xs`, without offset.
        xs: the XS image of Spot.
        quality: of the pair, for the lines.
        usable: pixels that may be part of a patch, [h, w] bool.
    """
    size = split.patch_size
    bad = {reason: np.zeros(usable.shape, bool) for reason in REASONS}
    limits = fits.change_limits(*quality.samples[:2], quality.fits)
    for block in _blocks(lr, xs, usable, size):
        if reason := _reason(block, xs.spacing, quality.fits, limits):
            row, col = block.row + block.own[0].start, block.col + block.own[1].start
            bad[reason][row : row + size, col : col + size] = True
    rows, cols = split.windows("train").T
    counts = {f"{why} (training)": int(bad[why][rows, cols].sum()) for why in bad}
    split = split.without_training(np.any(list(bad.values()), axis=0))
    return replace(split, left_out=split.left_out | counts)


def _blocks(lr: Any, xs: ImageInfo, usable: np.ndarray, size: int) -> Iterator[Block]:
    """Read the square around each usable patch; the patch is its `own`."""
    height, width = usable.shape
    side = min(AROUND * size, height, width)
    spot = pyotb.Input(xs.path)
    rows, cols, whole = whole_patches(usable, size)
    shown = {"desc": "looking at the patches", "delay": 3, "disable": None}
    for row, wanted in tqdm(zip(rows, whole, strict=True), total=len(rows), **shown):
        if not wanted.any():
            continue
        top = int(np.clip(row - (side - size) // 2, 0, height - side))
        strip = slice(top, top + side)
        images = [np.array(image[strip, :, :].to_numpy()) for image in (lr, spot)]
        own_rows = slice(row - top, row - top + size)
        for col in cols[wanted]:
            left = int(np.clip(col - (side - size) // 2, 0, width - side))
            pixels = (image[:, left : left + side] for image in images)
            own = own_rows, slice(col - left, col - left + size)
            yield Block(top, left, *pixels, own)


def _reason(
    block: Block, spacing: float, lines: list[fits.LinearFit | None], limits: list
) -> str | None:
    shift = block_shift(block, spacing)
    if shift.verdict == "used" and np.hypot(shift.east, shift.north) > SHIFT.warns:
        return "shifted"
    if shift.verdict == "unlike":
        return "unlike"
    support = fits.CHANGE_SUPPORT_METRES
    lr, xs = fits.radiometry_samples(block, (0.0, 0.0), spacing, support)
    changed = fits.is_changed(lr, xs, lines, limits)
    return "changed" if len(lr) and changed.mean() > CHANGE.warns else None
