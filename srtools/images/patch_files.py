"""Patches images: square patches stacked downwards, without a georeference."""

import logging
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
from affine import Affine
from rasterio.errors import RasterioError
from rasterio.windows import Window

from srtools.cards import check_conventions, read_card
from srtools.conventions import BANDS, DATASET_CARD, KINDS, leak_margin, patches_name
from srtools.errors import SRError
from srtools.images import raster

log = logging.getLogger(__name__)

LEAST_BRIGHTEST_DN = 20  # the brightest pixel of a patch is at least that bright


@dataclass(frozen=True)
class PatchesInfo:
    """Size of a patches image."""

    count: int
    """Number of patches."""
    size: int
    """Side of a patch, pixels."""
    bands: int


def describe_patches(path: str | os.PathLike) -> PatchesInfo:
    """Read the description of a patches image.

    Raises:
        SRError: if it is missing, or not a stack of square patches.
    """
    try:
        with rasterio.open(path) as file:
            width, height, bands = file.width, file.height, file.count
    except RasterioError:
        raise SRError(
            f"{path} is missing or not an image; sr_dataset.py writes it"
        ) from None
    if height % width:
        raise SRError(
            f"{path} has {width} x {height} pixels, a stack of square patches is "
            "expected; make it again with sr_dataset.py"
        )
    return PatchesInfo(height // width, width, bands)


def lay_over(paths: Iterable[Path]) -> None:
    """Let lr and hr open one over the other, and name their bands.

    OTBTF puts the centre of the first pixel of both at (0, 0), so that their corners
    are 2.25 m apart: a shift where there is none.
    """
    for path in paths:
        with rasterio.open(path, "r+") as file:
            file.transform = Affine.scale(file.transform.a, file.transform.e)
            file.descriptions = BANDS


def check_count(path: str | os.PathLike, expected: int) -> None:
    """Check that a patches image holds so many patches.

    Raises:
        SRError: if the engine cut more or less.
    """
    count = describe_patches(path).count
    if count != expected:
        raise SRError(
            f"{count} patches were cut at {expected} places; check that PAN and XS "
            "cover the same ground"
        )


def check_patches(folder: str | Path, group: str, factor: int) -> dict[str, str]:
    """Check that the lr and hr patches of a group belong together.

    Arguments:
        folder: folder of the patches images.
        group: "train", "valid" or "test".
        factor: hr pixels per lr pixel.

    Returns:
        `{"lr": file, "hr": file}`.

    Raises:
        SRError: if the scene was made without this group, if one is missing or no
            patches image, if they hold different numbers of patches or none, other than
            four bands, reflectances instead of DN, or if the sizes do not fit.
    """
    if not Path(folder).is_dir():
        state = "is a file, not a folder" if Path(folder).exists() else "does not exist"
        raise SRError(f"the folder of patches {folder} {state}; sr_dataset.py makes it")
    files = {kind: str(Path(folder) / patches_name(group, kind)) for kind in KINDS}
    if group in empty_groups(card := read_dataset_card(folder)):
        shares = " ".join(f"{share:g}" for share in card.get("proportions", ()))
        raise SRError(
            f"{files['lr']} is missing, or a left-over: the scene was made without a "
            f"{group} group ({DATASET_CARD}: --proportions {shares or 'unknown'}); "
            "give another folder, or make the patches again with other proportions"
        )
    lr, hr = (describe_patches(files[kind]) for kind in KINDS)
    for kind, info in zip(KINDS, (lr, hr), strict=True):
        if not raster.is_whole(files[kind]):
            raise SRError(
                f"{files[kind]} is damaged, a part of its pixels is missing; make it "
                "again with sr_dataset.py, or copy it again"
            )
        _check_dn(files[kind])
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


def _check_dn(path: str) -> None:
    """Check that the first patch of a file does not look like reflectances.

    OTB writes DN as float32 unless told not to, so the type of the pixels is no sign.
    """
    with rasterio.open(path) as file:
        largest = file.read(window=Window(0, 0, file.width, file.width)).max()
    if 0 < largest < LEAST_BRIGHTEST_DN:
        raise SRError(
            f"no pixel of the first patch of {path} is larger than {largest:.3g}, as "
            "if they were reflectances; DN (reflectance x 10000) are expected: make "
            "them again with sr_dataset.py"
        )


def as_list(files: str | list[str]) -> list[str]:
    """Give the patches images of several scenes, or of one, as a list."""
    return [files] if isinstance(files, str) else list(files)


def first_without_number(files: dict[str, str | list[str]]) -> str | None:
    """Name the first pixel that is nan or infinite in patches images, if there is one.

    Only files of floats can hold such: OTB writes them unless told not to.
    """
    for path in (path for found in files.values() for path in as_list(found)):
        with raster.reading(path) as file:
            if not np.issubdtype(file.dtypes[0], np.floating):
                continue
            side = file.width
            for patch in range(file.height // side):
                pixels = file.read(window=Window(0, patch * side, side, side))
                if not np.isfinite(pixels).all():
                    return f"patch {patch} of {path} holds nan or infinite pixels"
    return None


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


def warn_of_leak(card: dict, field: int) -> None:
    """Tell if the network sees, from a patch of one group, ground of another.

    Arguments:
        card: contents of dataset.json.
        field: lr pixels that the network sees around each.
    """
    split = card.get("split", {})
    apart, needed = split.get("margin", 0), leak_margin(field)
    if split and apart < needed:
        log.warning(
            "the groups of patches are %d lr pixels apart and this network needs %d: "
            "validation and test will flatter it; see --split and --margin of "
            "sr_dataset.py",
            apart,
            needed,
        )


def pair_verdict(card: dict) -> str | None:
    """Say what exercise 1 found of the pair, unless it passed; None if it did.

    Arguments:
        card: contents of dataset.json.
    """
    pair = card.get("pair") or {}
    if pair.get("verdict", "pass") == "pass":
        return None
    reasons = "; ".join(pair.get("diagnoses", [])) or "see dataset.json"
    return f"the pair of these patches: {pair['verdict']} ({reasons})"


def read_dataset_card(patches: str | Path) -> dict:
    """Read dataset.json; patches made elsewhere have none, and that is allowed."""
    path = Path(patches) / DATASET_CARD
    return read_card(path) if path.exists() else {}


def empty_groups(card: dict) -> set[str]:
    """Return the groups that a scene was made without, by its card."""
    return {g for g, made in card.get("groups", {}).items() if made.get("patches") == 0}


def check_card(patches: str | Path) -> dict:
    """Read dataset.json, and check what it says; patches made elsewhere have none.

    Raises:
        SRError: if the patches are not made for this network.
    """
    card = read_dataset_card(patches)
    advice = "make the patches again with sr_dataset.py"
    check_conventions(card, f"{patches}/{DATASET_CARD}", advice)
    return card
