"""Conv2D with few output channels, computed for 2 x 2 pixels at once.

A processor computes 8 or 16 output channels at a time, and 4 bands use a quarter of it.
The four pixels of a block are sums over one larger window with four shifted kernels: 16
channels, for a third more arithmetic.
"""

from typing import Any

from srtools.tf import tf

# oneDNN's kernels for AMX (TensorFlow 2.21) compute wrong sums of 8 or 12 channels of
# bfloat16.  So few channels cost little in float32.
LEAST_CHANNELS = 16


class BlockwiseConv2D(tf.keras.layers.Conv2D):
    """Conv2D that computes 2 x 2 pixels at once: rows and columns are even in number.

    Padding is "same", the kernel odd; there are no more filters than channels.  The
    output is float32.

    A sum of bfloat16 is rounded to 8 bits: 20 DN near DN 3000.  So the largest part of
    output i, its share of channel i, is added in float32; the rest loses a DN or two.
    """

    def __init__(self, filters: int, kernel_size: int, **options: Any):
        options = {"padding": "same", **options, "dtype": "float32", "autocast": False}
        super().__init__(filters, kernel_size, **options)

    def call(self, image: tf.Tensor) -> tf.Tensor:
        """Compute [n, h, w, filters] of [n, h, w, channels]; h and w are even."""
        kernel = tf.convert_to_tensor(self.kernel)
        if image.dtype == tf.float32:
            return self.activation(convolve_blocks(image, kernel) + self.bias)
        # [filters]: the sum of all weights of channel i in output i.
        shares = tf.linalg.diag_part(tf.reduce_sum(kernel, [0, 1])[: self.filters])
        largest = shares * tf.cast(image[..., : self.filters], tf.float32)
        reach, others = self.kernel_size[0] // 2, image.shape[-1] - self.filters
        padding = [[reach, reach], [reach, reach], [0, others], [0, 0]]
        rest = kernel - tf.pad(tf.linalg.diag(shares)[None, None], padding)
        return self.activation(largest + convolve_blocks(image, rest) + self.bias)


def convolve_blocks(image: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    """Compute `tf.nn.conv2d(image, kernel, 1, "SAME")` for 2 x 2 pixels at once.

    The result is [n, h, w, filters] float32; h and w are even.
    """
    shifted = [
        tf.pad(kernel, [[down, 1 - down], [right, 1 - right], [0, 0], [0, 0]])
        for down in (0, 1)
        for right in (0, 1)
    ]
    if image.shape[-1] < LEAST_CHANNELS:
        image = tf.cast(image, tf.float32)
    # With a stride of 2, "SAME" pads an even kernel as it pads the odd one without.
    kernels = tf.cast(tf.concat(shifted, axis=3), image.dtype)
    blocks = tf.nn.conv2d(image, kernels, 2, "SAME")
    return tf.nn.depth_to_space(tf.cast(blocks, tf.float32), 2)
