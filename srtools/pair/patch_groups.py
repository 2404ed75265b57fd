"""Train, valid and test patches without leakage: blocks with gaps around them.

OTB's PatchesSelection makes the grid of patches, and tests only the centre of each: the
masks here mark the centres of patches without an unusable pixel.
"""

import itertools
import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial import cKDTree

from srtools.conventions import GROUPS
from srtools.errors import SRError
from srtools.images.raster import ImageInfo
from srtools.pair.block_layout import best_layout

log = logging.getLogger(__name__)


def centre_offset(size: int) -> np.ndarray:
    """Return the row and column in a patch of the pixel that PatchesSelection tests."""
    return np.array([size // 2 - 1 + size % 2, size // 2])


def whole_patches(inside: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Find the patches of PatchesSelection's grid that lie inside a mask, [h, w] bool.

    Returns:
        First row and column of each patch of the grid, [rows, columns, 2]; mask of the
        patches inside, [rows, columns] bool.
    """
    half, pixels = size // 2, np.arange(size)
    rows, cols = (
        np.arange(half + 1, extent - half, size)[:, None] - before + pixels
        for extent, before in zip(inside.shape, centre_offset(size), strict=True)
    )
    corners = np.meshgrid(rows[:, 0], cols[:, 0], indexing="ij")
    return np.stack(corners, axis=-1), inside[rows].all(1)[:, cols].all(-1)


def count_unusable(bad: dict[str, np.ndarray], size: int) -> dict[str, int]:
    """Count patches with a bad pixel, {reason: [h, w] bool}, by their first reason."""
    counts, good = {}, True
    for reason, pixels in bad.items():
        inside = whole_patches(~pixels, size)[1]
        counts[reason] = int(np.sum(good & ~inside))
        good = good & inside
    return counts


@dataclass(frozen=True)
class Split:
    """Patches of each group, in blocks or interleaved."""

    shape: tuple[int, int]
    """Height and width of XS, pixels."""
    patch_size: int
    margin: int
    """Smallest gap between patches of different groups, pixels."""
    windows: dict[str, np.ndarray]
    """First row and column of the patches of each group, [n, 2].  If interleaved, all
    are in the first group, and PatchesSelection assigns them."""
    record: dict[str, Any]
    """Section `split` of dataset.json."""
    interleaved: tuple[float, float, float] | None = None
    """Proportions of train, valid and test, if interleaved."""
    left_out: dict[str, int] = field(default_factory=dict)
    """Number of unusable patches, by reason."""

    def selections(
        self, centres: Mapping[str, Path]
    ) -> Iterator[tuple[np.ndarray, dict[str, Any]]]:
        """Yield mask [h, w, 1] float32 and parameters for runs of PatchesSelection."""
        grid = {"grid.psize": self.patch_size, "grid.step": self.patch_size}
        if self.interleaved:
            split = {**grid, "strategy": "split"}
            for group, share in zip(GROUPS, self.interleaved, strict=True):
                split[f"out{group}"] = str(centres[group])
                split[f"strategy.split.{group}prop"] = share
            yield self._mask(GROUPS[0]), split
            return
        for group, path in centres.items():
            yield self._mask(group), {**grid, "strategy": "all", "outtrain": str(path)}

    def _mask(self, group: str) -> np.ndarray:
        """Return the mask of the patch centres of a group, [h, w, 1] float32."""
        mask = np.zeros((*self.shape, 1), np.float32)
        row, col = self.windows[group].T + centre_offset(self.patch_size)[:, None]
        mask[row, col] = 1
        return mask


def split_interleaved(
    usable: np.ndarray, size: int, proportions: Sequence[float]
) -> Split:
    """Let PatchesSelection assign the patches to groups in turn: this leaks."""
    corners, cells = whole_patches(usable, size)
    windows = {GROUPS[0]: corners[cells]}
    record = {"strategy": "interleaved"}
    return Split(usable.shape, size, 0, windows, record, tuple(proportions))


def split_in_blocks(
    usable: np.ndarray,
    patch_size: int,
    margin: int,
    proportions: tuple[float, float, float] = (0.8, 0.1, 0.1),
    seed: int = 0,
    quicklook: np.ndarray | None = None,
) -> Split:
    """Split an image into blocks of groups that keep most patches and look alike.

    Large images have more blocks; most images have four test blocks at least.

    Arguments:
        usable: pixels that may be part of a patch, [h, w] bool.
        patch_size, margin: side of a patch, and least gap between groups, pixels.
        proportions: of train, valid and test; 0 for an empty group.
        quicklook: image at any scale, [any h, any w, bands], to compare groups.
    """
    corners, cells = whole_patches(usable, patch_size)
    shares, numbers = np.divide(proportions, sum(proportions)), {}
    groups = (np.argmax(shares) + 1) * cells
    if np.count_nonzero(shares) > 1:
        gap = -(-margin // patch_size)  # whole patches, rounded up
        groups, numbers = best_layout(cells, shares, gap, seed, quicklook)
    if groups is None:
        raise SRError(
            f"{cells.sum()} usable patches of {patch_size} x {patch_size} pixels are "
            f"not enough for {np.count_nonzero(shares)} groups {margin} pixels apart; "
            "take a larger image, a smaller --patch_size or --margin, or --split "
            "interleaved"
        )
    record = {
        "strategy": "blocks",
        "margin": margin,
        "seed": seed,
        "blocks": {GROUPS[group - 1]: number for group, number in numbers.items()},
        "patches_lost_in_gaps": int(cells.sum() - np.count_nonzero(groups)),
    }
    windows = {name: corners[groups == n] for n, name in enumerate(GROUPS, start=1)}
    return Split(usable.shape, patch_size, margin, windows, record)


def read_windows(
    centres: Mapping[str, Path], image: ImageInfo, split: Split
) -> dict[str, np.ndarray]:
    """Read the patches that PatchesSelection chose, and check the gaps between groups.

    `centres` are GeoJSON files.  Return first row and column by group, [n, 2].
    """
    size, gaps = split.patch_size, split.record.get("patches_lost_in_gaps", 0)
    counts = {**split.left_out, "in the gaps between groups": gaps}
    log.info("left out: %s", ", ".join(f"{n} {why}" for why, n in counts.items()))
    windows = {g: read_centres(path, image, size) for g, path in centres.items()}
    check_gaps(windows, size, split.margin)
    return windows


def read_centres(path: str | Path, image: ImageInfo, size: int) -> np.ndarray:
    """Read centres of patches of even size; return first row and column, [n, 2]."""
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


def check_gaps(windows: dict[str, np.ndarray], size: int, margin: int) -> None:
    """Check that each group has patches, at least `margin` pixels from other groups."""
    for group, places in windows.items():
        if not len(places):
            raise SRError(
                f"no {group} patch of {size} x {size} pixels is left; take a larger "
                "image, a smaller --patch_size, or a pair with less to leave out"
            )
    for one, other in itertools.combinations(windows, 2):
        # The gap is the Chebyshev distance of the corners, less the size.
        distance, _ = cKDTree(windows[one]).query(windows[other], p=np.inf)
        gap = int(distance.min()) - size
        if gap < margin:
            raise SRError(
                f"patches of {one} and {other} have {gap} pixels between them, at "
                f"least {margin} are expected; take another --seed or a larger image"
            )
