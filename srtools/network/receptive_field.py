"""The receptive field of a network: the input pixels that an output pixel depends on.

The measurement lights one line of the input of a copy with one channel, weights of 1
and no bias: an output pixel is 0 only if the line lies outside its receptive field.
"""

from typing import Any

import numpy as np

from srtools.conventions import OUTPUT, OUTPUT_DN
from srtools.errors import SRError
from srtools.tf import tf

KNOWN = frozenset(
    "activation add average batchnormalization blockwiseconv2d concatenate conv2d "
    "conv2dtranspose depthwiseconv2d dropout elu identity inputlayer keepmean "
    "leakyrelu maximum prelu relu rescaling separableconv2d upsampling2d".split()
)
"""Classes of layers that can be measured: a copy is 0 exactly where its field is 0."""

COPY = {
    "filters": 1,
    "activation": tf.sign,  # without it many blocks would overflow
    "kernel_initializer": "ones",
    "depthwise_initializer": "ones",
    "pointwise_initializer": "ones",
    "bias_initializer": "zeros",
    "kernel_constraint": None,
    "offset": 0.0,
}
"""Options that replace those of a copied layer."""


def receptive_field(network: tf.keras.Model) -> int:
    """Measure the margin of the outputs `hr` and `hr_dn`, input pixels: the largest.

    An output pixel depends on the input pixel that it lies in, and on `margin` pixels
    on each side of it: a 7 x 7 convolution has a margin of 3, two 3 x 3 convolutions
    one after the other have 2.  Raise SRError if a layer cannot be measured.
    """
    named = {k: v for k, v in network.output.items() if k in (OUTPUT, OUTPUT_DN)}
    return max(margin for _, margin in measure(network.inputs, named).values())


def layer_table(network: tf.keras.Model) -> str:
    """Return the layers up to the output `hr_dn` as a table.

    h and w are the size of the input; "looks" is the margin of the receptive field.
    """
    network = tf.keras.Model(network.inputs[0], network.output[OUTPUT_DN])
    fields = measure(network.inputs, {x.name: x.output for x in network.layers})
    row = "{:20} {:16} {:>14} {:>11} {:>9}".format
    lines = [row("layer", "kind", "output", "parameters", "looks")]
    for layer in network.layers:
        (factor, margin), kind = fields[layer.name], type(layer).__name__
        zoom = f"{factor} " if factor > 1 else ""
        shape = f"{zoom}h x {zoom}w x {layer.output.shape[-1]}"
        count = layer.count_params()
        lines.append(row(layer.name, kind, shape, count, f"{margin} px"))
    return "\n".join(lines)


def measure(images: list, outputs: dict[str, Any]) -> dict[str, tuple[int, int]]:
    """Return {name: (zoom factor, margin in input pixels)} of `outputs` of images."""
    network = tf.keras.Model(images, outputs)
    network = tf.keras.models.clone_model(network, clone_function=_copy)
    # The sum of all sides of kernels is more than the margin.
    lit = 1 + sum(
        np.max(getattr(layer, "kernel_size", 1))
        * np.max(getattr(layer, "dilation_rate", 1))
        for layer in network.layers
    )
    pixels = [np.zeros((1, 2 * lit, 2, x.shape[-1]), np.float32) for x in images]
    for image in pixels:
        image[:, lit] = 1
    rows, columns = network(pixels), network([x.swapaxes(1, 2) for x in pixels])
    fields = {}
    for name in outputs:
        seen = np.any(rows[name], (0, 2, 3)) | np.any(columns[name], (0, 1, 3))
        factor = len(seen) // (2 * lit)
        fields[name] = factor, int(abs(np.flatnonzero(seen) // factor - lit).max())
    return fields


def _copy(layer: Any) -> Any:
    """Copy a layer with the options of `COPY`."""
    kind = getattr(layer, "symbol", type(layer).__name__).rsplit(".")[-1]
    config = layer.get_config()
    kernel, stride = (np.max(config.get(key, 1)) for key in ("kernel_size", "strides"))
    shifts = config.get("padding", "same") != "same" and kernel > 1
    shrinks = stride > 1 and "transpose" not in kind.lower()
    overshoots = config.get("interpolation", "nearest") not in ("nearest", "bilinear")
    if kind.lower() not in KNOWN or shifts or shrinks or overshoots:
        raise SRError(
            f"the receptive field of layer {layer.name} ({kind}) cannot be measured; "
            "use padding='same', no strides but in Conv2DTranspose, and the layers "
            "that srtools/network/receptive_field.py lists"
        )
    return type(layer).from_config(config | {k: COPY[k] for k in COPY if k in config})
