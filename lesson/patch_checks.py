"""Exercise 1: check that lr and hr agree, and that the groups share no ground.

Only pixels are compared, so that patches of any script can be checked.
"""

from itertools import permutations
from pathlib import Path

import numpy as np
import rasterio
from rasterio.errors import RasterioError
from scipy.ndimage import gaussian_filter
from scipy.ndimage import shift as move
from skimage.registration import phase_cross_correlation

from lesson.displacement import displacement
from lesson.report import Report
from srtools.conventions import BANDS, FACTOR, GROUPS, KINDS, OFFSET_DN
from srtools.conventions import LR_SPACING_METRES as SPACING

MOST_SHIFT_METRES = 1.5  # one hr pixel
PASSES = 5  # in which the shift is measured
LEAST_SIDE = 8  # lr pixels; nothing can be measured in smaller patches
LEAST_CORRELATION = 0.7
MOST_UNLIKE = 0.25  # share of the patches of a group with less; water has little detail
SOFTER = 1.0
# Gain in mean correlation above which another order of bands fits better.
BETTER_ORDER = 0.01
# Mean of red over that of blue, on the brightest tenth of the ground: soil and roofs.
LEAST_RED = 0.95
NO_DATA = (0, 65535, -9999)
MOST_OF_8_BITS = 255
# Ratio of the means of hr and lr.
RADIOMETRY = (0.8, 1.25)
# Share of the local variance of hr that no zoom of 6 m pixels explains.
LEAST_DETAIL = 0.05
# Side of the squares by which ground is recognised, lr pixels.
SQUARE = 4
# An edge goes on in another patch if that differs from what is expected by less than so
# many times as the edge itself, by less than this share of the contrast along it, and
# by less than this share of the difference from edges on other sides, or mirrored.
CONTINUES, VARIED, RATHER = 2.0, 0.5, 0.5
BY_CHANCE = 0.02  # share of the patches that may do so by chance
# Number of patches for the slower measures, evenly spread.
SAMPLE = 100


def check_patches(patches: Path) -> Report:
    """Check the folder that exercise 1 wrote."""
    report = Report()
    pairs = {group: _read_pair(report, patches, group) for group in GROUPS}
    if not all(pairs.values()):
        return report
    sides = [lr.shape[1] for lr, _ in pairs.values()]
    if len(set(sides)) > 1 or min(sides) < LEAST_SIDE:
        statement = f"the patches of all groups have one size (lr: {sides} pixels)"
        hint = f"take one size, of {LEAST_SIDE} lr pixels or more: less says too little"
        report.check(False, statement, hint)
        return report
    samples = {group: [*map(_spread, pairs[group])] for group in GROUPS}
    lr, hr = (np.concatenate(images) for images in zip(*samples.values(), strict=True))
    if not _check_values(report, pairs):
        return report
    coarse = mean_of_squares(hr)
    names = np.repeat(GROUPS, [len(sample[0]) for sample in samples.values()])
    # Each part stops at its root cause: the next checks would report it again.
    if _check_ground(report, lr, coarse, names):
        coloured = _check_detail(report, hr)
        if coloured and _check_bands(report, lr, coarse):
            _check_light(report, lr, coarse)
    _check_leak(report, {group: pair[0] for group, pair in pairs.items()})
    return report


def read_patches(path: Path) -> np.ndarray:
    """Read patches that are stacked downwards, [n, side, side, bands].

    Raises:
        ValueError: if the height is no multiple of the width.
    """
    with rasterio.open(path) as file:
        pixels = np.moveaxis(file.read(), 0, -1)
    height, width, bands = pixels.shape
    if height % width:
        raise ValueError(f"{width} x {height} pixels are no column of squares")
    return pixels.reshape(-1, width, width, bands)


