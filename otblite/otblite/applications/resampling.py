"""Superimpose and BundleToPerfectSensor."""

from dataclasses import replace

import numpy as np
from otblite.application import Application
from otblite.image import Image, Window
from otblite.parameters import (
    Parameter,
    Type,
    choice,
    input_image,
    number,
    output_image,
    ram,
)
from otblite.warp import resample

# Pixels on each side of a PAN pixel over which PAN is averaged, as in OTB from 8.1.2
# on; OTB 8.1.1 and earlier have 3, and no parameter.
RADIUS = 9
# Methods of pansharpening, and how far their boxes reach by default.
METHODS = {"rcs": RADIUS, "lmvm": 3}
# A mean nearer to 0 counts as 0.
TINY = 1e-10
# Share by which an interpolated value may be apart from that of all its pixels.
ROUNDING = 5e-7
# Samples of the result that are computed together so that all fits the cache.
CACHED_SAMPLES = 2**17


def _grid_parameters():
    """Declare the parameters that both applications share.

    `lms` is the spacing at which OTB computes the change of CRS; it makes no visible
    difference (see `warp.NODES`) and is accepted, but not used.
    """
    yield from (output_image(), ram(), number("fv", 0.0), number("lms", 4.0))
    yield from (
        choice("mode", "default"),
        choice("interpolator", "bco", "nn", "linear"),
    )
    yield Parameter("interpolator.bco.radius", Type.Radius, 2, maximum=2, minimum=2)


class Superimpose(Application):
    """Resample `inm` onto the grid of `inr`."""

    def declare(self):
        """Declare the parameters."""
        yield from (input_image("inr"), input_image("inm"), *_grid_parameters())

    def run(self):
        """Resample; outside `inm` the value is `fv`."""
        grid = self.image("inr").grid
        image = resample(self.image("inm"), grid, self["interpolator"], self["fv"])
        self.output("out", image)


class BundleToPerfectSensor(Application):
    """Pansharpen: the XS on the PAN grid, times PAN over its local mean."""

    def declare(self):
        """Declare the parameters."""
        yield from (input_image("inp"), input_image("inxs"), *_grid_parameters())
        yield choice("method", *METHODS)
        for method, radius in METHODS.items():
            for axis in "xy":
                yield number(f"method.{method}.radius{axis}", radius, minimum=0)

    def run(self):
        """Pansharpen by relative spectral contribution (RCS), or local moments."""
        pan = self.image("inp")
        if pan.bands != 1:
            self.fail(f"'inp' must have 1 band, it has {pan.bands}")
        xs = resample(self.image("inxs"), pan.grid, self["interpolator"], self["fv"])
        method = self["method"]
        rows, cols = (self[f"method.{method}.radius{axis}"] for axis in "yx")
        if method == "lmvm":
            self.output("out", match_moments(pan, xs, (rows, cols)))
        else:
            self.output("out", pansharpen(pan, xs, (rows, cols)))


def pansharpen(pan: Image, xs: Image, radius: tuple[int, int]) -> Image:
    """Multiply `xs`, on the grid of `pan`, by PAN over its local mean.

    The mean is that of the pixels up to `radius` (rows, columns) away and replicates
    the border pixels.  Where it is 0 or no number the ratio is 1.  A value equal to the
    label of `xs` means no data and stays as it is; so does every value where PAN equals
    its own label.

    Source: OTB application BundleToPerfectSensor, method `rcs`.
    """
    label = np.float32(0 if xs.nodata is None else xs.nodata)
    rows, cols = radius

    def read(window: Window) -> np.ndarray:
        values = pan.read_padded(window.grow(*radius))[:, :, 0]
        ratio = over_mean(values.astype(np.float32, copy=False), radius)
        result = xs.read(window)  # a new array, which may be changed
        if pan.nodata is not None:
            centre = values[rows : rows + window.height, cols : cols + window.width]
            result[centre == pan.nodata] = label
        lines = max(1, CACHED_SAMPLES // (window.width * xs.bands))
        for top in range(0, window.height, lines):
            colours = result[top : top + lines]
            empty = abs(colours - label) <= ROUNDING * abs(label)
            colours *= ratio[top : top + lines, :, None]
            np.copyto(colours, label, where=empty)
        return result

    return replace(xs, read=read, tile=pan.tile)


def match_moments(pan: Image, xs: Image, radius: tuple[int, int]) -> Image:
    """Match the local mean and variance of PAN to those of each band of `xs`.

    Both images lie on one grid.  The pixels up to `radius` (rows, columns) away count,
    border pixels are replicated.  Where PAN does not vary the result is the mean of
    `xs`.

    Source: OTB application BundleToPerfectSensor, method `lmvm`.
    """
    size = 2 * radius[0] + 1, 2 * radius[1] + 1

    def moments(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        mean = box_mean(values, size)
        return mean, np.sqrt(np.maximum(box_mean(values**2, size) - mean**2, 0))

    def read(window: Window) -> np.ndarray:
        rows, cols = radius
        padded = window.grow(rows, cols)
        values = pan.read_padded(padded)[:, :, 0].astype(np.float64)
        mean, deviation = moments(values)
        centre = values[rows : rows + window.height, cols : cols + window.width]
        varies = deviation > 0
        detail = np.divide(centre - mean, deviation, where=varies, out=0 * mean)
        colours = xs.read_padded(padded).astype(np.float64)
        result = np.empty((window.height, window.width, xs.bands), np.float32)
        for band in range(xs.bands):
            target_mean, target_deviation = moments(colours[:, :, band])
            result[:, :, band] = detail * target_deviation + target_mean
        return result

    return replace(xs, read=read, tile=pan.tile)


def over_mean(values: np.ndarray, radius: tuple[int, int]) -> np.ndarray:
    """Divide by the mean of the box around each pixel, 1 where that is 0 or NaN.

    The box reaches `radius` (rows, columns) from its centre, by which `values`, [h, w]
    float32, are larger than the result.
    """
    rows, cols = radius
    with np.errstate(all="ignore"):
        mean = box_mean(values, (2 * rows + 1, 2 * cols + 1))
        height, width = mean.shape
        ratio = values[rows : rows + height, cols : cols + width] / mean
    if not mean.min() > TINY:
        ratio[~(abs(mean) > TINY)] = 1
    return ratio


def box_mean(values: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return the means of all boxes of `size` (height, width) that fit into [h, w].

    Sums of neighbours, unlike running sums, are exactly 0 where all values are 0 and
    do not depend on the window.

    >>> box_mean(np.arange(9.0).reshape(3, 3), (3, 3))
    array([[4.]])
    """
    height, width = size
    columns = sum_of_neighbours(values, height)
    return sum_of_neighbours(columns.T, width).T / (height * width)


def sum_of_neighbours(values: np.ndarray, count: int) -> np.ndarray:
    """Sum up each line and the count - 1 lines below it, [n, w] to [n - count + 1, w].

    Sums of 2, 4... lines are made of those of 1, 2...: 4 additions for 7 lines.

    >>> sum_of_neighbours(np.arange(5.0)[:, None], 3).ravel()
    array([3., 6., 9.])
    """
    kept = len(values) - count + 1
    total, done, power = None, 0, 1
    while True:
        if count & power:
            part = values[done : done + kept]
            total = part if total is None else total + part
            done += power
        if done == count:
            return total
        values = values[:-power] + values[power:]
        power *= 2
