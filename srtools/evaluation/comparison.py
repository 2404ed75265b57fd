"""Folders of results put side by side: two models, or one model on several scenes."""

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from srtools import cards, files
from srtools.errors import SRError
from srtools.evaluation import confidence, results
from srtools.evaluation.report import report
from srtools.evaluation.results import METRICS, PATCHES
from srtools.evaluation.scores import BASELINE, COLUMNS, MODEL, differences
from srtools.metrics import psnr

FILES = ("comparison.json", "comparison.html")
SUMMARIES = {"scenes": "scenes.json", "comparison": "scenes_comparison.json"}
"""Files of several scenes together: of one model, and of the comparison of two."""

KEYS = {"inner", "test_set", "border"}  # of metrics.json


@dataclass(frozen=True)
class Run:
    """An evaluation, read from its folder."""

    name: str
    metrics: dict
    columns: np.ndarray
    """[n, 4] `COLUMNS` of the model."""
    blocks: np.ndarray
    """[n] block of each patch."""


def read_run(folder: str | Path) -> Run:
    """Read the evaluation that sr_eval.py left in a folder."""
    folder = Path(folder)
    metrics = cards.read_card(folder / METRICS)
    try:
        with open(folder / PATCHES, newline="") as file:
            rows = list(csv.DictReader(file))
        names = [f"{name}_{MODEL}" for name in COLUMNS]
        columns = np.array([[float(row[name]) for name in names] for row in rows])
        blocks = np.array([int(row["block"]) for row in rows])
        if not KEYS <= metrics.keys():
            raise KeyError(*KEYS - metrics.keys())
    except (OSError, KeyError, ValueError, TypeError):
        raise SRError(
            f"{folder} is no result of this sr_eval.py: {PATCHES} or a part of "
            f"{METRICS} is missing; evaluate its model again"
        ) from None
    return Run(folder.resolve().name, metrics, columns, blocks)


def check_folder(out_dir: str, overwrite: bool, summary: str | None) -> None:
    """Check, before the work, that a summary, if there is one, can be written."""
    if summary:
        names = FILES if summary == "comparison" else ()
        results.check_folder(out_dir, overwrite, (*names, SUMMARIES[summary]))


def scenes_in(folder: str | Path) -> list[str]:
    """Return the names of the scenes in a folder of results; [] if it holds one."""
    if any((Path(folder) / name).exists() for name in FILES):
        raise SRError(f"{folder} is a comparison itself; give two folders of results")
    names = sorted(path.parent.name for path in Path(folder).glob(f"*/{METRICS}"))
    if names and (Path(folder) / METRICS).exists():
        raise SRError(
            f"{folder} holds results of one scene, and of several ({names}); "
            "compare one of these folders, or evaluate into another --out_dir"
        )
    return names


def write(out_dir: str | Path, one: str, other: str) -> dict:
    """Compare two folders of results, scene by scene, and write it down.

    Returns:
        Content of comparison.json; with several scenes, of scenes_comparison.json.

    Raises:
        SRError: if the scenes, the test patches or the borders differ.
    """
    names = scenes_in(one)
    if names != scenes_in(other):
        raise SRError(
            f"{one} and {other} hold results of other scenes, {names} and "
            f"{scenes_in(other)}; evaluate both models on the same --patches"
        )
    if not names:
        return _write_one(Path(out_dir), read_run(one), read_run(other))
    rows = []
    for name in names:
        pair = (read_run(Path(folder) / name) for folder in (one, other))
        compared = _write_one(Path(out_dir) / name, *pair)
        score = compared["scores"]["psnr_db"]
        won = compared["share_won_by_second"]
        row = {"name": name, "patches": compared["patches"], "share_won_by_second": won}
        row |= {"psnr_db": score["values"], "difference_db": score["difference"]}
        rows.append({**row, "interval": score["interval"]})
    runs = [Path(folder).resolve().name for folder in (one, other)]
    summary = {"runs": runs, "scenes": rows, **mean_of_scenes(rows, "difference_db")}
    cards.write_card(Path(out_dir) / SUMMARIES["comparison"], summary)
    return summary


def _write_one(out_dir: Path, one: Run, other: Run) -> dict:
    compared = compare(one, other)
    files.make_folder(out_dir)
    with files.whole_files([out_dir / name for name in FILES]) as partial:
        cards.write_card(partial / FILES[0], compared)
        report.save_comparison(partial / FILES[1], compared, one.metrics, other.metrics)
    return compared


def compare(one: Run, other: Run) -> dict:
    """Compare two evaluations on the same test patches; the content of comparison.json.

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
    gains = psnr(other.columns[:, 1]) - psnr(one.columns[:, 1])
    ranked = np.argsort(-np.abs(gains), kind="stable")[:4]
    return {
        "runs": [one.name, other.name],
        "patches": len(one.columns),
        "blocks": int(one.blocks.max()) + 1,
        "level": confidence.LEVEL,
        "scores": differences(one.columns, other.columns, one.blocks),
        "share_won_by_second": float((other.columns[:, 1] < one.columns[:, 1]).mean()),
        "most_unlike": [
            {"patch": i, "gain_db": float(gains[i])} for i in ranked.tolist()
        ],
    }


def write_scenes(out_dir: str | Path, names: list[str]) -> dict:
    """Sum up the results of one model on several scenes, and write scenes.json."""
    rows = []
    for name in names:
        metrics = cards.read_card(Path(out_dir) / name / METRICS)
        inner, seen = metrics["inner"], metrics.get("consistency") or {}
        rows.append(
            {
                "name": name,
                "patches": metrics["patches"],
                "bicubic_psnr_db": inner[BASELINE]["psnr_db"]["all"],
                "psnr_db": inner[MODEL]["psnr_db"]["all"],
                "gain_db": inner["gain_db"],
                "interval": metrics["intervals"]["gain_db"],
                "share_won": metrics["share_won"],
                "spectral_angle_degrees": {
                    of: seen.get(of, {}).get("spectral_angle_degrees")
                    for of in (MODEL, "truth")
                },
            }
        )
    summary = {"scenes": rows, **mean_of_scenes(rows, "gain_db")}
    cards.write_card(Path(out_dir) / SUMMARIES["scenes"], summary)
    return summary


def mean_of_scenes(rows: list[dict], name: str) -> dict:
    """Return the mean of a score over scenes, and its interval."""
    values = np.array([[row[name]] for row in rows])
    return {
        name: float(values.mean()),
        "interval": confidence.interval(values, np.arange(len(rows))),
        "level": confidence.LEVEL,
    }
