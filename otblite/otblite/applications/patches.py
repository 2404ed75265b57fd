"""PatchesSelection and PatchesExtraction of OTBTF."""

import math
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

import numpy as np
from affine import Affine
from otblite import vectors
from otblite.application import Application, source_names
from otblite.applications.stacking import concatenate
from otblite.image import Grid, Image, Window, from_array, in_order, strips
from otblite.parameters import (
    RAM,
    Parameter,
    Pixel,
    Type,
    choice,
    input_image,
    input_images,
    number,
    output_image,
    ram,
)
from otblite.warp import project
from scipy.ndimage import minimum_filter

GROUPS = ("outtrain", "outvalid", "outtest")
# How many of the groups a strategy fills.
USED = {"chessboard": 2, "split": 3, "all": 1}
PROPORTIONS = ("trainprop", "validprop", "testprop")
# A point on the edge between two pixels belongs to the larger index; coordinates in
# metres are not exact, so "on the edge" means within this share of a pixel.
EDGE = 1e-6


class PatchesSelection(Application):
    """Choose patch centres on a regular grid and share them among groups."""

    def declare(self):
        """Declare the parameters."""
        yield input_image()
        yield input_image("mask", mandatory=False)
        yield number("nodata", mandatory=False)
        for key in ("grid.step", "grid.psize"):
            yield Parameter(key, Type.Int, minimum=1)
        for key in ("grid.offsetx", "grid.offsety"):
            yield number(key, 0, minimum=0)
        yield choice("strategy", "chessboard", "split", "all")
        for key, share in zip(PROPORTIONS, (50.0, 25.0, 25.0), strict=True):
            yield number(f"strategy.split.{key}", share, minimum=0.0)
        yield Parameter("strategy.split.random", Type.Bool, False, mandatory=False)
        for key in GROUPS:
            yield Parameter(key, Type.OutputVectorData, mandatory=key == "outtrain")
        yield ram()

    def run(self):
        """Output the centres of each group that has a file name."""
        image = self.image("in")
        self._check_size(image.grid)
        cells = list(self._cells(image))
        groups = self._groups(image.grid, cells)
        for group, key in enumerate(GROUPS[: USED[self["strategy"]]]):
            if not self.has(key):
                continue
            ids = [index for index, assigned in enumerate(groups) if assigned == group]
            points = [self._point(image.grid, *cells[index][:2]) for index in ids]
            attributes = [{"id": index} for index in ids]
            self.output(key, vectors.Points(image.grid.crs, points, attributes))

    def _check_size(self, grid: Grid) -> None:
        """Refuse an image smaller than a patch, for which OTBTF returns points."""
        size = self["grid.psize"]
        if min(grid.width, grid.height) < size:
            self.fail(
                f"the image of {grid.width} x {grid.height} pixels is smaller than a "
                f"patch of {size} x {size}"
            )

    def _cells(self, image: Image) -> Iterator[tuple[int, int, int, int]]:
        """Yield (row, column) of each accepted centre, in pixels and in the grid."""
        size, step, radius = image.grid, self["grid.step"], self["grid.psize"] // 2
        # With no-data values OTBTF pads the image by one pixel, which moves the grid.
        padded = int(self.has("nodata"))
        first = radius + 1 - padded
        rows, cols = (
            range(first + (offset + padded) % step, extent + padded - radius, step)
            for offset, extent in (
                (self["grid.offsety"], size.height),
                (self["grid.offsetx"], size.width),
            )
        )
        if step == 1:
            # In C++ -1 % 1 is 0: the pixel before the first one is taken as well.
            rows, cols = (range(r.start - 1, r.stop) for r in (rows, cols))
        for top, usable in self._usable(image, radius):
            for i, row in enumerate(rows):
                if not top <= row < top + len(usable):
                    continue
                for j, col in enumerate(cols):
                    if 0 <= col < size.width and usable[row - top, col]:
                        yield row, col, i, j

    def _usable(self, image: Image, radius: int) -> Iterator[tuple[int, np.ndarray]]:
        """Yield the first row of each strip, and a mask [h, w] of possible centres."""
        mask = self.image("mask") if self.has("mask") else None
        size = (image.grid.height, image.grid.width)
        if mask and (mask.grid.height, mask.grid.width) != size:
            self.fail("the mask must have the size of the input image")
        nodata = self["nodata"]

        def check(window: Window) -> np.ndarray:
            valid = np.ones(window[2:], bool)
            if nodata is not None:
                valid &= (image.read(window) != nodata).any(axis=2)
            if mask:
                # OTB reads a mask as uint8, cut off behind the point.
                marks = np.clip(mask.read(window)[:, :, 0], 0, 255).astype(np.uint8)
                valid &= marks == 1 if nodata is None else marks != 0
            return valid

        valid_strips = (v for _, v in in_order(check, strips(image, self["ram"])))
        # Without a no-data value only the centre matters.
        return erode(valid_strips, 0 if nodata is None else radius, image.grid.width)

    def _groups(self, grid: Grid, cells: list[tuple[int, int, int, int]]) -> list[int]:
        """Assign a group (0 train, 1 valid, 2 test) to each accepted centre."""
        if self["strategy"] == "all":
            return [0] * len(cells)
        if self["strategy"] == "chessboard":
            return [(i + j) % 2 for _, _, i, j in cells]
        shares = [self[f"strategy.split.{key}"] for key in PROPORTIONS]
        requested = [True, self.has("outvalid"), self.has("outtest")]
        shares = [
            share if is_requested else 0.0
            for share, is_requested in zip(shares, requested, strict=True)
        ]
        if not any(shares):
            self.fail("the proportions of the groups are all 0")
        step = self["grid.step"]
        limit = (grid.width // step + 1) * (grid.height // step + 1)
        if not self["strategy.split.random"]:
            return split(len(cells), shares, limit)
        # OTBTF shuffles the groups of all cells of the grid, with or without a point.
        return shuffle(split(limit, shares, limit))[: len(cells)]

    def _point(self, grid: Grid, row: int, col: int) -> tuple[float, float]:
        """Return the centre of a pixel or, for even patches, its lower-left corner."""
        x, y = grid.transform @ (col + 0.5, row + 0.5)
        if self["grid.psize"] % 2 == 0:
            dx, dy = grid.spacing
            x, y = x - 0.5 * abs(dx), y - 0.5 * abs(dy)
        return x, y


def split(count: int, shares: list[float], limit: int) -> list[int]:
    """Assign each of `count` centres to the group that has the least of its share.

    Each group's counter grows by total / share; the smallest counter is next, the
    first group wins ties.  Counters are float32, as in OTBTF, so that ties fall alike.

    Source: OTBTF application PatchesSelection, strategy `split`.

    >>> split(10, [0.8, 0.1, 0.1], 100)
    [0, 1, 2, 0, 0, 0, 0, 0, 0, 0]
    """
    shares = np.asarray(shares, np.float32)
    used = shares > 0
    growth = np.zeros(len(shares), np.float32)
    np.divide(shares.sum(dtype=np.float32), shares, out=growth, where=used)
    counters = np.where(used, 0, limit).astype(np.float32)
    groups = []
    for _ in range(count):
        group = int(counters.argmin())
        groups.append(group)
        counters[group] += growth[group]
    return groups


def shuffle(values: list[int]) -> list[int]:
    """Shuffle as C++ programs made with GCC do, by its default generator, unseeded.

    Source: std::shuffle and std::uniform_int_distribution of libstdc++, and the
    generator minstd_rand0 of Park and Miller (Communications of the ACM 31, 1988).

    >>> shuffle([0, 1, 2, 3, 4, 5])
    [2, 3, 1, 4, 5, 0]
    """
    values, state = list(values), 1
    modulus = 2**31 - 1
    span = modulus - 2  # between the least and the largest number of the generator

    def draw(count: int) -> int:
        """Draw a number below `count`."""
        nonlocal state
        size = span // count
        while True:
            state = 16807 * state % modulus
            if state - 1 < size * count:
                return (state - 1) // size

    def swap(i: int, j: int) -> None:
        values[i], values[j] = values[j], values[i]

    total = len(values)
    if total and span // total < total:
        for i in range(1, total):
            swap(i, draw(i + 1))
        return values
    # In short lists one random number serves two swaps.
    if total and total % 2 == 0:
        swap(1, draw(2))
    for i in range(2 - total % 2, total, 2):
        first, second = divmod(draw((i + 1) * (i + 2)), i + 2)
        swap(i, first)
        swap(i + 1, second)
    return values


def erode(
    strips: Iterable[np.ndarray], radius: int, width: int
) -> Iterator[tuple[int, np.ndarray]]:
    """Keep the pixels with true neighbours only, up to `radius`.

    Arguments:
        strips: the image from top to bottom in pieces [h, width] bool; pixels
            outside are false.

    Returns:
        First row and pixels of strips that together are as high as the image.

    >>> image = np.array([[1, 1, 1, 1], [1, 1, 1, 1], [1, 1, 1, 0]], bool)
    >>> for row, pixels in erode(np.split(image, 3), 1, 4): print(row, pixels * 1)
    0 [[0 0 0 0]]
    1 [[0 1 0 0]]
    2 [[0 0 0 0]]
    """
    outside = np.zeros((radius, width), bool)
    row, above = 0, outside
    for strip in chain(strips, [outside]):
        block = np.concatenate([above, strip])
        height = len(block) - 2 * radius
        if height > 0:
            eroded = minimum_filter(block, 2 * radius + 1, mode="constant")
            yield row, eroded[radius : radius + height]
            row, block = row + height, block[height:]
        above = block


class PatchesExtraction(Application):
    """Cut patches around points out of one or more sources and stack them."""

    def declare(self):
        """Declare the parameters; OTB_TF_NSOURCES is the number of sources."""
        for source in source_names():
            yield input_images(f"{source}.il")
            yield output_image(f"{source}.out")
            for key in ("patchsizex", "patchsizey"):
                yield Parameter(f"{source}.{key}", Type.Int, minimum=1)
            yield number(f"{source}.nodata", mandatory=False)
        yield Parameter("vec", Type.InputVectorData)
        yield output_image("outlabels", mandatory=False, pixel=Pixel.uint8)
        yield Parameter("field", Type.String)

    def run(self):
        """Find the patches that lie inside every source; pixels are read later."""
        points = vectors.read(self["vec"])
        field = self["field"]
        labels = [
            (xy, self._label(attributes[field]))
            for xy, attributes in zip(
                points.coordinates, points.attributes, strict=True
            )
            if attributes.get(field) is not None
        ]
        if not labels:
            self.fail(f"{self['vec']} has no point with the attribute '{field}'")
        images = {
            name: concatenate(self.images(f"{name}.il")) for name in source_names()
        }
        for image in images.values():
            self._check_place(points, image.grid)
        windows, kept = {}, np.ones(len(labels), bool)
        for name, image in images.items():
            size = self[f"{name}.patchsizey"], self[f"{name}.patchsizex"]
            windows[name] = patch_windows(image.grid, [xy for xy, _ in labels], size)
            kept &= [w.intersect(image.grid.window) == w for w in windows[name]]
        for name, image in images.items():
            if self.has(f"{name}.nodata") and kept.any():
                inside = [windows[name][index] for index in np.flatnonzero(kept)]
                kept[kept] = complete(image, inside, self[f"{name}.nodata"])
        if not kept.any():
            self.fail(
                f"none of {len(labels)} patches lies inside all images without "
                "no-data values"
            )
        chosen = np.flatnonzero(kept)
        for name, image in images.items():
            inside = [windows[name][index] for index in chosen]
            self.output(f"{name}.out", stack(image, inside))
        ids = np.asarray([labels[index][1] for index in chosen], np.float32)
        grid = Grid(None, Affine(1, 0, -0.5, 0, 1, -0.5), 1, len(ids))
        self.output("outlabels", from_array(ids.reshape(-1, 1, 1), grid))

    def _check_place(self, points: vectors.Points, grid: Grid) -> None:
        """Refuse points in another CRS than the image; OTBTF ignores their CRS."""
        if points.crs in (None, grid.crs) or not grid.crs:
            return
        places = np.array(points.coordinates)
        converted = np.stack(project(points.crs, grid.crs, *places.T), axis=1)
        if abs(converted - places).max() > EDGE * min(map(abs, grid.spacing)):
            self.fail(
                f"{self['vec']} is in {points.crs.to_string()} and the image in "
                f"{grid.crs.to_string()}; bring the points into the CRS of the image "
                "(ogr2ogr -t_srs)"
            )

    def _label(self, value: Any) -> int:
        try:
            return int(value)
        except (TypeError, ValueError):
            self.fail(f"attribute '{self['field']}' is not a number: '{value}'")


def patch_windows(grid: Grid, points: list, size: tuple[int, int]) -> list[Window]:
    """Return the patches of `size` (height, width) around the pixels of points, xy."""
    height, width = size
    places = np.floor(np.transpose(~grid.transform @ np.transpose(points)) + EDGE)
    corners = places.astype(int) - (width // 2, height // 2)
    return [Window(row, col, height, width) for col, row in corners.tolist()]


def stack(image: Image, windows: list[Window]) -> Image:
    """Stack patches of an image downwards: [n x height, width], no place, no CRS.

    Neighbouring patches are read together, because reading one window of an image
    that has to be computed is much cheaper than reading many small ones.
    """
    height, width = windows[0][2:]
    dx, dy = image.grid.spacing
    # OTBTF leaves the origin at 0, which is the centre of the first pixel.
    transform = Affine(dx, 0, -dx / 2, 0, dy, -dy / 2)
    grid = Grid(None, transform, width, height * len(windows))

    def read(window: Window) -> np.ndarray:
        first, last = window.row // height, -(-(window.row + window.height) // height)
        patches = np.concatenate(list(_read_patches(image, windows[first:last])))
        top = window.row - first * height
        cols = slice(window.col, window.col + window.width)
        return patches[top : top + window.height, cols]

    return Image(grid, image.bands, image.dtype, read, (height, width))


def complete(image: Image, windows: list[Window], nodata: float) -> np.ndarray:
    """Check which patches have no sample that equals `nodata`, [n] bool."""
    patches = stack(image, windows)
    flags = []
    for _, pixels in in_order(patches.read, strips(patches, RAM)):
        samples = pixels.reshape(-1, math.prod(windows[0][2:]) * image.bands)
        flags.append((samples != nodata).all(axis=1))
    return np.concatenate(flags)


def _read_patches(image: Image, windows: list[Window]) -> Iterator[np.ndarray]:
    """Read patches in order, those that lie side by side in one go."""
    for block, members in _blocks(windows):
        pixels = image.read(block)
        for member in members:
            yield pixels[member.shift(-block.row, -block.col).slices]


def _blocks(windows: list[Window]) -> Iterator[tuple[Window, list[Window]]]:
    """Join runs of windows as long as at least half of the joint area is used."""
    block, members = windows[0], [windows[0]]
    for window in windows[1:]:
        union = block.unite(window)
        used = (len(members) + 1) * window.height * window.width
        if union.height * union.width <= 2 * used:
            block, members = union, [*members, window]
            continue
        yield block, members
        block, members = window, [window]
    yield block, members
