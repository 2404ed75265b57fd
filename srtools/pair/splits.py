"""Groups that do not leak: train, valid and test as blocks with a gap between them.

split = split_in_blocks(usable, patch_size=32, margin=21, seed=1)
for mask, parameters in split.selections(centres):
    select_patches(xs, mask, parameters)  # PatchesSelection
check_groups({group: split.windows(group) for group in GROUPS}, 32, 21)
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from srtools.conventions import GROUPS
from srtools.errors import SRError
from srtools.pair.layouts import TRAIN, best_layout
from srtools.pair.patch_grid import centre, corners, fitting


class Selection(NamedTuple):
    """One run of PatchesSelection."""

    mask: np.ndarray
    """Usable pixels, [h, w, 1] float32; 0 elsewhere."""
    parameters: dict[str, Any]
    """Grid, strategy and output files."""


@dataclass(frozen=True)
class Blocks:
    """Groups in blocks; a patch lies wholly in the pixels of its group."""

    areas: np.ndarray
    """Group of each pixel, [h, w] uint8: TRAIN, VALID, TEST; 0 in gaps and where a
    pixel is unusable."""
    patch_size: int
    """Side of a patch, pixels."""
    margin: int
    """Pixels between patches of different groups, at least."""
    seed: int
    blocks: dict[str, int]
    """Number of blocks of valid and of test."""
    lost: int
    """Number of usable patches, on a grid without overlaps, that the gaps cost."""

    def windows(self, group: str, step: int | None = None) -> np.ndarray:
        """Give the first row and column of each patch of a group, [n, 2].

        Arguments:
            group: one of `GROUPS`.
            step: of the grid in pixels; smaller than the patches, which is the
                default, they overlap.
        """
        inside = self.areas == GROUPS.index(group) + 1
        rows, cols = corners(inside.shape, self.patch_size, step or self.patch_size)
        fits = fitting(inside, rows, cols, self.patch_size)
        i, j = np.nonzero(fits)
        return np.stack([rows[i], cols[j]], axis=1)

    def without_training(self, bad: np.ndarray) -> "Blocks":
        """Give the same groups, whose training patches hold no bad pixel, [h, w]."""
        return replace(self, areas=np.where(bad & (self.areas == TRAIN), 0, self.areas))

    def mask(self, group: str, step: int | None = None) -> np.ndarray:
        """Give 1 in the centres of the `windows`, [h, w, 1] float32."""
        mask = np.zeros((*self.areas.shape, 1), np.float32)
        row, col = self.windows(group, step).T + centre(self.patch_size)[:, None]
        mask[row, col] = 1
        return mask

    def selections(
        self, centres: Mapping[str, Path], step: int | None = None
    ) -> Iterator[Selection]:
        """Give how PatchesSelection chooses the patches, for one group after another.

        Arguments:
            centres: file for the centres of each group.
            step: from one training patch to the next, pixels; patches of the other
                groups touch, and so do these by default.
        """
        for group, path in centres.items():
            stride = step or self.patch_size if group == "train" else self.patch_size
            yield Selection(
                self.mask(group, stride),
                {
                    "grid.psize": self.patch_size,
                    "grid.step": stride,
                    "strategy": "all",
                    "outtrain": str(path),
                },
            )

    def record(self) -> dict:
        """Give what a card keeps."""
        return {
            "strategy": "blocks",
            "margin": self.margin,
            "seed": self.seed,
            "blocks": self.blocks,
            "patches_lost_in_gaps": self.lost,
        }


@dataclass(frozen=True)
class Interleaved:
    """Groups dealt out in turn, as in the course.

    A test patch lies between training patches then, which are alike: it leaks.
    """

    usable: np.ndarray
    """Pixels that may be part of a patch, [h, w] bool."""
    patch_size: int
    """Side of a patch, pixels."""
    proportions: tuple[float, float, float]
    """Shares of train, valid and test."""
    margin: int = 0
    """Pixels between patches of different groups, at least."""

    def selections(
        self, centres: Mapping[str, Path], step: int | None = None
    ) -> Iterator[Selection]:
        """Give how PatchesSelection chooses the patches of all groups at once.

        Arguments:
            centres: file for the centres of each group.
            step: must be None, because patches that overlap would leak even more.
        """
        shares = zip(GROUPS, self.proportions, strict=True)
        yield Selection(
            self.usable[..., None].astype(np.float32),
            {
                "grid.psize": self.patch_size,
                "grid.step": self.patch_size,
                "nodata": 0,
                "strategy": "split",
                **{f"strategy.split.{group}prop": share for group, share in shares},
                **{f"out{group}": str(path) for group, path in centres.items()},
            },
        )

    def record(self) -> dict:
        """Give what a card keeps."""
        return {"strategy": "interleaved"}


def make_split(
    options: Any, usable: np.ndarray, quicklook: np.ndarray
) -> Blocks | Interleaved:
    """Deal the pixels of an image out to the groups.

    Arguments:
        options: `srtools.cli.dataset.Options`.
        usable: pixels that may be part of a patch, [h, w] bool.
        quicklook: the image at any scale, [h, w, bands].
    """
    if options.split == "interleaved":
        return Interleaved(usable, options.patch_size, options.proportions)
    return split_in_blocks(
        usable,
        options.patch_size,
        options.margin,
        proportions=options.proportions,
        seed=options.seed,
        quicklook=quicklook,
    )


def split_in_blocks(
    usable: np.ndarray,
    patch_size: int,
    margin: int,
    *,
    proportions: tuple[float, float, float] = (0.8, 0.1, 0.1),
    seed: int = 0,
    quicklook: np.ndarray | None = None,
) -> Blocks:
    """Deal out an image in blocks.

    Most patches are kept, the proportions are met as well as they can be, and the
    groups look alike.  The larger the image, the more blocks; testing has four or more
    where the image is large enough.

    Arguments:
        usable: [h, w] bool, which pixels may be part of a patch.
        patch_size: in pixels.
        margin: pixels between patches of different groups, at least; see
            `conventions.leak_margin`.
        proportions: of train, valid and test; 0 for a group without patches.
        seed: the same seed gives the same blocks.
        quicklook: [any h, any w, bands] the image at any scale, to compare groups by.

    Raises:
        SRError: if there is not enough room for the groups.
    """
    if np.count_nonzero(proportions) == 1:
        group = np.argmax(proportions) + 1
        areas = (group * usable).astype(np.uint8)
        return Blocks(areas, patch_size, margin, seed, blocks={}, lost=0)
    rows, cols = corners(usable.shape, patch_size, patch_size)
    cells = fitting(usable, rows, cols, patch_size)
    shares = np.divide(proportions, sum(proportions))
    gap = -(-margin // patch_size)  # in whole patches, rounded up
    best, numbers = best_layout(cells, shares, gap, seed, quicklook)
    if best is None:
        raise SRError(
            f"{cells.sum()} usable patches of {patch_size} x {patch_size} pixels are "
            f"not enough for {np.count_nonzero(shares)} groups {margin} pixels apart; "
            "take a larger image, a smaller --patch_size or --margin, or --split "
            "interleaved"
        )
    areas = TRAIN * usable.astype(np.uint8)
    held = [(rows[i], cols[j], best[i, j]) for i, j in np.argwhere(best > TRAIN)]
    for row, col, _ in held:
        end_row, end_col = row + patch_size + margin, col + patch_size + margin
        areas[max(row - margin, 0) : end_row, max(col - margin, 0) : end_col] = 0
    for row, col, group in held:
        areas[row : row + patch_size, col : col + patch_size] = group
    lost = int(cells.sum() - (best > 0).sum())
    blocks = {GROUPS[group - 1]: number for group, number in numbers.items()}
    return Blocks(areas, patch_size, margin, seed, blocks, lost)
