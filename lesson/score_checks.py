"""Exercise 4: check L1 and L2 against those of the saved model on the test patches."""

import contextlib
import json
import re
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
# Keys of a score, between other words.
KEYS = {
    "L1": re.compile(r"(?<![a-z0-9])(l1(?!\d)|mae|mean_absolute_error)"),
    "L2": re.compile(r"(?<![a-z0-9])(l2(?!\d)|mse|mean_squared_error)"),
}
BATCHES = (1, 2, 4, 8, 16, 32)


def check_scores(
    patches: Path,
    model_dir: Path,
    metrics: Path | None = None,
    l1: float | None = None,
    l2: float | None = None,
) -> Report:
    """Compare the scores of a student with those of the saved model."""
    if metrics is None and None in (l1, l2):
        raise SRError("--metrics FILE, or both --l1 and --l2 are expected")
    report = Report()
    model = StudentModel(model_dir)
    groups = {g: _read_group(patches, g) for g in ("test", "valid", "train")}
    answers = {group: model.hr(lr) for group, (lr, _) in groups.items()}
    if metrics is not None:
        content = _read(metrics)
        claims = {name: list(_numbers(content, KEYS[name])) for name in POWERS}
    else:
        claims = {"L1": [l1], "L2": [l2]}
    errors = answers["test"] - groups["test"][1]
    for name, values in claims.items():
        power = POWERS[name]
        right = _score(errors, power)
        inner = _score(errors[:, BORDER:-BORDER, BORDER:-BORDER], power)
        fits = [v for v in values if _same(v, right, power) or _same(v, inner, power)]
        report.check(
            bool(fits),
            f"{name} of the test set is {right:.4g} in DN, {right * SCALE**power:.4g} "
            f"in reflectance (yours: {_spell(fits or values)})",
            "" if fits else _explain(name, values, groups, answers),
        )
    return report


def _explain(name: str, values: list[float], groups: dict, answers: dict) -> str:
    """Return the reason for wrong scores, if it is a frequent one."""
    power = POWERS[name]
    if not values:
        return f"nothing is called {name.lower()} in the file"
    if not np.isfinite(values).all():
        return "a score is not a number: are there NaN pixels, or a division by 0?"
    if min(values) < 0:
        return "an error cannot be negative: take the absolute value, or the square"
    zooms = list(_zooms(*groups["test"], power))
    # A zoom may stand beside the model in the file: that is no mistake.
    models = [
        value
        for value in values
        if not any(_same(value, score, power) for _, score in zooms)
    ]
    mistakes = _mistakes(groups, answers, power) if models else zooms
    for reason, score in mistakes:
        if any(_same(value, score, power) for value in models or values):
            return reason
    return "recompute it with the saved model, over all test patches and bands"


def _read(path: Path) -> Any:
    """Read the file of scores."""
    try:
        return json.loads(path.read_bytes())  # of any encoding of JSON
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
    yield from _units(errors, power)
    for group, name in (("valid", "validation"), ("train", "training")):
        score = _score(answers[group] - groups[group][1], power)
        yield f"these are the {name} patches", score
    yield "the sum over patches was not divided by their number", count * right
    left_out = "the last patch or batch was left out"
    if count > 1:
        yield left_out, _score(errors[:-1], power)
    for size in BATCHES:
        if size < count:
            scores = [
                _score(errors[i : i + size], power) for i in range(0, count, size)
            ]
            yield "the first batch alone was scored: go on to the last", scores[0]
            yield "means of batches were averaged: weigh them", float(np.mean(scores))
        if whole := count // size * size:
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


def _units(errors: np.ndarray, power: int) -> Iterator[tuple[str, float]]:
    """Yield the right score as something else, in DN^power."""
    name, other = ("L1", "L2") if power == 2 else ("L2", "L1")
    exchanged = _score(errors, 3 - power)
    for unit in (1, SCALE ** (3 - power) / SCALE**power):  # in DN, in reflectance
        yield f"this is {name}: exchange it with {other}", exchanged * unit
    for unit in (SCALE, 1):
        psnr = -10 * np.log10(_score(errors * unit, 2)) / SCALE**power
        yield f"this is PSNR: {other} is the error itself, without logarithm", psnr
    percent = "this is in percent: give DN or reflectance"
    yield percent, _score(errors, power) * 100
    yield percent, _score(errors, power) * 100**power


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


def _numbers(content: Any, key: re.Pattern, inside: bool = False) -> Iterator[float]:
    """Find the numbers under keys that match; a number may be text, with a unit."""
    if isinstance(content, dict):
        for name, value in content.items():
            words = re.sub(r"(?<=[a-z])(?=[A-Z])|[ -]", "_", name).lower()
            yield from _numbers(value, key, inside or bool(key.search(words)))
    elif isinstance(content, list):
        for value in content:
            yield from _numbers(value, key, inside)
    elif inside and not isinstance(content, bool):
        with contextlib.suppress(IndexError, ValueError):  # other text, or null
            yield float(str(content).replace(",", ".").split()[0])
