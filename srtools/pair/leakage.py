"""The check that no group of patches leaks into another one.

Source: `conventions.leak_margin` says how far apart the groups have to be.
"""

import itertools
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from scipy.spatial import cKDTree

from srtools.errors import SRError
from srtools.images.raster import ImageInfo
from srtools.pair.patch_grid import read_windows
from srtools.pair.splits import Blocks, Interleaved


def read_groups(
    centres: Mapping[str, Path], image: ImageInfo, split: Blocks | Interleaved
) -> dict[str, np.ndarray]:
    """Read where the patches of each group lie, and check that they keep apart.

    Arguments:
        centres: files of PatchesSelection.
        image: on whose grid the patches lie.
        split: which chose them.

    Returns:
        For each group the first row and column of its patches, [n, 2].
    """
    windows = {
        group: read_windows(path, image, split.patch_size)
        for group, path in centres.items()
    }
    check_groups(windows, split.patch_size, split.margin)
    return windows


def check_groups(
    windows: dict[str, np.ndarray], size: int, margin: int
) -> dict[str, int]:
    """Prove that each group has a patch, and none within `margin` of another group.

    Arguments:
        windows: for each group the first row and column of its patches, [n, 2].
        size: of the patches in pixels.
        margin: in pixels.

    Returns:
        For each two groups the pixels between them, negative if they overlap.

    Raises:
        SRError: naming the group that is empty, or the groups that are too close.
    """
    gaps = {}
    for group, places in windows.items():
        if not len(places):
            raise SRError(
                f"no {group} patch of {size} x {size} pixels is left; take a larger "
                "image, a smaller --patch_size, or a pair with less to leave out"
            )
    for one, other in itertools.combinations(windows, 2):
        # Two squares are as far apart as their corners along rows or along columns,
        # whichever is more, less their size.
        distance, _ = cKDTree(windows[one]).query(windows[other], p=np.inf)
        gap = gaps[f"{one}-{other}"] = int(distance.min()) - size
        if gap < margin:
            raise SRError(
                f"patches of {one} and {other} have {gap} pixels between them, at "
                f"least {margin} are expected; take another --seed or a larger image"
            )
    return gaps