def mean_of_squares(hr: np.ndarray) -> np.ndarray:
    """Average 4 x 4 pixels, [n, h, w, bands] to [n, h / 4, w / 4, bands]."""
    n, height, width, bands = hr.shape
    shape = n, height // FACTOR, FACTOR, width // FACTOR, FACTOR, bands
    return hr.reshape(shape).mean(axis=(2, 4))


def _spread(patches: np.ndarray) -> np.ndarray:
    """Take some of the patches, evenly spread, as float64."""
    chosen = np.linspace(0, len(patches) - 1, min(len(patches), SAMPLE)).astype(int)
    return patches[chosen].astype(float)


def _read_pair(report: Report, folder: Path, group: str) -> list[np.ndarray] | None:
    pair = []
    hint = "PatchesExtraction writes an image per source and group, patches in a column"
    for kind in KINDS:
        path = folder / f"{group}_{kind}_patches.tif"
        try:
            pair.append(read_patches(path))
        except (RasterioError, ValueError) as error:
            report.check(False, f"{path.name}: {error}", hint)
            return None
    lr, hr = pair
    sizes = f"{len(lr)} of {lr.shape[1]} and {len(hr)} of {hr.shape[1]} pixels"
    same = report.check(
        len(lr) == len(hr) > 0,
        f"{group}: as many lr as hr patches ({sizes})",
        "take both from the same points",
    )
    four = report.check(
        hr.shape[1] == FACTOR * lr.shape[1],
        f"{group}: hr patches are {FACTOR} times as large ({sizes})",
        "the patch size of hr counts pixels of 1.5 m, that of lr pixels of 6 m",
    )
    bands = report.check(
        lr.shape[3] == hr.shape[3] == len(BANDS),
        f"{group}: {len(BANDS)} bands (lr {lr.shape[3]}, hr {hr.shape[3]})",
        f"stack {', '.join(BANDS)}, which Spot's four bands are like",
    )
    return pair if same and four and bands else None


def _check_values(report: Report, pairs: dict) -> bool:
    """Check that all pixels are DN, which the other checks need."""
    usable = True
    for kind, name in enumerate(KINDS):
        pixels = [pairs[group][kind] for group in GROUPS]
        finite = all(np.isfinite(patches).all() for patches in pixels)
        usable &= report.check(
            finite, f"{name}: only numbers", "some pixels are NaN or infinite"
        )
        if not finite:
            continue
        empty = sum(
            int(np.isin(patches, NO_DATA).all(axis=3).any(axis=(1, 2)).sum())
            for patches in pixels
        )
        usable &= report.check(
            empty == 0,
            f"{name}: no pixel without data ({empty} patches have some)",
            "PatchesSelection takes a mask of both images; an offset subtracted "
            "twice leaves no data, too",
        )
        middle = float(np.median(np.concatenate([_spread(p).ravel() for p in pixels])))
        most = max(float(patches.max()) for patches in pixels)
        usable &= report.check(
            30 <= abs(middle) <= 12000 and most > MOST_OF_8_BITS,
            f"{name}: DN, reflectance x 10 000 (the median is {middle:.4g}, the "
            f"largest {most:.4g})",
            "patches keep DN; raw counts of Spot, 8 bits and reflectance are none",
        )
    return usable


