"""Patches of a data set: the check at the door, and more of them by chance."""

import logging
import os
from pathlib import Path
from typing import Any

from srtools.cards import read_card
from srtools.conventions import BANDS, FACTOR, SCALE
from srtools.errors import SRError
from srtools.images import describe_patches
from srtools.quiet import silent_stderr

with silent_stderr():
    import tensorflow as tf

log = logging.getLogger(__name__)

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


def check_train_size(train_size: int | None, files: dict[str, str]) -> None:
    """Check that crops of so many lr pixels a side can be cut out of the patches.

    Raises:
        SRError: if the patches are smaller.
    """
    size = describe_patches(files["lr"]).size
    if train_size and train_size > size:
        raise SRError(
            f"--train_size is {train_size}, the patches of {files['lr']} have {size} "
            f"pixels a side; give at most {size}"
        )


def warn_of_leak(card: dict, seen: int) -> None:
    """Tell if the network sees, from a patch of one group, ground of another.

    Arguments:
        card: what dataset.json says.
        seen: lr pixels that the network looks around itself.
    """
    split = card.get("split", {})
    apart = split.get("margin", 0)
    if split and apart < seen:
        log.warning(
            "the groups of patches are %d lr pixels apart and the network sees %d: "
            "validation and test will flatter it; see --split and --margin of "
            "sr_dataset.py", apart, seen,
        )  # fmt: skip


def read_dataset_card(patches: str | Path) -> dict:
    """Read dataset.json; patches made elsewhere have none, and that is allowed."""
    path = Path(patches) / "dataset.json"
    return read_card(path) if path.exists() else {}


def check_card(patches: str | Path) -> dict:
    """Read dataset.json, and check what it says; patches made elsewhere have none.

    Raises:
        SRError: if the patches are not made for this network.
    """
    card = read_dataset_card(patches)
    for key, expected in (("bands", list(BANDS)), ("factor", FACTOR), ("scale", SCALE)):
        if card.get(key, expected) != expected:
            raise SRError(
                f"{patches}/dataset.json says {key} {card[key]}, the network is made "
                f"for {expected}; make the patches again with sr_dataset.py"
            )
    return card


def fingerprints(files: list[str]) -> list[list]:
    """Give name, size and time of change of files, to notice when they change."""
    stats = [os.stat(file) for file in files]
    return [
        [Path(file).name, stat.st_size, stat.st_mtime_ns]
        for file, stat in zip(files, stats, strict=True)
    ]


def random_symmetry(sample: dict[str, Any], chances: Any) -> dict[str, Any]:
    """Show a patch in one of the eight ways in which a square can be laid down.

    All images `[size, size, bands]` of the sample are laid down alike, so that lr and
    hr still show the same ground.  Two mirror images and the exchange of rows and
    columns, each by the toss of a coin, make the four quarter turns and the four flips
    equally likely.

    Arguments:
        sample: `{"lr": image, "hr": image}`.
        chances: three numbers from 0 to 1, drawn at random.
    """
    coins = tf.convert_to_tensor(chances) < 0.5
    return {name: lay_down(image, coins) for name, image in sample.items()}


def lay_down(image: tf.Tensor, coins: tf.Tensor) -> tf.Tensor:
    """Flip a square image along rows, along columns, along its diagonal.

    Arguments:
        image: `[size, size, bands]`.
        coins: three booleans, which flips to make.  For instance `[True, False, True]`
            turns the image by a quarter.
    """
    # A step of -1 mirrors.  All in one operation: this is done for each patch anew.
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
        chances: two numbers from 0 (included) to 1 (not included), drawn at random: how
            far down and how far to the right.
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
