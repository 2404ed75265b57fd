"""Random flips, quarter turns, crops and light of patches, the same for lr and hr."""

from typing import Any

from srtools.tf import tf

LIGHT, BAND_LIGHT = 0.3, 0.15
"""Largest change of the light of all bands together, and of each band, as logarithms:
a factor of exp(-0.3) = 0.74 to exp(0.3) = 1.35."""


def random_symmetry(sample: dict[str, Any], chances: Any) -> dict[str, Any]:
    """Flip and turn a patch in one of the eight ways that keep a square a square.

    Both images `[size, size, bands]` of the sample are turned alike, so that lr and hr
    still show the same ground.  Three flips, each by the toss of a coin, make the four
    quarter turns and their mirror images equally likely.

    Arguments:
        sample: `{"lr": image, "hr": image}`.
        chances: three random numbers from 0 to 1.
    """
    coins = tf.convert_to_tensor(chances) < 0.5
    return {name: flip(image, coins) for name, image in sample.items()}


def flip(image: tf.Tensor, coins: tf.Tensor) -> tf.Tensor:
    """Flip a square image along rows, along columns, along its diagonal.

    Arguments:
        image: `[size, size, bands]`.
        coins: three booleans: which of the flips to make.  `[True, False, True]` turns
            the image by a quarter.
    """
    # A step of -1 mirrors.  One operation for both axes: it is run for each patch.
    rows, columns = (tf.where(coins[axis], -1, 1) for axis in (0, 1))
    mirrored = tf.ensure_shape(image[::rows, ::columns], image.shape)
    return tf.cond(
        coins[2], lambda: tf.transpose(mirrored, [1, 0, 2]), lambda: mirrored
    )


def random_crop(sample: dict[str, Any], size: int, chances: Any) -> dict[str, Any]:
    """Cut the same square of ground out of lr and hr.

    Arguments:
        sample: `{"lr": [h, w, bands], "hr": [f h, f w, bands]}`.
        size: lr pixels a side, at most h and w.
        chances: two random numbers from 0 (included) to 1 (not included): how far down
            and how far to the right the square lies.
    """
    height = sample["lr"].shape[0]
    first = tf.cast(tf.convert_to_tensor(chances) * (height - size + 1), tf.int32)
    # Close to 1 the product may be rounded up.
    first = tf.minimum(first, height - size)
    cropped = {}
    for name, image in sample.items():
        zoom = image.shape[0] // height
        row, column = zoom * first[0], zoom * first[1]
        square = image[row : row + zoom * size, column : column + zoom * size]
        cropped[name] = tf.ensure_shape(square, [zoom * size, zoom * size, None])
    return cropped


def random_light(sample: dict[str, Any], chances: Any) -> dict[str, Any]:
    """Multiply lr and hr by one factor for all bands, and by one more for each.

    Another season or another place has other colours.  A network that has seen only
    those of one scene turns them into what it knows.

    Arguments:
        sample: `{name: image}`, floating-point images `[h, w, bands]` whose 0 is black.
        chances: 1 + bands random numbers from 0 to 1.
    """
    way = 2 * tf.convert_to_tensor(chances) - 1  # from -1 to 1: darker to brighter
    factors = tf.exp(LIGHT * way[0] + BAND_LIGHT * way[1:])
    return {name: image * factors for name, image in sample.items()}
