"""The receptive field of a network: the input pixels that an output pixel depends on.

The Keras graph is walked backwards, from the output to the inputs.  For each layer,
`span_before` gives the input pixels that a span of output pixels needs.

Source: Araujo, Norris and Sim, "Computing receptive fields of convolutional neural
networks", Distill, 2019; extended here to transposed convolutions.
"""

from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor
from typing import Any

# Layers whose output pixel depends on the same pixel of their inputs only.
POINTWISE = frozenset(
    "activation add average batchnormalization concatenate dropout elu identity "
    "leakyrelu maximum minimum multiply prelu relu rescaling softmax subtract".split()
)

CONVOLUTIONS = frozenset(
    "BlockwiseConv2D Conv2D Conv2DTranspose DepthwiseConv2D SeparableConv2D".split()
)


@dataclass(frozen=True)
class ReceptiveField:
    """The input pixels that one output pixel depends on, along the worse axis.

    They are counted from the input pixel that the output pixel lies in: with a factor
    of 4, output pixels 0 to 3 lie in input pixel 0.
    """

    factor: Fraction
    """Output pixels per input pixel."""
    before: int
    """Input pixels that matter above or to the left, at most."""
    after: int
    """Input pixels that matter below or to the right, at most."""

    @property
    def margin(self) -> int:
        """Larger one of `before` and `after`, input pixels."""
        return max(self.before, self.after)

    @property
    def crop(self) -> int:
        """Output pixels on each side of a tile that its rim may falsify, rounded up.

        They are a whole and even number of input pixels, as OTBTF centres tiles best.
        """
        return int(ceil(self.margin / 2) * 2 * self.factor)

    @property
    def size(self) -> int:
        """Input pixels that matter along an axis: before, after and the one between."""
        return self.before + 1 + self.after


def receptive_field(output: Any) -> ReceptiveField:
    """Compute the receptive field of a symbolic Keras tensor `[n, h, w, c]`.

    For instance a 7 x 7 convolution gives before = after = 3, and two 3 x 3
    convolutions one after the other give 2.

    Raises:
        ValueError: for a layer whose behaviour is not known here, which it names.
    """
    tensors = inputs_first(output)
    factor = scales(tensors)[id(output)]
    before = after = 0
    for axis in (0, 1):
        # The pattern repeats after `numerator` output pixels.
        for pixel in range(factor.numerator):
            lowest, highest = _trace(tensors, axis, pixel)
            before = max(before, floor(pixel / factor) - lowest)
            after = max(after, highest - (ceil((pixel + 1) / factor) - 1))
    return ReceptiveField(factor, before, after)


def layer_table(output: Any) -> str:
    """Give the layers up to `output` as a table: kind, shape, parameters, field.

    h and w are the rows and columns of the input.  The column "looks" is the margin of
    `receptive_field`, input pixels.
    """
    tensors = inputs_first(output)
    zooms = scales(tensors)
    line = "{:20} {:16} {:>14} {:>11} {:>9}".format
    lines = [line("layer", "kind", "output", "parameters", "looks")]
    for tensor in tensors:
        layer, _ = producer(tensor)
        zoom = f"{zooms[id(tensor)]} " if zooms[id(tensor)] != 1 else ""
        shape = f"{zoom}h x {zoom}w x {tensor.shape[-1]}"
        reach = f"{receptive_field(tensor).margin} px"
        kind = type(layer).__name__
        lines.append(line(layer.name, kind, shape, layer.count_params(), reach))
    return "\n".join(lines)


def inputs_first(output: Any) -> list[Any]:
    """List the tensors that `output` depends on, each after its own sources."""
    order, seen = [], set()
    waiting = [(output, False)]
    while waiting:
        tensor, inputs_done = waiting.pop()
        if inputs_done:
            order.append(tensor)
        elif id(tensor) not in seen:
            seen.add(id(tensor))
            waiting.append((tensor, True))
            waiting.extend((source, False) for source in producer(tensor)[1])
    return order


def producer(tensor: Any) -> tuple[Any, list[Any]]:
    """Give the layer that made a tensor, and the input tensors of that layer.

    Keras 3 calls operation what Keras 2 calls layer, and the call of one is a node.
    """
    history = tensor._keras_history
    layer = history.operation if hasattr(history, "operation") else history.layer
    node = layer._inbound_nodes[history.node_index]
    if node.is_input:
        return layer, []
    if hasattr(node, "keras_inputs"):  # Keras 2
        return layer, list(node.keras_inputs)
    return layer, list(node.input_tensors)


def scales(tensors: list[Any]) -> dict[int, Fraction]:
    """Give the pixels of each tensor per input pixel, by the `id` of the tensor."""
    found = {}
    for tensor in tensors:
        layer, sources = producer(tensor)
        scale = max((found[id(t)] for t in sources), default=Fraction(1))
        found[id(tensor)] = scale * zoom(layer)
    return found


def zoom(layer: Any) -> Fraction:
    """Give the output pixels of a layer per input pixel, along an axis."""
    kind = type(layer).__name__
    if kind == "Conv2DTranspose":
        return Fraction(layer.strides[0])
    if kind == "UpSampling2D":
        return Fraction(layer.size[0])
    return 1 / Fraction(layer.strides[0]) if hasattr(layer, "strides") else Fraction(1)


def _trace(tensors: list[Any], axis: int, pixel: int) -> tuple[int, int]:
    """Follow one pixel of the last tensor back to the inputs: first and last pixel."""
    needed = {id(tensors[-1]): (pixel, pixel)}
    at_inputs = []
    for tensor in reversed(tensors):
        layer, sources = producer(tensor)
        span = needed[id(tensor)]
        if not sources:
            at_inputs.append(span)
            continue
        low, high = span_before(layer, axis, *span)
        for source in sources:
            known = needed.get(id(source), (low, high))
            needed[id(source)] = (min(low, known[0]), max(high, known[1]))
    return min(span[0] for span in at_inputs), max(span[1] for span in at_inputs)


def span_before(layer: Any, axis: int, low: int, high: int) -> tuple[int, int]:
    """Give the first and last input pixel that output pixels `low` to `high` need."""
    kind = getattr(layer, "symbol", type(layer).__name__).rsplit(".")[-1]
    if kind in CONVOLUTIONS:
        stride = layer.strides[axis]
        reach = (layer.kernel_size[axis] - 1) * layer.dilation_rate[axis]
        if layer.padding != "same" and reach:
            raise ValueError(
                f"layer {layer.name} has padding '{layer.padding}', which shifts its "
                "output; use padding='same'"
            )
        # TensorFlow pads so that the sizes are a multiple of the stride, and puts
        # an odd pixel of padding at the end.
        padding = max(reach + 1 - stride, 0) // 2
        if kind == "Conv2DTranspose":
            # Input i is written to outputs stride * i - padding + (0 .. reach).
            return ceil((low + padding - reach) / stride), (high + padding) // stride
        return stride * low - padding, stride * high - padding + reach
    if kind == "UpSampling2D" and layer.interpolation in ("nearest", "bilinear"):
        zoom = layer.size[axis]
        if layer.interpolation == "nearest":
            return low // zoom, high // zoom
        first, last = ((pixel + 0.5) / zoom - 0.5 for pixel in (low, high))
        return floor(first), floor(last) + 1
    if kind.lower() in POINTWISE:
        return low, high
    raise ValueError(
        f"the receptive field of layer {layer.name} ({kind}) is not known; teach "
        "srtools/network/receptive_field.py which input pixels it needs"
    )
