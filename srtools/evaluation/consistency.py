"""Does the result, seen through Sentinel-2's eyes, still show what Sentinel-2 saw?

The 1.5 m result is blurred as Sentinel-2 blurs, and read at the centres of Sentinel-2's
own 10 m pixels.  Where these are not known, because the patches are those of another
program, it is read at the centres of the 6 m pixels to which Sentinel-2 was resampled.
"""

from collections.abc import Callable

import numpy as np

from srtools.evaluation.own_grid import OwnGrid
from srtools.images.registration import Block, block_shift
from srtools.metrics import spectral_angle

MODULATION = 0.28  # of Sentinel-2 at the highest frequency of its 10 m grid
SENTINEL2_SPACING = 10.0  # metres
REACH = 3.0  # sigmas, to which the Gaussian is followed
SMALLEST = 4  # pixels a side that must be left to compare
SMALLEST_SHIFT = 8  # to measure a shift
LOOKS = 3  # at each shift, each time displaced by what was found

BLUR = (
    "the 1.5 m image is blurred with a Gaussian whose modulation is 0.28 at one cycle "
    "per 20 m (sigma 5.08 m), read at the centres of the {grid}; pixels whose blur "
    "would reach beyond the patch are left out"
)
GRIDS = {
    "10 m": BLUR.format(
        grid="pixels of Sentinel-2's own 10 m grid, and compared with these"
    ),
    "6 m": BLUR.format(
        grid="6 m pixels, and compared with Sentinel-2 as it was resampled to these, "
        "because its own pixels are not known here"
    ),
}


def blur_sigma() -> float:
    """Give the sigma of the Gaussian that blurs like Sentinel-2, metres.

    exp(-2 pi^2 sigma^2 f^2) = 0.28 at f = 1 / 20 m.

    >>> round(blur_sigma(), 2)
    5.08
    """
    return float(np.sqrt(-np.log(MODULATION) / 2) / np.pi * 2 * SENTINEL2_SPACING)


def reach() -> float:
    """Give the metres to which the Gaussian is followed."""
    return REACH * blur_sigma()


def margin(factor: int, spacing: float) -> int:
    """Give the lr pixels at each side whose blur reaches beyond the patch.

    Arguments:
        factor: hr pixels per lr pixel.
        spacing: of the hr pixels, metres.
    """
    return int(np.ceil(reach() / (factor * spacing) - 0.5))


def see(
    image: np.ndarray,
    factor: int,
    spacing: float,
    shift: tuple[float, float] = (0.0, 0.0),
) -> np.ndarray:
    """Show what Sentinel-2 would see of an image.

    Arguments:
        image: [n, h, w, bands].
        factor: pixels per pixel of the result.
        spacing: of the pixels of `image`, metres.
        shift: rows and columns of `image` to look further down and to the right.

    Returns:
        [n, h / factor - 2 margin, w / factor - 2 margin, bands]; see `margin`.
    """
    rows, cols = (
        _weights(size, factor, spacing, further)
        for size, further in zip(image.shape[1:3], shift, strict=True)
    )
    narrow = rows @ image.reshape(len(image), image.shape[1], -1)  # [n, rows, w b]
    return cols @ narrow.reshape(*narrow.shape[:2], *image.shape[2:])


def see_at(
    image: np.ndarray, rows: np.ndarray, cols: np.ndarray, spacing: float
) -> np.ndarray:
    """Show what Sentinel-2 would see of an image at single points.

    Arguments:
        image: [h, w, bands].
        rows, cols: [...] positions in pixels; 0 is the middle of the first one.
        spacing: of the pixels of `image`, metres.

    Returns:
        [..., bands]
    """
    height, width, bands = image.shape
    # Two grids are parallel if they are in one CRS: that is much faster.
    parallel = (
        rows.ndim == 2 and (rows == rows[:, :1]).all() and (cols == cols[:1]).all()
    )
    down, right = (rows[:, 0], cols[0]) if parallel else (rows.ravel(), cols.ravel())
    of_rows = _gaussian(down, height, spacing)  # [lines or points, h]
    of_cols = _gaussian(right, width, spacing)
    narrow = (of_rows @ image.reshape(height, -1)).reshape(-1, width, bands)
    if parallel:
        return of_cols @ narrow
    return (of_cols[:, None] @ narrow).reshape(*rows.shape, bands)


