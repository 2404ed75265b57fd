"""TensorflowModelServe of OTBTF: fully convolutional, or patch by patch."""

import contextlib
import logging
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from otblite.application import Application, source_names
from otblite.applications.stacking import concatenate
from otblite.fields import Geometry
from otblite.image import Image, Window, tiles
from otblite.parameters import Parameter, Type, input_images, number, output_image, ram

# Begins the names of the tensors of inputs that nobody gives.
MISSING = "missing_"


class TensorflowModelServe(Application):
    """Run a SavedModel over one or several images, tile by tile."""

    def declare(self):
        """Declare the parameters; OTB_TF_NSOURCES is the number of sources."""
        for source in source_names():
            yield input_images(f"{source}.il")
            for axis in "xy":
                yield number(f"{source}.rfield{axis}", 1, minimum=1)
            yield Parameter(f"{source}.placeholder", Type.String, mandatory=False)
            yield number(f"{source}.nodata", mandatory=False)
        yield Parameter("model.dir", Type.Directory)
        for key in ("userplaceholders", "tagsets"):
            yield Parameter(f"model.{key}", Type.StringList, mandatory=False)
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
        """Describe the output; the network runs when pixels are read."""
        names = source_names()
        images = [concatenate(self.images(f"{name}.il")) for name in names]
        nodata = [self[f"{name}.nodata"] for name in names]
        rfields = [self._pair(f"{name}.rfield") for name in names]
        efield, tile = self._pair("output.efield"), self._pair("optim.tilesize")
        patches, empty, name = not self["model.fullyconv"], self["output.bv"], self.name
        if patches and efield != (1, 1):
            self.fail("patch by patch (model.fullyconv off) the expression field is 1")
        network = Network(
            self["model.dir"],
            [self[f"{name}.placeholder"] for name in names],
            self["output.names"],
            self["model.userplaceholders"] or [],
            self["model.tagsets"] or [],
        )
        bands = network.check([image.bands for image in images])
        geometry = Geometry(
            [image.grid for image in images],
            rfields,
            efield,
            self["output.spcscale"],
            patches,
        )
        if self["optim.disabletiling"]:
            tile = geometry.grid.height, geometry.grid.width
        # OTBTF rounds up to the next multiple of the expression field.
        tile = tuple(-(-t // e) * e for t, e in zip(tile, efield, strict=True))
        cut = whole_patches if patches else regions

        def compute(part: Window) -> np.ndarray:
            pixels = cut(images, geometry, part)
            shape = (part.height, part.width, bands)
            # One source without any data is enough.
            if any(
                value is not None and (tile == value).all()
                for tile, value in zip(pixels, nodata, strict=True)
            ):
                return np.full(shape, empty, np.float32)
            try:
                return network(pixels, shape[:2])
            except (ValueError, RuntimeError) as error:
                raise RuntimeError(f"{name}: {error}") from None

        def read(window: Window) -> np.ndarray:
            result = np.empty((window.height, window.width, bands), np.float32)
            for part in tiles(window, *tile):
                aligned = geometry.align(part)
                pixels = compute(aligned)
                inner = part.shift(-aligned.row, -aligned.col)
                place = part.shift(-window.row, -window.col)
                result[place.slices] = pixels[inner.slices]
            return result

        kind = np.dtype(np.float32)
        self.output("out", Image(geometry.grid, bands, kind, read, tile))

    def _pair(self, key: str) -> tuple[int, int]:
        """Return (height, width) of a parameter that has an x and a y."""
        return self[f"{key}y"], self[f"{key}x"]


def regions(images: Sequence[Image], geometry: Geometry, part: Window) -> list:
    """Read the inputs of a fully convolutional network, [1, h, w, bands] each."""
    return [
        image.read(geometry.needed(source, part).intersect(image.grid.window))[None]
        for source, image in enumerate(images)
    ]


def whole_patches(images: Sequence[Image], geometry: Geometry, part: Window) -> list:
    """Read the patch of each source for each output pixel, [n, h, w, bands]."""
    parts = []
    for source, image in enumerate(images):
        rows = geometry.rows.patches_of(source, part.row, part.height)
        cols = geometry.cols.patches_of(source, part.col, part.width)
        size = tuple(a.spans[source].rfield for a in (geometry.rows, geometry.cols))
        top, left = rows[0], cols[0]
        together = Window(
            top, left, rows[-1] - top + size[0], cols[-1] - left + size[1]
        )
        pixels = image.read_padded(together)
        windows = np.lib.stride_tricks.sliding_window_view(pixels, size, (0, 1))
        chosen = windows[np.ix_(np.subtract(rows, top), np.subtract(cols, left))]
        # [rows, cols, bands, h, w] to [n, h, w, bands].
        chosen = np.moveaxis(chosen, 2, -1)
        parts.append(chosen.reshape(-1, *chosen.shape[2:]))
    return parts


def load(folder: str, tags: Sequence[str]) -> tuple[Any, Any]:
    """Load a SavedModel; return it and the signature to serve."""
    # TensorFlow takes seconds to import: only serving a model should wait for it.
    import tensorflow as tf

    if not (Path(folder) / "saved_model.pb").exists():
        raise ValueError(f"{folder} is not a SavedModel (saved_model.pb is missing)")
    try:
        with without_warnings():
            model = tf.saved_model.load(folder, tags or None)
        signatures, key = model.signatures, "serving_default"
        return model, signatures[key if key in signatures else min(signatures)]
    except (OSError, RuntimeError, ValueError, LookupError) as error:
        reason = str(error).partition("\n")[0]
        raise ValueError(f"{folder} is not a SavedModel to serve ({reason})") from None


class Network:
    """A signature of a SavedModel.

    Models of TensorFlow 1 have keys such as "x:0", which "x" stands for.
    """

    def __init__(
        self,
        folder: str,
        placeholders: Sequence[str | None],
        names: list[str] | None,
        constants: Sequence[str] = (),
        tags: Sequence[str] = (),
    ):
        """Load a SavedModel, the graph that has the tags.

        Arguments:
            placeholders: name of the input for each source; None: the next one.
            names: outputs, stacked; None: the first one.
            constants: "name=value" for inputs that are no images.

        Raises:
            ValueError: if it is no SavedModel, or has no such input or output.
        """
        # The model must be alive as long as its signature is used.
        self._model, self._signature = load(folder, tags)
        _, inputs = self._signature.structured_input_signature
        outputs = self._signature.structured_outputs
        fixed = dict(_constant(inputs, text, folder) for text in constants)
        free = sorted(name for name in inputs if name not in fixed)
        sources = [
            _one_of(inputs, name, free[number_of : number_of + 1], f"{folder}: input")
            for number_of, name in enumerate(placeholders)
        ]
        if len({*sources, *fixed}) < len(sources) + len(fixed):
            raise ValueError(
                f"{folder}: the inputs are {', '.join(sorted(inputs))}, and each is "
                f"expected once; given are {', '.join([*sources, *fixed])}"
            )
        first = sorted(outputs)[:1]
        asked = names or [None]
        names = [_one_of(outputs, name, first, f"{folder}: output") for name in asked]
        self._inputs = [inputs[name] for name in sources]
        self._outputs = [outputs[name] for name in names]
        self._run = self._function(sources, names, fixed)
        # TensorFlow uses all cores: one tile at a time keeps memory low
        # while other threads read and write.
        self._lock = threading.Lock()

    def _function(self, sources: list[str], names: list[str], fixed: dict) -> Callable:
        """Return the function from the sources' pixels to the outputs.

        Inside a function TensorFlow leaves out all that its results do not need, as
        OTBTF's session does: the other outputs are not computed, and inputs that only
        they need are not demanded.
        """
        import tensorflow as tf

        _, inputs = self._signature.structured_input_signature

        def answer(*pixels: tf.Tensor) -> list[tf.Tensor]:
            given = {**dict(zip(sources, pixels, strict=True)), **fixed}
            for name in inputs.keys() - given.keys():
                spec, label = inputs[name], MISSING + name.replace(":", "_")
                given[name] = tf.raw_ops.Placeholder(
                    dtype=spec.dtype, shape=spec.shape, name=label
                )
            outputs = self._signature(**given)
            return [outputs[name] for name in names]

        with without_warnings():
            function = tf.function(answer, self._inputs, autograph=False)
            return function.get_concrete_function()

    def check(self, bands: Sequence[int]) -> int:
        """Check the number of input bands; return the number of output bands."""
        for spec, count in zip(self._inputs, bands, strict=True):
            expected = spec.shape[-1] if spec.shape.rank else None
            if expected not in (None, count):
                raise ValueError(
                    f"the model takes {expected} bands, the image has {count}"
                )
        shapes = [output.shape for output in self._outputs]
        counts = [shape[-1] if shape.rank in (2, 4) else 1 for shape in shapes]
        if None in counts or any(shape.rank not in (1, 2, 3, 4) for shape in shapes):
            raise ValueError(
                "outputs of 1 to 4 dimensions and a known number of bands are "
                f"expected, got {', '.join(map(str, shapes))}"
            )
        return sum(counts)

    def __call__(self, pixels: list[np.ndarray], size: tuple[int, int]) -> np.ndarray:
        """Compute [h, w, output bands] float32 of the sources' [n, h, w, bands]."""
        import tensorflow as tf

        batch = [
            tf.constant(tile.astype(spec.dtype.as_numpy_dtype))
            for tile, spec in zip(pixels, self._inputs, strict=True)
        ]
        try:
            with self._lock:
                outputs = self._run(*batch)
        except (tf.errors.OpError, ValueError) as error:
            height, width = pixels[0].shape[1:3]
            missing = re.search(rf"tensor '{MISSING}(\w+)'", str(error))
            reason = (
                f"its input '{missing[1]}' is needed; give it a source or a value"
                if missing
                else _first_reason(str(error))
            )
            raise RuntimeError(
                f"the network cannot be run on {width} x {height} pixels: {reason}"
            ) from None
        parts = [as_image(output.numpy(), size) for output in outputs]
        stacked = parts[0] if len(parts) == 1 else np.concatenate(parts, axis=-1)
        return stacked.astype(np.float32, copy=False)


def as_image(output: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Bring an output to [h, w, bands], as it lies in memory.

    An output [1, h, w, bands], [n, 1, 1, bands] or [n, bands] has bands, one of three
    dimensions or one has none.

    Raises:
        ValueError: if it does not have as many pixels.
    """
    bands = output.shape[-1] if output.ndim in (2, 4) else 1
    sides = output.shape[:-1] if output.ndim in (2, 4) else output.shape
    long, wanted = ([s for s in sizes if s > 1] for sizes in (sides, size))
    if long not in (wanted, [size[0] * size[1]]):
        shown = output.shape[1:3] if output.shape[0] == 1 < output.ndim else sides
        raise ValueError(
            f"the network made {' x '.join(map(str, reversed(shown)))} pixels where "
            f"{size[1]} x {size[0]} are needed; check rfield, efield and spcscale "
            "against the model"
        )
    return output.reshape(*size, bands)


def _first_reason(text: str) -> str:
    """Return the line of TensorFlow's error before that of the node, or the first."""
    lines = text.splitlines()
    pairs = zip(lines, lines[1:], strict=False)
    return next((line for line, after in pairs if "[[{{node" in after), lines[0])


def _constant(inputs: dict, text: str, folder: str) -> tuple[str, Any]:
    """Read "name=value" for an input that is no image."""
    import tensorflow as tf

    name, equals, value = text.partition("=")
    name, value = _one_of(inputs, name.strip(), [], f"{folder}: input"), value.strip()
    kind = inputs[name].dtype
    try:
        if not equals:
            raise ValueError
        if kind == tf.bool:
            return name, tf.constant({"true": True, "false": False}[value.lower()])
        numbers = [float(part) for part in value.strip("()").split(",")]
        pixels = numbers if value.startswith("(") else numbers[0]
        return name, tf.cast(tf.constant(pixels), kind)
    except (ValueError, KeyError):
        raise ValueError(
            f"'{text}' is no value for an input; name=0.5, name=true or "
            "name=(1, 2) is expected"
        ) from None


@contextlib.contextmanager
def without_warnings() -> Iterator[None]:
    """Silence what TensorFlow logs of models of TensorFlow 1: names, variables."""
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(level)


def _one_of(infos: dict, name: str | None, first: list[str], kind: str) -> str:
    """Find a name among keys, either perhaps with the ":0" of tensors.

    None and "" stand for the first one.
    """
    if not name and first:
        return first[0]
    for key in sorted(infos, key=lambda key: key != name):
        if key.partition(":")[0] == str(name).partition(":")[0]:
            return key
    raise ValueError(f"{kind} '{name}' is not among {', '.join(sorted(infos))}")
