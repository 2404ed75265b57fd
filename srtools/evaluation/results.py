"""The files that an evaluation, or a comparison, leaves: all of them or none."""

import shlex
from pathlib import Path

from srtools import cards, files
from srtools.evaluation import runs
from srtools.evaluation.assessment import Assessment
from srtools.evaluation.report import pictures, report
from srtools.evaluation.report.pictures import Shown

FILES = (runs.METRICS, runs.PATCHES, "patches.png", "report.html")
COMPARISON_FILES = ("comparison.json", "comparison.html")


def check_folder(
    out_dir: str | Path, overwrite: bool, names: tuple[str, ...] = FILES
) -> None:
    """Check, before the work, that the files can be written; make their folder.

    Raises:
        SRError: if one of them exists and may not be replaced, or the folder cannot be
            written to.
    """
    paths = [Path(out_dir) / name for name in names]
    files.refuse_folders(paths)
    files.refuse_existing(paths, overwrite)
    files.make_folder(out_dir)


def write(
    out_dir: str | Path,
    metrics: dict,
    assessment: Assessment,
    shown: list[Shown],
) -> None:
    """Write `FILES`.

    Arguments:
        out_dir: folder for the files.
        metrics: content of metrics.json.
        assessment: the scores of each patch.
        shown: patches to show, as `pictures.choose` chose them.
    """
    with files.whole_files([Path(out_dir) / name for name in FILES]) as partial:
        cards.write_card(partial / runs.METRICS, metrics)
        assessment.write_patches(partial / runs.PATCHES)
        pictures.save_png(partial / "patches.png", shown, assessment.gains)
        report.save(partial / "report.html", metrics, assessment, shown)


def commands(evaluation: str, dataset: dict, model: dict) -> list[str]:
    """Return the commands that make patches, model and scores, as the cards tell them.

    Each word is quoted again, so that nothing in a card is run by a shell, and a search
    takes the same items.

    Arguments:
        evaluation: command of the evaluation.
        dataset: content of dataset.json of the test patches.
        model: card of the model.
    """
    trained = [scene.get("dataset", {}) for scene in model.get("scenes") or ()]
    found = []
    for card in (*trained, dataset, model, {"command": evaluation}):
        try:
            words = shlex.split(card.get("command") or "")
        except ValueError:  # a quotation without an end
            continue
        items = (card.get("sentinel2") or {}).get("items") or ()
        pinned = [] if "--item" in words or not items else ["--item", *map(str, items)]
        found.append(shlex.join([*words, *pinned]) if words else "")
    return [command for command in dict.fromkeys(found) if command]


def write_comparison(
    out_dir: str | Path,
    comparison: dict,
    found: list[runs.Run],
    shown: list[tuple[Shown, Shown]],
) -> None:
    """Write `COMPARISON_FILES`.

    Arguments:
        out_dir: folder for the files.
        comparison: content of comparison.json.
        found: the two evaluations.
        shown: patches to show, as the first and as the second model make them.
    """
    paths = [Path(out_dir) / name for name in COMPARISON_FILES]
    with files.whole_files(paths) as partial:
        cards.write_card(partial / "comparison.json", comparison)
        report.save_comparison(partial / "comparison.html", comparison, found, shown)
