"""Pictures of patches, from the largest gain to the least."""

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
from srtools.evaluation.detail_correctness import correctness_map
from srtools.evaluation.eval_set import evenly_spaced
from srtools.evaluation.patch_scores import BASELINE, MODEL
from srtools.images import figures

DETAIL_COLOURS = {  # in the order of the shares; safe for the colour-blind
    "improvement": (0.0, 0.62, 0.45),
    "omission": (0.34, 0.71, 0.91),
    "hallucination": (0.84, 0.25, 0.0),
}

LR, BICUBIC = "Sentinel-2 (6 m grid)", "bicubic"
SR, TRUTH = "super-resolution", "truth (Spot-7)"

Enlarged = Iterable[tuple[np.ndarray, dict[str, Any], np.ndarray]]
"""Batches of lr (DN), predictions by method and truth (reflectance)."""

PatchImages = dict[str, dict[str, np.ndarray]]
"""Images by caption of the patch and title of the image, in the order of the pictures,
[h, w, bands] reflectance."""


def collect(assessment: Assessment, enlarged: Enlarged) -> PatchImages:
    """Collect the images of the `patches_to_show`; each batch holds one patch."""
    gains, patches = assessment.scores.gains(), {}
    chosen = assessment.patches_to_show()
    for patch, (lr, predicted, truth) in zip(chosen, enlarged, strict=True):
        images = {LR: lr * SCALE, BICUBIC: predicted[BASELINE]}
        images |= {SR: predicted[MODEL], TRUTH: truth}
        caption = f"patch {patch}, {gains[patch]:+.2f} dB"
        patches[caption] = {title: np.asarray(i)[0] for title, i in images.items()}
    return patches


def save_png(path: str | Path, assessment: Assessment, patches: PatchImages) -> None:
    """Save the patches with the largest, the median and the least gain as a PNG."""
    width = assessment.test.size * assessment.test.spacing  # metres
    chosen = [list(patches)[rank] for rank in evenly_spaced(len(patches), 3)]
    rows = {f"{caption} over bicubic": patches[caption] for caption in chosen}
    figures.save_rows(path, rows, [width] * len(rows))


def picture_rows(patches: PatchImages) -> tuple[dict[str, dict[str, str]], float]:
    """Draw the images, the error and the new detail of each patch.

    Return data URIs by caption and title, and the error with the brightest colour,
    reflectance.
    """
    errors = [np.abs(row[SR] - row[TRUTH]).mean(axis=-1) for row in patches.values()]
    # All errors share one scale, so that they can be compared.
    brightest = max(float(np.percentile(errors or [0.0], 99.5)), SCALE)
    rows = {}
    for (caption, images), error in zip(patches.items(), errors, strict=True):
        limits = figures.stretch(images[TRUTH][..., :3])
        drawn = {
            name: figures.to_display(image[..., :3], limits)
            for name, image in images.items()
        }
        heat = matplotlib.colormaps["inferno"](np.clip(error / brightest, 0, 1))
        drawn |= {"error": heat[..., :3], "new detail": _new_detail(images)}
        rows[caption] = {name: _png(picture) for name, picture in drawn.items()}
    return rows, brightest


def _new_detail(images: dict[str, np.ndarray]) -> np.ndarray:
    """Colour pixels by their shares of right, missing, invented detail, [h, w, 3]."""
    shares, counted = correctness_map(images[SR], images[TRUTH], images[BICUBIC])
    coloured = np.einsum("khw,kc->hwc", shares, list(DETAIL_COLOURS.values()))
    coloured[~counted] = 1
    return coloured


def _png(image: np.ndarray) -> str:
    """Encode an image [h, w, 3] in 0-1 as a data URI."""
    pixels = (255 * np.clip(image, 0, 1)).round().astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format="PNG")
    return data_uri(file.getvalue(), "image/png")


def data_uri(content: bytes, kind: str) -> str:
    """Encode the content of a file as a data URI; `kind` is its media type.

    >>> data_uri(b"hi", "text/plain")
    'data:text/plain;base64,aGk='
    """
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
