"""Groups of patches that do not leak: blocks of valid and test with a gap around them.

The grid of patches is that of PatchesSelection.  Without `nodata` it looks only at the
centre of a patch, so masks mark the centres of patches whose pixels were all looked at
here.  `conventions.leak_margin` derives the margin.
"""

import itertools
import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from scipy.ndimage import minimum_filter1d
from scipy.spatial import cKDTree

from srtools.conventions import GROUPS
from srtools.errors import SRError
from srtools.images.raster import ImageInfo
from srtools.pair.layouts import best_layout

log = logging.getLogger(__name__)


def centre(size: int) -> np.ndarray:
    """Return the row and column in a patch whose lower left corner is its point."""
    return np.array([size // 2 - 1 + size % 2, size // 2])


def whole_patches(
    inside: np.ndarray, size: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Check which patches of the engine's grid lie wholly in [h, w] bool.

    Returns:
        First rows and first columns of the patches, and [rows, columns] bool.
    """
    half, whole, firsts = size // 2, inside.view(np.uint8), []
    for axis, before in enumerate(centre(size)):
        first = np.arange(half + 1, inside.shape[axis] - half, size) - before
        whole = minimum_filter1d(whole, size, axis).take(first + half, axis)
        firsts.append(first)
    return *firsts, whole == 1


def count_left_out(bad: dict[str, np.ndarray], size: int) -> dict[str, int]:
    """Count the patches that hold a bad pixel, [h, w] bool, by their first reason."""
    counts, good = {}, True
    for reason, pixels in bad.items():
        still = good & whole_patches(~pixels, size)[2]
        counts[reason] = int((good & np.ones_like(still)).sum() - still.sum())
        good = still
    return counts


@dataclass(frozen=True)
class Split:
    """Groups of patches, in blocks or interleaved."""

    shape: tuple[int, int]
    """Height and width of XS, pixels."""
    patch_size: int
    margin: int
    """Pixels between patches of different groups, at least."""
    windows: dict[str, np.ndarray]
    """First row and column of the patches of each group, [n, 2].  Interleaved, all are
    in the first group, and the engine deals them out."""
    facts: dict[str, Any]
    """Entries of the card."""
    proportions: tuple[float, float, float] | None = None
    """Shares of train, valid and test, if they are interleaved."""
    left_out: dict[str, int] = field(default_factory=dict)
    """Number of unusable patches, for each reason."""

    def selections(
        self, centres: Mapping[str, Path]
    ) -> Iterator[tuple[np.ndarray, dict[str, Any]]]:
        """Yield mask [h, w, 1] float32 and parameters of each run of PatchesSelection.

        It runs once for each group, or for all; each group has its file of centres.
        """
        grid = {"grid.psize": self.patch_size, "grid.step": self.patch_size}
        if self.proportions:
            files = {f"out{group}": str(path) for group, path in centres.items()}
            names = [f"strategy.split.{group}prop" for group in GROUPS]
            shares = dict(zip(names, self.proportions, strict=True))
            mask = self._mask(GROUPS[0])
            yield mask, {**grid, **files, "strategy": "split", **shares}
            return
        for group, path in centres.items():
            yield self._mask(group), {**grid, "strategy": "all", "outtrain": str(path)}

    def _mask(self, group: str) -> np.ndarray:
        mask = np.zeros((*self.shape, 1), np.float32)
        row, col = self.windows[group].T + centre(self.patch_size)[:, None]
        mask[row, col] = 1
        return mask


def interleave(usable: np.ndarray, size: int, proportions: Sequence[float]) -> Split:
    """Deal the patches out in turn, as in the course.

    A test patch lies between training patches then, which are alike: it leaks.
    """
    rows, cols, cells = whole_patches(usable, size)
    windows = {GROUPS[0]: _windows(rows, cols, cells)}
    facts = {"strategy": "interleaved"}
    return Split(usable.shape, size, 0, windows, facts, tuple(proportions))


def split_in_blocks(
    usable: np.ndarray,
    patch_size: int,
    margin: int,
    *,
    proportions: tuple[float, float, float] = (0.8, 0.1, 0.1),
    seed: int = 0,
    quicklook: np.ndarray | None = None,
) -> Split:
    """Deal out an image in blocks.

    Most patches are kept, the proportions are met as well as they can be, and the
    groups look alike.  The larger the image, the more blocks; testing has four or more
    where the image is large enough.

    Arguments:
        usable: [h, w] bool, which pixels may be part of a patch.
        patch_size, margin: pixels; see `Split`.
        proportions: of train, valid and test; 0 for a group without patches.
        quicklook: [any h, any w, bands] the image at any scale, to compare groups by.
    """
    rows, cols, cells = whole_patches(usable, patch_size)
    shares, numbers = np.divide(proportions, sum(proportions)), {}
    groups = (np.argmax(shares) + 1) * cells
    if np.count_nonzero(shares) > 1:
        gap = -(-margin // patch_size)  # in whole patches, rounded up
        groups, numbers = best_layout(cells, shares, gap, seed, quicklook)
    if groups is None:
        raise SRError(
            f"{cells.sum()} usable patches of {patch_size} x {patch_size} pixels are "
            f"not enough for {np.count_nonzero(shares)} groups {margin} pixels apart; "
            "take a larger image, a smaller --patch_size or --margin, or --split "
            "interleaved"
        )
    facts = {
        "strategy": "blocks",
        "margin": margin,
        "seed": seed,
        "blocks": {GROUPS[group - 1]: number for group, number in numbers.items()},
        "patches_lost_in_gaps": int(cells.sum() - np.count_nonzero(groups)),
    }
    windows = {
        name: _windows(rows, cols, groups == number)
        for number, name in enumerate(GROUPS, start=1)
    }
    return Split(usable.shape, patch_size, margin, windows, facts)


def _windows(rows: np.ndarray, cols: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    i, j = np.nonzero(chosen)
    return np.stack([rows[i], cols[j]], axis=1)


def read_groups(
    centres: Mapping[str, Path], image: ImageInfo, split: Split
) -> dict[str, np.ndarray]:
    """Read the centres that PatchesSelection wrote, and check that groups keep apart.

    Returns:
        For each group the first row and column of its patches on the image, [n, 2].
    """
    counts = (f"{count} {reason}" for reason, count in split.left_out.items())
    log.info("left out: %s", ", ".join(counts))
    size = split.patch_size
    windows = {g: read_windows(path, image, size) for g, path in centres.items()}
    check_groups(windows, size, split.margin)
    return windows


def read_windows(path: str | Path, image: ImageInfo, size: int) -> np.ndarray:
    """Read a GeoJSON file of PatchesSelection, with the centres of even patches."""
    try:
        features = json.loads(Path(path).read_text())["features"]
    except (OSError, ValueError, KeyError):
        raise SRError(
            f"{Path(path).name} was not written completely; the disk is probably full: "
            "make room, or choose another folder"
        ) from None
    points = [feature["geometry"]["coordinates"][:2] for feature in features]
    if not points:
        return np.zeros((0, 2), int)
    cols, rows = ~image.transform @ np.transpose(points)
    return np.rint(np.stack([rows, cols], axis=1)).astype(int) - size // 2


def check_groups(
    windows: dict[str, np.ndarray], size: int, margin: int
) -> dict[str, int]:
    """Prove that each group has a patch, and none within `margin` of another group.

    Returns:
        For each two groups the pixels between them, negative if they overlap.
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
