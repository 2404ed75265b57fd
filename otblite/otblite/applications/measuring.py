"""PixelValue, CompareImages and ComputeImagesStatistics: numbers out of images."""

from collections.abc import Iterable
from xml.etree import ElementTree

import numpy as np
from otblite.application import Application
from otblite.image import LARGEST, Image, Window, in_order, strip_height, strips, tiles
from otblite.parameters import (
    BOX,
    OUTPUT,
    Parameter,
    Type,
    choice,
    input_image,
    input_images,
    number,
    ram,
)
from otblite.warp import project
from rasterio.crs import CRS

DIGITS = 6  # significant ones, as OTB writes numbers
TINY = 1e-10  # OTB's limit below which there is no difference


def spell(values: Iterable[float]) -> str:
    """Write numbers as OTB does.

    >>> spell([766.90800781, 3.0])
    '[766.908, 3]'
    """
    return f"[{', '.join(f'{value:.{DIGITS}g}' for value in values)}]"


class PixelValue(Application):
    """Read the value of a pixel."""

    def declare(self):
        """Declare the parameters."""
        yield input_image()
        yield Parameter("coordx", Type.Float)
        yield Parameter("coordy", Type.Float)
        yield choice("mode", "index", "physical", "epsg")
        yield number("mode.epsg.code", 4326)
        yield Parameter("cl", Type.ListView, mandatory=False)
        yield Parameter("value", Type.String, role=OUTPUT)

    def run(self):
        """Read the pixel: by its index, its place, or its place in another CRS.

        Coordinates are float32 in OTB, and an index is cut off behind the point.
        """
        image = self.image("in")
        x, y = self.single("coordx"), self.single("coordy")
        col, row = int(x), int(y)
        if self["mode"] != "index":
            if self["mode"] == "epsg":
                other = CRS.from_epsg(self["mode.epsg.code"])
                (x,), (y,) = project(other, image.grid.crs, [x], [y])
            col, row = image.grid.pixel(x, y)
        grid = image.grid
        if not (0 <= col < grid.width and 0 <= row < grid.height):
            self.fail(
                f"the pixel of column {col} and row {row} lies outside the image of "
                f"{grid.width} x {grid.height} pixels"
            )
        values = image.read(Window(row, col, 1, 1))[0, 0]
        names = [f"Channel{band + 1}" for band in range(image.bands)]
        channels = self["cl"] or names
        if unknown := set(channels) - set(names):
            self.fail(f"{', '.join(sorted(unknown))} is not among {', '.join(names)}")
        self.output("value", spell(values[names.index(name)] for name in channels))


class CompareImages(Application):
    """Compare a band of an image with a band of another."""

    def declare(self):
        """Declare the parameters."""
        for key in ("ref", "meas"):
            yield input_image(f"{key}.in")
            yield number(f"{key}.channel", 1, minimum=1)
        for key in BOX:
            yield number(f"roi.{key}", 0, minimum=0)
        for key in ("mse", "mae", "psnr", "count"):
            yield Parameter(key, Type.Float, role=OUTPUT)
        yield ram()

    def run(self):
        """Measure mean squares, mean, peak ratio in dB, and how many pixels differ.

        The peak is the range of the reference; without any difference the ratio is 0.
        Of a region, or of two images, the part that both have is compared.
        """
        reference, other = self.image("ref.in"), self.image("meas.in")
        bands = self["ref.channel"] - 1, self["meas.channel"] - 1
        for key, image, band in zip(
            ("ref", "meas"), (reference, other), bands, strict=True
        ):
            if band >= image.bands:
                self.fail(f"'{key}.channel': the image has {image.bands} band(s)")
        box = Window(*(self[f"roi.{key}"] for key in BOX))
        if 0 in box[2:]:
            box = reference.grid.window
        box = box.intersect(reference.grid.window).intersect(other.grid.window)
        if 0 in box[2:]:
            self.fail("the region is not inside the images")

        def measure(window: Window) -> np.ndarray:
            one, two = (
                image.read(window)[:, :, band].astype(np.float32).astype(np.float64)
                for image, band in zip((reference, other), bands, strict=True)
            )
            differ = (one != two) & ~(np.isnan(one) & np.isnan(two))
            with np.errstate(invalid="ignore"):
                error = one - two
            return np.array(
                [
                    *((error**2).sum(), abs(error).sum(), differ.sum()),
                    *(np.fmin.reduce(one, None), np.fmax.reduce(one, None)),
                ]
            )

        windows = tiles(box, strip_height(reference, self["ram"]), box.width)
        sums = np.array([values for _, values in in_order(measure, windows)])
        squares, distance, count = sums[:, :3].sum(0)
        pixels = box.height * box.width
        error, ratio = squares / pixels, 0
        with np.errstate(all="ignore"):
            peak = sums[:, 4].max() - sums[:, 3].min()
            if error > TINY and not peak <= TINY:
                ratio = 10 * np.log10(peak**2 / error)
        measured = {"mse": error, "mae": distance / pixels, "psnr": ratio}
        for key, value in (measured | {"count": count}).items():
            value = np.nan_to_num(value, nan=LARGEST)
            self.output(key, float(np.clip(value, -LARGEST, LARGEST)))


