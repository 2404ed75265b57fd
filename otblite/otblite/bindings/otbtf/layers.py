"""Keras layers for masks, scalar inputs and classifications."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

Tensor = Any

# Models with such layers can be loaded, from `.keras` files as well.
registered = tf.keras.utils.register_keras_serializable("otbtf")


class _Configured(tf.keras.layers.Layer):
    """A layer that is saved with its options."""

    options: tuple[str, ...] = ()

    def get_config(self) -> dict[str, Any]:
        """Return what the layer is made again from."""
        return super().get_config() | {key: getattr(self, key) for key in self.options}


@registered
class DilatedMask(_Configured):
    """Mark the pixels that have a no-data pixel within `radius` on either axis.

    Input `[n, h, w, 1]` of any numeric type, output `[n, h, w, 1]` uint8, 1 where
    the square of side `2 * radius + 1` around the pixel holds `nodata_value`.
    """

    options = ("nodata_value", "radius")

    def __init__(
        self, nodata_value: float, radius: int, name: str | None = None, **options
    ):
        super().__init__(name=name, **options)
        self.nodata_value = nodata_value
        self.radius = radius

    def call(self, inp: Tensor) -> Tensor:
        """Compute the mask."""
        nodata = tf.cast(tf.equal(inp, tf.cast(self.nodata_value, inp.dtype)), tf.uint8)
        side = 2 * self.radius + 1
        # A dilation by a flat square: adding a kernel of zeros, keeping the maximum.
        return tf.nn.dilation2d(
            nodata,
            filters=tf.zeros((side, side, 1), tf.uint8),
            strides=[1, 1, 1, 1],
            padding="SAME",
            data_format="NHWC",
            dilations=[1, 1, 1, 1],
        )


@registered
class ApplyMask(_Configured):
    """Replace the pixels where a mask is 1 by `out_nodata`.

    Input `(mask, image)`, of shapes that broadcast; output like the image.
    """

    options = ("out_nodata",)

    def __init__(self, out_nodata: float, name: str | None = None, **options):
        super().__init__(name=name, **options)
        self.out_nodata = out_nodata

    def call(self, inputs: Sequence[Tensor]) -> Tensor:
        """Apply the mask."""
        mask, image = inputs
        return tf.where(tf.equal(mask, 1), tf.cast(self.out_nodata, image.dtype), image)


@registered
class ScalarsTile(_Configured):
    """Repeat scalars over the pixels of a reference.

    Input `(reference, [scalar, ...])`, a reference `[n, h, w, c]` and k scalars
    `[n]`; output `[n, h, w, k]`.  One scalar 0.5 and a reference of 2 x 2 pixels
    give `[[0.5, 0.5], [0.5, 0.5]]`.
    """

    def call(self, inputs: Sequence[Any]) -> Tensor:
        """Tile the scalars."""
        reference, scalars = inputs
        values = tf.stack(scalars, axis=-1)[:, tf.newaxis, tf.newaxis, :]
        size = tf.shape(reference)
        return tf.tile(values, [1, size[1], size[2], 1])


@registered
class Argmax(_Configured):
    """Return the number of the largest channel, for instance the most likely class.

    Input `[..., classes]`; output int64 of the same shape with a last dimension of
    1, or without it if not `expand_last_dim`.  `[0.1, 0.3, 0.6]` gives 2.
    """

    options = ("expand_last_dim",)

    def __init__(
        self, name: str | None = None, expand_last_dim: bool = True, **options
    ):
        super().__init__(name=name, **options)
        self.expand_last_dim = expand_last_dim

    def call(self, inputs: Tensor) -> Tensor:
        """Compute the argmax."""
        largest = tf.argmax(inputs, axis=-1)
        return largest[..., tf.newaxis] if self.expand_last_dim else largest


@registered
class Max(_Configured):
    """Return the value of the largest channel, for instance a confidence.

    Input `[..., channels]`; output `[..., 1]`.  `[0.1, 0.3, 0.6]` gives 0.6.
    """

    def call(self, inputs: Tensor) -> Tensor:
        """Compute the maximum."""
        return tf.reduce_max(inputs, axis=-1, keepdims=True)
