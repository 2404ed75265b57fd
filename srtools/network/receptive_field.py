"""The receptive field of a network: the input pixels that an output pixel depends on.

It is measured on a copy with one channel, weights of 1 and no bias, in which no path
cancels another.  One line of the input is lit; the copy answers 0 where it sees nothing
of it.
"""

from dataclasses import dataclass
from fractions import Fraction
from math import ceil, prod
from typing import Any

import numpy as np

from srtools.conventions import LR_SPACING_METRES
from srtools.errors import SRError
from srtools.tf import tf

KNOWN = frozenset(
    "activation add average batchnormalization blockwiseconv2d concatenate conv2d "
    "conv2dtranspose depthwiseconv2d dropout elu identity inputlayer leakyrelu maximum "
    "prelu relu rescaling separableconv2d upsampling2d".split()
)
"""Layers whose copy answers 0 to 0, and not to the pixels that it looks at."""

COPY = {
    "filters": 1,
    "activation": tf.sign,  # else many blocks would overflow
    "kernel_initializer": "ones",
    "depthwise_initializer": "ones",
    "pointwise_initializer": "ones",
    "bias_initializer": "zeros",
    "kernel_constraint": None,
    "offset": 0.0,
}
"""Options of a copied layer, as far as the layer has them."""

MOST_DOUBLINGS = 12  # of the lit image, before the field counts as infinite


@dataclass(frozen=True)
class ReceptiveField:
    """The input pixels that one output pixel depends on, along the worse axis.

    They are the one that the output pixel lies in (with a factor of 4, output pixels 0
    to 3 lie in input pixel 0) and at most `margin` pixels on each side of it.
    """

    factor: Fraction
    """Output pixels per input pixel."""
    margin: int

    @property
    def crop(self) -> int:
        """Output pixels on each side of a tile that its rim may falsify, rounded up.

        They are a whole and even number of input pixels, as OTBTF centres tiles best.
        """
        return int(ceil(self.margin / 2) * 2 * self.factor)

    @property
    def size(self) -> int:
        """Input pixels along an axis."""
        return 2 * self.margin + 1

    def __str__(self) -> str:
        size, margin = (n * LR_SPACING_METRES for n in (self.size, self.margin))
        return (
            f"{self.size} x {self.size} lr pixels ({size:g} m): the one that an hr "
            f"pixel lies in, and {self.margin} ({margin:g} m) on each side"
        )


def receptive_field(output: Any) -> ReceptiveField:
    """Measure the receptive field of a symbolic Keras tensor `[n, h, w, c]`.

    For instance a 7 x 7 convolution has a margin of 3, and two 3 x 3 convolutions one
    after the other have 2.  Raise SRError if a layer cannot be measured.
    """
    return _measure(_input(output), {"": output})[""]


def layer_table(output: Any) -> str:
    """Return the layers up to `output` as a table.

    h and w are the rows and columns of the input.  The column "looks" is the margin of
    the receptive field, input pixels.
    """
    network = tf.keras.Model(_input(output), output)
    fields = _measure(network.input, {x.name: x.output for x in network.layers})
    line = "{:20} {:16} {:>14} {:>11} {:>9}".format
    lines = [line("layer", "kind", "output", "parameters", "looks")]
    for layer in network.layers:
        field, kind = fields[layer.name], type(layer).__name__
        zoom = f"{field.factor} " if field.factor != 1 else ""
        shape = f"{zoom}h x {zoom}w x {layer.output.shape[-1]}"
        looks = f"{field.margin} px"
        lines.append(line(layer.name, kind, shape, layer.count_params(), looks))
    return "\n".join(lines)


def _input(tensor: Any) -> Any:
    """Return the input that a tensor of a network with one input depends on."""
    layer, index, _ = tensor._keras_history
    while not (node := layer._inbound_nodes[index]).is_input:
        layer, index, _ = tf.nest.flatten(node.input_tensors)[0]._keras_history
    return layer.output


def _measure(image: Any, outputs: dict[str, Any]) -> dict[str, ReceptiveField]:
    """Measure the receptive fields of tensors that depend on an image."""
    network = tf.keras.Model(image, outputs)
    # Input pixels after which the pattern of what sees what repeats.
    period = prod(x.strides[0] for x in network.layers if hasattr(x, "strides"))
    network = tf.keras.models.clone_model(network, clone_function=_copy)
    for doublings in range(3, MOST_DOUBLINGS):
        side, phases = period * 2**doublings, np.arange(period)
        images = np.zeros((period, side, 2 * period, image.shape[-1]), np.float32)
        images[phases, side // 2 + phases] = 1  # in each image another line is lit
        rows, columns = network(images), network(images.swapaxes(1, 2))
        fields = {n: _field(side, rows[n], columns[n]) for n in outputs}
        if all(fields.values()):
            return fields
    raise SRError(f"the network looks further than {side // 2} pixels")


def _field(side: int, rows: Any, columns: Any) -> ReceptiveField | None:
    """Compute the field from answers to lit rows and columns; None if it is larger."""
    seen = np.concatenate([np.any(rows, axis=(2, 3)), np.any(columns, axis=(1, 3))])
    if seen[:, [0, -1]].any():
        return None
    image, line = np.nonzero(seen)  # [2 periods, lines of the output]
    lit, lines = side // 2 + image % (len(seen) // 2), seen.shape[1]
    # The first and the last line of the input that a line of the output lies in.
    first, last = line * side // lines, -(-(line + 1) * side // lines) - 1
    margin = np.maximum(first - lit, lit - last).max(initial=0)
    return ReceptiveField(Fraction(lines, side), int(margin))


def _copy(layer: Any) -> Any:
    """Copy a layer with the options of `COPY`."""
    kind = getattr(layer, "symbol", type(layer).__name__).rsplit(".")[-1]
    config = layer.get_config()
    shifts = config.get("padding", "same") != "same" and max(config["kernel_size"]) > 1
    overshoots = config.get("interpolation", "nearest") not in ("nearest", "bilinear")
    if kind.lower() not in KNOWN or shifts or overshoots:
        raise SRError(
            f"the receptive field of layer {layer.name} ({kind}) cannot be measured; "
            "use padding='same' and the layers that srtools/network/receptive_field.py "
            "lists, or teach it another one"
        )
    return type(layer).from_config(config | {k: COPY[k] for k in COPY if k in config})
