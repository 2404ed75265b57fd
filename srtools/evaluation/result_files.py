"""Result files of an evaluation: written all or none, and read for comparisons."""

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from srtools import cards, files
from srtools.errors import SRError
from srtools.evaluation.assessment import Assessment
from srtools.evaluation.patch_scores import COLUMNS, METHODS, MODEL
from srtools.evaluation.report import page, patch_pictures
from srtools.evaluation.report.patch_pictures import Enlarged

METRICS, PATCHES = "metrics.json", "patches.csv"
FILES = (METRICS, PATCHES, "patches.png", "report.html")


def check_folder(out_dir: str | Path, overwrite: bool, names: tuple[str, ...]) -> None:
    """Make the folder; refuse to replace files in it, unless `overwrite`."""
    paths = [Path(out_dir) / name for name in names]
    files.refuse_folders(paths)
    files.refuse_existing(paths, overwrite)
    files.make_folder(out_dir)


def write(
    out_dir: str | Path, metrics: dict, assessment: Assessment, enlarged: Enlarged
) -> None:
    """Write `FILES`; `enlarged` yields the assessment's `patches_to_show` in order."""
    images = patch_pictures.collect(assessment, enlarged)
    with files.whole_files([Path(out_dir) / name for name in FILES]) as partial:
        cards.write_card(partial / METRICS, metrics)
        write_patches(partial / PATCHES, assessment)
        patch_pictures.save_png(partial / "patches.png", assessment, images)
        page.save(partial / "report.html", metrics, assessment, images)


def write_patches(path: str | Path, assessment: Assessment) -> None:
    """Write a CSV file of the patches: row, column, block, scores by method, gain."""
    scores = assessment.scores
    columns = [scores.columns(method) for method in METHODS]
    table = np.column_stack([*columns, scores.gains()])
    windows, blocks = assessment.test.windows, assessment.blocks
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        names = [f"{name}_{method}" for method in METHODS for name in COLUMNS]
        writer.writerow(["patch", "row", "col", "block", *names, "gain_db"])
        for patch, values in enumerate(table):
            place = ["", ""] if windows is None else windows[patch].tolist()
            numbers = [f"{value:.6g}" for value in values]
            writer.writerow([patch, *place, blocks[patch], *numbers])


@dataclass(frozen=True)
class Run:
    """Results of an evaluation, and the name of their folder."""

    name: str
    test_set: str
    """Checksum of the test patches."""
    border: int
    columns: np.ndarray
    """[n, 4] scores of the model by patch, in the order of `COLUMNS`."""
    blocks: np.ndarray
    """[n] block number of each patch."""


def read(folder: str | Path) -> Run:
    """Read the results of an evaluation from a folder."""
    folder = Path(folder)
    try:
        metrics = cards.read_card(folder / METRICS)
        with open(folder / PATCHES, newline="") as file:
            rows = list(csv.DictReader(file))
        names = [f"{name}_{MODEL}" for name in COLUMNS]
        columns = np.array([[float(row[name]) for name in names] for row in rows])
        blocks = np.array([int(row["block"]) for row in rows])
        facts = metrics["test_set"], metrics["border"]
    except (SRError, OSError, KeyError, ValueError, TypeError):
        raise SRError(
            f"{folder} is not a folder of results: {PATCHES} or a part of {METRICS} "
            "is missing; evaluate the model first with --patches, --model_dir and "
            "--out_dir, or give the folder of one scene"
        ) from None
    return Run(folder.resolve().name, *facts, columns, blocks)