def _weights(size: int, factor: int, spacing: float, further: float) -> np.ndarray:
    """Give the weight of each pixel in each pixel of the coarser grid."""
    left_out = margin(factor, spacing)
    first = np.arange(left_out, size // factor - left_out)
    return _gaussian(factor * first + (factor - 1) / 2 + further, size, spacing)


def _gaussian(centres: np.ndarray, size: int, spacing: float) -> np.ndarray:
    """Give the weight of each of `size` pixels around each of the centres."""
    distances = (np.arange(size) - centres[:, None]) * spacing / blur_sigma()
    weights = np.exp(-np.square(distances) / 2) * (np.abs(distances) <= REACH)
    weights /= weights.sum(axis=1, keepdims=True)
    return weights.astype(np.float32)


class Consistency:
    """Difference from Sentinel-2, method by method, over any number of patches.

    Arguments:
        factor: hr pixels per lr pixel.
        spacing: of the hr pixels, metres.
        scale: reflectance of one DN.
        own_grid: Sentinel-2 on its own grid, if there is one.
    """

    def __init__(
        self, factor: int, spacing: float, scale: float, own_grid: OwnGrid | None = None
    ):
        self.factor, self.spacing, self.scale = factor, spacing, scale
        self.own_grid = own_grid
        self._found: dict[str, list] = {}

    def possible(self, size: int) -> bool:
        """Tell whether hr patches of this size are large enough."""
        seen = size * self.spacing - 2 * reach()
        pixel = (
            self.own_grid.info.spacing if self.own_grid else self.factor * self.spacing
        )
        return seen >= SMALLEST * pixel

    def add(self, patch: int, images: dict[str, np.ndarray], lr: np.ndarray) -> None:
        """Add a patch.

        Arguments:
            patch: its number in the test set.
            images: by method, [factor h, factor w, bands] reflectance.
            lr: [h, w, bands] Sentinel-2 at 6 m, reflectance.
        """
        if self.own_grid:
            sight = self.own_grid.sight(patch)
            if sight is None:
                return
            grid, there = self.own_grid.info.spacing, sight.pixels * self.scale
        else:
            cut = margin(self.factor, self.spacing)
            grid, there = self.factor * self.spacing, lr[cut:-cut, cut:-cut]
        for method, image in images.items():

            def look(down: float, right: float, image=image) -> np.ndarray:
                if self.own_grid:
                    rows, cols = sight.rows + down, sight.cols + right
                    return see_at(image, rows, cols, self.spacing)
                return see(image[None], self.factor, self.spacing, (down, right))[0]

            seen = look(0, 0)
            error = seen - there
            angles = spectral_angle(seen, there)
            angle = np.nan if np.isnan(angles).all() else np.nanmean(angles)
            shift = self._shift(look, there, grid)
            row = np.abs(error).mean(), error.mean(), angle, *shift
            self._found.setdefault(method, []).append(row)

    def _shift(
        self, look: Callable[[float, float], np.ndarray], there: np.ndarray, grid: float
    ) -> tuple[float, float]:
        """Measure how far an image lies too far east and north, metres; nan if unknown.

        In so small a square phase correlation finds too small a shift, because the
        sides fade out at the same place in both.  So the image is looked at again,
        displaced by what was found, and what is left is added.
        """
        east = north = 0.0
        if min(there.shape[:2]) < SMALLEST_SHIFT:
            return np.nan, np.nan
        for _ in range(LOOKS):
            seen = look(-north / self.spacing, east / self.spacing)
            block = Block(0, 0, lr=seen / self.scale, xs=there / self.scale)
            rest = block_shift(block, grid)
            if rest.verdict != "used":
                return np.nan, np.nan
            east, north = east + rest.east, north + rest.north
            if max(abs(east), abs(north)) > reach():
                break  # further on, one would look beyond the patch
        return east, north

    def record(self) -> dict | None:
        """Give, by method, the means over patches, and the median shift.

        A shift is how far the result lies too far east and north.  Where Sentinel-2
        shows none of the patches there is nothing to give.
        """
        if not self._found:
            return None
        grid = "10 m" if self.own_grid else "6 m"
        record = {"grid": grid, "operator": GRIDS[grid]}
        for method, rows in self._found.items():
            table = np.array(rows, np.float64)
            record["patches"] = len(table)
            l1, bias, angle = (_mean(column) for column in table.T[:3])
            shifts = table[~np.isnan(table[:, 3]), 3:]
            east, north = (
                np.median(shifts, axis=0).tolist() if len(shifts) else (None,) * 2
            )
            record[method] = {
                "l1_dn": l1 / self.scale,
                "bias_dn": bias / self.scale,
                "spectral_angle_degrees": angle,
                "shift_east_metres": east,
                "shift_north_metres": north,
                "shift_metres": float(np.hypot(east, north)) if len(shifts) else None,
                "patches_with_shift": len(shifts),
            }
        return record


def _mean(values: np.ndarray) -> float | None:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else None
