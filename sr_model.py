"""Exercise 2: the network that turns Sentinel-2 on a 6 m grid into 1.5 m images.

Run alone, it prints the layers, the shape that each makes of h x w pixels, the number
of parameters, and how far each looks around itself: the receptive field.

    python sr_model.py
    python sr_model.py --filters 32 --blocks 8

A residual network (He et al., "Deep residual learning", 2016; Lim et al., EDSR, 2017)
as a model of OTBTF, so that the saved model runs in TensorflowModelServe.
"""

import argparse
import math
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from srtools import cards, files
from srtools.conventions import BANDS, SCALE
from srtools.errors import one_line_errors
from srtools.network import saved_model, serving, weights
from srtools.network.early_crop import early_crop, smallest_crop
from srtools.network.receptive_field import layer_table, receptive_field

import otbtf
import tensorflow as tf

layers = tf.keras.layers

INPUT = "lr"  # Sentinel-2, DN without offset: the name of the input everywhere
OUTPUT = "hr"  # reflectance 0-1, trained; key of the loss, layer, SavedModel output
OUTPUT_DN = "hr_dn"  # the same in DN, for 16-bit images; training does not use it
CROPS = [16, 32, 64, 96, 128]  # hr pixels cut off each side in the `_crop` outputs


class SRModel(otbtf.ModelBase):
    """Convolution, residual blocks, two zooms by 2, convolution.

    Arguments:
        dataset_element_spec: `element_spec` of the data set of `(inputs, targets)`.
        filters: channels inside the network.
        blocks: number of residual blocks.
        kernel: size of the kernel of the transposed convolutions, 2, 4 or 6.
    """

    def __init__(
        self,
        dataset_element_spec: Any,
        filters: int = 64,
        blocks: int = 4,
        kernel: int = 4,
    ):
        self.filters = filters
        self.blocks = blocks
        self.kernel = kernel
        super().__init__(dataset_element_spec, inference_cropping=CROPS)

    def normalize_inputs(self, inputs: dict) -> dict:
        """Turn DN of any type into float32 reflectance, in training as in serving."""
        return {INPUT: layers.Rescaling(SCALE, dtype="float32")(inputs[INPUT])}

    def get_outputs(self, normalized_inputs: dict) -> dict:
        """Build the network: [n, h, w, bands] to [n, 4 h, 4 w, bands]."""
        reflectance = normalized_inputs[INPUT]
        bands = reflectance.shape[-1]
        x = conv(self.filters, 7, "relu", name="first")(reflectance)
        first = x  # [n, h, w, filters]
        for block in range(1, self.blocks + 1):
            x = residual_block(x, self.filters, f"block{block}")
        x = layers.Add(name="skip")([x, first])
        x = zoom_by_2(self.filters, self.kernel, "zoom1")(x)  # [n, 2 h, 2 w, filters]
        x = zoom_by_2(self.filters, self.kernel, "zoom2")(x)  # [n, 4 h, 4 w, filters]
        # Where a ReLU answers 0 it learns nothing.  Small weights and a bias of 0.1, a
        # common reflectance, let every pixel of a fresh network start above 0.
        hr = conv(
            bands, 7, "relu", name=OUTPUT, dtype="float32",  # in mixed precision too
            kernel_initializer=tf.keras.initializers.VarianceScaling(0.01),
            bias_initializer=tf.keras.initializers.Constant(0.1),
        )(x)  # fmt: skip
        # [n, 4 h, 4 w, bands]
        hr_dn = layers.Rescaling(1 / SCALE, dtype="float32", name=OUTPUT_DN)(hr)
        return {OUTPUT: hr, OUTPUT_DN: hr_dn}


def conv(filters: int, size: int, activation: Any = None, **options) -> layers.Layer:
    """Make a convolution that keeps the size of the image."""
    options = {"kernel_initializer": "he_uniform", **options}
    return layers.Conv2D(
        filters, size, padding="same", activation=activation, **options
    )


def residual_block(x: Any, filters: int, name: str) -> Any:
    """Add to x what two convolutions make of it: [n, h, w, filters], unchanged."""
    # Small first weights: each block begins by adding almost nothing, so that a deep
    # network starts as a shallow one and gains (in our trials 0.4 dB after 600 steps).
    small = tf.keras.initializers.VarianceScaling(0.02)
    residual = conv(filters, 3, "relu", name=f"{name}_conv1")(x)
    residual = conv(filters, 3, kernel_initializer=small, name=f"{name}_conv2")(
        residual
    )
    added = layers.Add(name=f"{name}_add")([x, residual])
    return layers.ReLU(name=f"{name}_relu")(added)


def zoom_by_2(filters: int, kernel: int, name: str) -> layers.Layer:
    """Make a transposed convolution: [n, h, w, c] to [n, 2 h, 2 w, filters]."""
    # With a stride of 2 and an even kernel, every output pixel is made of the same
    # number of input pixels: 2 x 2 with a kernel of 4.  With 3 it would be 1, 2 or 4 in
    # turn: the well-known checkerboard (Odena et al., Distill, 2016).
    return layers.Conv2DTranspose(
        filters, kernel, strides=2, padding="same", activation="relu", name=name,
        kernel_initializer=SmoothZoom(), kernel_constraint=EvenZoom(),
    )  # fmt: skip


