"""Layout of the blocks of validation and test patches: the best of some greedy draws.

A cell is a patch of a grid without overlaps.  Each block takes the cells of least cost:
training patches lost in its gap, and a group unlike the image in colours and positions.
"""

from collections.abc import Iterator

import numpy as np
from scipy.ndimage import maximum_filter

TRAIN, VALID, TEST = 1, 2, 3  # 0: no group

LEAST_TEST_BLOCKS = 4  # a confidence interval needs three blocks
LARGEST_LOSS = 0.27  # share of the patches lost in the gaps of so few blocks
MOST_BLOCKS = 10  # per group
ACCEPTED_LOSS = 0.08  # share of the patches lost in the gaps of more blocks
# The score of a layout is the share of patches kept, less these penalties.
IMBALANCE_PENALTY = 4.0  # per patch in the wrong group
UNLIKENESS_PENALTY = 0.15  # per standard deviation between group and image

JITTER = 0.3  # random part of the cost, so that draws differ
ASPECTS = np.geomspace(1 / 3, 3, 7)  # height / width of a block


def best_layout(
    cells: np.ndarray,
    shares: np.ndarray,
    gap: int,
    seed: int,
    quicklook: np.ndarray | None = None,
) -> tuple[np.ndarray | None, dict[int, int]]:
    """Draw layouts and return the best, with as many blocks as the gaps allow.

    Arguments:
        cells: usable cells, [rows, cols] bool.
        shares: shares of train, valid and test; their sum is 1, and train is not 0.
        gap: smallest gap between groups, cells.
        quicklook: image at any scale, [any h, any w, bands], to compare groups.

    Returns:
        Group of each cell, [rows, cols] uint8, 0 in gaps, or None if a group has no
        room; and the number of blocks, by group VALID and TEST.
    """
    count = int(cells.sum())
    if count < 3:
        return None, {}
    features = _features(quicklook, cells)
    for *numbers, largest_loss in _numbers_of_blocks(count, shares, gap):
        pairs = zip((VALID, TEST), numbers, strict=True)
        blocks = {group: number for group, number in pairs if shares[group - 1]}
        best, best_score = None, -np.inf
        # Layouts of small images differ most, so more of them are drawn.
        for draw in range(int(np.clip(10**4 / cells.size, 1, 20))):
            kept = count
            for _ in range(3):  # each round knows the loss in the gaps better
                random = np.random.default_rng((seed, draw))
                groups = _draw(cells, features, shares * kept, blocks, gap, random)
                kept = np.count_nonzero(groups)
                if not kept:
                    break
            score = _score(groups, shares, features, count)
            if kept >= (1 - largest_loss) * count and score > best_score:
                best, best_score = groups, score
        if best is not None:
            return best, blocks
    return None, {}


def _numbers_of_blocks(
    count: int, shares: np.ndarray, gap: int
) -> Iterator[tuple[int, int, float]]:
    """Yield numbers of VALID and TEST blocks, largest share lost in gaps; best first.

    The gap around a block of a x a patches has (a + 2 gap)^2 - a^2 patches.
    """
    most = 1
    while most < MOST_BLOCKS:
        side = np.sqrt(shares[1:][shares[1:] > 0].min() * count / (most + 1))
        lost = 2 * (most + 1) * 4 * gap * (side + gap)
        if side < 2 or lost > ACCEPTED_LOSS * count:
            break
        most += 1
    test = max(most, LEAST_TEST_BLOCKS)
    yield from ((valid, test, LARGEST_LOSS) for valid in (max(most, 2), 1))
    yield from ((number, number, 1.0) for number in range(most, 0, -1))


def _draw(
    cells: np.ndarray,
    features: np.ndarray,
    targets: np.ndarray,
    blocks: dict[int, int],
    gap: int,
    random: np.random.Generator,
) -> np.ndarray:
    """Draw the group of each cell, [rows, cols]; all are 0 if a block has no room.

    `features` [rows, cols, n] compare groups, `targets` are numbers of cells by group.
    """
    groups = np.zeros(cells.shape, np.uint8)
    for left in range(max(blocks.values()), 0, -1):
        for group in (group for group, number in blocks.items() if number >= left):
            members = groups == group
            area = max((targets[group - 1] - members.sum()) / left, 1.0)  # in cells
            # Blocks of one group keep a gap as well, else they would merge.
            free = cells & (_dilated(groups, max(gap, 1)) == 0)
            place = _find_place(cells, free, features, members, area, gap, random)
            if place is None:
                return np.zeros_like(groups)
            block = np.argwhere(cells[place])[: max(round(area), 1)]
            groups[place][tuple(block.T)] = group
    groups[cells & (_dilated(groups, gap) == 0)] = TRAIN
    return groups


