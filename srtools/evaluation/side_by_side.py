"""Two models, or two results of sr_eval.py, side by side."""

from collections.abc import Callable
from pathlib import Path

from srtools.errors import SRError
from srtools.evaluation import results, runs, test_set
from srtools.evaluation.report import pictures
from srtools.evaluation.report.pictures import Shown


def compare(
    compared: tuple[str, str],
    *,
    evaluate: Callable[..., dict],
    look_at: Callable[[str, dict, list[tuple[str, int]]], list[Shown]],
    out_dir: str,
    patches: str | None,
    overwrite: bool,
) -> dict:
    """Put two models, or two results of `sr_eval.evaluate`, side by side.

    Arguments:
        compared: two SavedModels, two folders of results, or one of each.
        evaluate: evaluates a model, given `model_dir` and, for the results, `out_dir`.
        look_at: gives patches as a model makes them, given its folder, the patches
            images, and caption and number of each patch.
        out_dir: folder for the comparison, and for the results of models.
        patches: folder of sr_dataset.py, which models need.
        overwrite: whether existing files may be replaced.

    Returns:
        Content of comparison.json.

    Raises:
        SRError: if the two were not evaluated on the same patches.
    """
    results.check_folder(out_dir, overwrite, results.COMPARISON_FILES)
    found, models = [], []
    for letter, folder in zip("ab", compared, strict=True):
        if (Path(folder) / "saved_model.pb").exists():
            if patches is None:
                raise SRError(f"{folder} is a model: give --patches to evaluate it on")
            models.append(folder)
            result = Path(out_dir) / f"{letter}_{Path(folder).resolve().name}"
            evaluate(model_dir=folder, out_dir=str(result))
            folder = result
        found.append(runs.read_run(folder))
    comparison = runs.compare(*found)
    shown = []
    if len(models) == 2:
        files = test_set.read_test_set(patches, border=0).files
        chosen = pictures.choose_unlike(runs.gains(*found))
        both = (look_at(model, files, chosen) for model in models)
        shown = list(zip(*both, strict=True))
    results.write_comparison(out_dir, comparison, found, shown)
    return comparison
