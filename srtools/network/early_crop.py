"""A cropped output that is cheap: what the crop throws away is hardly computed.

Cutting the rim off the finished image wastes the work that was spent on it.  Here the
layers are called once more, and what the later ones do not need is cut off as soon as
the earlier ones are done.  What is kept does not depend on it.
"""

from math import ceil, inf
from typing import Any

from srtools.network import blockwise
from srtools.network.receptive_field import (
    ReceptiveField,
    inputs_first,
    producer,
    scales,
    span_before,
    zoom,
)
from srtools.tf import tf

# Input pixels on each side: cutting off fewer takes longer than it saves.
WORTH, WORTH_BEFORE_ZOOM = 4, 1


def smallest_crop(field: ReceptiveField) -> int:
    """Give the crop, in output pixels, that takes away what a tile's rim falsifies.

    It is a whole and even number of input pixels, as OTBTF centres its tiles best.
    """
    return int(ceil(field.margin / 2) * 2 * field.factor)


def early_crop(output: Any, crop: int, pixels: tf.Tensor) -> tf.Tensor:
    """Compute an output of a network, less `crop` pixels on each side.

    Arguments:
        output: symbolic Keras tensor of a network with one input, which it keeps or
            enlarges.
        crop: in pixels of `output`, at least the receptive field.
        pixels: the input [n, h, w, c].

    Returns:
        [n, factor x h - 2 crop, factor x w - 2 crop, c'], nothing if that is below 0.

    Raises:
        ValueError: for a layer whose behaviour `receptive_field` does not know.
    """
    tensors = inputs_first(output)
    zooms, spare, worth = scales(tensors), _spare(tensors, crop), _worth(tensors)
    # Of each tensor its values, and how many pixels are cut off already on each side.
    made = {}
    for tensor in tensors:
        layer, sources = producer(tensor)
        if not sources:
            made[id(tensor)] = pixels, 0
            continue
        done = max(made[id(source)][1] for source in sources)
        parts = [_cut(*made[id(source)], done) for source in sources]
        zoom_before = zooms[id(sources[0])]
        # The size is a multiple of the zoom, and cut off is as much on both sides.
        if blockwise.suits(layer) and zoom_before % 2 == 0:
            values = blockwise.convolve(layer, *parts)
        else:
            values = layer(parts if len(parts) > 1 else parts[0])
        done = int(done * zooms[id(tensor)] / zoom_before)
        wanted = spare[id(tensor)]
        if wanted - done >= worth[id(tensor)] * zooms[id(tensor)]:
            values, done = _cut(values, done, wanted), wanted
        made[id(tensor)] = values, done
    values, done = made[id(output)]
    size = int(zooms[id(output)]) * tf.shape(pixels)[1:3] - 2 * crop
    height, width = tf.unstack(tf.maximum(size, 0))
    rim = crop - done
    return values[:, rim : rim + height, rim : rim + width]


def _spare(tensors: list[Any], crop: int) -> dict[int, int]:
    """Give how many pixels on each side of each tensor the cropped end does not need.

    Pixels are counted from the first one and, below 0, from behind the last one.
    """
    spare = {id(tensors[-1]): crop}
    for tensor in reversed(tensors):
        layer, sources = producer(tensor)
        first = spare[id(tensor)]
        for source in sources:
            spans = [span_before(layer, axis, first, -1 - first) for axis in (0, 1)]
            unneeded = min(min(low, -1 - high) for low, high in spans)
            spare[id(source)] = max(min(unneeded, spare.get(id(source), unneeded)), 0)
    return spare


def _worth(tensors: list[Any]) -> dict[int, float]:
    """Give how many input pixels it is worth to cut off the sides of each tensor."""
    worth = {id(tensor): inf for tensor in tensors}
    for tensor in tensors:
        layer, sources = producer(tensor)
        for source in sources:
            if zoom(layer) > 1:
                worth[id(source)] = WORTH_BEFORE_ZOOM
            elif span_before(layer, 0, 0, 0) != (0, 0):
                worth[id(source)] = min(worth[id(source)], WORTH)
    return worth


def _cut(values: tf.Tensor, done: int, wanted: int) -> tf.Tensor:
    """Cut off what is left to cut off; of a tiny image a pixel stays, for the layers.

    TensorFlow has no convolution of nothing.
    """
    if wanted == done:
        return values
    size = tf.shape(values)[1:3]
    rim = tf.minimum(wanted - done, (size - 1) // 2)
    bottom, right = tf.unstack(size - rim)
    return values[:, rim[0] : bottom, rim[1] : right]
