"""The middle of the output, without the cost of what is cut off around it.

Near the edge of a tile the output is wrong.  What only this rim needs is cut off before
the layers at the resolution of the output, which take most of the time and memory.
"""

from collections.abc import Callable

from srtools.conventions import FACTOR, INPUT, OUTPUT_DN
from srtools.network.receptive_field import measure
from srtools.tf import tf


def inner_output(network: tf.keras.Model, crop: int) -> Callable:
    """Return a function from `lr` to `hr_dn` less `crop` output pixels on each side.

    The pixels that stay are those of the whole output, but for rounding.  `crop` is a
    multiple of `FACTOR`.
    """
    try:
        begin, end, margin = _halves(network)
    except (AttributeError, LookupError, ValueError):  # of a layer that is called twice
        return lambda lr: _middle(network({INPUT: lr})[OUTPUT_DN], crop)
    most = max(crop // FACTOR - margin, 0)

    def inner(lr: tf.Tensor) -> tf.Tensor:
        # Of a small image a pixel stays: TensorFlow has no convolution of an empty one.
        cut = tf.minimum(most, (tf.reduce_min(tf.shape(lr)[1:3]) - 1) // 2)
        hr = end([_middle(image, cut) for image in tf.nest.flatten(begin(lr))])
        return _middle(hr, crop - FACTOR * cut)

    return inner


def _middle(image: tf.Tensor, rim: tf.Tensor) -> tf.Tensor:
    bottom, right = tf.unstack(tf.shape(image)[1:3] - rim)
    return image[:, rim:bottom, rim:right]


def _halves(network: tf.keras.Model) -> tuple[tf.keras.Model, tf.keras.Model, int]:
    """Split a network before the first layers that enlarge: return both parts.

    The third value is the margin of the second part's receptive field, lr pixels.
    """
    image, output = network.inputs[0], network.output[OUTPUT_DN]
    layers = tf.keras.Model(image, output).layers
    fields = measure([image], {layer.name: layer.output for layer in layers})
    is_small = {id(x.output): fields[x.name][0] == 1 for x in layers}
    read = {
        id(tensor): tensor
        for layer in layers
        if not is_small[id(layer.output)]
        for tensor in tf.nest.flatten(layer.input)
        if is_small[id(tensor)]
    }
    cut = list(read.values())
    _, margin = measure(cut, {OUTPUT_DN: output})[OUTPUT_DN]
    return tf.keras.Model(image, cut), tf.keras.Model(cut, output), margin
