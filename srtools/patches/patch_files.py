"""Patches images: square patches stacked downwards, without a georeference."""

import logging
import os
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import rasterio
from affine import Affine
from rasterio.errors import RasterioError
from rasterio.windows import Window

from srtools.cards import check_conventions, read_card
from srtools.conventions import (
    BANDS,
    DATASET_CARD,
    FACTOR,
    KINDS,
    leak_margin,
    patches_name,
)
from srtools.errors import SRError
from srtools.images import raster

log = logging.getLogger(__name__)

AGAIN = "make the patches again with sr_dataset.py"
LEAST_BRIGHTEST_DN = 20  # the brightest pixel of a patch is at least that bright
POSSIBLE_DN = -2000, 1e6  # interpolation and offsets make dark ground negative


class PatchesInfo(NamedTuple):
    """Size of a patches image: number of patches, pixels a side, bands."""

    count: int
    size: int
    bands: int


def describe_patches(path: str | os.PathLike) -> PatchesInfo:
    """Read the size of a patches image; raise if it is no stack of square patches."""
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
            f"expected; {AGAIN}"
        )
    return PatchesInfo(height // width, width, bands)


def align_corners(paths: Iterable[Path]) -> None:
    """Move the upper left corners of patches images to (0, 0), and name their bands.

    With the centre of the first pixel there, as of OTBTF, lr and hr are 2.25 m apart.
    """
    for path in paths:
        with rasterio.open(path, "r+") as file:
            file.transform = Affine.scale(file.transform.a, file.transform.e)
            file.descriptions = BANDS


def check_count(path: str | os.PathLike, expected: int) -> None:
    """Check that a patches image has `expected` patches."""
    count = describe_patches(path).count
    if count != expected:
        raise SRError(
            f"{count} patches were cut at {expected} places; check that PAN and XS "
            "cover the same ground"
        )


def check_patches(folder: str | Path, group: str) -> dict[str, str]:
    """Check both patches images of a group; return {"lr": path, "hr": path}.

    Both must have four bands and as many patches; hr patches are 4 times as wide.
    """
    folder = Path(folder)
    if not folder.is_dir():
        state = "is a file, not a folder" if folder.exists() else "does not exist"
        raise SRError(f"the folder of patches {folder} {state}; sr_dataset.py makes it")
    files = {kind: str(folder / patches_name(group, kind)) for kind in KINDS}
    if group in empty_groups(card := check_card(folder)):
        shares = " ".join(f"{share:g}" for share in card.get("proportions", ()))
        raise SRError(
            f"the scene was made without a {group} group ({folder / DATASET_CARD}: "
            f"--proportions {shares or 'unknown'}); give another folder, or make the "
            "patches again with other proportions"
        )
    lr, hr = (_check_image(files[kind]) for kind in KINDS)
    if lr.count != hr.count:
        raise SRError(
            f"{files['lr']} holds {lr.count} patches and {files['hr']} {hr.count}, the "
            f"same number is expected; {AGAIN}"
        )
    if hr.size != FACTOR * lr.size:
        raise SRError(
            f"the patches of {files['lr']} have {lr.size} pixels a side and those of "
            f"{files['hr']} {hr.size}, {FACTOR} times as many are expected "
            f"({FACTOR * lr.size}); {AGAIN}"
        )
    return files


def _check_image(path: str) -> PatchesInfo:
    """Check that a patches image is complete and has four bands of DN."""
    info = describe_patches(path)
    if not raster.is_whole(path):
        raise SRError(
            f"{path} is damaged, a part of its pixels is missing; {AGAIN}, or copy it "
            "again"
        )
    # OTB writes DN as float32 by default, so the type proves nothing.
    with rasterio.open(path) as file:
        largest = file.read(window=Window(0, 0, info.size, info.size)).max()
    if 0 < largest < LEAST_BRIGHTEST_DN:
        raise SRError(
            f"no pixel of the first patch of {path} is larger than {largest:.3g}, as "
            f"if they were reflectances; DN (reflectance x 10000) are expected: {AGAIN}"
        )
    if info.bands != len(BANDS):
        raise SRError(
            f"{path} has {info.bands} band(s), {len(BANDS)} are expected "
            f"({', '.join(BANDS)} in this order); {AGAIN}"
        )
    _check_range(path)
    return info


def _check_range(path: str) -> None:
    """Raise if a patches image has pixels beyond `POSSIBLE_DN`, such as nan or -9999.

    A ReLU turns nan into 0, so that a network would learn from it without an error.
    """
    low, high = POSSIBLE_DN
    with raster.reading(path) as file:
        side, unsigned = file.width, file.dtypes[0].startswith("uint")
        for patch in range(0 if unsigned else file.height // side):
            pixels = file.read(window=Window(0, patch * side, side, side))
            if not ((pixels > low) & (pixels < high)).all():
                raise SRError(
                    f"patch {patch} of {path} holds pixels that are no DN (nan, or "
                    f"beyond {low} to {high}); make the patches again, as uint16"
                )


def warn_of_leak(card: dict, field: int) -> None:
    """Warn if the network sees pixels of the patches of another group.

    `card` is dataset.json; `field` is the margin of the receptive field, lr pixels.
    """
    split = card.get("split", {})
    margin, needed = split.get("margin", 0), leak_margin(field)
    if split and margin < needed:
        log.warning(
            f"the groups of patches are {margin} lr pixels apart and this network "
            f"needs {needed}: its scores will be too good; see --split and --margin of "
            "sr_dataset.py"
        )


def pair_verdict(card: dict) -> str | None:
    """Describe a failed check of the image pair in dataset.json; None if it passed."""
    pair = card.get("pair") or {}
    if pair.get("verdict", "pass") == "pass":
        return None
    reasons = "; ".join(pair.get("diagnoses", [])) or "see dataset.json"
    return f"the pair of these patches: {pair['verdict']} ({reasons})"


def empty_groups(card: dict) -> set[str]:
    """Return the names of the groups that have no patches, by dataset.json (`card`)."""
    groups = card.get("groups", {}).items()
    return {group for group, entry in groups if entry.get("patches") == 0}


def check_card(patches: str | Path) -> dict:
    """Read dataset.json in the folder `patches`; check its bands, factor and scale.

    The result has no nulls.  It is empty for patches made elsewhere, without the file.
    """
    path = Path(patches) / DATASET_CARD
    card = read_card(path) if path.exists() else {}
    check_conventions(card, str(path), AGAIN)
    return {key: value for key, value in card.items() if value is not None}