def _check_ground(
    report: Report, lr: np.ndarray, coarse: np.ndarray, names: np.ndarray
) -> bool:
    """Compare where the images lie; return True if they show the same ground.

    `names` are the groups of the patches: a mistake may be made in one of them only.
    """
    # Sentinel-2 sees softer than the mean of 4 x 4 pixels.
    grey = lr.mean(axis=3)
    other = gaussian_filter(coarse.mean(axis=3), (0, SOFTER, SOFTER))
    shift, error = _shift(grey, other)
    # Ground that is moved is the same ground.
    margin = int(np.ceil(np.abs(shift).max()))
    if 2 * margin < lr.shape[1] - 4:
        other = move(other, (0, *-shift), order=1, mode="nearest")
        inner = slice(margin, lr.shape[1] - margin)
        grey, other = grey[:, inner, inner], other[:, inner, inner]
    fits = [_correlation(a, b) for a, b in zip(grey, other, strict=True)]
    fits = {name: np.array(fits)[names == name] for name in GROUPS}
    worst = min(GROUPS, key=lambda name: np.median(fits[name]))
    middle = float(np.median(fits[worst]))
    unlike = max(float((each < LEAST_CORRELATION).mean()) for each in fits.values())
    if not report.check(
        middle >= LEAST_CORRELATION and unlike <= MOST_UNLIKE,
        f"lr and hr show the same ground (correlation {middle:.2f} in {worst}, "
        f"{unlike:.0%} of a group below {LEAST_CORRELATION})",
        "is the order of points the same, and XS the reference of Superimpose?",
    ):
        return False
    south, east = shift * SPACING
    error = float(np.hypot(*error)) * SPACING
    report.check(
        np.hypot(south, east) <= MOST_SHIFT_METRES + error,
        f"lr lies where hr lies ({-east:+.1f} m east, {south:+.1f} m north, "
        f"+- {error:.1f} m)",
        "the satellites disagree, or a corner (2.25 m off) was taken for a centre",
    )
    return True


def _check_bands(report: Report, lr: np.ndarray, coarse: np.ndarray) -> bool:
    """Check the order of the bands; return True if it is the same in lr and hr."""
    matrix = np.array(
        [[_correlation(lr[..., i], coarse[..., j]) for j in range(4)] for i in range(4)]
    )
    orders = {order: matrix[range(4), order].mean() for order in permutations(range(4))}
    best = max(orders, key=orders.get)
    if not report.check(
        orders[best] - orders[0, 1, 2, 3] <= BETTER_ORDER,
        f"bands are in one order (hr is like bands {[i + 1 for i in best]} of lr)",
        f"Spot has red, green, blue, near infrared: {', '.join(BANDS)}",
    ):
        return False
    means = lr.mean(axis=(0, 1, 2))
    report.check(
        means[3] >= 0.8 * means.max(),
        f"the last band is near infrared (means {_numbers(means)})",
        "over land it is the brightest; B08 comes last",
    )
    pixels = lr.reshape(-1, 4)
    bright = pixels[:, :3].sum(axis=1)
    red, _, blue, _ = pixels[bright >= np.quantile(bright, 0.9)].mean(axis=0)
    report.check(
        red >= LEAST_RED * blue,
        f"bright ground is not blue (red / blue is {red / max(blue, 1):.2f})",
        "red and blue are exchanged in both, or it is all water or snow: not known",
    )
    return True


