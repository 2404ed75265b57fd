"""Random flips, quarter turns and light of patches, the same for lr and hr."""

from typing import Any

from srtools.tf import tf

LIGHT, BAND_LIGHT = 0.3, 0.15
"""Largest change of the light of all bands together, and of each band, as logarithms:
a factor of exp(-0.3) = 0.74 to exp(0.3) = 1.35."""


def random_symmetry(sample: dict[str, Any], chances: Any) -> dict[str, Any]:
    """Flip and turn a patch in one of the eight ways that keep a square a square.

    Three flips, along rows, columns and the diagonal, each by the toss of a coin:
    chances of 0, 1, 0 turn by a quarter.

    Arguments:
        sample: `{"lr": image, "hr": image}`, square images `[size, size, bands]`.
        chances: three random numbers from 0 to 1.
    """
    coins = tf.convert_to_tensor(chances) < 0.5
    # A step of -1 mirrors.  One operation for both axes: it is run for each patch.
    rows, columns = (tf.where(coins[axis], -1, 1) for axis in (0, 1))

    def flip(image: Any) -> tf.Tensor:
        mirrored = tf.ensure_shape(image[::rows, ::columns], image.shape)
        return tf.cond(
            coins[2], lambda: tf.transpose(mirrored, [1, 0, 2]), lambda: mirrored
        )

    return {name: flip(image) for name, image in sample.items()}


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
