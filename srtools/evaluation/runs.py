"""The scores of an evaluation with their intervals, kept in files to compare two."""

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from srtools.cards import read_card
from srtools.conventions import FACTOR, SCALE
from srtools.errors import SRError
from srtools.evaluation import confidence
from srtools.evaluation.scores import BASELINE, MODEL
from srtools.evaluation.test_set import TestSet
from srtools.files import whole_file
from srtools.metrics import psnr

COLUMNS = ("l1", "l2", "ssim", "sam")  # scores of each patch, mean over bands
METRICS, PATCHES = "metrics.json", "patches.csv"
COMPARED_KEYS = {"inner", "test_set", "border"}  # of metrics.json


def statistics(first: int = 0) -> dict:
    """Return the functions that make scores [k] of means [k, columns], by name.

    Arguments:
        first: column of L1; the other `COLUMNS` follow.
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
    numbers = test.dataset.get("split", {}).get("blocks") or {}
    size, apart = test.size // FACTOR, "test" in numbers
    found = confidence.group(test.count, test.windows, size, apart)
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
    gain = _differences(columns[BASELINE], columns[MODEL], blocks)["psnr_db"]
    return {
        "level": confidence.LEVEL,
        "blocks": int(blocks.max()) + 1,
        "kind": kind,
        "gain_db": gain["interval"],
        **{
            method: {
                name: confidence.interval(values, blocks, statistic)
                for name, statistic in statistics().items()
            }
            for method, values in columns.items()
        },
    }


def _differences(one: np.ndarray, other: np.ndarray, blocks: np.ndarray) -> dict:
    """Return, by score, the two values, their difference and its interval.

    Arguments:
        one, other: [n, 4] `COLUMNS` of two methods on the same patches.
        blocks: [n] the block of each patch.
    """
    values = np.concatenate([one, other], axis=1)
    found = {}
    for name, before in statistics().items():
        after = statistics(len(COLUMNS))[name]

        def difference(means: np.ndarray, before=before, after=after) -> np.ndarray:
            return after(means) - before(means)

        mean = values.mean(axis=0, keepdims=True)
        found[name] = {
            "values": [float(before(mean)[0]), float(after(mean)[0])],
            "difference": float(difference(mean)[0]),
            "interval": confidence.interval(values, blocks, difference),
        }
    return found


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
        with open(folder / PATCHES, newline="") as file:
            rows = list(csv.DictReader(file))
        names = [f"{name}_{MODEL}" for name in COLUMNS]
        columns = np.array([[float(row[name]) for name in names] for row in rows])
        blocks = np.array([int(row["block"]) for row in rows])
        if not COMPARED_KEYS <= metrics.keys():
            raise KeyError(*COMPARED_KEYS - metrics.keys())
    except (OSError, KeyError, ValueError, TypeError):
        raise SRError(
            f"{folder} is no result of this sr_eval.py: {PATCHES} or a part of "
            f"{METRICS} is missing; evaluate its model again"
        ) from None
    return Run(folder.resolve().name, metrics, columns, blocks)


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
    return {
        "runs": [one.name, other.name],
        "patches": len(one.columns),
        "blocks": int(one.blocks.max()) + 1,
        "level": confidence.LEVEL,
        "scores": _differences(one.columns, other.columns, one.blocks),
        "share_won_by_second": float((other.columns[:, 1] < one.columns[:, 1]).mean()),
    }
