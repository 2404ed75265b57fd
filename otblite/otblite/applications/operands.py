"""Operands of expressions, by name, for a window of the images."""

from collections.abc import Callable, Iterable

import numpy as np
from otblite import expressions
from otblite.applications.measuring import moments
from otblite.applications.resampling import box_mean
from otblite.image import Image, Window
from otblite.parameters import RAM
from scipy import ndimage


class Operands:
    """Bands, their statistics, statistics of neighbourhoods, indices, coordinates.

    Statistics of whole bands are computed on construction, in one pass over the image.

    Raises:
        ValueError: naming a band that does not exist.
    """

    def __init__(self, names: Iterable[str], images: list[Image]):
        self.images = images
        self.bands: dict[str, tuple[int, int]] = {}
        self.constants: dict[str, np.ndarray] = {}
        self.local: dict[str, Callable[[Window], np.ndarray]] = {}
        self.places = {name for name in names if expressions.INDEX.fullmatch(name)}
        measured: dict[int, dict[str, np.ndarray]] = {}
        for name in sorted(set(names) - self.places):
            if match := expressions.SPACING.fullmatch(name):
                grid = self._image(name, match[1]).grid
                self.constants[name] = np.float64(grid.spacing["XY".index(match[2])])
                continue
            match = expressions.BAND.match(name)
            image, band = int(match[1]) - 1, int(match[2]) - 1
            if band >= self._image(match[0], match[1]).bands:
                self._missing(match[0])
            if match := expressions.OF_BAND.fullmatch(name):
                if image not in measured:
                    measured[image] = measure(images[image])
                self.constants[name] = measured[image][match[3]][band]
            elif match := expressions.AROUND.match(name):
                size = int(match[4]), int(match[3])  # OTB has the width first
                kind = name[match.end() :]
                self.local[name] = _neighbourhood(images[image], band, size, kind)
            else:
                self.bands[name] = image, band

    def _image(self, name: str, number: str) -> Image:
        if int(number) > len(self.images):
            self._missing(name)
        return self.images[int(number) - 1]

    def _missing(self, name: str) -> None:
        raise ValueError(f"'{name}' is not among the inputs")

    def read(self, window: Window) -> dict[str, np.ndarray]:
        """Read each operand, [h, w] or [], for a window."""
        needed = {image for image, _ in self.bands.values()}
        pixels = {image: self.images[image].read(window) for image in needed}
        values = {name: pixels[i][:, :, b] for name, (i, b) in self.bands.items()}
        values |= {name: compute(window) for name, compute in self.local.items()}
        if self.places:
            rows, cols = np.mgrid[window.slices]
            (x, y), (dx, dy) = self.images[0].grid.origin, self.images[0].grid.spacing
            values |= {"idxX": cols, "idxPhyX": x + dx * cols}
            values |= {"idxY": rows, "idxPhyY": y + dy * rows}
        return values | self.constants


def measure(image: Image) -> dict[str, np.ndarray]:
    """Measure each band of a whole image, each value [bands] float64."""
    count, sums, squares, least, largest = moments(image, None, RAM)
    variance = (squares - sums**2 / count) / max(count - 1, 1)
    return {
        "Mini": least,
        "Maxi": largest,
        "Mean": sums / count,
        "Sum": sums,
        "Var": np.maximum(variance, 0),
    }


def _neighbourhood(
    image: Image, band: int, size: tuple[int, int], kind: str
) -> Callable[[Window], np.ndarray]:
    """Return the function that measures the box of `size` around each pixel.

    At the border of the image its pixels are replicated.
    """
    height, width = size
    rows, cols = height // 2, width // 2
    rank = {
        "median": ndimage.median_filter,
        "vmin": ndimage.minimum_filter,
        "vmax": ndimage.maximum_filter,
    }

    def read(window: Window) -> np.ndarray:
        pixels = image.read_padded(window.grow(rows, cols))[:, :, band]
        pixels = pixels.astype(np.float64)
        if kind in rank:
            if kind != "median":  # NaN is neither the least nor the largest
                begin = expressions.START[kind]
                pixels[np.isnan(pixels)] = begin
                pixels = np.maximum(pixels, begin) if kind == "vmax" else pixels
            filtered = rank[kind](pixels, size=size)
            return filtered[rows : rows + window.height, cols : cols + window.width]
        # Around a number near to all of them: squares of large numbers lose digits.
        middle = np.mean(pixels, where=np.isfinite(pixels))
        with np.errstate(invalid="ignore"):  # infinity
            mean = box_mean(pixels, size)
            if kind == "mean":
                return mean
            squares = box_mean((pixels - middle) ** 2, size)
            return np.maximum(squares - (mean - middle) ** 2, 0)

    return read
