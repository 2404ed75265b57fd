"""The losses of exercise 3, by the names of `--loss`."""

from srtools.tf import tf

REACH = 2  # hr pixels: 3 m, what is left between Spot and Sentinel-2 after exercise 1


def l1_shift(truth: tf.Tensor, image: tf.Tensor) -> tf.Tensor:
    """Return the L1 of each patch at the shift of the truth that suits it best.

    Relief and parallax shift the truth by a few pixels, differently in each patch.  The
    image, [n, h, w, bands], is compared with the truth at all shifts of up to `REACH`
    pixels; mirrored pixels fill the rim.  The result is [n, 1, 1].

    Source: Martens et al., "Super-resolution of PROBA-V images using convolutional
    neural networks", 2019; here without a change of brightness.
    """
    height, width = truth.shape[1:3]
    # Without a loss in the rim, the network would hide there what it owes to the mean.
    rim = [REACH, REACH]
    truth = tf.pad(truth, [[0, 0], rim, rim, [0, 0]], "SYMMETRIC")
    places = range(2 * REACH + 1)
    shifted = [truth[:, y : y + height, x : x + width] for y in places for x in places]
    squares = tf.stack(shifted, 1)  # [n, shifts, h, w, bands]
    errors = tf.abs(squares - tf.stop_gradient(image)[:, None])
    best = tf.argmin(tf.reduce_mean(errors, (2, 3, 4)), 1)
    errors = tf.abs(tf.gather(squares, best, batch_dims=1) - image)
    return tf.reduce_mean(errors, (1, 2, 3))[:, None, None]


LOSSES = {
    "l1": "mean_absolute_error",
    "l2": "mean_squared_error",
    "l1_shift": l1_shift,
}
