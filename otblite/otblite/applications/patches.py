"""PatchesSelection and PatchesExtraction of OTBTF."""

import math
from collections.abc import Iterator

import numpy as np
from affine import Affine
from scipy.ndimage import binary_erosion

from otblite import vectors
from otblite.application import Application, sources
from otblite.applications.stacking import concatenate
from otblite.image import Grid, Image, Window, from_array, tiles
from otblite.parameters import (
    OUTPUT,
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

GROUPS = ("outtrain", "outvalid", "outtest")
# How many of the groups a strategy fills.
USED = {"chessboard": 2, "split": 3, "all": 1}
PROPORTIONS = ("trainprop", "validprop", "testprop")
# Rows of a mask that are read together.
MASK_ROWS = 256
# A point on the edge between two pixels belongs to the larger index; coordinates in
# metres are not exact, so "on the edge" means within this share of a pixel.
EDGE = 1e-6


class PatchesSelection(Application):
    """Choose patch centres on a regular grid and share them among groups."""

    name = "PatchesSelection"

    def declare(self):
        """Declare the parameters."""
        yield input_image()
        yield input_image("mask", mandatory=False)
        yield number("nodata", mandatory=False)
        for key in ("grid.step", "grid.psize"):
            yield Parameter(key, Type.Int, minimum=1)
        yield from (number("grid.offsetx", 0), number("grid.offsety", 0))
        yield choice("strategy", "chessboard", "split", "all")
        for key, share in zip(PROPORTIONS, (50.0, 25.0, 25.0), strict=True):
            yield number(f"strategy.split.{key}", share, minimum=0.0)
        for key in GROUPS:
            yield Parameter(
                key, Type.OutputVectorData, role=OUTPUT, mandatory=key == "outtrain"
            )
        yield ram()

    def run(self):
        """Give the centres of each group that has a file name."""
        image = self.image("in")
        cells = list(self._cells(image))
        groups = self._groups(image.grid, cells)
        for group, key in enumerate(GROUPS[: USED[self["strategy"]]]):
            if not self.has(key):
                continue
            ids = [index for index, own in enumerate(groups) if own == group]
            points = [self._point(image.grid, *cells[index][:2]) for index in ids]
            attributes = [{"id": index} for index in ids]
            self.output(key, vectors.Points(image.grid.crs, points, attributes))

    def _cells(self, image: Image) -> Iterator[tuple[int, int, int, int]]:
        """Give (row, column) of each accepted centre and its (row, column) number."""
        size, step, radius = image.grid, self["grid.step"], self["grid.psize"] // 2
        # With no-data values OTBTF pads the image by one pixel, which moves the grid.
        padded = int(self.has("nodata"))
        first = radius + 1 - padded
        rows, cols = (
            range(first + self._offset(key, padded), extent + padded - radius, step)
            for key, extent in (("y", size.height), ("x", size.width))
        )
        if step == 1:
            # In C++ -1 % 1 is 0: the pixel before the first one is taken as well.
            rows, cols = (range(r.start - 1, r.stop) for r in (rows, cols))
        usable = self._usable(image, radius)
        for i, row in enumerate(rows):
            for j, col in enumerate(cols):
                if usable is None or _at(usable, row, col):
                    yield row, col, i, j

    def _offset(self, axis: str, padded: int) -> int:
        return (self[f"grid.offset{axis}"] + padded) % self["grid.step"]

    def _usable(self, image: Image, radius: int) -> np.ndarray | None:
        """Tell for each pixel whether it can be a centre, [h, w]; None: all can."""
        mask = self.image("mask") if self.has("mask") else None
        size = (image.grid.height, image.grid.width)
        if mask and (mask.grid.height, mask.grid.width) != size:
            self.fail("the mask must have the size of the input image")
        if not self.has("nodata"):
            return mask and _collect(mask, lambda pixels: _byte(pixels) == 1)
        nodata = self["nodata"]
        valid = _collect(image, lambda pixels: (pixels != nodata).any(axis=2))
        if mask:
            valid &= _collect(mask, lambda pixels: _byte(pixels) != 0)
        # The neighbourhood must be valid, and inside the image.
        box = np.ones((2 * radius + 1, 1), bool)
        return binary_erosion(binary_erosion(valid, box), box.T)

    def _groups(self, grid: Grid, cells: list[tuple[int, int, int, int]]) -> list[int]:
        """Assign a group (0 train, 1 valid, 2 test) to each accepted centre."""
        if self["strategy"] == "all":
            return [0] * len(cells)
        if self["strategy"] == "chessboard":
            return [(i + j) % 2 for _, _, i, j in cells]
        shares = [self[f"strategy.split.{key}"] for key in PROPORTIONS]
        wanted = [self.has(key) for key in GROUPS]
        shares = [
            share if is_wanted else 0.0
            for share, is_wanted in zip(shares, wanted, strict=True)
        ]
        if not any(shares):
            self.fail("the proportions of the groups are all 0")
        step = self["grid.step"]
        limit = (grid.width // step + 1) * (grid.height // step + 1)
        return split(len(cells), shares, limit)

    def _point(self, grid: Grid, row: int, col: int) -> tuple[float, float]:
        """Give the centre of a pixel or, for even patches, its lower-left corner."""
        x, y = grid.transform @ (col + 0.5, row + 0.5)
        if self["grid.psize"] % 2 == 0:
            dx, dy = grid.spacing
            x, y = x - 0.5 * abs(dx), y - 0.5 * abs(dy)
        return x, y


def split(count: int, shares: list[float], limit: int) -> list[int]:
    """Give each of `count` centres to the group that has got least of its share.

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


def _at(usable: np.ndarray, row: int, col: int) -> bool:
    inside = 0 <= row < usable.shape[0] and 0 <= col < usable.shape[1]
    return inside and bool(usable[row, col])


def _byte(pixels: np.ndarray) -> np.ndarray:
    """Read the first band as OTB reads a mask: uint8, truncated."""
    return np.clip(pixels[:, :, 0], 0, 255).astype(np.uint8)


def _collect(image: Image, predicate) -> np.ndarray:
    """Evaluate a predicate on all pixels, strip by strip, [h, w] bool."""
    strips = tiles(image.grid, MASK_ROWS, image.grid.width)
    parts = [predicate(image.read(strip)) for strip in strips]
    return np.concatenate(parts)


class PatchesExtraction(Application):
    """Cut patches around points out of one or more sources and stack them."""

    name = "PatchesExtraction"

    def declare(self):
        """Declare the parameters; OTB_TF_NSOURCES says how many sources there are."""
        for source in self._names():
            yield input_images(f"{source}.il")
            yield output_image(f"{source}.out")
            for key in ("patchsizex", "patchsizey"):
                yield Parameter(f"{source}.{key}", Type.Int, minimum=1)
            yield number(f"{source}.nodata", mandatory=False)
        yield Parameter("vec", Type.InputVectorData)
        yield output_image("outlabels", mandatory=False, pixel=Pixel.uint8)
        yield Parameter("field", Type.String)

    @staticmethod
    def _names() -> list[str]:
        return [f"source{index + 1}" for index in range(sources())]

    def run(self):
        """Find the patches that lie inside every source; pixels are read later."""
        points = vectors.read(self["vec"])
        field = self["field"]
        labels = [
            (xy, int(attributes[field]))
            for xy, attributes in zip(
                points.coordinates, points.attributes, strict=True
            )
            if attributes.get(field) is not None
        ]
        if not labels:
            self.fail(f"{self['vec']} has no point with the attribute '{field}'")
        images = {
            name: concatenate(self.images(f"{name}.il")) for name in self._names()
        }
        sizes = {
            name: (self[f"{name}.patchsizey"], self[f"{name}.patchsizex"])
            for name in images
        }
        kept, windows = [], {name: [] for name in images}
        for xy, label in labels:
            own = {n: patch_window(i.grid, xy, sizes[n]) for n, i in images.items()}
            if all(self._accepts(name, images[name], own[name]) for name in images):
                kept.append(label)
                for name, window in own.items():
                    windows[name].append(window)
        if not kept:
            self.fail(
                f"none of {len(labels)} patches lies inside all images without "
                "no-data values"
            )
        for name, image in images.items():
            self.output(f"{name}.out", stack(image, windows[name]))
        ids = np.asarray(kept, np.float32).reshape(-1, 1, 1)
        grid = Grid(None, Affine(1, 0, -0.5, 0, 1, -0.5), 1, len(kept))
        self.output("outlabels", from_array(ids, grid))

    def _accepts(self, name: str, image: Image, window: Window) -> bool:
        if window.clip(image.grid.height, image.grid.width) != window:
            return False
        if not self.has(f"{name}.nodata"):
            return True
        return not (image.read(window) == self[f"{name}.nodata"]).any()


def patch_window(grid: Grid, xy: tuple[float, float], size: tuple[int, int]) -> Window:
    """Give the patch of `size` (height, width) around the pixel that contains `xy`."""
    col, row = ~grid.transform @ xy
    height, width = size
    top = math.floor(row + EDGE) - height // 2
    return Window(top, math.floor(col + EDGE) - width // 2, height, width)


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

    # Strips of whole patches, about 8 million pixels.
    rows = height * max(1, 2**23 // (height * width * image.bands))
    return Image(grid, image.bands, image.dtype, read, (rows, width))


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
        union = _union(block, window)
        used = (len(members) + 1) * window.height * window.width
        if union.height * union.width <= 2 * used:
            block, members = union, [*members, window]
            continue
        yield block, members
        block, members = window, [window]
    yield block, members


def _union(one: Window, other: Window) -> Window:
    top, left = min(one.row, other.row), min(one.col, other.col)
    bottom = max(one.row + one.height, other.row + other.height)
    right = max(one.col + one.width, other.col + other.width)
    return Window(top, left, bottom - top, right - left)
