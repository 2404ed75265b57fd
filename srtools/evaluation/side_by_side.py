"""Two models, or two results of sr_eval.py, side by side."""

from collections.abc import Callable, Iterator
from pathlib import Path

from srtools import cards, files
from srtools.conventions import SCALE
from srtools.errors import SRError
from srtools.evaluation import runs, test_set
from srtools.evaluation.report import report
from srtools.network import saved_model


def compare(
    compared: list[str],
    *,
    evaluate: Callable[..., dict],
    look_at: Callable[..., Iterator],
    out_dir: str,
    patches: str | None,
    overwrite: bool,
    **options,
) -> dict:
    """Put two models, or two results of `evaluate`, side by side.

    Arguments:
        compared: two SavedModels, or two folders with results, or one of each.
        evaluate: what makes the results of a model.
        look_at: what gives lr, predictions and truth of some patches.
        out_dir: folder for the comparison, and for the results of models.
        patches, overwrite, options: as for `evaluate`.

    Returns:
        What is written to comparison.json.

    Raises:
        SRError: if they were not evaluated on the same patches.
    """
    outputs = [Path(out_dir) / name for name in report.COMPARISON_FILES]
    files.refuse_existing(outputs, overwrite)
    found, networks = [], []
    for letter, folder in zip("ab", compared, strict=True):
        if (Path(folder) / "saved_model.pb").exists():
            if patches is None:
                raise SRError(f"{folder} is a model: give --patches to evaluate it on")
            result = Path(out_dir) / f"{letter}_{Path(folder).resolve().name}"
            evaluate(
                patches=patches, model_dir=folder, out_dir=result,
                overwrite=overwrite, **options,
            )  # fmt: skip
            networks.append(folder)
            folder = result
        found.append(runs.read_run(folder))
    comparison = runs.compare(*found, SCALE)
    shown, pictures = [], []
    if len(networks) == 2:
        shown = report.choose_unlike(runs.gains(*found))
        test_files = test_set.read_test_set(patches, border=0).files
        indexes = [index for _, index in shown]
        both = (look_at(saved_model.load(m), test_files, indexes) for m in networks)
        pictures = list(zip(*both, strict=True))
    with files.whole_files(outputs) as partial:
        cards.write_card(partial / "comparison.json", comparison)
        report.save_comparison(
            partial / "comparison.html", comparison, found, shown, pictures
        )
    return comparison
