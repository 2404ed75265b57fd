"""Exercise 4: check L1 and L2 against those of the saved model on the test patches."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from lesson.patch_checks import read_patches
from lesson.report import Report
from lesson.student_model import StudentModel
from srtools.conventions import SCALE
from srtools.errors import SRError
from srtools.images.interpolation import ZOOMS, zoom

# Relative tolerance of a right number: rounding in print, and precision.
TOLERANCE = 0.005
# hr pixels on each side that may be left out, as sr_eval.py does.
BORDER = 8
POWERS = {"L1": 1, "L2": 2}
BATCHES = (1, 2, 4, 8, 16, 32)


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
    groups = {g: _read_group(patches, g) for g in ("test", "valid", "train")}
    answers = {group: model.hr(lr) for group, (lr, _) in groups.items()}
    if metrics is not None:
        content = _read(metrics)
        claims = {name: list(_numbers(content, name.lower())) for name in POWERS}
    else:
        claims = {"L1": [l1], "L2": [l2]}
    errors = answers["test"] - groups["test"][1]
    for name, values in claims.items():
        power = POWERS[name]
        right = _score(errors, power)
        inner = _score(errors[:, BORDER:-BORDER, BORDER:-BORDER], power)
        values = [value for value in values if value is not None]
        fits = [v for v in values if _same(v, right, power) or _same(v, inner, power)]
        hint = f"nothing is called {name.lower()} in the file"
        if values and not fits:
            hint = "recompute it with the saved model, over all test patches and bands"
            zooms = list(_zooms(*groups["test"], power))
            # A zoom may stand beside the model in the file: that is no mistake.
            models = [
                value
                for value in values
                if not any(_same(value, score, power) for _, score in zooms)
            ]
            mistakes = zooms if not models else _mistakes(groups, answers, power)
            for reason, score in mistakes:
                if any(_same(value, score, power) for value in models or values):
                    hint = reason
                    break
        report.check(
            bool(fits),
            f"{name} of the test set is {right:.4g} in DN, {right * SCALE**power:.4g} "
            f"in reflectance (yours: {_spell(fits or values)})",
            hint,
        )
    return report


def _read(path: Path) -> Any:
    """Read the file of scores."""
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise SRError(
            f"{path} is not a readable JSON file ({error}); json.dump writes one"
        ) from None


def _read_group(patches: Path, group: str) -> list[np.ndarray]:
    """Read lr and hr of a group in DN, [n, h, w, bands]."""
    try:
        return [
            read_patches(patches / f"{group}_{kind}_patches.tif").astype(float)
            for kind in ("lr", "hr")
        ]
    except (OSError, ValueError) as error:
        raise SRError(f"{patches}: {error}") from None


def _score(errors: np.ndarray, power: int) -> float:
    """Return the mean of |errors|^power, in DN^power; all pixels count alike."""
    return float((np.abs(errors) ** power).mean())


def _mistakes(
    groups: dict[str, list[np.ndarray]], answers: dict[str, np.ndarray], power: int
) -> Iterator[tuple[str, float]]:
    """Yield frequent mistakes, and the score in DN^power that each of them has."""
    (_, hr), answer = groups["test"], answers["test"]
    errors = answer - hr
    right, count = _score(errors, power), len(errors)
    root = "this is its root: L2 is the mean of the squares"
    yield root, right ** (1 / power)
    yield root, right ** (1 / power) / SCALE ** (power - 1)  # of reflectance
    for group, name in (("valid", "validation"), ("train", "training")):
        score = _score(answers[group] - groups[group][1], power)
        yield f"these are the {name} patches", score
    for size in BATCHES:
        if size < count:
            scores = [
                _score(errors[i : i + size], power) for i in range(0, count, size)
            ]
            yield "the first batch alone was scored: go on to the last", scores[0]
            yield "means of batches were averaged: weigh them", float(np.mean(scores))
        if whole := count // size * size:
            left_out = "the last, smaller batch was left out"
            yield left_out, _score(errors[:whole], power)
    bands = errors.shape[-1]
    yield "the sum over bands was taken: L1 and L2 are means", bands * right
    for band in range(bands):
        reason = f"this is band {band + 1} alone: average over all of them"
        yield reason, _score(errors[..., band], power)
    for order in ([2, 1, 0, 3], [3, 2, 1, 0]):
        reason = "the bands of the answer and of hr are in different orders"
        yield reason, _score(answer[..., order] - hr, power)
    reason = "the mean was taken before the absolute value or the square"
    for axis in (None, (0, 1, 2), (1, 2), (1, 2, 3), 3):
        yield reason, _score(errors.mean(axis=axis), power)
    reason = "hr was scaled twice, or not at all: the model's answer is reflectance"
    yield reason, _score(answer - hr * SCALE, power)
    yield reason, _score(answer * SCALE - hr, power)


def _zooms(lr: np.ndarray, hr: np.ndarray, power: int) -> Iterator[tuple[str, float]]:
    """Yield the scores of simple zooms, which the model's score is not."""
    for method in ZOOMS:
        zoomed = zoom(lr.astype(np.float32), hr.shape[1:3], method).numpy()
        yield (
            f"this is the score of {method}, not that of the model",
            _score(zoomed - hr, power),
        )


def _same(value: float, score: float, power: int) -> bool:
    """Check whether a value is a score in DN^power, or the same in reflectance."""
    scores = score, score * SCALE**power
    return any(abs(value - each) <= TOLERANCE * abs(each) for each in scores)


def _spell(values: list[float]) -> str:
    return ", ".join(f"{value:.4g}" for value in values[:3]) or "nothing"


def _numbers(content: Any, name: str, inside: bool = False) -> Iterator[float]:
    """Find the numbers under keys that begin with a name."""
    if isinstance(content, dict):
        for key, value in content.items():
            yield from _numbers(value, name, inside or key.lower().startswith(name))
    elif inside and isinstance(content, (int, float)) and not isinstance(content, bool):
        yield float(content)
