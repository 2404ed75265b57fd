"""TensorflowModelServe of OTBTF, fully convolutional."""

import math
import threading
from pathlib import Path

import numpy as np
from affine import Affine
from otblite.application import Application, sources
from otblite.applications.stacking import concatenate
from otblite.image import Grid, Image, Window
from otblite.parameters import (
    Parameter,
    Type,
    input_images,
    number,
    output_image,
    ram,
)


class TensorflowModelServe(Application):
    """Run a SavedModel over an image, tile by tile."""

    name = "TensorflowModelServe"

    def declare(self):
        """Declare the parameters."""
        yield input_images("source1.il")
        for axis in "xy":
            yield number(f"source1.rfield{axis}", 1, minimum=1)
        yield Parameter("source1.placeholder", Type.String, mandatory=False)
        yield number("source1.nodata", mandatory=False)
        yield Parameter("model.dir", Type.Directory)
        yield Parameter("model.fullyconv", Type.Bool, False, mandatory=False)
        yield number("output.spcscale", 1.0)
        yield Parameter("output.names", Type.StringList, mandatory=False)
        yield number("output.bv", 0.0)
        for axis in "xy":
            yield number(f"output.efield{axis}", 1, minimum=1)
        yield Parameter("optim.disabletiling", Type.Bool, False, mandatory=False)
        for axis in "xy":
            yield number(f"optim.tilesize{axis}", 16, minimum=1)
        yield from (output_image(), ram())

    def run(self):
        """Describe the output; the network runs when pixels are asked for."""
        if sources() > 1:
            self.fail("one source is supported; OTB_TF_NSOURCES asks for more")
        if not self["model.fullyconv"]:
            self.fail("only fully convolutional models: set model.fullyconv=on")
        image = concatenate(self.images("source1.il"))
        for key in ("source1.rfield", "output.efield", "optim.tilesize"):
            if self[f"{key}x"] != self[f"{key}y"]:
                self.fail(f"{key}x and {key}y must be equal")
        name, nodata, empty = self.name, self["source1.nodata"], self["output.bv"]
        network = Network(
            self["model.dir"], self["source1.placeholder"], self["output.names"]
        )
        bands = network.check(image.bands)
        geometry = Geometry(
            image.grid,
            rfield=self["source1.rfieldx"],
            efield=self["output.efieldx"],
            scale=self["output.spcscale"],
        )
        tile = self["optim.tilesizex"]
        if self["optim.disabletiling"]:
            tile = max(geometry.grid.width, geometry.grid.height)
        # OTBTF rounds up to the next multiple of the expression field.
        tile = -(-tile // geometry.efield) * geometry.efield

        def compute(part: Window) -> np.ndarray:
            needed = geometry.needed(part)
            pixels = image.read(needed.clip(image.grid.height, image.grid.width))
            shape = (part.height, part.width, bands)
            if nodata is not None and (pixels == nodata).all():
                return np.full(shape, empty, np.float32)
            result = network(pixels)
            if result.shape != shape:
                raise RuntimeError(
                    f"{name}: the network made {result.shape[1]} x "
                    f"{result.shape[0]} pixels of {pixels.shape[1]} x "
                    f"{pixels.shape[0]} where {part.width} x {part.height} are "
                    "needed; check rfield, efield and spcscale against the model"
                )
            return result

        def read(window: Window) -> np.ndarray:
            result = np.empty((window.height, window.width, bands), np.float32)
            for part in tiles_of(window, tile):
                aligned = geometry.align(part)
                pixels = compute(aligned)
                own = part.shift(-aligned.row, -aligned.col)
                place = part.shift(-window.row, -window.col)
                result[place.slices] = pixels[own.slices]
            return result

        grid = geometry.grid
        self.output("out", Image(grid, bands, np.dtype(np.float32), read, (tile, tile)))


class Geometry:
    """Which input pixels a piece of the output needs, and where the output lies.

    `rfield` (input pixels) and `efield` (output pixels) are OTBTF's receptive and
    expression field, `scale` is the output's pixel size over the input's.  In
    OTBTF's terms: an input of rfield pixels gives efield pixels.
    """

    def __init__(self, source: Grid, rfield: int, efield: int, scale: float):
        self.efield = efield
        # Input pixels that efield output pixels stand for, and what must be added
        # on the two sides so that the network can make them.
        own = 1 + int((efield - 1) * scale)
        if own > rfield:
            raise ValueError(
                f"an expression field of {efield} needs a receptive field of at least "
                f"{own}, not {rfield}"
            )
        self.padding = rfield - own
        self.scale = scale
        sizes = []
        for extent in (source.width, source.height):
            size = math.floor((extent - rfield + 1) / scale) + efield - 1
            sizes.append(size - size % efield)
        if min(sizes) < efield:
            raise ValueError(
                f"an image of {source.width} x {source.height} pixels is smaller than "
                f"the receptive field of {rfield}"
            )
        # The network's output is centred on what it was given: the first input
        # region starts at pixel 0, and `padding` of it is consumed, half of it first.
        self.first = math.ceil(self.padding / 2)
        transform = (
            source.transform
            @ Affine.translation(self.first, self.first)
            @ Affine.scale(scale)
        )
        self.grid = Grid(source.crs, transform, *sizes)

    def align(self, window: Window) -> Window:
        """Widen a window of the output to whole expression fields."""
        field = self.efield
        row, col = window.row // field * field, window.col // field * field
        bottom = -(-(window.row + window.height) // field) * field
        right = -(-(window.col + window.width) // field) * field
        return Window(row, col, bottom - row, right - col)

    def needed(self, window: Window) -> Window:
        """Give the input pixels for an aligned window of the output."""
        scale = self.scale
        return Window(
            math.floor(window.row * scale),
            math.floor(window.col * scale),
            math.ceil(window.height * scale) + self.padding,
            math.ceil(window.width * scale) + self.padding,
        )


def tiles_of(window: Window, size: int) -> list[Window]:
    """Cut a window along a grid of square tiles that starts at the image's corner."""
    found = []
    for row in range(window.row // size * size, window.row + window.height, size):
        for col in range(window.col // size * size, window.col + window.width, size):
            tile = Window(row, col, size, size).shift(-window.row, -window.col)
            inside = tile.clip(window.height, window.width)
            found.append(inside.shift(window.row, window.col))
    return found


class Network:
    """A SavedModel's `serving_default` signature, loaded when it is first needed."""

    def __init__(self, folder: str, placeholder: str | None, names: list[str] | None):
        # TensorFlow takes seconds to import: only who serves a model pays for it.
        import tensorflow as tf

        if not (Path(folder) / "saved_model.pb").exists():
            raise ValueError(
                f"{folder} is not a SavedModel (saved_model.pb is missing)"
            )
        try:
            self._model = tf.saved_model.load(folder)
            self._signature = self._model.signatures["serving_default"]
        except (OSError, LookupError, tf.errors.OpError) as error:
            raise ValueError(
                f"{folder} is not a SavedModel to serve ({error})"
            ) from None
        _, inputs = self._signature.structured_input_signature
        outputs = self._signature.structured_outputs
        self.placeholder = _one_of(inputs, placeholder, f"{folder}: input")
        self.names = [_one_of(outputs, n, f"{folder}: output") for n in names or [None]]
        self._input = inputs[self.placeholder]
        self._outputs = [outputs[name] for name in self.names]

        def wanted(pixels: tf.Tensor) -> list[tf.Tensor]:
            answer = self._signature(**{self.placeholder: pixels})
            return [answer[name] for name in self.names]

        # Inside a function TensorFlow leaves out what does not lead to its results,
        # as OTBTF's session does: the other outputs are not computed.
        self._run = tf.function(wanted, [self._input], autograph=False)
        # TensorFlow uses all cores by itself: one tile at a time keeps memory low
        # while other threads read and write.
        self._lock = threading.Lock()

    def check(self, bands: int) -> int:
        """Check the number of input bands; give the number of output bands."""
        expected = self._input.shape[-1]
        if expected not in (None, bands):
            raise ValueError(f"the model takes {expected} bands, the image has {bands}")
        shapes = [output.shape for output in self._outputs]
        if any(shape.rank != 4 or shape[-1] is None for shape in shapes):
            raise ValueError(
                f"outputs of shape [batch, height, width, bands] are expected, got "
                f"{', '.join(map(str, shapes))}"
            )
        return sum(shape[-1] for shape in shapes)

    def __call__(self, pixels: np.ndarray) -> np.ndarray:
        """Run the network on [h, w, bands]; give [h', w', output bands] float32."""
        import tensorflow as tf

        batch = tf.constant(pixels[None].astype(self._input.dtype.as_numpy_dtype))
        try:
            with self._lock:
                outputs = self._run(batch)
        except tf.errors.OpError as error:
            height, width = pixels.shape[:2]
            raise RuntimeError(
                f"the network cannot be run on {width} x {height} pixels: "
                f"{str(error).splitlines()[0]}"
            ) from None
        parts = [output.numpy()[0] for output in outputs]
        pixels = parts[0] if len(parts) == 1 else np.concatenate(parts, axis=-1)
        return pixels.astype(np.float32, copy=False)


def _one_of(known: dict, name: str | None, what: str) -> str:
    """Check a name; where none is given there must be just one."""
    if name is None and len(known) == 1:
        return next(iter(known))
    if name not in known:
        raise ValueError(f"{what} '{name}' is not among {', '.join(sorted(known))}")
    return name
