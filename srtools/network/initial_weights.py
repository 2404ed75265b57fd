"""Initial weights of the network of exercise 2, and a constraint for its zooms."""

import numpy as np

from srtools.conventions import OUTPUT
from srtools.errors import SRError
from srtools.tf import tf


def linear_zoom(size: int) -> np.ndarray:
    """Return the kernel [size, size] of a linear zoom by 2, a transposed convolution.

    Size 2 repeats pixels; 4 and 6 interpolate.
    """
    line = {2: [1, 1], 4: [0.25, 0.75, 0.75, 0.25], 6: [0, 0.25, 0.75, 0.75, 0.25, 0]}
    return np.outer(line[size], line[size])


class SmoothZoom(tf.keras.initializers.Initializer):
    """Initializer of a zoom by 2, a transposed convolution: a flat image stays flat.

    Each pair of channels has one random weight, times a linear interpolation.
    Source: the idea of ICNR (Aitken et al., 2017).
    """

    def __call__(self, shape, dtype=None, **options):
        """Return the weights [size, size, filters, channels]."""
        size, _, filters, channels = shape
        limit = (1.5 / channels) ** 0.5
        weights = tf.random.uniform([filters, channels], -limit, limit)
        return tf.cast(linear_zoom(size)[:, :, None, None] * weights, dtype)


class EvenZoom(tf.keras.constraints.Constraint):
    """Constraint of a zoom by 2: a flat image stays flat while the network learns.

    Each of the 2 x 2 output pixels of an input pixel has a part of the kernel, every
    second row and column.  The smallest change of the weights makes the four sums
    equal.  Source: Sugawara et al., "Super-resolution using convolutional neural
    networks without any checkerboard artifacts", 2018.
    """

    def __call__(self, kernel):
        """Return the kernel [size, size, filters, channels] with four equal sums."""
        side, (filters, channels) = kernel.shape[0] // 2, kernel.shape[2:]
        parts = tf.reshape(kernel, [side, 2, side, 2, filters, channels])
        means = tf.reduce_mean(parts, axis=(0, 2), keepdims=True)
        uneven = means - tf.reduce_mean(means, axis=(1, 3), keepdims=True)
        return tf.reshape(parts - uneven, kernel.shape)


def start_as_zoom(network: tf.keras.Model) -> None:
    """Set the weights of a fresh network to those of a linear interpolation.

    Channel i carries band i: the first convolution copies the band, the blocks add next
    to nothing, the zooms interpolate, and the last convolution copies the channel.  The
    other channels stay random, with almost no weight in the sum.
    """
    names = {layer.name for layer in network.layers}
    if missing := {"first", "zoom1", "zoom2", "last"} - names:
        raise SRError(f"the network needs a layer with the name {min(missing)}")
    identity = np.arange(network.output[OUTPUT].shape[-1])
    repeats = network.get_layer("zoom1").kernel_size[0] == 2
    for layer in network.layers:
        if len(layer.weights) != 2:
            continue
        kernel, bias = layer.get_weights()
        if layer.name == "first":  # [7, 7, bands, filters]
            kernel[:, :, :, identity] = 0
            kernel[3, 3, identity, identity] = 1
        elif layer.name.endswith("_conv2"):
            kernel[:, :, :, identity] *= 1e-3  # 0 would stop all gradients
        elif layer.name.startswith("zoom"):  # [size, size, filters, channels]
            kernel[:, :, identity, :] = 0
            kernel[:, :, identity, identity] = linear_zoom(len(kernel))[:, :, None]
        elif layer.name == "last":
            # The skip connection has doubled the channel.  Pixels that were repeated 4
            # times become a linear interpolation under a triangle.
            line = np.array([1, 2, 3, 4, 3, 2, 1]) / 16 if repeats else np.eye(7)[3]
            kernel[:, :, identity, identity] += 0.5 * np.outer(line, line)[:, :, None]
        layer.set_weights([kernel, bias])
