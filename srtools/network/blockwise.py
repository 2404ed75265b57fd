"""A convolution with few output channels, computed for 2 x 2 pixels at once.

A processor computes 8 or 16 output channels at a time.  A layer that makes 4 bands of
64 channels keeps it busy for a quarter of that, and at the end of a network it takes
half of the time.  The four pixels of a block are sums over one window that is a pixel
larger, with four shifted kernels: as many channels as a processor wants, for a third
more arithmetic.
"""

from typing import Any

from srtools.tf import tf

# oneDNN's kernels for AMX (TensorFlow 2.21) answer 8 or 12 channels of bfloat16 with
# numbers that have nothing to do with the sum.  So few cost little in float32.
LEAST_CHANNELS = 16


class BlockwiseConv2D(tf.keras.layers.Conv2D):
    """Conv2D of an image with an even number of rows and columns, the same sums.

    Its weights are those of a Conv2D with padding "same" and an odd kernel; the input
    has at least as many channels as the output.  It computes in the type of its input,
    and answers in float32.

    A sum of bfloat16 is rounded to 8 bits, which is 20 DN near DN 3000.  The largest
    part of output i, its share of channel i, is therefore added in float32; the rest is
    small, and is rounded to a DN or two.
    """

    def __init__(self, filters: int, kernel_size: int, **options: Any):
        options = {"padding": "same", **options, "dtype": "float32", "autocast": False}
        super().__init__(filters, kernel_size, **options)

    def call(self, image: tf.Tensor) -> tf.Tensor:
        """Compute [n, h, w, filters] of [n, h, w, channels]; h and w are even."""
        kernel = tf.convert_to_tensor(self.kernel)
        if image.dtype == tf.float32:
            return self.activation(convolve_blocks(image, kernel) + self.bias)
        # [filters]: the sum of all weights with which channel i goes into output i.
        shares = tf.linalg.diag_part(tf.reduce_sum(kernel, [0, 1])[: self.filters])
        most = shares * tf.cast(image[..., : self.filters], tf.float32)
        half, others = self.kernel_size[0] // 2, image.shape[-1] - self.filters
        around = [[half, half], [half, half], [0, others], [0, 0]]
        rest = kernel - tf.pad(tf.linalg.diag(shares)[None, None], around)
        return self.activation(most + convolve_blocks(image, rest) + self.bias)


def convolve_blocks(image: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    """Compute `tf.nn.conv2d(image, kernel, 1, "SAME")` in blocks, as float32.

    Rows and columns of the image are even, those of the kernel odd.
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
