"""Patches of a data set: the check at the door, and more of them by symmetry."""

from pathlib import Path
from typing import Any

from srtools.conventions import BANDS
from srtools.errors import SRError
from srtools.images import describe_patches
from srtools.quiet import silent_stderr

with silent_stderr():
    import tensorflow as tf

KINDS = ("lr", "hr")


def check_patches(folder: str | Path, group: str, factor: int) -> dict[str, str]:
    """Check that the lr and hr patches of a group belong together.

    Arguments:
        folder: where `{group}_lr_patches.tif` and `{group}_hr_patches.tif` lie.
        group: "train", "valid" or "test".
        factor: hr pixels per lr pixel.

    Returns:
        `{"lr": file, "hr": file}`.

    Raises:
        SRError: if one is missing or no patches image, if they hold different numbers
            of patches or none, other than four bands, or if the sizes do not fit.
    """
    if not Path(folder).is_dir():
        raise SRError(
            f"the folder of patches {folder} does not exist; sr_dataset.py makes it"
        )
    files = {kind: str(Path(folder) / f"{group}_{kind}_patches.tif") for kind in KINDS}
    lr, hr = (describe_patches(files[kind]) for kind in KINDS)
    for kind, info in zip(KINDS, (lr, hr), strict=True):
        if info.bands != len(BANDS):
            raise SRError(
                f"{files[kind]} has {info.bands} band(s), {len(BANDS)} are expected "
                f"({', '.join(BANDS)} in this order); make it again with sr_dataset.py"
            )
    if lr.count != hr.count:
        raise SRError(
            f"{files['lr']} holds {lr.count} patches and {files['hr']} {hr.count}, the "
            "same number is expected; make both again with sr_dataset.py"
        )
    if hr.size != factor * lr.size:
        raise SRError(
            f"the patches of {files['lr']} have {lr.size} pixels a side and those of "
            f"{files['hr']} {hr.size}, {factor} times as many are expected "
            f"({factor * lr.size}); make both again with sr_dataset.py"
        )
    return files


class RandomSymmetry:
    """Show each patch in one of the eight ways in which a square can be laid down.

    Called with a sample `{name: [size, size, bands]}`, it mirrors and turns all its
    images in the same way, so that lr and hr still show the same ground.  Two mirror
    images and the exchange of rows and columns, each by the toss of a coin, make the
    four quarter turns and the four flips equally likely.

    Arguments:
        seed: the same seed gives the same coins.
    """

    def __init__(self, seed: int):
        # Not tf.random.uniform: in a tf.data pipeline that one starts again with each
        # epoch, and every patch would be shown in the same way for ever.
        self.coins = tf.random.Generator.from_seed(seed)

    def __call__(self, sample: dict[str, Any]) -> dict[str, Any]:
        """Lay down the images of one sample."""
        coins = self.coins.uniform([3]) < 0.5
        return {name: lay_down(image, coins) for name, image in sample.items()}


def lay_down(image: tf.Tensor, coins: tf.Tensor) -> tf.Tensor:
    """Flip a square image along rows, along columns, along its diagonal.

    Arguments:
        image: `[size, size, bands]`.
        coins: three booleans, which flips to make.  For instance `[True, False, True]`
            turns the image by a quarter.
    """
    image = tf.where(coins[0], tf.reverse(image, [0]), image)
    image = tf.where(coins[1], tf.reverse(image, [1]), image)
    return tf.where(coins[2], tf.transpose(image, [1, 0, 2]), image)
