"""Exercise 4: check L1 and L2 against those of the saved model on the test patches."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from lesson.patches import read_patches
from lesson.report import Report
from lesson.student_model import StudentModel
from srtools.conventions import SCALE
from srtools.errors import SRError

# Relative tolerance of a right number: rounding in print, and precision.
TOLERANCE = 0.005


def check_scores(
    patches: Path,
    model_dir: Path,
    metrics: Path | None,
    l1: float | None,
    l2: float | None,
) -> Report:
    """Compare the scores of a student with those of the saved model."""
    report = Report()
    model = StudentModel(model_dir)
    groups = {g: _errors(model, patches, g) for g in ("test", "valid", "train")}
    if metrics is not None:
        content = _read(metrics)
        claims = {name: list(_numbers(content, name.lower())) for name in ("L1", "L2")}
    else:
        claims = {"L1": [l1], "L2": [l2]}
    for name, values in claims.items():
        values = [value for value in values if value is not None]
        right = _scores(groups["test"], name)
        fits = [v for v in values if any(_same(v, r) for r in right)]
        report.check(
            bool(fits),
            f"{name} of the test set is {right[0]:.4g} in DN, {right[1]:.4g} in "
            f"reflectance (yours: {_spell(fits or values)})",
            _reason(groups, name, values),
        )
    return report


def _read(path: Path) -> Any:
    """Read the file of scores.

    Raises:
        SRError: if it is missing, or no JSON.
    """
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise SRError(
            f"{path} is not a readable JSON file ({error}); json.dump writes one"
        ) from None


def _errors(model: StudentModel, patches: Path, group: str) -> np.ndarray:
    """Return the errors in DN, [n, h, w, bands]."""
    try:
        lr, hr = (
            read_patches(patches / f"{group}_{kind}_patches.tif").astype(float)
            for kind in ("lr", "hr")
        )
    except (OSError, ValueError) as error:
        raise SRError(f"{patches}: {error}") from None
    return model.hr(lr) - hr


def _scores(errors: np.ndarray, name: str) -> tuple[float, float]:
    """Return the score in DN and in reflectance; all patches count alike."""
    if name == "L1":
        score = float(np.abs(errors).mean())
        return score, score * SCALE
    score = float((errors**2).mean())
    return score, score * SCALE**2


def _reason(groups: dict[str, np.ndarray], name: str, values: list[float]) -> str:
    """Find the mistake that explains one of the values."""
    test = groups["test"]
    if not values:
        return f"nothing is called {name.lower()} in the file"
    roots = [score**0.5 for score in _scores(test, name)]
    mistakes = {
        "this is its root: L2 is the mean of the squares": roots,
        "these are the validation patches": _scores(groups["valid"], name),
        "these are the training patches": _scores(groups["train"], name),
    }
    truncated, averaged = [], []
    for size in (2, 4, 8, 16, 32):
        whole = len(test) // size * size
        if 0 < whole < len(test):
            truncated += _scores(test[:whole], name)
            batches = (test[i : i + size] for i in range(0, len(test), size))
            averaged += list(np.mean([_scores(b, name) for b in batches], axis=0))
    mistakes["the last, smaller batch was left out"] = truncated
    mistakes["means of batches were averaged: weigh them"] = averaged
    for reason, wrong in mistakes.items():
        if any(_same(value, score) for value in values for score in wrong):
            return reason
    return "recompute it with the saved model, over all test patches and bands"


def _same(one: float, other: float) -> bool:
    return abs(one - other) <= TOLERANCE * abs(other)


def _spell(values: list[float]) -> str:
    return ", ".join(f"{value:.4g}" for value in values[:3]) or "nothing"


def _numbers(content: Any, name: str, inside: bool = False) -> Iterator[float]:
    """Find the numbers under keys that begin with a name."""
    if isinstance(content, dict):
        for key, value in content.items():
            yield from _numbers(value, name, inside or key.lower().startswith(name))
    elif inside and isinstance(content, (int, float)) and not isinstance(content, bool):
        yield float(content)
