"""Groups that do not leak: train, valid and test as blocks with a gap between them.

    split = split_in_blocks(usable, patch_size=32, margin=21, seed=1)
    check_groups({group: split.windows(group) for group in GROUPS}, 32, 21)
    mask = split.mask("train")  # [h, w, 1] float32, for PatchesSelection

The masks are for PatchesSelection with `strategy=all` and without `nodata`: the engine
then looks at the centre of a patch only.  What is around it was looked at here.
"""

import itertools
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from scipy.ndimage import minimum_filter1d
from scipy.spatial import cKDTree

from srtools.conventions import GROUPS
from srtools.errors import SRError
from srtools.images.figures import save, stretch, to_display
from srtools.images.raster import ImageInfo
from srtools.pair.layouts import TRAIN, best_layout

COLOURS = {"train": (0.2, 0.5, 1.0), "valid": (1.0, 0.9, 0.1), "test": (1.0, 0.2, 0.2)}


@dataclass(frozen=True)
class Split:
    """Which pixels belong to which group; a patch lies wholly in its group's pixels."""

    areas: np.ndarray
    """[h, w] uint8: TRAIN, VALID, TEST, or 0 in gaps and where a pixel is unusable."""
    patch_size: int
    margin: int
    """Pixels between patches of different groups, at least."""
    seed: int
    blocks: int
    """So many has valid, and so many test."""
    lost: int
    """Usable patches, on a grid without overlaps, that the gaps cost."""

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

    def mask(self, group: str, step: int | None = None) -> np.ndarray:
        """Give 1 in the centres of the `windows`, [h, w, 1] float32."""
        mask = np.zeros((*self.areas.shape, 1), np.float32)
        row, col = self.windows(group, step).T + _centre(self.patch_size)[:, None]
        mask[row, col] = 1
        return mask

    def record(self) -> dict:
        """Give what a card keeps."""
        return {
            "strategy": "blocks",
            "margin": self.margin,
            "seed": self.seed,
            "blocks": {"valid": self.blocks, "test": self.blocks},
            "patches_lost_in_gaps": self.lost,
        }


def _centre(size: int) -> np.ndarray:
    """Give the row and column, in a patch, of the pixel that is called its centre.

    The point that stands for an even patch is the lower left corner of that pixel.
    """
    return np.array([size // 2 - 1 + size % 2, size // 2])


def read_windows(path: str | Path, image: ImageInfo, size: int) -> np.ndarray:
    """Read where the patches lie that the engine will cut.

    Arguments:
        path: GeoJSON file of PatchesSelection, with the centres of even patches.
        image: on whose grid they lie.
        size: of the patches in pixels.

    Returns:
        First row and column of each patch, in the order of the file, [n, 2].
    """
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


def corners(shape: tuple[int, int], size: int, step: int) -> list[np.ndarray]:
    """Give the first rows, and the first columns, of the patches on the engine's grid.

    Source: OTBTF application PatchesSelection.
    """
    half = size // 2
    return [
        np.arange(half + 1, extent - half, step) - before
        for extent, before in zip(shape, _centre(size), strict=True)
    ]


def fitting(
    inside: np.ndarray, rows: np.ndarray, cols: np.ndarray, size: int
) -> np.ndarray:
    """Tell which patches are wholly inside.

    Arguments:
        inside: [h, w] bool.
        rows, cols: first rows and columns of the patches.
        size: of the patches.

    Returns:
        [len(rows), len(cols)] bool.
    """
    fits = inside.view(np.uint8)
    for axis, starts in enumerate((rows, cols)):
        fits = minimum_filter1d(fits, size, axis).take(starts + size // 2, axis)
    return fits == 1


def count_left_out(bad: dict[str, np.ndarray], size: int) -> dict[str, int]:
    """Count the patches, on a grid without overlaps, that hold a bad pixel.

    Arguments:
        bad: for each reason which pixels are bad, [h, w] bool.  A patch with several
            reasons counts for the first one.
        size: of the patches.
    """
    counts, good = {}, None
    for reason, pixels in bad.items():
        free = fitting(~pixels, *corners(pixels.shape, size, size), size)
        still = free if good is None else good & free
        counts[reason] = int((free.size if good is None else good.sum()) - still.sum())
        good = still
    return counts


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
    groups look alike.  The larger the image, the more blocks.

    Arguments:
        usable: [h, w] bool, which pixels may be part of a patch.
        patch_size: in pixels.
        margin: pixels between patches of different groups, at least: how far the
            network looks around itself.
        proportions: of train, valid and test.
        seed: the same seed gives the same blocks.
        quicklook: [any h, any w, bands] the image at any scale, to compare groups by.

    Raises:
        SRError: if there is not enough room for three groups.
    """
    rows, cols = corners(usable.shape, patch_size, patch_size)
    cells = fitting(usable, rows, cols, patch_size)
    shares = np.divide(proportions, sum(proportions))
    gap = -(-margin // patch_size)  # in whole patches, rounded up
    best, blocks = best_layout(cells, shares, gap, seed, quicklook)
    if best is None:
        raise SRError(
            f"{cells.sum()} usable patches of {patch_size} x {patch_size} pixels are "
            f"not enough for three groups {margin} pixels apart; take a larger image, "
            "a smaller --patch_size or --margin, or --split interleaved"
        )
    areas = TRAIN * usable.astype(np.uint8)
    held = [(rows[i], cols[j], best[i, j]) for i, j in np.argwhere(best > TRAIN)]
    for row, col, _ in held:
        end_row, end_col = row + patch_size + margin, col + patch_size + margin
        areas[max(row - margin, 0) : end_row, max(col - margin, 0) : end_col] = 0
    for row, col, group in held:
        areas[row : row + patch_size, col : col + patch_size] = group
    lost = int(cells.sum() - (best > 0).sum())
    return Split(areas, patch_size, margin, seed, blocks, lost)


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


def save_map(
    path: str | Path,
    quicklook: np.ndarray,
    shape: tuple[int, int],
    windows: dict[str, np.ndarray],
    size: int,
) -> None:
    """Draw the patches of each group over a quicklook.

    Arguments:
        path: PNG file.
        quicklook: [any h, any w, at least 3 bands] the image at any scale.
        shape: height and width of the image in pixels.
        windows: for each group the first row and column of its patches, [n, 2].
        size: of the patches in pixels.
    """
    image = quicklook[..., :3].astype(float)
    picture = to_display(image, stretch(image))
    scale = np.divide(picture.shape[:2], shape)
    for group, starts in windows.items():
        tint = np.zeros(picture.shape[:2], bool)
        ends = np.ceil((starts + size) * scale).astype(int)
        for (row, col), (end_row, end_col) in zip(
            (starts * scale).astype(int), ends, strict=True
        ):
            tint[row:end_row, col:end_col] = True
        picture[tint] = 0.6 * picture[tint] + 0.4 * np.array(COLOURS[group])
    height, width = 8 * np.array(shape) / max(shape)
    figure = Figure(figsize=(width, height + 0.5), dpi=90, layout="constrained")
    axis = figure.subplots()
    axis.imshow(picture)
    axis.set_axis_off()
    for group, starts in windows.items():
        axis.plot([], [], "s", color=COLOURS[group], label=f"{group}: {len(starts)}")
    axis.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=3, frameon=False)
    save(figure, path)
