"""BandMath and BandMathX."""

import re
from itertools import chain

import numpy as np
from otblite import expressions
from otblite.application import Application
from otblite.applications.operands import Operands
from otblite.image import LARGEST, Grid, Image, Window
from otblite.parameters import Parameter, Type, input_images, output_image, ram

# How far the grids of the inputs may be apart, in pixels: ITK's tolerance.
TOLERANCE = 1e-6
# A semicolon between expressions, not one in a list: {1;2} is {1, 2}.
BETWEEN = re.compile(r";(?![^{}]*})")


class BandMath(Application):
    """One expression of the bands of images, giving one band."""

    strict = False

    def declare(self):
        """Declare the parameters."""
        return input_images(), output_image(), ram(), Parameter("exp", Type.String)

    def run(self):
        """Compute one band for each expression, and each component of a vector."""
        texts = [text.strip().replace(";", ",") for text in BETWEEN.split(self["exp"])]
        if len(texts) > 1 and not self.strict:
            self.fail("one expression is expected; BandMathX takes several")
        if "" in texts:
            self.fail(
                f"expression '{self['exp']}': one side of a ';' is empty; "
                "it stands between expressions, not after the last one"
            )
        images = self.images("il")
        bands = tuple(image.bands for image in images)
        formulas = [expressions.translate(text, self.strict, bands) for text in texts]
        self.output("out", compute(images, list(chain(*formulas))))


class BandMathX(BandMath):
    """Expressions separated by semicolons, each giving one band, or several."""

    strict = True


def compute(images: list[Image], formulas: list[expressions.Formula]) -> Image:
    """Make an image of one band for each formula.

    It is computed in float64 and clamped to the range of float32: 1 / 0 is 3.4e38.

    Raises:
        ValueError: naming a band that does not exist, or if the grids differ.
    """
    first = images[0]
    for image in images[1:]:
        _check_grids(first.grid, image.grid)
    names = set().union(*(formula.operands for formula in formulas))
    operands = Operands(names, images)

    def read(window: Window) -> np.ndarray:
        arrays = operands.read(window)
        # Band by band in memory, as it is computed here and written later.
        shape = (len(formulas), window.height, window.width)
        result = np.empty(shape, np.float32)
        for index, formula in enumerate(formulas):
            values_by_name = {name: arrays[name] for name in formula.operands}
            values = expressions.evaluate(formula, values_by_name)
            np.clip(values, -LARGEST, LARGEST, out=result[index], casting="same_kind")
        return np.moveaxis(result, 0, -1)

    tile = next((image.tile for image in images if image.tile), None)
    nodata = first.nodata if first.bands == len(formulas) else None
    return Image(first.grid, len(formulas), np.dtype(np.float32), read, tile, nodata)


def _check_grids(one: Grid, other: Grid) -> None:
    if (one.width, one.height) != (other.width, other.height):
        raise ValueError(
            f"images of one size are expected, got {one.width} x {one.height} and "
            f"{other.width} x {other.height}"
        )
    limit = TOLERANCE * abs(one.spacing[0])
    pairs = zip(one.origin + one.spacing, other.origin + other.spacing, strict=True)
    if any(abs(ours - theirs) > limit for ours, theirs in pairs):
        raise ValueError(
            f"images on one grid are expected, got first pixels at {one.origin} and "
            f"{other.origin}, pixel sizes {one.spacing} and {other.spacing}; "
            "superimpose one on the other first"
        )