def _dilated(groups: np.ndarray, gap: int) -> np.ndarray:
    """Extend groups by `gap` cells to all sides."""
    return maximum_filter(groups, 2 * gap + 1, mode="constant")


def _find_place(
    cells: np.ndarray,
    free: np.ndarray,
    features: np.ndarray,
    members: np.ndarray,
    area: float,
    gap: int,
    random: np.random.Generator,
) -> tuple[slice, slice] | None:
    """Find rows and columns for a block of about `area` usable cells; None if no room.

    `free` marks the cells without blocks and gaps, `members` those of the group so far,
    [rows, cols] bool; the others are parameters of `_draw`.
    """
    images = cells, free, np.pad(free, gap), features * cells[..., None]
    usable, unused, padded, colours = map(_integral, images)
    heights = {max(round(np.sqrt(area * aspect)), 1) for aspect in ASPECTS}
    best, least = None, np.inf
    for tall in sorted(height for height in heights if height <= len(cells)):
        wide = min(int(np.ceil(area / tall)), cells.shape[1])
        count, inside = _boxes(usable, tall, wide), _boxes(unused, tall, wide)
        lost = _boxes(padded, tall + 2 * gap, wide + 2 * gap) - inside
        total = _boxes(colours, tall, wide) + features[members].sum(axis=0)
        means = total / np.maximum(count + members.sum(), 1)[..., None]
        cost = lost / cells.sum() + UNLIKENESS_PENALTY * np.abs(means).mean(axis=-1)
        cost *= 1 + JITTER * random.random(cost.shape)
        cost += np.maximum(area - count, 0) / cells.sum()
        cost[(inside < count) | (count <= 0.5 * tall * wide)] = np.inf
        row, col = np.unravel_index(cost.argmin(), cost.shape)
        if cost[row, col] < least:
            least = cost[row, col]
            best = slice(row, row + tall), slice(col, col + wide)
    return best


def _score(
    groups: np.ndarray, shares: np.ndarray, features: np.ndarray, count: int
) -> float:
    """Return the share of cells kept, less penalties; -inf if a group is empty."""
    members = np.bincount(groups.ravel(), minlength=4)[1:]
    if not members[shares > 0].all():
        return -np.inf
    wrong = np.abs(members - shares * members.sum()).sum() / 2
    used = [group for group in (VALID, TEST) if members[group - 1]]
    unlike = [np.abs(features[groups == group].mean(axis=0)).mean() for group in used]
    lost = count - members.sum() + IMBALANCE_PENALTY * wrong
    return 1 - lost / count - UNLIKENESS_PENALTY * max(unlike)


def _integral(image: np.ndarray) -> np.ndarray:
    """Return the sums of pixels above and left of each corner, [h + 1, w + 1, ...]."""
    sums = image.cumsum(0, dtype=float).cumsum(1)
    return np.pad(sums, [(1, 0), (1, 0), *[(0, 0)] * (image.ndim - 2)])


def _boxes(integral: np.ndarray, tall: int, wide: int) -> np.ndarray:
    """Return the sums over all windows of tall x wide pixels, from an `_integral`."""
    rows = integral[tall:] - integral[:-tall]
    return rows[:, wide:] - rows[:, :-wide]


def _features(quicklook: np.ndarray | None, cells: np.ndarray) -> np.ndarray:
    """Return position, mean and contrast of cells, standardized, [rows, cols, n]."""
    rows, cols = np.indices(cells.shape)
    features = [_standardized(axis, cells) for axis in (rows, cols)]
    features += [_standardized(axis**2, cells) for axis in features]
    if quicklook is not None:
        image = quicklook.astype(float)
        mean, square = (_cell_means(p, cells.shape) for p in (image, image**2))
        contrast = np.sqrt(np.maximum(square - mean**2, 0))
        for band in np.moveaxis(np.concatenate([mean, contrast], axis=-1), -1, 0):
            features.append(_standardized(band, cells))
    return np.stack(features, axis=-1)


def _standardized(values: np.ndarray, cells: np.ndarray) -> np.ndarray:
    """Scale values to a mean of 0 and a deviation of 1 over usable cells."""
    usable = values[cells]
    return (values - usable.mean()) / max(usable.std(), 1e-9)


def _cell_means(image: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Return the mean of the pixels [h, w, n] in each cell, [rows, cols, n]."""
    for axis, cells in enumerate(shape):
        starts = np.arange(cells) * image.shape[axis] // cells
        sizes = np.diff(starts, append=image.shape[axis])
        sums = np.add.reduceat(image, starts, axis)
        image = sums / np.expand_dims(np.maximum(sizes, 1), (1 - axis, 2))
    return image
