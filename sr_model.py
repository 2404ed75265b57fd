"""Exercise 2: the network that turns Sentinel-2 on a 6 m grid into 1.5 m images.

Run alone, it prints the layers, their output of h x w pixels, and how far they look.

    python sr_model.py
    python sr_model.py --filters 32 --blocks 8

A residual network (He et al., "Deep residual learning", 2016; Lim et al., EDSR, 2017)
as a model of OTBTF, so that the saved model runs in TensorflowModelServe.
"""

from srtools.errors import one_line_errors, start

if __name__ == "__main__":
    start("srtools.options.model_options")  # --help, misuse and Ctrl-C: at once

import sys
from typing import Any

from srtools.conventions import BANDS, INPUT, OUTPUT, OUTPUT_DN, SCALE
from srtools.network.block_convolution import BlockwiseConv2D
from srtools.network.initial_weights import EvenZoom, SmoothZoom, start_as_zoom
from srtools.network.keep_mean import KeepMean
from srtools.network.receptive_field import layer_table, receptive_field
from srtools.options import model_options as cli
from srtools.tf import tf  # TensorFlow, without the notices of its libraries

import otbtf

layers = tf.keras.layers

CROPS = [16, 32, 64, 96, 128]  # hr pixels cut off each side; sr_train.py adds one


class SRModel(otbtf.ModelBase):
    """Convolution, residual blocks, two zooms by 2, convolution.

    `filters` are the channels inside, `kernel` is the side of the kernels of the zooms:
    2, 4 or 6 pixels.
    """

    def __init__(self, dataset_element_spec: Any, filters=64, blocks=4, kernel=4):
        self.filters, self.blocks, self.kernel = filters, blocks, kernel
        super().__init__(dataset_element_spec, inference_cropping=CROPS)
        # Sets the weights of first, *_conv2, zoom1, zoom2 and last, so that the network
        # begins as a linear interpolation, and learns the missing detail.
        start_as_zoom(self.model)

    def normalize_inputs(self, inputs: dict) -> dict:  # exercise
        """Turn DN of any type into float32 reflectance, in training as in serving."""
        return {INPUT: layers.Rescaling(SCALE, dtype="float32")(inputs[INPUT])}

    def get_outputs(self, normalized_inputs: dict) -> dict:  # exercise
        """Build the network: [n, h, w, bands] to [n, 4 h, 4 w, bands]."""
        reflectance = normalized_inputs[INPUT]
        # [n, h, w, filters] up to the zooms
        first = x = conv(self.filters, 7, activation="relu", name="first")(reflectance)
        for block in range(1, self.blocks + 1):
            x = residual_block(x, self.filters, f"block{block}")
        x = layers.Add(name="skip")([x, first])
        x = zoom_by_2(self.filters, self.kernel, "zoom1")(x)  # [n, 2 h, 2 w, filters]
        x = zoom_by_2(self.filters, self.kernel, "zoom2")(x)  # [n, 4 h, 4 w, filters]
        # A Conv2D in blocks of pixels, faster for 4 bands: [n, 4 h, 4 w, bands].  It
        # begins with weights near 0, so that all it adds to start_as_zoom is learned.
        small = {"kernel_initializer": tf.keras.initializers.VarianceScaling(1e-7)}
        last = BlockwiseConv2D(reflectance.shape[-1], 7, name="last", **small)(x)
        hr = KeepMean("relu", name=OUTPUT)([last, reflectance])  # L1 alone darkens
        hr_dn = layers.Rescaling(1 / SCALE, dtype="float32", name=OUTPUT_DN)(hr)
        return {OUTPUT: hr, OUTPUT_DN: hr_dn}


def conv(filters: int, size: int, **options: Any) -> layers.Layer:
    """Make a convolution that keeps the size of the image."""
    options = {"padding": "same", "kernel_initializer": "he_uniform", **options}
    return layers.Conv2D(filters, size, **options)


def residual_block(x: Any, filters: int, name: str) -> Any:  # exercise
    """Add two convolutions of x to x: [n, h, w, filters], unchanged."""
    residual = conv(filters, 3, activation="relu", name=f"{name}_conv1")(x)
    # Each block begins by adding almost nothing, so that a deep network starts as a
    # shallow one and gains (in our trials 0.4 dB after 600 steps).
    small = {"kernel_initializer": tf.keras.initializers.VarianceScaling(0.02)}
    residual = conv(filters, 3, name=f"{name}_conv2", **small)(residual)
    added = layers.Add(name=f"{name}_add")([x, residual])
    return layers.ReLU(name=f"{name}_relu")(added)


def zoom_by_2(filters: int, kernel: int, name: str) -> layers.Layer:  # exercise
    """Make a transposed convolution: [n, h, w, c] to [n, 2 h, 2 w, filters]."""
    # With a stride of 2 and an even kernel, every output pixel depends on the same
    # number of input pixels: 2 x 2 with a kernel of 4.  With 3 it would be 1, 2 or 4 in
    # turn: the well-known checkerboard (Odena et al., Distill, 2016).
    # Equal sums of the 2 x 2 parts of a kernel keep a flat image flat, always.
    even = {"kernel_initializer": SmoothZoom(), "kernel_constraint": EvenZoom()}
    options = {"strides": 2, "padding": "same", "activation": "relu", **even}
    return layers.Conv2DTranspose(filters, kernel, name=name, **options)


def element_spec(bands: int) -> tuple[dict, dict]:
    """Describe the elements of a data set, for a model without a data set."""
    shape = (None, None, None, bands)
    return {INPUT: tf.TensorSpec(shape)}, {OUTPUT: tf.TensorSpec(shape)}


@one_line_errors
def main(argv: list[str] | None = None) -> int:
    """Print the network: its layers, parameters, receptive field and outputs."""
    options = cli.parse(argv)
    model = SRModel(element_spec(len(BANDS)), **options.network_size)
    margin = receptive_field(model)
    side = 2 * margin + 1
    print(f"{layer_table(model)}\nparameters: {model.count_params()}")
    print(f"receptive field: {side} x {side} lr pixels of 6 m, {margin} on each side")
    print(f"outputs: {', '.join(model.output)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
