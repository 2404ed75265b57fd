"""What an evaluation leaves behind, and how two of them compare."""

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from srtools.cards import read_card
from srtools.conventions import FACTOR
from srtools.errors import SRError
from srtools.evaluation import bootstrap
from srtools.evaluation.test_set import TestSet
from srtools.files import whole_file
from srtools.metrics import psnr

COLUMNS = ("l1", "l2", "ssim", "sam")  # of each patch: mean over bands
METRICS, PATCHES = "metrics.json", "patches.csv"
NEEDED = {"inner", "test_set", "border"}  # of metrics.json, to compare


def statistics(scale: float, first: int = 0) -> dict:
    """Name what can be said of means of `COLUMNS`, which begin at column `first`.

    Arguments:
        scale: reflectance of one DN.
        first: column of L1.
    """
    return {
        "l1_dn": lambda means: means[:, first] / scale,
        "l2_dn": lambda means: means[:, first + 1] / scale**2,
        "psnr_db": lambda means: psnr(means[:, first + 1]),
        "ssim": lambda means: means[:, first + 2],
        "sam_degrees": lambda means: means[:, first + 3],
    }


def blocks(test: TestSet) -> tuple[np.ndarray, str]:
    """Give the block of each patch, [n], and what the blocks are, in words."""
    found = bootstrap.group(test.count, test.windows, test.size // FACTOR)
    return found, "patches" if test.windows is None else "blocks of neighbours"


def method_intervals(
    columns: dict[str, np.ndarray], blocks: np.ndarray, kind: str, scale: float
) -> dict:
    """Give the intervals of each method's scores, and of the gain over bicubic.

    Arguments:
        columns: by method, the `COLUMNS` of each patch, [n, 4].
        blocks: [n] the block of each patch.
        kind: what the blocks are, in words.
        scale: reflectance of one DN.
    """
    wanted, starts = {}, {}
    for position, method in enumerate(columns):
        starts[method] = first = len(COLUMNS) * position
        for name, statistic in statistics(scale, first).items():
            wanted[method, name] = statistic

    def gain(means: np.ndarray) -> np.ndarray:
        model, bicubic = (means[:, starts[m] + 1] for m in ("model", "bicubic"))
        return psnr(model) - psnr(bicubic)

    wanted["gain_db"] = gain
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
    """An evaluation that was made before."""

    name: str
    metrics: dict
    columns: np.ndarray
    """[n, 4] `COLUMNS` of the model."""
    blocks: np.ndarray
    """[n]"""


def read_run(folder: str | Path) -> Run:
    """Read what sr_eval.py left in a folder.

    Raises:
        SRError: if it is no such folder.
    """
    folder = Path(folder)
    metrics = read_card(folder / METRICS)
    try:
        with open(folder / PATCHES, newline="") as file:
            rows = list(csv.DictReader(file))
        names = [f"{name}_model" for name in COLUMNS]
        columns = np.array([[float(row[name]) for name in names] for row in rows])
        blocks = np.array([int(row["block"]) for row in rows])
        if not NEEDED <= metrics.keys():
            raise KeyError(*NEEDED - metrics.keys())
    except (OSError, KeyError, ValueError, TypeError):
        raise SRError(
            f"{folder} is no result of this sr_eval.py: {PATCHES} or a part of "
            f"{METRICS} is missing; evaluate its model again"
        ) from None
    return Run(folder.resolve().name, metrics, columns, blocks)


def gains(one: Run, other: Run) -> np.ndarray:
    """PSNR of the second less that of the first, patch by patch, dB, [n]."""
    return psnr(other.columns[:, 1]) - psnr(one.columns[:, 1])


def compare(one: Run, other: Run, scale: float) -> dict:
    """Put two evaluations on the same test patches side by side.

    The interval of a difference is that of the differences on the same patches, which
    is much narrower than those of the two scores.

    Raises:
        SRError: if they were made on other patches, or with another border.
    """
    for key, what in (("test_set", "test patches"), ("border", "border")):
        if one.metrics[key] != other.metrics[key]:
            raise SRError(
                f"{one.name} and {other.name} were not evaluated on the same {what} "
                f"({one.metrics[key]} and {other.metrics[key]}); evaluate both models "
                "on one data set: --patches DIR --compare MODEL MODEL"
            )
    values = np.concatenate([one.columns, other.columns], axis=1)
    before, after = (statistics(scale, first) for first in (0, len(COLUMNS)))
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
