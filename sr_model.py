"""Exercise 2: the network that turns Sentinel-2 on a 6 m grid into 1.5 m images.

Run alone, it prints the layers, the shape that each makes of h x w pixels, the number
of parameters, and how far each looks around itself: the receptive field.

    python sr_model.py
    python sr_model.py --filters 32 --blocks 8

A residual network (He et al., "Deep residual learning", 2016; Lim et al., EDSR, 2017)
as a model of OTBTF, so that the saved model runs in TensorflowModelServe.
"""

from srtools.errors import one_line_errors, start

if __name__ == "__main__":
    start("srtools.cli.model")  # answers --help, misuse and Ctrl-C at once

import sys
from typing import Any

import numpy as np

from srtools.cli import model as cli
from srtools.conventions import (
    BANDS,
    INPUT,
    LR_SPACING_METRES,
    OUTPUT,
    OUTPUT_DN,
    SCALE,
)
from srtools.network.blockwise import BlockwiseConv2D
from srtools.network.receptive_field import layer_table, receptive_field
from srtools.tf import tf  # TensorFlow, without the notices of its libraries

import otbtf

layers = tf.keras.layers

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
        start_as_zoom(self.model)

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
        # As Conv2D, three times as fast for 4 bands: [n, 4 h, 4 w, bands], float32.
        hr = BlockwiseConv2D(
            bands, 7, activation="relu", kernel_initializer=near_0(1e-7), name=OUTPUT
        )(x)
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
    residual = conv(filters, 3, "relu", name=f"{name}_conv1")(x)
    # Each block begins by adding almost nothing, so that a deep network starts as a
    # shallow one and gains (in our trials 0.4 dB after 600 steps).
    start = {"kernel_initializer": near_0(0.02)}
    residual = conv(filters, 3, name=f"{name}_conv2", **start)(residual)
    added = layers.Add(name=f"{name}_add")([x, residual])
    return layers.ReLU(name=f"{name}_relu")(added)


def zoom_by_2(filters: int, kernel: int, name: str) -> layers.Layer:
    """Make a transposed convolution: [n, h, w, c] to [n, 2 h, 2 w, filters]."""
    # With a stride of 2 and an even kernel, every output pixel is made of the same
    # number of input pixels: 2 x 2 with a kernel of 4.  With 3 it would be 1, 2 or 4 in
    # turn: the well-known checkerboard (Odena et al., Distill, 2016).
    return layers.Conv2DTranspose(
        filters,
        kernel,
        strides=2,
        padding="same",
        activation="relu",
        kernel_initializer=SmoothZoom(),
        kernel_constraint=EvenZoom(),
        name=name,
    )


def near_0(variance: float) -> tf.keras.initializers.Initializer:
    """Make small first weights, whose sums over random inputs have this variance."""
    return tf.keras.initializers.VarianceScaling(variance)


def linear_zoom(size: int) -> np.ndarray:
    """Give the kernel [size, size] with which a zoom by 2 interpolates linearly.

    One of 2 x 2 can only repeat each pixel.
    """
    line = {2: [1, 1], 4: [0.25, 0.75, 0.75, 0.25], 6: [0, 0.25, 0.75, 0.75, 0.25, 0]}
    return np.outer(line[size], line[size])


class SmoothZoom(tf.keras.initializers.Initializer):
    """First weights that zoom smoothly: a flat image stays flat.

    With random weights the four pixels that are made of one differ from the start, and
    training has to unlearn it.  Here each pair of channels has one random weight,
    laid out in space as a linear interpolation.

    Source: the idea of ICNR (Aitken et al., 2017), for transposed convolutions.
    """

    def __call__(self, shape, dtype=None, **options):
        """Give the weights [size, size, filters, channels]."""
        size, _, filters, channels = shape
        limit = (1.5 / channels) ** 0.5
        weights = tf.random.uniform([filters, channels], -limit, limit)
        return tf.cast(linear_zoom(size)[:, :, None, None] * weights, dtype)


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


def start_as_zoom(network: tf.keras.Model) -> None:
    """Let a fresh network answer a linear interpolation, which it learns to improve.

    As many of its channels as there are bands hand their band through: the first
    convolution copies the band, the blocks add next to nothing, the zooms interpolate,
    and the last convolution picks the channel up.  All others begin as random as ever,
    with hardly any weight in the sum, and training finds a use for them.
    """
    bands = network.output[OUTPUT].shape[-1]
    own = np.arange(bands)  # channel i hands band i through
    for layer in (layer for layer in network.layers if layer.weights):
        kernel, bias = layer.get_weights()
        if layer.name == "first":  # [7, 7, bands, filters]
            kernel[:, :, :, own] = 0
            kernel[3, 3, own, own] = 1
        elif layer.name.endswith("_conv2"):
            kernel[:, :, :, own] *= 1e-3  # not 0, which would let no gradient through
        elif layer.name.startswith("zoom"):  # [size, size, filters, channels]
            kernel[:, :, own, :] = 0
            kernel[:, :, own, own] = linear_zoom(len(kernel))[:, :, None]
            repeats = len(kernel) == 2
        elif layer.name == OUTPUT:
            # The skip connection has doubled the channel.  Pixels that were repeated 4
            # times become a linear interpolation under a triangle.
            line = np.array([1, 2, 3, 4, 3, 2, 1]) / 16 if repeats else np.eye(7)[3]
            kernel[:, :, own, own] += 0.5 * np.outer(line, line)[:, :, None]
        layer.set_weights([kernel, bias])


def element_spec(bands: int) -> tuple[dict, dict]:
    """Describe the elements of a data set, for a model without a data set."""
    shape = (None, None, None, bands)
    return {INPUT: tf.TensorSpec(shape)}, {OUTPUT: tf.TensorSpec(shape)}


def describe(model: SRModel) -> str:
    """Describe the network as text: its layers, parameters, field and outputs."""
    field = receptive_field(model.output[OUTPUT])
    size, margin = (n * LR_SPACING_METRES for n in (field.size, field.margin))
    return "\n".join(
        [
            layer_table(model.output[OUTPUT_DN]),
            f"parameters: {model.count_params()}",
            f"receptive field: {field.size} x {field.size} lr pixels ({size:g} m): the "
            f"one that an hr pixel lies in, and {field.margin} ({margin:g} m) on each "
            "side",
            f"outputs: {', '.join(model.output)}",
        ]
    )


@one_line_errors
def main(argv: list[str] | None = None) -> int:
    """Run from the command line."""
    options = cli.parse(argv)
    print(describe(SRModel(element_spec(len(BANDS)), **options.network_size)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
