"""ConcatenateImages, ExtractROI and Mosaic: pixels pass through unchanged."""

import logging
import math
from collections.abc import Iterable
from dataclasses import replace

import numpy as np
from affine import Affine
from otblite import vectors
from otblite.application import Application
from otblite.image import Grid, Image, Window
from otblite.parameters import (
    BOX,
    Parameter,
    Type,
    choice,
    input_image,
    input_images,
    number,
    output_image,
    ram,
)
from otblite.warp import project, resample
from rasterio.crs import CRS

log = logging.getLogger("otblite")


class ConcatenateImages(Application):
    """Stack the bands of images that have the same size."""

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
    # A label is that of the whole file, the last one.
    labels = [i.nodata for i in images if i.bands == 1 and i.nodata is not None]
    nodata = labels[-1] if labels else None
    if len(images) == 1:
        return replace(first, nodata=nodata)
    dtype = np.result_type(*(image.dtype for image in images))
    bands = sum(image.bands for image in images)

    def read(window: Window) -> np.ndarray:
        parts = [image.read(window) for image in images]
        return np.concatenate(parts, axis=2).astype(dtype, copy=False)

    return Image(first.grid, bands, dtype, read, first.tile, nodata)


class ExtractROI(Application):
    """Cut out a rectangle and choose bands."""

    def declare(self):
        """Declare the parameters; by default the part reaches to the image's edge."""
        yield from (input_image(), output_image(), ram())
        yield choice("mode", "standard", "extent", "fit", "radius")
        for key in ("ulx", "uly", "lrx", "lry"):
            yield number(f"mode.extent.{key}", mandatory=False)
        yield choice("mode.extent.unit", "pxl", "phy", "lonlat")
        yield input_image("mode.fit.im", mandatory=False)
        yield Parameter("mode.fit.vect", Type.InputVectorData, mandatory=False)
        for key in ("r", "cx", "cy"):
            yield number(f"mode.radius.{key}", mandatory=False)
        yield choice("mode.radius.unitr", "pxl", "phy")
        yield choice("mode.radius.unitc", "pxl", "phy", "lonlat")
        yield from (number("startx", 0), number("starty", 0))
        yield from (number("sizex", 0, minimum=0), number("sizey", 0, minimum=0))
        yield Parameter("cl", Type.ListView, mandatory=False)

    def run(self):
        """Output the part that lies inside the image; its georeference is kept."""
        image = self.image("in")
        modes = {
            "standard": self._box,
            "extent": self._extent,
            "fit": self._fit,
            "radius": self._radius,
        }
        region = modes[self["mode"]](image)
        grid = image.grid
        row, col, height, width = region.intersect(grid.window)
        # As in OTB nothing along an axis, like no size, means all from the start on.
        window = Window(
            row, col, height or grid.height - row, width or grid.width - col
        )
        if min(window[2:]) <= 0:
            self.fail(
                f"columns {region.col} to {region.col + region.width - 1} and rows "
                f"{region.row} to {region.row + region.height - 1} are not inside the "
                f"image of {grid.width} x {grid.height} pixels"
            )
        if self["mode"] != "standard" and 0 in (height, width):
            log.warning("The region lies beside the image: ExtractROI takes %s", window)
        for key, value in zip(BOX, window, strict=True):
            self._parameter(key).automatic = value
        bands = [self._channel(name, image.bands) for name in self["cl"] or []]
        part = image.part(window, bands)
        nodata = image.nodata if part.bands == image.bands else None
        self.output("out", replace(part, nodata=nodata))

    def UpdateParameters(self):
        """Choose the start and the size where the user set none."""
        if self.has("in"):
            self.Execute()

    def _box(self, image: Image) -> Window:
        starts = (max(self[key], 0) for key in BOX[:2])
        return Window(*starts, *(self[key] for key in BOX[2:]))

    def _extent(self, image: Image) -> Window:
        """Read the corners, which are both inside."""
        grid = image.grid
        unit = self["mode.extent.unit"]
        keys = ("ulx", "uly", "lrx", "lry")
        corners = [self.single(f"mode.extent.{key}") for key in keys]
        if unit != "pxl":
            if None in corners:
                self.fail("all four of mode.extent.ulx, uly, lrx, lry are expected")
            ulx, uly, lrx, lry = corners
            if unit == "lonlat":  # OTB wants the smaller latitude first
                uly, lry = lry, uly
            if ulx > lrx or uly < lry:
                self.fail(
                    "the extent is inverted; in lonlat, uly is the southern and lry "
                    "the northern latitude"
                )
            points = self._index(grid, unit, (ulx, uly), (lrx, lry))
            corners = [value for point in points for value in point]
            if unit == "lonlat":
                corners = sides(points)
        defaults = (0, 0, grid.width - 1, grid.height - 1)
        left, top, right, bottom = (
            math.floor((default if corner is None else corner) + 0.5)
            for corner, default in zip(corners, defaults, strict=True)
        )
        if right < left or bottom < top:
            self.fail("the extent is inverted")
        return Window(top, left, bottom - top + 1, right - left + 1)

    def _fit(self, image: Image) -> Window:
        """Read the extent of another image, or of vector data."""
        if self.has("mode.fit.im"):
            other = self.image("mode.fit.im").grid
            # OTB takes centres of pixels, that of the last one beyond the last row.
            ends = (0.5, 0.5), (other.width + 0.5, other.height + 0.5)
            first, last = (other.transform @ end for end in ends)
            crs = other.crs
        elif self.has("mode.fit.vect"):
            crs, (left, bottom, right, top) = vectors.extent(self["mode.fit.vect"])
            first, last = (left, top), (right, bottom)
        else:
            self.fail("mode.fit.im or mode.fit.vect is expected")
        ends = self._index(image.grid, crs, first, last)
        left, top, right, bottom = sides(ends)
        return Window(top, left, bottom - top, right - left)

    def _radius(self, image: Image) -> Window:
        """Read a centre and a radius."""
        grid = image.grid
        *centre, radius = (self.single(f"mode.radius.{k}") for k in ("cx", "cy", "r"))
        if None in (*centre, radius):
            self.fail("all of mode.radius.r, cx, cy are expected")
        unit = self["mode.radius.unitc"]
        if unit == "pxl":
            col, row = map(int, centre)
            x, y = grid.transform @ (col + 0.5, row + 0.5)
        else:
            ((x, y),) = self._project(grid, unit, centre)
            col, row = grid.pixel(x, y)
        if self["mode.radius.unitr"] == "pxl":
            return Window(row, col, 1, 1).grow(int(radius), int(radius))
        place = np.array((x, y), np.float32)  # as is each step in OTB
        ends = [
            grid.pixel(*map(float, place + np.float32(r))) for r in (-radius, radius)
        ]
        left, top, right, bottom = sides(ends)
        return Window(top, left, bottom - top + 1, right - left + 1)

    def _project(
        self, grid: Grid, unit: str | CRS | None, *points: tuple[float, float]
    ) -> list[tuple[float, float]]:
        """Convert points, in lonlat or a CRS, to the CRS of the image."""
        crs = CRS.from_epsg(4326) if unit == "lonlat" else unit
        if crs == "phy" or crs == grid.crs or not crs:
            return list(points)
        if not grid.crs:
            self.fail("the image has no CRS, so that no other can be made its own")
        return list(
            zip(*project(crs, grid.crs, *zip(*points, strict=True)), strict=True)
        )

    def _index(
        self, grid: Grid, unit: str | CRS | None, *points: tuple[float, float]
    ) -> list[tuple[int, int]]:
        """Return the (column, row) of the pixel that holds each point."""
        return [grid.pixel(*xy) for xy in self._project(grid, unit, *points)]

    def _channel(self, name: str, count: int) -> int:
        index = int(name.removeprefix("Channel")) if name[7:].isdigit() else 0
        if not name.startswith("Channel") or not 1 <= index <= count:
            self.fail(f"'cl' takes Channel1 to Channel{count}, not {name}")
        return index - 1


