"""ConcatenateImages, ExtractROI and Mosaic: pixels pass through unchanged."""

import math
from dataclasses import replace

import numpy as np
from otblite.application import Application
from otblite.image import Grid, Image, Window
from otblite.parameters import (
    Parameter,
    Type,
    choice,
    input_image,
    input_images,
    number,
    output_image,
    ram,
)

# How far grids may disagree, in pixels, and still be called the same.
TOLERANCE = 1e-3


class ConcatenateImages(Application):
    """Stack the bands of images that have the same size."""

    name = "ConcatenateImages"

    def declare(self):
        """Declare the parameters."""
        return input_images(), output_image(), ram()

    def run(self):
        """Stack in the order of the list; the grid is that of the first image."""
        self.output("out", concatenate(self.images("il")))


def concatenate(images: list[Image]) -> Image:
    """Stack the bands of images.

    Raises:
        ValueError: if their sizes differ.
    """
    first = images[0]
    sizes = [f"{image.grid.width} x {image.grid.height}" for image in images]
    if len(set(sizes)) > 1:
        raise ValueError(f"images of one size are expected, got {', '.join(sizes)}")
    if len(images) == 1:
        return replace(first, nodata=None)
    dtype = np.result_type(*(image.dtype for image in images))
    bands = sum(image.bands for image in images)

    def read(window: Window) -> np.ndarray:
        parts = [image.read(window) for image in images]
        return np.concatenate(parts, axis=2).astype(dtype, copy=False)

    return Image(first.grid, bands, dtype, read, first.tile)


class ExtractROI(Application):
    """Cut out a rectangle and choose bands."""

    name = "ExtractROI"

    def declare(self):
        """Declare the parameters; what is not given reaches to the image's edge."""
        yield from (input_image(), output_image(), ram())
        yield choice("mode", "standard", "extent")
        for key in ("ulx", "uly", "lrx", "lry"):
            yield number(f"mode.extent.{key}", mandatory=False)
        yield choice("mode.extent.unit", "pxl", "phy")
        yield from (number("startx", 0), number("starty", 0))
        yield from (number("sizex", 0, minimum=0), number("sizey", 0, minimum=0))
        yield Parameter("cl", Type.ListView, mandatory=False)

    def run(self):
        """Give the part that lies inside the image; its place is kept."""
        image = self.image("in")
        wanted = self._extent(image) if self["mode"] == "extent" else self._box(image)
        grid = image.grid
        window = wanted.clip(grid.height, grid.width)
        if 0 in window[2:]:
            self.fail(
                f"columns {wanted.col} to {wanted.col + wanted.width - 1} and rows "
                f"{wanted.row} to {wanted.row + wanted.height - 1} are not inside the "
                f"image of {grid.width} x {grid.height} pixels"
            )
        bands = [self._channel(name, image.bands) for name in self["cl"] or []]
        self.output("out", roi(image, window, bands or list(range(image.bands))))

    def _box(self, image: Image) -> Window:
        row, col = max(self["starty"], 0), max(self["startx"], 0)
        height = self["sizey"] or image.grid.height - row
        return Window(row, col, height, self["sizex"] or image.grid.width - col)

    def _extent(self, image: Image) -> Window:
        """Read the corners, which are both inside."""
        grid = image.grid
        corners = [self[f"mode.extent.{key}"] for key in ("ulx", "uly", "lrx", "lry")]
        if self["mode.extent.unit"] == "phy":
            if None in corners:
                self.fail("all four of mode.extent.ulx, uly, lrx, lry are expected")
            ulx, uly, lrx, lry = corners
            first, last = (~grid.transform @ xy for xy in ((ulx, uly), (lrx, lry)))
            corners = [math.floor(value) for value in (*first, *last)]
        defaults = (0, 0, grid.width - 1, grid.height - 1)
        left, top, right, bottom = (
            math.floor((default if corner is None else corner) + 0.5)
            for corner, default in zip(corners, defaults, strict=True)
        )
        return Window(top, left, bottom - top + 1, right - left + 1)

    def _channel(self, name: str, count: int) -> int:
        index = int(name.removeprefix("Channel")) if name[7:].isdigit() else 0
        if not name.startswith("Channel") or not 1 <= index <= count:
            self.fail(f"'cl' takes Channel1 to Channel{count}, not {name}")
        return index - 1


def roi(image: Image, part: Window, bands: list[int]) -> Image:
    """Cut out a window and choose bands (indices from 0)."""
    whole = bands == list(range(image.bands))

    def read(window: Window) -> np.ndarray:
        pixels = image.read(window.shift(part.row, part.col))
        return pixels if whole else pixels[:, :, bands]

    grid = image.grid.part(part)
    nodata = image.nodata if whole else None
    return Image(grid, len(bands), image.dtype, read, image.tile, nodata)


class Mosaic(Application):
    """Lay images on one grid, the later ones on top of the earlier ones."""

    name = "Mosaic"

    def declare(self):
        """Declare the parameters; neither feathering nor harmonization is done."""
        yield from (input_images(), output_image(), ram())
        yield from (choice("comp.feather", "none"), choice("harmo.method", "none"))
        yield from (choice("interpolator", "nn"), number("nodata", 0.0))

    def run(self):
        """Unite the extents; the images must share CRS, spacing and alignment."""
        images = self.images("il")
        first = images[0].grid
        offsets = [self._offset(first, image, images[0]) for image in images]
        top, left = (min(offset[axis] for offset in offsets) for axis in (0, 1))
        bottom = max(o[0] + i.grid.height for o, i in zip(offsets, images, strict=True))
        right = max(o[1] + i.grid.width for o, i in zip(offsets, images, strict=True))
        grid = first.part(Window(top, left, bottom - top, right - left))
        places = [(row - top, col - left) for row, col in offsets]
        self.output("out", mosaic(images, places, grid, self["nodata"]))

    def _offset(self, first: Grid, image: Image, other: Image) -> tuple[int, int]:
        """Give the (row, column) of an image on the grid of the first one."""
        grid = image.grid
        if grid.crs != first.crs:
            self.fail(f"images of one CRS are expected, got {first.crs} and {grid.crs}")
        if image.bands != other.bands:
            self.fail(f"bands differ: {other.bands} and {image.bands}")
        if not np.allclose(grid.spacing, first.spacing):
            self.fail(f"pixel sizes differ: {first.spacing} and {grid.spacing}")
        col, row = ~first.transform @ (grid.transform @ (0, 0))
        if max(abs(col - round(col)), abs(row - round(row))) > TOLERANCE:
            self.fail(
                f"grids that are {col - round(col):.3f}, {row - round(row):.3f} pixels "
                "apart are not supported; superimpose one image on the other first"
            )
        return round(row), round(col)


def mosaic(
    images: list[Image], places: list[tuple[int, int]], grid: Grid, nodata: float
) -> Image:
    """Lay images on a grid; where all bands equal `nodata` the one below is seen.

    The result is float32, as in OTB: `nodata` need not fit the type of the images.
    """
    dtype = np.dtype(np.float32)

    def read(window: Window) -> np.ndarray:
        result = np.full((window.height, window.width, images[0].bands), nodata, dtype)
        for image, (row, col) in zip(images, places, strict=True):
            own = window.shift(-row, -col).clip(image.grid.height, image.grid.width)
            if own.height == 0 or own.width == 0:
                continue
            pixels = image.read(own)
            seen = (pixels != nodata).any(axis=2)
            target = result[own.shift(row - window.row, col - window.col).slices]
            target[seen] = pixels[seen]
        return result

    return Image(grid, images[0].bands, dtype, read, nodata=nodata)