class SmoothZoom(tf.keras.initializers.Initializer):
    """First weights that zoom smoothly: a flat image stays flat.

    With random weights the four pixels that are made of one differ from the start, and
    training has to unlearn it.  Here each pair of channels has one random weight,
    laid out in space as a binomial kernel: for a size of 4 `[1, 3, 3, 1] / 4` each
    way, which is linear interpolation; for 2 it repeats the pixel.

    Source: the idea of ICNR (Aitken et al., 2017), for transposed convolutions.
    """

    def __call__(self, shape, dtype=None, **options):
        """Give the weights [size, size, filters, channels]."""
        size, _, filters, channels = shape
        line = np.array([math.comb(size - 1, i) for i in range(size)]) / 2 ** (size - 2)
        limit = math.sqrt(1.5 / channels)
        weights = tf.random.uniform([filters, channels], -limit, limit)
        return tf.cast(np.outer(line, line)[:, :, None, None] * weights, dtype)


class EvenZoom(tf.keras.constraints.Constraint):
    """Keep a flat image flat while the network learns.

    Each of the 2 x 2 output pixels that are made of one has its own part of the
    kernel, every second row and column.  After each step the four parts are moved, as
    little as possible, so that their sums are equal again.

    Source: the condition of Sugawara et al., "Super-resolution using convolutional
    neural networks without any checkerboard artifacts", 2018.
    """

    def __call__(self, kernel):
        """Give the kernel [size, size, filters, channels] with even sums."""
        half, (filters, channels) = kernel.shape[0] // 2, kernel.shape[2:]
        parts = tf.reshape(kernel, [half, 2, half, 2, filters, channels])
        means = tf.reduce_mean(parts, axis=(0, 2), keepdims=True)
        uneven = means - tf.reduce_mean(means, axis=(1, 3), keepdims=True)
        return tf.reshape(parts - uneven, kernel.shape)


def element_spec(bands: int) -> tuple[dict, dict]:
    """Describe the elements of a data set, for a model without a data set."""
    shape = (None, None, None, bands)
    return {INPUT: tf.TensorSpec(shape)}, {OUTPUT: tf.TensorSpec(shape)}


def save(model: SRModel, folder: str | Path, card: dict | None = None) -> Path:
    """Write a SavedModel, completely or not at all, replacing one that was there.

    Its signature `serving_default` takes `lr` [n, h, w, bands] float32 DN and gives
    all outputs under their names; Keras 2 and Keras 3 write the same.  The card goes
    into `assets/model_card.json`, and the weights once more into `assets/weights.npz`,
    from which another training can start.

    Raises:
        SRError: if the folder cannot be written, or holds something else.
    """
    folder = Path(folder)
    saved_model.check_replaceable(folder)
    network = model.model
    bands = network.inputs[0].shape[-1]
    lr = tf.TensorSpec([None, None, None, bands], tf.float32, name=INPUT)
    output = network.output[OUTPUT_DN]
    crop = smallest_crop(receptive_field(output))

    def answer(lr: tf.Tensor) -> dict:
        # The crop that is just the receptive field, which no tile can do without.
        tight = {f"{OUTPUT_DN}_crop{crop}": early_crop(output, crop, lr)}
        return {**network({INPUT: lr}), **tight}

    serve = tf.function(answer, [lr], autograph=False)
    module = tf.Module()
    # What is saved are TensorFlow's variables.  Keras 3 wraps them, and of a wrapper
    # OTBTF would find a copy that has no values.
    module.weights = [
        weight if isinstance(weight, tf.Variable) else weight.value
        for weight in network.weights
    ]
    parent = files.make_folder(folder.absolute().parent)
    with tempfile.TemporaryDirectory(
        prefix=f".partial-{folder.name}-", dir=parent
    ) as partial:
        new, old = Path(partial) / "new", Path(partial) / "old"
        tf.saved_model.save(module, str(new), signatures={saved_model.SIGNATURE: serve})
        serving.split_outputs(new)
        weights.write(new / weights.FILE, network)
        if card is not None:
            cards.write_card(new / saved_model.CARD, card)
        if folder.exists():
            os.replace(folder, old)
        os.replace(new, folder)
    return folder


def describe(model: SRModel, lr_spacing: float = 6.0) -> str:
    """Lay the network out as text; the spacing of its input is in metres."""
    field = receptive_field(model.output[OUTPUT])
    return "\n".join(
        [
            layer_table(model.output[OUTPUT_DN]),
            f"parameters: {model.count_params()}",
            f"receptive field: {field.size} x {field.size} lr pixels "
            f"({field.size * lr_spacing:g} m): the one that an hr pixel lies in, and "
            f"{field.margin} ({field.margin * lr_spacing:g} m) on each side",
            f"outputs: {', '.join(model.output)}",
        ]
    )


def get_parser() -> argparse.ArgumentParser:
    """Define the command line."""
    parser = argparse.ArgumentParser(description="Print the network, layer by layer.")
    add_arguments(parser)
    return parser


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Define the options of the network, which training has as well."""
    parser.add_argument(
        "--filters", type=int, default=64, help="channels inside it (default: 64)"
    )
    parser.add_argument(
        "--blocks", type=int, default=4, help="residual blocks (default: 4)"
    )
    parser.add_argument(
        "--kernel", type=int, default=4, choices=(2, 4, 6),
        help="of the transposed convolutions (default: 4)",
    )  # fmt: skip


@one_line_errors
def main(argv: list[str] | None = None) -> int:
    """Run from the command line."""
    parser = get_parser()
    params = parser.parse_args(argv)
    if params.filters < 1 or params.blocks < 0:
        parser.error("--filters must be at least 1 and --blocks at least 0")
    print(describe(SRModel(element_spec(len(BANDS)), **vars(params))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
