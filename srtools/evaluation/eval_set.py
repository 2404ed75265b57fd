"""The test patches, and checks that a model fits them."""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from srtools import conventions
from srtools.cards import agree, check_conventions
from srtools.errors import SRError
from srtools.network.saved_model import ModelInfo
from srtools.patches import footprints, patch_files

log = logging.getLogger(__name__)

BORDER = 8
"""hr pixels on each side of a patch that the scores leave out, because no method has
the ground beyond the patch as context."""

LEAST_SIDE = 4 * BORDER  # least side of a patch, hr pixels; half is inside the border
INNER = np.s_[..., BORDER:-BORDER, BORDER:-BORDER, :]  # index of [..., h, w, bands]


@dataclass(frozen=True)
class EvalSet:
    """Description of the test patches in a folder."""

    folder: Path
    files: dict[str, str]
    """Paths of the patches images, by kind (lr, hr)."""
    count: int
    size: int
    """Side of the hr patches, pixels."""
    dataset: dict
    """Content of dataset.json; empty if there is none."""
    windows: np.ndarray | None
    """[n, 2] first row and column of each patch on the lr grid; None if unknown."""

    @property
    def spacing(self) -> float:
        """Pixel size of hr, metres."""
        return self.dataset.get("hr", {}).get("spacing", conventions.HR_SPACING_METRES)


class Sample(NamedTuple):
    """Some test patches, enlarged by each method, for the slow measures."""

    numbers: np.ndarray
    """[n] index of each patch in the test set."""
    predicted: dict[str, np.ndarray]
    """By method, [n, 4 h, 4 w, bands] reflectance; `truth` is alike."""
    truth: np.ndarray


def read_eval_set(patches: str | Path) -> EvalSet:
    """Describe the test patches in a folder, without reading their pixels."""
    files = patch_files.check_patches(patches, "test")
    info = patch_files.describe_patches(files["hr"])
    if info.size < LEAST_SIDE:
        raise SRError(
            f"the patches of {files['hr']} have {info.size} pixels a side; at least "
            f"{LEAST_SIDE} are expected, because the scores leave out {BORDER} pixels "
            "on each side; make the patches again with sr_dataset.py --patch_size "
            f"{LEAST_SIDE // conventions.FACTOR} or more"
        )
    dataset = patch_files.check_card(patches)
    windows = read_windows(dataset, info.count)
    return EvalSet(Path(patches), files, info.count, info.size, dataset, windows)


def read_windows(dataset: dict, count: int) -> np.ndarray | None:
    """Return first lr row and column of test patches, [count, 2]; None: unknown."""
    windows = dataset.get("groups", {}).get("test", {}).get("windows")
    if windows is None:
        return None
    windows = np.asarray(windows)
    if windows.shape != (count, 2):
        raise SRError(
            f"{conventions.DATASET_CARD} lists the places of {len(windows)} test "
            f"patches, but there are {count}; make them again with sr_dataset.py"
        )
    return windows


def evenly_spaced(count: int, sample: int) -> list[int]:
    """Choose at most `sample` evenly spaced indexes out of `count`.

    >>> evenly_spaced(9, 3)
    [0, 4, 8]
    """
    places = np.linspace(0, count - 1, min(sample, count))
    return np.unique(places.round().astype(int)).tolist()


def check_model(info: ModelInfo, test: EvalSet) -> None:
    """Check that a model fits the patches, and was trained on other ground."""
    info.require(conventions.INPUT, conventions.OUTPUT)
    check_model_card(info, test.dataset)
    check_ground(info, test)


def check_model_card(info: ModelInfo, dataset: dict) -> None:
    """Check that the card of a model does not contradict that of the patches."""
    model = f"the model {info.folder}"
    channels = info.inputs[conventions.INPUT]
    if channels not in (len(conventions.BANDS), -1):
        raise SRError(
            f"{model} takes {channels} bands, but the patches have "
            f"{', '.join(conventions.BANDS)}; train a model with sr_train.py"
        )
    advice = "choose a model that was trained on patches like these"
    check_conventions(info.card, model, advice)
    for kind in conventions.KINDS:
        trained = info.card.get(f"{kind}_spacing")
        spacing = dataset.get(kind, {}).get("spacing")
        if trained and spacing and not agree(trained, spacing):
            raise SRError(
                f"{model} was trained on {kind} pixels of {trained:g} m, but the "
                f"patches have {kind} pixels of {spacing:g} m; {advice}"
            )
    trained, offset = info.card.get("offset_removed"), dataset.get("offset")
    if None not in (trained, offset) and trained != offset:
        log.warning(
            f"{model} was trained on Sentinel-2 less {trained} DN, the patches are it "
            f"less {offset} DN: both are reflectance x 10000 only if the products have "
            "these offsets"
        )


def check_ground(info: ModelInfo, test: EvalSet) -> None:
    """Check that no test patch shows ground that the model was trained on."""
    tested = footprints.ground_of(test.dataset, "test")
    # Cards of earlier versions describe one scene at their top level.
    scenes = info.card.get("scenes") or [info.card]
    shared = max(footprints.shared(scene.get("ground"), tested) for scene in scenes)
    if shared:
        raise SRError(
            f"{shared} of {test.count} test patches show ground that the model "
            f"{info.folder} was trained on, so the scores would be too good; give the "
            "test patches of the same run of sr_dataset.py"
        )


def check_size(predicted: Any, truth: np.ndarray) -> None:
    """Check that predictions have the size of the truth, [n, h, w, bands]."""
    if predicted.shape != truth.shape:
        raise SRError(
            f"the model predicts patches of {tuple(predicted.shape[1:])}, but the hr "
            f"patches have {truth.shape[1:]}, so the factors differ; choose a model "
            f"that enlarges {conventions.FACTOR} times"
        )


def check_numbers(of_zoom: np.ndarray, of_model: np.ndarray) -> None:
    """Check that the errors of a simple zoom and the errors of the model are finite.

    A zoom has errors that are nan only if the patches have pixels that are nan.
    """
    if not np.isfinite(of_zoom).all():
        raise SRError(
            "the test patches contain pixels that are not a number (nan); make them "
            "again with sr_dataset.py, from images in which nodata is 0"
        )
    if not np.isfinite(of_model).all():
        raise SRError(
            "the model predicts pixels that are not a number, because its training "
            "has diverged; train it again with a smaller --learning_rate"
        )
