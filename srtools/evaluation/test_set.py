"""The test patches, and the check that a model was made for such patches."""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rasterio.windows import Window

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
from srtools.images import raster
from srtools.network import likeness
from srtools.network.saved_model import ModelInfo
from srtools.patches import footprints, patch_files

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TestSet:
    """The test patches of a folder, and the content of its card."""

    __test__ = False  # for pytest: not a class of tests

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


def read_test_set(patches: str | Path, border: int) -> TestSet:
    """Describe the test patches without reading their pixels."""
    files = patch_files.check_patches(patches, "test", FACTOR)
    found = patch_files.describe_patches(files["hr"])
    if 2 * border >= found.size:
        raise SRError(
            f"a border of {border} pixels leaves nothing of the hr patches; "
            "give a smaller --border"
        )
    dataset = patch_files.check_card(patches)
    windows = read_windows(dataset, found.count)
    return TestSet(Path(patches), files, found.count, found.size, dataset, windows)


def spread(count: int, sample: int) -> list[int]:
    """Choose at most `sample` of `count` patches, evenly spread; 0: all.

    >>> spread(9, 3)
    [0, 4, 8]
    """
    sample = min(sample or count, count)
    return np.unique(np.linspace(0, count - 1, sample).round().astype(int)).tolist()


def compare_with_training(
    test: TestSet, model: ModelInfo, indexes: list[int]
) -> dict | None:
    """Compare test patches with the training set of a model; warn if unlike."""
    if not model.card.get(likeness.SECTION):
        return None
    with raster.reading(test.files["lr"]) as file:
        side = file.width
        windows = [Window(0, side * index, side, side) for index in indexes]
        pixels = np.stack([file.read(window=window) for window in windows])
    found = likeness.compare(model.card, np.moveaxis(pixels, 1, -1))
    if found and found.warning:
        log.warning("%s", found.warning)
    return found and found._asdict()


def check_fit(
    info: ModelInfo, test: TestSet, ignore_offset: bool, accept_ground: bool
) -> None:
    """Check that a model was made for such patches, and not trained on their ground."""
    info.need(INPUT, OUTPUT)
    check_model(info, test.dataset, INPUT, ignore_offset)
    check_ground(info, test, accept_ground)


def check_model(
    info: ModelInfo, dataset: dict, input_name: str, ignore_offset: bool = False
) -> None:
    """Check that a model was made for such patches, as far as the cards know."""
    model = f"the model {info.folder}"
    channels = info.inputs[input_name]
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


def check_ground(info: ModelInfo, test: TestSet, accepted: bool = False) -> None:
    """Check that no test patch shows ground that the model was trained on."""
    tested = footprints.ground_of(test.dataset, "test")
    # Cards of earlier versions know one scene, and tell of it themselves.
    scenes = info.card.get("scenes") or [info.card]
    seen = max(footprints.shared(scene.get("ground"), tested) for scene in scenes)
    if seen and not accepted:
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


def read_windows(dataset: dict, count: int) -> np.ndarray | None:
    """Read where the test patches lie: first row and column on the lr grid, [n, 2]."""
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
