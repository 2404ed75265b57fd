"""A convolution with few output channels, computed for 2 x 2 pixels at once.

A processor computes 8 or 16 output channels at a time.  A layer that makes 4 bands of
64 channels keeps it busy for a quarter of that, and at the end of a network it takes
half of the time.  The four pixels of a block are sums over one window that is a pixel
larger, with four shifted kernels: as many channels as a processor wants, for a third
more arithmetic.
"""

from typing import Any

from srtools.tf import tf

MOST_CHANNELS = 4  # output channels; with more there is little to gain


def suits(layer: Any) -> bool:
    """Tell whether `convolve` can replace a Keras layer, and is faster."""
    return (
        type(layer).__name__ == "Conv2D"
        and layer.filters <= MOST_CHANNELS
        and layer.padding == "same"
        and layer.groups == 1
        and {*layer.strides, *layer.dilation_rate} == {1}
        and all(size % 2 for size in layer.kernel_size)
    )


def convolve(layer: Any, image: tf.Tensor) -> tf.Tensor:
    """Compute the output of a Conv2D layer.

    Arguments:
        layer: one that `suits`.
        image: [n, h, w, c]; h and w must be even.

    Returns:
        [n, h, w, filters]
    """
    # In mixed precision a layer computes in another type than its input or its weights.
    image = tf.cast(image, layer.compute_dtype)
    # [rows, columns, c, filters]
    kernel = tf.cast(tf.convert_to_tensor(layer.kernel), layer.compute_dtype)
    shifted = [
        tf.pad(kernel, [[down, 1 - down], [right, 1 - right], [0, 0], [0, 0]])
        for down in (0, 1)
        for right in (0, 1)
    ]
    # With a stride of 2, "SAME" pads an even kernel as it pads the odd one without.
    blocks = tf.nn.conv2d(image, tf.concat(shifted, axis=3), 2, "SAME")
    if layer.use_bias:
        bias = tf.cast(tf.convert_to_tensor(layer.bias), layer.compute_dtype)
        blocks = tf.nn.bias_add(blocks, tf.tile(bias, [4]))
    # An activation such as softmax needs all channels of a pixel side by side.
    return layer.activation(tf.nn.depth_to_space(blocks, 2))