def sides(ends: Iterable[tuple[float, float]]) -> list[float]:
    """Return left, top, right and bottom of two points (x, y) in any order."""
    xs, ys = zip(*ends, strict=True)
    return [min(xs), min(ys), max(xs), max(ys)]


class Mosaic(Application):
    """Lay images on one grid, the later ones on top of the earlier ones."""

    def declare(self):
        """Declare the parameters; neither feathering nor harmonization is done."""
        yield from (input_images(), output_image(), ram())
        yield from (choice("comp.feather", "none"), choice("harmo.method", "none"))
        yield from (choice("interpolator", "nn"), number("nodata", 0.0))

    def run(self):
        """Unite the extents; the images must share CRS and number of bands."""
        images, nodata = self.images("il"), self["nodata"]
        for what, values in {
            "one CRS": [image.grid.crs for image in images],
            "one number of bands": [image.bands for image in images],
        }.items():
            if any(value != values[0] for value in values):
                names = ", ".join(map(str, values))
                self.fail(f"images of {what} are expected, got {names}")
        grid = union([image.grid for image in images])
        layers = [resample(image, grid, "nn", nodata) for image in images]
        self.output("out", mosaic(layers, nodata))


def union(grids: list[Grid]) -> Grid:
    """Return the grid of the least spacing that begins with the first centre of all.

    North is up unless it is not in the first grid and that has the least spacing.
    """
    dx, least = (min(abs(g.spacing[axis]) for g in grids) for axis in (0, 1))
    _, dy = grids[0].spacing
    dy = dy if abs(dy) == least else -least
    # As OTB does: from the first centre to one pixel beyond the last.
    ends = [
        np.add(g.origin, np.multiply(g.spacing, (g.width, g.height))) for g in grids
    ]
    xs, ys = zip(*ends, *(g.origin for g in grids), strict=True)
    width = math.floor((max(xs) - min(xs)) / dx + 0.5)
    height = math.floor((max(ys) - min(ys)) / abs(dy) + 0.5)
    corner = Affine(dx, 0, min(xs) - dx / 2, 0, dy, max(ys) - dy / 2)
    return Grid(grids[0].crs, corner, width, height)


def mosaic(layers: list[Image], nodata: float) -> Image:
    """Lay images of one grid on each other, except where all bands equal `nodata`.

    The result is float32, as in OTB: `nodata` need not fit the type of the images.
    """

    def read(window: Window) -> np.ndarray:
        result, *others = (layer.read(window) for layer in layers)
        for pixels in others:
            valid = (pixels != np.float32(nodata)).any(axis=2)
            result[valid] = pixels[valid]
        return result

    return replace(layers[0], read=read, nodata=nodata)
