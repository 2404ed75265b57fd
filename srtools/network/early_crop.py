"""A cropped output that is cheap: pixels that the crop removes are hardly computed.

A crop of the finished image wastes the work that was spent on its rim.  Here the layers
are called once more, and after each one the pixels that no later layer needs are cut
off.  The pixels that are kept have the same values.
"""

from math import ceil, inf
from typing import Any

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
LEAST_CUT, LEAST_CUT_BEFORE_ZOOM = 4, 1


def smallest_crop(field: ReceptiveField) -> int:
    """Give the crop, in output pixels, that removes the pixels a tile's rim falsifies.

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
    zooms, unneeded = scales(tensors), _unneeded(tensors, crop)
    least_cut = _least_cut(tensors)
    # For each tensor its values, and the pixels that are cut off already on each side.
    computed = {}
    for tensor in tensors:
        layer, sources = producer(tensor)
        if not sources:
            computed[id(tensor)] = pixels, 0
            continue
        done = max(computed[id(source)][1] for source in sources)
        parts = [_cut(*computed[id(source)], done) for source in sources]
        values = layer(parts if len(parts) > 1 else parts[0])
        done = int(done * zooms[id(tensor)] / zooms[id(sources[0])])
        wanted = unneeded[id(tensor)]
        if wanted - done >= least_cut[id(tensor)] * zooms[id(tensor)]:
            values, done = _cut(values, done, wanted), wanted
        computed[id(tensor)] = values, done
    values, done = computed[id(output)]
    size = int(zooms[id(output)]) * tf.shape(pixels)[1:3] - 2 * crop
    height, width = tf.unstack(tf.maximum(size, 0))
    rim = crop - done
    return values[:, rim : rim + height, rim : rim + width]


def _unneeded(tensors: list[Any], crop: int) -> dict[int, int]:
    """Give the pixels on each side of each tensor that the cropped output ignores.

    Pixels are counted from the first one and, below 0, from behind the last one.
    """
    unneeded = {id(tensors[-1]): crop}
    for tensor in reversed(tensors):
        layer, sources = producer(tensor)
        first = unneeded[id(tensor)]
        for source in sources:
            spans = [span_before(layer, axis, first, -1 - first) for axis in (0, 1)]
            rim = min(min(low, -1 - high) for low, high in spans)
            unneeded[id(source)] = max(min(rim, unneeded.get(id(source), rim)), 0)
    return unneeded


def _least_cut(tensors: list[Any]) -> dict[int, float]:
    """Give the input pixels below which a cut of each tensor saves no time."""
    least = {id(tensor): inf for tensor in tensors}
    for tensor in tensors:
        layer, sources = producer(tensor)
        for source in sources:
            if zoom(layer) > 1:
                least[id(source)] = LEAST_CUT_BEFORE_ZOOM
            elif span_before(layer, 0, 0, 0) != (0, 0):
                least[id(source)] = min(least[id(source)], LEAST_CUT)
    return least


def _cut(values: tf.Tensor, done: int, wanted: int) -> tf.Tensor:
    """Cut off the pixels on each side that are wanted and not cut off yet.

    Of a tiny image one pixel stays: TensorFlow has no convolution of an empty image.
    """
    if wanted == done:
        return values
    size = tf.shape(values)[1:3]
    rim = tf.minimum(wanted - done, (size - 1) // 2)
    bottom, right = tf.unstack(size - rim)
    return values[:, rim[0] : bottom, rim[1] : right]
