"""First weights of the network of exercise 2, and the constraint of its zooms.

A fresh network answers a linear interpolation.  What that gains over random weights is
measured in docs/performance.md.
"""

import numpy as np

from srtools.conventions import OUTPUT
from srtools.errors import SRError
from srtools.tf import tf


def near_0(variance: float) -> tf.keras.initializers.Initializer:
    """Make small first weights, with this variance of their sum over random inputs."""
    return tf.keras.initializers.VarianceScaling(variance)


def linear_zoom(size: int) -> np.ndarray:
    """Return the kernel [size, size] of a linear interpolation, zooming by 2.

    One of 2 x 2 can only repeat each pixel.
    """
    line = {2: [1, 1], 4: [0.25, 0.75, 0.75, 0.25], 6: [0, 0.25, 0.75, 0.75, 0.25, 0]}
    return np.outer(line[size], line[size])


class SmoothZoom(tf.keras.initializers.Initializer):
    """First weights of a zoom by 2 that keep a flat image flat.

    Each pair of channels has one random weight, laid out in space as a linear
    interpolation.  With independent weights the four pixels that are made of one differ
    from the start, and training has to unlearn it.

    Source: the idea of ICNR (Aitken et al., 2017), for transposed convolutions.
    """

    def __call__(self, shape, dtype=None, **options):
        """Return the weights [size, size, filters, channels]."""
        size, _, filters, channels = shape
        limit = (1.5 / channels) ** 0.5
        weights = tf.random.uniform([filters, channels], -limit, limit)
        return tf.cast(linear_zoom(size)[:, :, None, None] * weights, dtype)


class EvenZoom(tf.keras.constraints.Constraint):
    """Keep a flat image flat while the network learns.

    Each of the 2 x 2 output pixels that are made of one has its own part of the kernel,
    every second row and column.  After each step the four sums are made equal again, by
    the smallest change of the weights.

    Source: the condition of Sugawara et al., "Super-resolution using convolutional
    neural networks without any checkerboard artifacts", 2018.
    """

    def __call__(self, kernel):
        """Return the kernel [size, size, filters, channels] with even sums."""
        half, (filters, channels) = kernel.shape[0] // 2, kernel.shape[2:]
        parts = tf.reshape(kernel, [half, 2, half, 2, filters, channels])
        means = tf.reduce_mean(parts, axis=(0, 2), keepdims=True)
        uneven = means - tf.reduce_mean(means, axis=(1, 3), keepdims=True)
        return tf.reshape(parts - uneven, kernel.shape)


def start_as_zoom(network: tf.keras.Model) -> None:
    """Let a fresh network answer a linear interpolation.

    The first channels hand one band each through: the first convolution copies the
    band, the blocks add next to nothing, the zooms interpolate, and the last
    convolution picks the channel up.  All others stay random, with hardly any weight in
    the sum, until training finds a use for them.
    """
    bands = network.output[OUTPUT].shape[-1]
    identity = np.arange(bands)  # channel i hands band i through
    layers = {layer.name: layer for layer in network.layers if len(layer.weights) == 2}
    if missing := [n for n in ("first", "zoom1", "zoom2", OUTPUT) if n not in layers]:
        raise SRError(
            f"the network has no layer {', '.join(missing)} with a kernel and a bias, "
            "which its first weights are made for; name the layers so, or leave out "
            "start_as_zoom"
        )
    for layer in layers.values():
        kernel, bias = layer.get_weights()
        if layer.name == "first":  # [7, 7, bands, filters]
            kernel[:, :, :, identity] = 0
            kernel[3, 3, identity, identity] = 1
        elif layer.name.endswith("_conv2"):
            kernel[:, :, :, identity] *= 1e-3  # not 0, which would stop all gradients
        elif layer.name.startswith("zoom"):  # [size, size, filters, channels]
            kernel[:, :, identity, :] = 0
            kernel[:, :, identity, identity] = linear_zoom(len(kernel))[:, :, None]
            repeats = len(kernel) == 2
        elif layer.name == OUTPUT:
            # The skip connection has doubled the channel.  Pixels that were repeated 4
            # times become a linear interpolation under a triangle.
            line = np.array([1, 2, 3, 4, 3, 2, 1]) / 16 if repeats else np.eye(7)[3]
            kernel[:, :, identity, identity] += 0.5 * np.outer(line, line)[:, :, None]
        layer.set_weights([kernel, bias])
