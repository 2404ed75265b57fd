"""Several scenes: a folder of results for each, and one table of all."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from srtools import cards
from srtools.errors import SRError
from srtools.evaluation import confidence, results
from srtools.evaluation.scores import BASELINE, MODEL

FILE = "scenes.json"
COMPARED_FILE = "scenes_comparison.json"


def names_of(folders: Sequence[str]) -> list[str]:
    """Give the names of the scenes, those of their folders.

    Raises:
        SRError: if two have the same.
    """
    names = [Path(folder).absolute().name for folder in folders]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise SRError(
            f"two --patches are called {twice.pop()}, as their results would be; "
            "rename one of the folders"
        )
    return names


def evaluate(
    folders: Sequence[str],
    evaluate_one: Callable[[str, str], dict],
    out_dir: str,
    overwrite: bool,
) -> dict:
    """Evaluate a model scene by scene.

    Arguments:
        folders: of sr_dataset.py.
        evaluate_one: evaluates the patches of a folder, given it and the folder for
            its results; gives the content of metrics.json.
        out_dir: folder for those folders, and for scenes.json.
        overwrite: whether existing files may be replaced.

    Returns:
        Content of scenes.json: `scenes`, a row for each, and the mean `gain_db` with
        its interval over scenes.
    """
    names = names_of(folders)
    results.check_folder(out_dir, overwrite, (FILE,))
    rows = []
    for name, folder in zip(names, folders, strict=True):
        made = str(Path(out_dir) / name)
        rows.append({"name": name, **_row(evaluate_one(folder, made))})
    summary = {"scenes": rows, **_mean(rows, "gain_db")}
    cards.write_card(Path(out_dir) / FILE, summary)
    return summary


def compare(
    folders: Sequence[str],
    models: Sequence[str],
    compare_one: Callable[[str, str], dict],
    out_dir: str,
    overwrite: bool,
) -> dict:
    """Put two models side by side, scene by scene.

    Arguments:
        folders: of sr_dataset.py.
        models: SavedModels.
        compare_one: compares on the patches of a folder, given it and the folder for
            its results; gives the content of comparison.json.
        out_dir: folder for those folders, and for scenes_comparison.json.
        overwrite: whether existing files may be replaced.

    Returns:
        Content of scenes_comparison.json: `runs`, `scenes`, a row for each, and the
        mean `difference_db` with its interval over scenes.

    Raises:
        SRError: if one of `models` is none.
    """
    for model in models:
        if not (Path(model) / "saved_model.pb").exists():
            raise SRError(
                f"{model} is no SavedModel; on several scenes two models are compared, "
                "for two results give no --patches"
            )
    names = names_of(folders)
    results.check_folder(out_dir, overwrite, (COMPARED_FILE,))
    rows, compared = [], []
    for name, folder in zip(names, folders, strict=True):
        found = compare_one(folder, str(Path(out_dir) / name))
        compared = found["runs"]
        scores = found["scores"]["psnr_db"]
        rows.append(
            {
                "name": name,
                "patches": found["patches"],
                "psnr_db": scores["values"],
                "difference_db": scores["difference"],
                "interval": scores["interval"],
                "share_won_by_second": found["share_won_by_second"],
            }
        )
    summary = {"runs": compared, "scenes": rows, **_mean(rows, "difference_db")}
    cards.write_card(Path(out_dir) / COMPARED_FILE, summary)
    return summary


def _mean(rows: list[dict], name: str) -> dict:
    """Return the mean of a score over scenes, and its interval."""
    values = np.array([[row[name]] for row in rows])
    return {
        name: float(values.mean()),
        "interval": confidence.interval(values, np.arange(len(rows))),
        "level": confidence.LEVEL,
    }


def _row(metrics: dict) -> dict:
    """Take the scores of one scene out of metrics.json."""
    inner = metrics["inner"]
    seen = metrics.get("consistency") or {}
    return {
        "patches": metrics["patches"],
        "bicubic_psnr_db": inner[BASELINE]["psnr_db"]["all"],
        "psnr_db": inner[MODEL]["psnr_db"]["all"],
        "gain_db": inner["gain_db"],
        "interval": metrics["intervals"]["gain_db"],
        "share_won": metrics["share_won"],
        "spectral_angle_degrees": {
            who: seen.get(who, {}).get("spectral_angle_degrees")
            for who in (MODEL, "truth")
        },
    }
