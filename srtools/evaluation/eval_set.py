"""The test patches, and the check that a model was made for such patches."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from srtools.cards import agree, check_conventions
from srtools.conventions import (
    BANDS,
    DATASET_CARD,
    FACTOR,
    HR_SPACING_METRES,
    INPUT,
    KINDS,
    OUTPUT,
)
from srtools.errors import SRError
from srtools.network.saved_model import ModelInfo
from srtools.patches import footprints, patch_files

BORDER = 8
"""hr pixels that do not count on each side of a patch: there no method knows the ground
beyond.  The scores with them are given as well."""

LEAST_SIDE = 4 * BORDER  # hr pixels; what counts of a patch is half as wide
CUT = np.s_[..., BORDER:-BORDER, BORDER:-BORDER, :]  # of [h, w, bands]


@dataclass(frozen=True)
class EvalSet:
    """The test patches of a folder, and the content of its card."""

    folder: Path
    """Folder of exercise 1."""
    files: dict[str, str]
    """The patches images, by kind (lr, hr)."""
    count: int
    """Number of patches."""
    size: int
    """Side of the hr patches, pixels."""
    dataset: dict
    """Content of dataset.json, or empty."""
    windows: np.ndarray | None
    """[n, 2] first row and column of each patch on the lr grid, if known."""

    @property
    def spacing(self) -> float:
        """Pixel size of hr, metres."""
        return self.dataset.get("hr", {}).get("spacing", HR_SPACING_METRES)


class Sample(NamedTuple):
    """Patches of the test set for the measures that are slow."""

    numbers: np.ndarray
    """[n] number of each patch in the test set."""
    lr: np.ndarray
    """[n, h, w, bands] Sentinel-2 on the 6 m grid, DN."""
    predicted: dict[str, np.ndarray]
    """By method, [n, 4 h, 4 w, bands] reflectance."""
    truth: np.ndarray
    """[n, 4 h, 4 w, bands] reflectance."""


def read_eval_set(patches: str | Path) -> EvalSet:
    """Describe the test patches without reading their pixels."""
    files = patch_files.check_patches(patches, "test", FACTOR)
    info = patch_files.describe_patches(files["hr"])
    if info.size < LEAST_SIDE:
        raise SRError(
            f"the patches of {files['hr']} have {info.size} pixels a side, at least "
            f"{LEAST_SIDE} are expected, of which {BORDER} on each side do not count; "
            f"make them again with --patch_size {LEAST_SIDE // FACTOR} or more"
        )
    dataset = patch_files.check_card(patches)
    windows = read_windows(dataset, info.count)
    return EvalSet(Path(patches), files, info.count, info.size, dataset, windows)


def read_windows(dataset: dict, count: int) -> np.ndarray | None:
    """Read the first row and column of each test patch on the lr grid, [n, 2]."""
    windows = dataset.get("groups", {}).get("test", {}).get("windows")
    if windows is None:
        return None
    windows = np.asarray(windows)
    if windows.shape != (count, 2):
        raise SRError(
            f"{DATASET_CARD} tells where {len(windows)} test patches lie, there are "
            f"{count}; make the patches again with sr_dataset.py"
        )
    return windows


def spread(count: int, sample: int) -> list[int]:
    """Choose at most `sample` of `count` numbers, evenly spread.

    >>> spread(9, 3)
    [0, 4, 8]
    """
    places = np.linspace(0, count - 1, min(sample, count))
    return np.unique(places.round().astype(int)).tolist()


def check_fit(
    info: ModelInfo, test: EvalSet, ignore_offset: bool, accept_ground: bool
) -> None:
    """Check that a model was made for such patches, and not trained on their ground."""
    info.require(INPUT, OUTPUT)
    check_model(info, test.dataset, ignore_offset)
    if not accept_ground:
        check_ground(info, test)


def check_model(info: ModelInfo, dataset: dict, ignore_offset: bool = False) -> None:
    """Check that a model was made for such patches, as far as the cards know."""
    model = f"the model {info.folder}"
    channels = info.inputs[INPUT]
    if channels not in (len(BANDS), -1):
        raise SRError(
            f"{model} takes {channels} bands, the patches have {len(BANDS)} "
            f"({', '.join(BANDS)}); train one with sr_train.py"
        )
    advice = "choose the model that was trained for such patches"
    check_conventions(info.card, model, advice)
    for kind in KINDS:
        trained = info.card.get(f"{kind}_spacing")
        spacing = dataset.get(kind, {}).get("spacing")
        if trained and spacing and not agree(trained, spacing):
            raise SRError(
                f"{model} was trained on {kind} pixels of {trained:g} m, those of the "
                f"patches have {spacing:g} m; {advice}"
            )
    trained, offset = info.card.get("offset_removed"), dataset.get("offset")
    if not ignore_offset and None not in (trained, offset) and trained != offset:
        raise SRError(
            f"{model} was trained on Sentinel-2 with {trained} DN subtracted, from the "
            f"patches {offset} were; if both are reflectance x 10 000 all the same "
            "(products with and without ESA's offset), give --ignore_offset"
        )


def check_ground(info: ModelInfo, test: EvalSet) -> None:
    """Check that no test patch shows ground that the model was trained on."""
    tested = footprints.ground_of(test.dataset, "test")
    # Cards of earlier versions know one scene, and tell of it themselves.
    scenes = info.card.get("scenes") or [info.card]
    seen = max(footprints.shared(scene.get("ground"), tested) for scene in scenes)
    if seen:
        raise SRError(
            f"{seen} of {test.count} test patches show ground that the model "
            f"{info.folder} was trained on, so the scores would flatter it; give the "
            "patches that were made with its training patches, or --accept_ground"
        )


def check_size(predicted: Any, truth: np.ndarray) -> None:
    """Check that a model makes patches of the size of the truth, [n, h, w, bands]."""
    if predicted.shape != truth.shape:
        raise SRError(
            f"the model makes patches {tuple(predicted.shape[1:])} of the lr patches, "
            f"the hr patches are {truth.shape[1:]}: factors differ"
        )


def check_numbers(zoomed: np.ndarray, errors: np.ndarray) -> None:
    """Check that errors are numbers: those of a simple zoom are nan if a pixel is."""
    if not np.isfinite(zoomed).all():
        raise SRError(
            "the test patches hold pixels that are no number (nan); make them again "
            "with sr_dataset.py, from images in which no data is 0"
        )
    if not np.isfinite(errors).all():
        raise SRError(
            "the model makes pixels that are no number: its training has diverged; "
            "train it again, with a smaller --learning_rate"
        )
