"""BandMath and BandMathX."""

import numpy as np

from otblite import expressions
from otblite.application import Application
from otblite.image import Image, Window
from otblite.parameters import Parameter, Type, input_images, output_image, ram


class BandMath(Application):
    """One expression of the bands of images, giving one band."""

    name = "BandMath"

    def declare(self):
        """Declare the parameters."""
        return input_images(), output_image(), ram(), Parameter("exp", Type.String)

    def run(self):
        """Compute in float64, as muParser does; the result is float32."""
        if ";" in self["exp"]:
            self.fail("one expression is expected; BandMathX takes several")
        self.output("out", compute(self.images("il"), [self["exp"]]))


class BandMathX(BandMath):
    """Expressions separated by semicolons, each giving one band."""

    name = "BandMathX"

    def run(self):
        """Compute one band for each expression."""
        parts = [part for part in self["exp"].split(";") if part.strip()]
        self.output("out", compute(self.images("il"), parts))


def compute(images: list[Image], texts: list[str]) -> Image:
    """Make an image of one band for each expression.

    Raises:
        ValueError: naming what an expression uses and does not exist, or if the
            sizes of the images differ.
    """
    grid = images[0].grid
    sizes = [f"{image.grid.width} x {image.grid.height}" for image in images]
    if len(set(sizes)) > 1:
        raise ValueError(f"images of one size are expected, got {', '.join(sizes)}")
    translated = [expressions.translate(text.strip()) for text in texts]
    used = set().union(*(bands for _, bands in translated))
    for image, band in used:
        if image > len(images) or band > images[image - 1].bands:
            raise ValueError(f"'im{image}b{band}' is not among the inputs")

    def read(window: Window) -> np.ndarray:
        pixels = {image: images[image - 1].read(window) for image, _ in used}
        result = np.empty((window.height, window.width, len(texts)), np.float32)
        for index, (code, names) in enumerate(translated):
            bands = {f"im{i}b{b}": pixels[i][:, :, b - 1] for i, b in names}
            result[:, :, index] = expressions.evaluate(code, bands)
        return result

    tile = next((image.tile for image in images if image.tile), None)
    return Image(grid, len(texts), np.dtype(np.float32), read, tile)