def _shift(lr: np.ndarray, coarse: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows and columns by which lr(x) is like coarse(x + t), lr pixels.

    Beside them stands twice the standard error, by the spread of the patches.

    Phase correlation finds a large shift of small patches, but finds it too small.  So
    it is measured again between patches that were moved by it.
    """
    pairs = list(zip(lr, coarse, strict=True))
    shifts = [
        phase_cross_correlation(b, a, upsample_factor=20, normalization=None)[0]
        for a, b in pairs
    ]
    total, error = np.median(shifts, axis=0), np.zeros(2)
    for _ in range(PASSES):
        margin = int(np.ceil(np.abs(total).max())) + 1
        if 2 * margin >= lr.shape[1] - 4:
            break  # nothing is left to compare
        inner = slice(margin, -margin), slice(margin, -margin)
        rests = [
            displacement(a[inner], move(b, -total, order=3, mode="nearest")[inner])
            for a, b in pairs
        ]
        rest = np.median(rests, axis=0)
        total = total + rest
        # Of a median: 1.25 sigma / sqrt(n); sigma is 1.48 median deviations.
        spread = 1.48 * np.median(np.abs(rests - rest), axis=0)
        error = 2 * 1.25 * spread / np.sqrt(len(rests))
    return total, error


def _check_light(report: Report, lr: np.ndarray, coarse: np.ndarray) -> None:
    """Compare how bright the images are."""
    differences = np.median((lr - coarse).reshape(-1, 4), axis=0)
    offset = float(np.median(differences))
    if not report.check(
        abs(offset) < OFFSET_DN / 2,
        f"the offset is removed (lr - hr is {offset:+.0f} DN in the middle)",
        "subtract 1000 from Sentinel-2 since baseline 04.00, once"
        if offset > 0
        else "1000 was taken off where it was not in the pixels, or twice",
    ):
        return
    dark = [float(np.percentile(image, 0.1)) for image in (lr, coarse)]
    report.check(
        min(dark) < OFFSET_DN,
        f"somewhere it is dark ({dark[0]:.0f} DN in lr, {dark[1]:.0f} in hr)",
        "the offset of 1000 seems to be in both images",
    )
    ratios = coarse.mean(axis=(0, 1, 2)) / np.maximum(lr.mean(axis=(0, 1, 2)), 1e-9)
    report.check(
        all(RADIOMETRY[0] <= ratio <= RADIOMETRY[1] for ratio in ratios),
        f"hr has Sentinel-2's radiometry (hr / lr is {_numbers(ratios, 2)})",
        "bring Spot to reflectance x 10 000, or fit a line per band",
    )


def _check_detail(report: Report, hr: np.ndarray) -> bool:
    """Check what comes from PAN, and what from XS; return True if hr has colours."""
    share = detail_of_pan(hr.mean(axis=3))
    report.check(
        share >= LEAST_DETAIL,
        f"hr has the detail of PAN ({share:.0%} of it does not follow from 6 m)",
        "hr must come from BundleToPerfectSensor of PAN and XS, not from XS alone",
    )
    alike = np.mean([_correlation(hr[..., 0], hr[..., band]) for band in (1, 2, 3)])
    return report.check(
        alike < 0.999,
        f"hr has colours (its bands correlate with {alike:.3f})",
        "all bands are the same image; hr is the pansharpened XS, not PAN",
    )


def detail_of_pan(grey: np.ndarray) -> float:
    """Return the share of local variance that no zoom of the 6 m means can make.

    With any kernel a zoom makes each of the 4 x 4 pixels a weighted sum of 6 m pixels
    nearby.  The 5 x 5 weights that fit best are computed; their residual counts.

    Arguments:
        grey: [n, h, w].
    """
    means = mean_of_squares(grey[..., None])[..., 0]
    neighbours = np.lib.stride_tricks.sliding_window_view(means, (5, 5), axis=(1, 2))
    local = neighbours.mean(axis=(3, 4), keepdims=True)
    samples = (neighbours - local).reshape(-1, 25)
    residual = total = 0.0
    for row in range(FACTOR):
        for col in range(FACTOR):
            pixels = grey[:, row::FACTOR, col::FACTOR][:, 2:-2, 2:-2]
            target = (pixels - local[..., 0, 0]).ravel()
            weights = np.linalg.lstsq(samples, target, rcond=None)[0]
            residual += float(((target - samples @ weights) ** 2).sum())
            total += float((target**2).sum())
    return residual / total if total else 0.0


def _check_leak(report: Report, lr: dict[str, np.ndarray]) -> None:
    squares = {group: _squares(patches) for group, patches in lr.items()}
    for group, others in (("test", ("train", "valid")), ("valid", ("train",))):
        numbers, varied = squares[group]
        shared = np.concatenate([squares[o][0][squares[o][1]] for o in others])
        leaked = int((np.isin(numbers, shared) & varied).any(axis=1).sum())
        if not report.check(
            leaked == 0,
            f"no {group} patch shows ground of {' or '.join(others)} "
            f"({leaked} of {len(numbers)} do)",
            "the network has seen the answers: keep whole blocks apart",
        ):
            continue
        touching = touching_patches(lr[group], np.concatenate([lr[o] for o in others]))
        report.check(
            touching <= BY_CHANCE * len(lr[group]),
            f"no {group} patch touches one of {' or '.join(others)} "
            f"({touching} of {len(lr[group])} seem to; {BY_CHANCE:.0%} may by chance)",
            "it has seen the ground next door: give each group an area, and a gap as "
            "wide as the receptive field; gaps of a few pixels are not seen here",
        )


def touching_patches(patches: np.ndarray, others: np.ndarray) -> int:
    """Count the patches [n, side, side, bands] that go on in one of the others.

    The pixels beyond an edge follow from those inside: lr is smooth, because 10 m
    pixels became 6 m.  Only edges with contrast can be recognised.
    """
    touches = np.zeros(len(patches), bool)
    sides = [np.rot90(others, turn, (1, 2))[:, -1] for turn in range(4)]
    edges = [_flat(edge) for side in sides for edge in (side, side[:, ::-1])]
    for turn in range(4):
        rows = np.rot90(patches, turn, (1, 2))[:, :3]
        first, second, third = (_flat(rows[:, row]) for row in range(3))
        differences = np.stack([_nearest(2 * first - second, e) for e in edges])
        here = differences[2 * turn]
        elsewhere = np.delete(differences, 2 * turn, axis=0).min(axis=0)
        inside = np.linalg.norm(2 * second - third - first, axis=1)
        bands = rows[:, 0] - rows[:, 0].mean(axis=1, keepdims=True)
        contrast = np.linalg.norm(_flat(bands), axis=1)
        likely = [CONTINUES * inside, VARIED * contrast, RATHER * elsewhere]
        touches |= here < np.min(likely, axis=0)
    return int(touches.sum())


def _flat(pixels: np.ndarray) -> np.ndarray:
    return pixels.reshape(len(pixels), -1).astype(float)


def _nearest(edges: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return the distance of each edge to the nearest of the others, [n]."""
    squares = (others**2).sum(axis=1) - 2 * edges @ others.T
    return np.sqrt(np.maximum(squares.min(axis=1) + (edges**2).sum(axis=1), 0))


def _squares(patches: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return a number for each square of pixels, turned or not, and whether it varies.

    Equal numbers mean equal pixels; flat squares look the same anywhere.
    """
    bits = patches.astype(np.float64).view(np.uint64)
    rng = np.random.default_rng(0)
    weights = rng.integers(1, 2**63, (6, bits.shape[3]), dtype=np.uint64)
    # Floats of whole numbers end in zeros, so the bits are mixed before sums, modulo
    # 2^64: first over bands, then over pixels.
    pixels = _mixed((_mixed(bits) * weights[0]).sum(axis=3, dtype=np.uint64))
    n, height, width = pixels.shape
    rows, cols = height - SQUARE + 1, width - SQUARE + 1
    numbers = np.zeros((n, rows, cols), np.uint64)
    varied = np.zeros((n, rows, cols), bool)
    for row in range(SQUARE):
        for col in range(SQUARE):
            part = pixels[:, row : row + rows, col : col + cols]
            varied |= part != pixels[:, :rows, :cols]
            # Corners, edges and the middle stay such in a square that is turned.
            inner = (0 < row < SQUARE - 1) + (0 < col < SQUARE - 1)
            numbers += part * weights[1 + inner, 0]
    return numbers.reshape(n, -1), varied.reshape(n, -1)


def _mixed(bits: np.ndarray) -> np.ndarray:
    """Spread each bit over all: a part of splitmix64 (Steele et al., 2014)."""
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    return bits ^ (bits >> np.uint64(27))


def _correlation(one: np.ndarray, other: np.ndarray) -> float:
    a, b = one - one.mean(), other - other.mean()
    size = np.sqrt((a * a).sum() * (b * b).sum())
    return float((a * b).sum() / size) if size else 0.0


def _numbers(values: np.ndarray, digits: int = 0) -> str:
    return " ".join(f"{value:.{digits}f}" for value in values)
