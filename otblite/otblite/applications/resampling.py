"""Superimpose and BundleToPerfectSensor."""

import numpy as np
from scipy.ndimage import uniform_filter

from otblite.application import Application
from otblite.image import Image, Window
from otblite.parameters import choice, input_image, number, output_image, ram
from otblite.warp import resample

# Side of the window over which PAN is averaged, in PAN pixels.
BOX = 7


def _grid_parameters():
    """Declare what both applications share.

    `lms` is OTB's spacing of the coarse grid on which it interpolates the change of
    CRS; here every pixel is projected by itself, so it is accepted and not used.
    """
    yield from (output_image(), ram(), number("fv", 0.0), number("lms", 4.0))
    yield from (
        choice("mode", "default"),
        choice("interpolator", "bco", "nn", "linear"),
    )
    yield choice("interpolator.bco.radius", "2")


class Superimpose(Application):
    """Resample `inm` onto the grid of `inr`."""

    name = "Superimpose"

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

    name = "BundleToPerfectSensor"

    def declare(self):
        """Declare the parameters."""
        yield from (input_image("inp"), input_image("inxs"), *_grid_parameters())
        yield choice("method", "rcs")

    def run(self):
        """Pansharpen by relative spectral contribution (RCS)."""
        pan = self.image("inp")
        if pan.bands != 1:
            self.fail(f"'inp' must have 1 band, it has {pan.bands}")
        xs = resample(
            self.image("inxs"), pan.grid, self["interpolator"], self["fv"]
        )  # fmt: skip
        self.output("out", pansharpen(pan, xs))


def pansharpen(pan: Image, xs: Image) -> Image:
    """Multiply `xs`, on the grid of `pan`, by PAN over its 7 x 7 mean.

    The mean replicates the border pixels.  Where it is 0 the ratio is 1.

    Source: OTB application BundleToPerfectSensor, method `rcs`.
    """

    def read(window: Window) -> np.ndarray:
        margin = BOX // 2
        values = pan.read_padded(window.grow(margin))[:, :, 0].astype(np.float64)
        mean = uniform_filter(values, BOX)[margin:-margin, margin:-margin]
        centre = values[margin:-margin, margin:-margin]
        ratio = np.divide(centre, mean, out=np.ones_like(mean), where=mean != 0)
        return xs.read(window) * ratio.astype(np.float32)[:, :, None]

    return Image(pan.grid, xs.bands, np.dtype(np.float32), read, pan.tile)
