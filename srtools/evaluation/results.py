"""The files that an evaluation leaves: all of them or none."""

import csv
from pathlib import Path

import numpy as np

from srtools import cards, files
from srtools.evaluation.assessment import Assessment
from srtools.evaluation.report import pictures, report
from srtools.evaluation.report.pictures import Shown
from srtools.evaluation.scores import COLUMNS
from srtools.files import whole_file

METRICS, PATCHES = "metrics.json", "patches.csv"
FILES = (METRICS, PATCHES, "patches.png", "report.html")


def check_folder(out_dir: str | Path, overwrite: bool, names: tuple[str, ...]) -> None:
    """Check, before the work, that the files can be written; make their folder."""
    paths = [Path(out_dir) / name for name in names]
    files.refuse_folders(paths)
    files.refuse_existing(paths, overwrite)
    files.make_folder(out_dir)


def write(
    out_dir: str | Path, metrics: dict, assessment: Assessment, shown: list[Shown]
) -> None:
    """Write `FILES`; `shown` are the patches that `pictures.choose` chose."""
    with files.whole_files([Path(out_dir) / name for name in FILES]) as partial:
        cards.write_card(partial / METRICS, metrics)
        windows = assessment.test.windows
        write_patches(partial / PATCHES, assessment.columns, windows, assessment.blocks)
        pictures.save_png(partial / "patches.png", shown, assessment.gains)
        report.save(partial / "report.html", metrics, assessment, shown)


def write_patches(
    path: str | Path,
    columns: dict[str, np.ndarray],
    windows: np.ndarray | None,
    blocks: np.ndarray,
) -> None:
    """Write one line per patch: its place, its block, its scores by method."""
    names = [f"{name}_{method}" for method in columns for name in COLUMNS]
    values = np.concatenate(list(columns.values()), axis=1)
    with whole_file(path) as partial, open(partial, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["patch", "row", "col", "block", *names])
        for index, row in enumerate(values):
            place = ["", ""] if windows is None else windows[index].tolist()
            numbers = [f"{value:.6g}" for value in row]
            writer.writerow([index, *place, blocks[index], *numbers])
