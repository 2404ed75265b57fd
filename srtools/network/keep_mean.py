"""A last layer that keeps the mean: no part of the image gets too dark or too light.

L1 is least at the median.  Where the bright pixels are few, the median is darker than
the mean, and a network that learns by L1 darkens the ground.
"""

from typing import Any

from srtools.conventions import FACTOR
from srtools.tf import tf

WINDOW = 3  # lr pixels, 18 m: less would follow the blur and noise of Sentinel-2


class KeepMean(tf.keras.layers.Layer):
    """Add to an image what its means over lr pixels lack: `KeepMean()([hr, lr])`.

    What they lack is averaged over `WINDOW` x `WINDOW` lr pixels and interpolated, so
    that detail stays.  The idea is one round of back-projection (Irani and Peleg,
    1991), inside the network: it learns the detail only.
    """

    def __init__(self, activation: str = "relu", **options: Any):
        super().__init__(**{**options, "dtype": "float32"})
        # An option, because the receptive field is measured with another one.
        self.activation = tf.keras.activations.get(activation)

    def call(self, images: list[tf.Tensor]) -> tf.Tensor:
        """Correct hr [n, 4 h, 4 w, bands] by lr [n, h, w, bands]; return its shape."""
        hr, lr = images
        missing = lr - tf.nn.avg_pool2d(hr, FACTOR, FACTOR, "VALID")
        smooth = tf.nn.avg_pool2d(missing, WINDOW, 1, "SAME")
        return self.activation(hr + tf.image.resize(smooth, tf.shape(hr)[1:3]))

    def get_config(self) -> dict:
        """Return the arguments that make the same layer."""
        name = tf.keras.activations.serialize(self.activation)
        return {**super().get_config(), "activation": name}
