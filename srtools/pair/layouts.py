"""Where the blocks of train, valid and test lie: the best of many random layouts.

A cell is a patch of a grid without overlaps.  A layout gives each cell a group.
"""

import numpy as np
from scipy.ndimage import maximum_filter

TRAIN, VALID, TEST = 1, 2, 3  # 0: in no group

MOST_BLOCKS = 10  # of valid, and of test
ACCEPTED_LOSS = 0.08  # share of the patches that the gaps between blocks may cost
# The score of a layout is the share of the patches that it keeps, less these penalties.
IMBALANCE_PENALTY = 4.0  # for each patch in the wrong group
UNLIKENESS_PENALTY = 0.2  # for each standard deviation between train and valid or test


def best_layout(
    cells: np.ndarray,
    shares: np.ndarray,
    gap: int,
    seed: int,
    quicklook: np.ndarray | None = None,
) -> tuple[np.ndarray | None, int]:
    """Draw many layouts and give the best.

    Arguments:
        cells: [rows, cols] bool, which cells can be used.
        shares: of train, valid and test; their sum is 1, and train's is not 0.
        gap: cells between groups, at least.
        seed: the same seed gives the same layout.
        quicklook: [any h, any w, bands] the image at any scale, to compare groups by.

    Returns:
        The group of each cell [rows, cols] uint8, None if there is no room for all
        whose share is not 0; and the number of blocks that valid and test each have.
    """
    count = int(cells.sum())
    if count < 3:
        return None, 0
    features = None if quicklook is None else _features(quicklook, cells)
    random = np.random.default_rng(seed)
    best, best_score = None, -np.inf
    blocks = _number_of_blocks(count, shares[1:][shares[1:] > 0].min(), gap)
    while best is None and blocks:
        # Small images are drawn more often: there the layouts differ most.
        for _ in range(int(np.clip(10**6 / cells.size, 300, 2000))):
            groups = _draw(cells, shares, gap, blocks, random)
            score = _score(groups, shares, features, count)
            if score > best_score:
                best, best_score = groups, score
        blocks = blocks if best is not None else blocks // 2
    if best is not None:
        # The gap of a block with an unusable rim is larger than needed: fill it.
        best[cells & (maximum_filter(best * (best > TRAIN), 2 * gap + 1) == 0)] = TRAIN
    return best, blocks


def _number_of_blocks(count: int, share: float, gap: int) -> int:
    """Give how many blocks valid and test can each have at an acceptable loss.

    The gap around a block of a x a patches takes (a + 2 gap)^2 - a^2.
    """
    blocks = 1
    while blocks < MOST_BLOCKS:
        side = np.sqrt(share * count / (blocks + 1))
        lost = 2 * (blocks + 1) * 4 * gap * (side + gap)
        if side < 2 or lost > ACCEPTED_LOSS * count:
            break
        blocks += 1
    return blocks


def _draw(
    cells: np.ndarray,
    shares: np.ndarray,
    gap: int,
    blocks: int,
    random: np.random.Generator,
) -> np.ndarray:
    """Draw a layout: the group of each cell, or none at all if it did not work out."""
    groups = np.zeros(cells.shape, np.uint8)
    near = np.zeros(cells.shape, bool)
    # The loss in the gaps is not known yet; it is guessed, differently in each layout.
    wanted = shares * cells.sum() * (1 - 0.4 * random.random() ** 2)
    held = [group for group in (VALID, TEST) if shares[group - 1]]
    for left in range(blocks, 0, -1):
        for group in held:
            area = (wanted[group - 1] - (groups == group).sum()) / left
            if left > 1:
                area *= random.uniform(0.7, 1.3)
            found = _find_place(cells, near, max(area, 1.0), gap, random)
            if found is None:
                return np.zeros_like(groups)
            place, around = found
            groups[place] = group * cells[place]
            near[around] = True
    groups[cells & ~near] = TRAIN
    train = (groups == TRAIN).sum()
    for group in held:
        members = np.flatnonzero(groups == group)
        most = max(1, round(train * shares[group - 1] / shares[0]))
        groups.flat[members[most:]] = 0  # surplus patches are left out
    return groups


def _find_place(
    cells: np.ndarray,
    near: np.ndarray,
    area: float,
    gap: int,
    random: np.random.Generator,
) -> tuple[tuple[slice, slice], tuple[slice, slice]] | None:
    """Find room for a block of about `area` usable cells: it, and it with its gap."""
    height, width = cells.shape
    for _ in range(10):
        shape, *edge, down, right = random.random(5)
        tall = min(max(round(np.sqrt(area) * np.exp(1.4 * shape - 0.7)), 1), height)
        wide = min(int(np.ceil(area / tall)), width)
        # At the edge of the image a block has a gap on one side less.
        down, right = (
            round(at) if sticks < 0.5 else at
            for at, sticks in zip((down, right), edge, strict=True)
        )
        row, col = round(down * (height - tall)), round(right * (width - wide))
        place = slice(row, row + tall), slice(col, col + wide)
        if not near[place].any() and cells[place].sum() > 0.5 * tall * wide:
            top, left = max(row - gap, 0), max(col - gap, 0)
            return place, (slice(top, row + tall + gap), slice(left, col + wide + gap))
    return None


def _score(
    groups: np.ndarray, shares: np.ndarray, features: np.ndarray | None, count: int
) -> float:
    """Rate a layout; 1 would be perfect."""
    members = np.bincount(groups.ravel(), minlength=4)[1:]
    if not members[shares > 0].all():
        return -np.inf
    wrong = np.abs(members - shares * members.sum()).sum() / 2
    score = (members.sum() - IMBALANCE_PENALTY * wrong) / count
    if features is not None:
        found = [g for g in (TRAIN, VALID, TEST) if members[g - 1]]
        means = [features[groups == group].mean(axis=0) for group in found]
        score -= (
            UNLIKENESS_PENALTY
            * np.abs(np.subtract(means[1:], means[0])).mean(axis=1).max()
        )
    return score


def _features(quicklook: np.ndarray, cells: np.ndarray) -> np.ndarray:
    """Give mean and contrast of each band in each cell, standardized, [r, c, n]."""
    image = quicklook.astype(float)
    mean, square = (_cell_means(pixels, cells.shape) for pixels in (image, image**2))
    contrast = np.sqrt(np.maximum(square - mean**2, 0))
    features = np.concatenate([mean, contrast], axis=-1)
    spread = np.maximum(features[cells].std(axis=0), 1e-9)
    return (features - features[cells].mean(axis=0)) / spread


def _cell_means(image: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Give the mean of the pixels [h, w, n] in each of rows x columns of cells."""
    for axis, cells in enumerate(shape):
        starts = np.arange(cells) * image.shape[axis] // cells
        sizes = np.diff(starts, append=image.shape[axis])
        sums = np.add.reduceat(image, starts, axis)
        image = sums / np.expand_dims(np.maximum(sizes, 1), (1 - axis, 2))
    return image
