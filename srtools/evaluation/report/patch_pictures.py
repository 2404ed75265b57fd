"""Patches as pictures, from the best to the worst."""

import base64
import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from PIL import Image

from srtools.conventions import SCALE
from srtools.evaluation.assessment import Assessment
from srtools.evaluation.correctness import correctness_map
from srtools.evaluation.eval_set import spread
from srtools.evaluation.patch_scores import BASELINE, MODEL
from srtools.images import figures

DETAIL_COLOURS = {  # in the order of `correctness.KINDS`, also for the colour-blind
    "improvement": (0.0, 0.62, 0.45),
    "omission": (0.34, 0.71, 0.91),
    "hallucination": (0.84, 0.25, 0.0),
}

LR, BICUBIC = "Sentinel-2 (6 m grid)", "bicubic"
SR, TRUTH = "super-resolution", "truth (Spot-7)"

Enlarged = Iterable[tuple[np.ndarray, dict[str, Any], np.ndarray]]
"""Batches of lr in DN, of predictions by method and of the truth in reflectance."""


Shown = dict[str, dict[str, np.ndarray]]
"""Patches to show by caption: their versions by title, in the order of a row of
pictures, [h, w, bands] reflectance."""


def gather(assessment: Assessment, enlarged: Enlarged) -> Shown:
    """Keep the pixels of the patches that `assessment.shown` chose, one in a batch."""
    gains, shown = assessment.scores.gains(), {}
    for patch, (lr, predicted, truth) in zip(assessment.shown(), enlarged, strict=True):
        images = {LR: lr * SCALE, BICUBIC: predicted[BASELINE]}
        images |= {SR: predicted[MODEL], TRUTH: truth}
        caption = f"patch {patch}, {gains[patch]:+.2f} dB"
        shown[caption] = {title: np.asarray(i)[0] for title, i in images.items()}
    return shown


def save_png(path: str | Path, shown: Shown) -> None:
    """Save the best patch, the middle one and the worst, of those shown, as one PNG."""
    chosen = [list(shown)[place] for place in spread(len(shown), 3)]
    title = f"gain over bicubic: {'; '.join(chosen)}"
    figures.save_rows(path, [shown[caption] for caption in chosen], title)


def strips(shown: Shown) -> tuple[dict[str, dict[str, str]], float]:
    """Draw the versions of patches in rows, and behind them the errors of the model.

    Returns:
        Rows by caption, each of them data URIs by title; and the error that is drawn
        brightest in all rows, reflectance.
    """
    errors = [np.abs(row[SR] - row[TRUTH]).mean(axis=-1) for row in shown.values()]
    # One scale for all errors, so that they compare.
    brightest = max(float(np.percentile(errors, 99.5)), SCALE) if errors else SCALE
    rows = {}
    for (caption, images), error in zip(shown.items(), errors, strict=True):
        limits = figures.stretch(images[TRUTH][..., :3])
        drawn = {
            name: figures.to_display(image[..., :3], limits)
            for name, image in images.items()
        }
        glow = matplotlib.colormaps["inferno"](np.clip(error / brightest, 0, 1))
        drawn |= {"error": glow[..., :3], "new detail": _new_detail(images)}
        rows[caption] = {name: _png(picture) for name, picture in drawn.items()}
    return rows, brightest


def _new_detail(images: dict[str, np.ndarray]) -> np.ndarray:
    """Colour each pixel by its shares, [h, w, 3]; white where it does not count."""
    shares, counted = correctness_map(images[SR], images[TRUTH], images[BICUBIC])
    coloured = np.einsum("khw,kc->hwc", shares, list(DETAIL_COLOURS.values()))
    coloured[~counted] = 1
    return coloured


def _png(image: np.ndarray) -> str:
    """Return [h, w, 3] in 0-1 as a data URI."""
    pixels = (255 * np.clip(image, 0, 1)).round().astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format="PNG")
    return data_uri(file.getvalue(), "image/png")


def data_uri(content: bytes, kind: str) -> str:
    """Write a file as an address that holds it.

    >>> data_uri(b"hi", "text/plain")
    'data:text/plain;base64,aGk='
    """
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
