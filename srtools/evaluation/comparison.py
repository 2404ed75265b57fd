"""Comparison of two models, and summary of one model on several scenes."""

from pathlib import Path

import numpy as np

from srtools import cards, files
from srtools.errors import SRError
from srtools.evaluation import confidence, result_files, tables
from srtools.evaluation.patch_scores import BASELINE, MODEL, STATISTICS, difference
from srtools.evaluation.report import page
from srtools.evaluation.result_files import Run
from srtools.evaluation.tables import Table
from srtools.metrics import psnr
from srtools.options.evaluation_options import SCENES

FILES = ("comparison.json", "comparison.html")
MOST_UNLIKE = 4  # patches that are listed


def write(out_dir: str, overwrite: bool, one: str, other: str) -> tuple:
    """Compare the results in two folders, write `FILES`; return tables and `FILES`."""
    compared = compare(result_files.read(one), result_files.read(other))
    result_files.check_folder(out_dir, overwrite, FILES)
    with files.whole_files([Path(out_dir) / name for name in FILES]) as partial:
        cards.write_card(partial / FILES[0], compared)
        page.save_comparison(partial / FILES[1], compared)
    return tables.comparison(compared), FILES


def compare(one: Run, other: Run) -> dict:
    """Compare two evaluations on the same test patches; return comparison.json.

    A difference is `other` minus `one`.  It has a much narrower interval than a score.
    """
    if (one.test_set, one.border) != (other.test_set, other.border):
        raise SRError(
            f"{one.name} and {other.name} were not evaluated on the same test patches "
            f"(checksums {one.test_set} and {other.test_set}) or not with the same "
            f"border ({one.border} and {other.border}); evaluate both models again on "
            "the same --patches"
        )
    columns = one.columns, other.columns
    gains = psnr(other.columns[:, 1]) - psnr(one.columns[:, 1])
    ranked = np.argsort(-np.abs(gains), kind="stable")[:MOST_UNLIKE].tolist()
    return {
        "runs": [one.name, other.name],
        "patches": len(one.columns),
        "blocks": int(one.blocks.max()) + 1,
        "level": confidence.LEVEL,
        "scores": {n: difference(n, *columns, one.blocks) for n in STATISTICS},
        "share_won_by_second": float((gains > 0).mean()),
        "most_unlike": [{"patch": i, "gain_db": float(gains[i])} for i in ranked],
    }


def files_of(scenes: dict) -> list[str]:
    """Return the names of all files of several scenes, of the summary first."""
    return [SCENES, *(f"{s}/{file}" for s in scenes for file in result_files.FILES)]


def write_scenes(out_dir: str | Path, runs: dict[str, dict]) -> list[Table]:
    """Write scenes.json, a summary of metrics by scene; return it as a table."""
    rows = [
        {
            "name": name,
            "patches": metrics["patches"],
            "bicubic_psnr_db": metrics["inner"][BASELINE]["psnr_db"]["all"],
            "psnr_db": metrics["inner"][MODEL]["psnr_db"]["all"],
            "gain_db": metrics["inner"]["gain_db"],
            "interval": metrics["intervals"]["gain_db"],
            "share_won": metrics["share_won"],
        }
        for name, metrics in runs.items()
    ]
    gains = np.array([[row["gain_db"]] for row in rows])
    summary = {
        "scenes": rows,
        "gain_db": float(gains.mean()),
        "interval": confidence.interval(gains, np.arange(len(rows))),
        "level": confidence.LEVEL,
    }
    cards.write_card(Path(out_dir) / SCENES, summary)
    return tables.scenes(summary)