class ComputeImagesStatistics(Application):
    """Measure mean, least, largest value and standard deviation of each band."""

    def declare(self):
        """Declare the parameters."""
        yield input_images()
        yield number("bv", mandatory=False)
        yield Parameter("out.xml", Type.OutputFilename, mandatory=False)
        for key in ("mean", "min", "max", "std"):
            yield Parameter(f"out.{key}", Type.String, role=OUTPUT)
        yield ram()

    def run(self):
        """Read all pixels except those with the background value in every band.

        Pixels with a value that is not finite in a band are left out as well.

        The variance is that within the images, (n - 1) of each counted together.
        """
        images = self.images("il")
        if len({image.bands for image in images}) > 1:
            self.fail("images with one number of bands are expected")
        parts = [moments(image, self["bv"], self["ram"]) for image in images]
        counts, sums, squares, least, largest = map(np.array, zip(*parts, strict=True))
        mean = sums.sum(0) / counts.sum()
        within = (squares - sums**2 / counts[:, None]).sum(0)
        result = {"mean": mean, "min": least.min(0), "max": largest.max(0)}
        result["std"] = np.sqrt(np.maximum(within, 0) / max((counts - 1).sum(), 1))
        for key, values in result.items():
            self.output(f"out.{key}", spell(values))
        if self["out.xml"]:
            write_statistics(self["out.xml"], result)


def moments(image: Image, background: float | None, memory: int) -> tuple:
    """Compute count, sums, sums of squares, minima and maxima of the pixels.

    Sums are taken in float64 without a shift: of 16 bits the squares of a whole tile
    stay exact to nine digits.  Pixels are left out that have the background value in
    all bands, or bands with a sum that float32 does not hold.

    Raises:
        ValueError: if no pixel is left.
    """
    bands = image.bands
    count, sums, squares = 0, np.zeros(bands), np.zeros(bands)
    least, largest = np.full(bands, np.inf), np.full(bands, -np.inf)
    for _, pixels in in_order(image.read, strips(image, memory)):
        pixels = pixels.reshape(-1, bands).astype(np.float32, copy=False)
        if background is not None:
            pixels = pixels[(pixels != np.float32(background)).any(1)]
        with np.errstate(over="ignore", invalid="ignore"):
            pixels = pixels[np.isfinite(pixels.sum(1))].astype(np.float64)
        if len(pixels):
            count += len(pixels)
            sums += pixels.sum(0)
            squares += (pixels**2).sum(0)
            least = np.minimum(least, pixels.min(0))
            largest = np.maximum(largest, pixels.max(0))
    if not count:
        raise ValueError("an image has no pixel but of the background value, or NaN")
    return count, sums, squares, least, largest


def write_statistics(path: str, result: dict[str, np.ndarray]) -> None:
    """Write them as OTB's XML file, which its image classifiers read."""
    root = ElementTree.Element("FeatureStatistics")
    for key, values in result.items():
        name = "stddev" if key == "std" else key
        entry = ElementTree.SubElement(root, "Statistic", name=name)
        for value in values:
            text = f"{value:.{DIGITS}g}"
            ElementTree.SubElement(entry, "StatisticVector", value=text)
    ElementTree.indent(root)
    ElementTree.ElementTree(root).write(path, xml_declaration=True, encoding="utf-8")
