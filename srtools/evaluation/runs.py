"""The scores of an evaluation with their intervals, kept in files to compare two."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from srtools.cards import read_card
from srtools.conventions import FACTOR, SCALE
from srtools.errors import SRError
from srtools.evaluation import bootstrap
from srtools.evaluation.scores import BASELINE, MODEL
from srtools.evaluation.test_set import TestSet
from srtools.files import whole_file
from srtools.metrics import psnr

COLUMNS = ("l1", "l2", "ssim", "sam")  # scores of each patch, mean over bands
METRICS, PATCHES = "metrics.json", "patches.csv"
COMPARED_KEYS = {"inner", "test_set", "border"}  # of metrics.json


def statistics(first: int = 0) -> dict:
    """Give the functions that make scores of means [resamples, columns].

    Arguments:
        first: column of L1; the other `COLUMNS` follow.

    Returns:
        By name, a function that gives [resamples].
    """
    return {
        "l1_dn": lambda means: means[:, first] / SCALE,
        "l2_dn": lambda means: means[:, first + 1] / SCALE**2,
        "psnr_db": lambda means: psnr(means[:, first + 1]),
        "ssim": lambda means: means[:, first + 2],
        "sam_degrees": lambda means: means[:, first + 3],
    }


def blocks(test: TestSet) -> tuple[np.ndarray, str]:
    """Give the block of each patch, [n], and a name for the blocks."""
    found = bootstrap.group(test.count, test.windows, test.size // FACTOR)
    return found, "patches" if test.windows is None else "blocks of neighbours"


def method_intervals(
    columns: dict[str, np.ndarray], blocks: np.ndarray, kind: str
) -> dict:
    """Give the intervals of each method's scores, and of the gain over bicubic.

    Arguments:
        columns: by method, the `COLUMNS` of each patch, [n, 4].
        blocks: [n] the block of each patch.
        kind: name for the blocks.
    """
    by_method = {
        method: statistics(first=len(COLUMNS) * position)
        for position, method in enumerate(columns)
    }
    wanted = {
        (method, name): statistic
        for method, named in by_method.items()
        for name, statistic in named.items()
    }
    model, baseline = (by_method[method]["psnr_db"] for method in (MODEL, BASELINE))
    wanted["gain_db"] = lambda means: model(means) - baseline(means)
    values = np.concatenate(list(columns.values()), axis=1)
    found = bootstrap.intervals(values, blocks, wanted)
    count = int(blocks.max()) + 1
    record = {
        "level": bootstrap.LEVEL,
        "blocks": count,
        "kind": kind,
        "rough": count < bootstrap.ROUGH_BELOW,
        "resamples": bootstrap.RESAMPLES,
        "gain_db": found.pop("gain_db"),
    }
    for (method, name), ends in found.items():
        record.setdefault(method, {})[name] = ends
    return record


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


@dataclass(frozen=True)
class Run:
    """An evaluation, read from its folder."""

    name: str
    """Name of the folder."""
    metrics: dict
    """Content of metrics.json."""
    columns: np.ndarray
    """[n, 4] `COLUMNS` of the model."""
    blocks: np.ndarray
    """[n] block of each patch."""


def read_run(folder: str | Path) -> Run:
    """Read the evaluation that sr_eval.py left in a folder.

    Raises:
        SRError: if the folder holds no evaluation.
    """
    folder = Path(folder)
    metrics = read_card(folder / METRICS)
    try:
        columns, blocks = read_patches(folder, (MODEL,))
        if not COMPARED_KEYS <= metrics.keys():
            raise KeyError(*COMPARED_KEYS - metrics.keys())
    except (OSError, KeyError, ValueError, TypeError):
        raise SRError(
            f"{folder} is no result of this sr_eval.py: {PATCHES} or a part of "
            f"{METRICS} is missing; evaluate its model again"
        ) from None
    return Run(folder.resolve().name, metrics, columns, blocks)


def read_patches(
    folder: str | Path, methods: Sequence[str]
) -> tuple[np.ndarray, np.ndarray]:
    """Read patches.csv.

    Returns:
        [n, 4 x methods] the `COLUMNS` of each method, and [n] the block of each patch.
    """
    with open(Path(folder) / PATCHES, newline="") as file:
        rows = list(csv.DictReader(file))
    names = [f"{name}_{method}" for method in methods for name in COLUMNS]
    columns = np.array([[float(row[name]) for name in names] for row in rows])
    return columns, np.array([int(row["block"]) for row in rows])


def gains(one: Run, other: Run) -> np.ndarray:
    """Give the PSNR of the second model less that of the first, dB, [n]."""
    return psnr(other.columns[:, 1]) - psnr(one.columns[:, 1])


def compare(one: Run, other: Run) -> dict:
    """Put two evaluations on the same test patches side by side.

    The interval of a difference is that of the differences on the same patches, which
    is much narrower than those of the two scores.

    Raises:
        SRError: if the test patches or the borders differ.
    """
    for key, what in (("test_set", "test patches"), ("border", "border")):
        if one.metrics[key] != other.metrics[key]:
            raise SRError(
                f"{one.name} and {other.name} were not evaluated on the same {what} "
                f"({one.metrics[key]} and {other.metrics[key]}); evaluate both models "
                "on one data set: --patches DIR --compare MODEL MODEL"
            )
    values = np.concatenate([one.columns, other.columns], axis=1)
    before, after = (statistics(first) for first in (0, len(COLUMNS)))
    differences = {
        name: lambda means, name=name: after[name](means) - before[name](means)
        for name in before
    }
    mean = values.mean(axis=0, keepdims=True)
    found = bootstrap.intervals(values, one.blocks, differences)
    return {
        "runs": [one.name, other.name],
        "patches": len(values),
        "blocks": int(one.blocks.max()) + 1,
        "level": bootstrap.LEVEL,
        "scores": {
            name: {
                "values": [float(before[name](mean)[0]), float(after[name](mean)[0])],
                "difference": float(differences[name](mean)[0]),
                "interval": found[name],
            }
            for name in differences
        },
        "share_won_by_second": float((other.columns[:, 1] < one.columns[:, 1]).mean()),
    }
