"""Patches as pictures: which ones are shown, and how."""

import base64
import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib
import numpy as np
from PIL import Image

from srtools.conventions import SCALE
from srtools.evaluation import detail
from srtools.images import figures

EACH = 2  # patches shown of the best, of the median and of the worst
DETAIL_COLOURS = {  # in the order of `detail.KINDS`, also for the colour-blind
    "improvement": (0.0, 0.62, 0.45),
    "omission": (0.34, 0.71, 0.91),
    "hallucination": (0.84, 0.25, 0.0),
}
MODEL, TRUTH = "super-resolution", "truth (Spot-7)"


class Shown(NamedTuple):
    """One patch to show, and its versions in reflectance."""

    caption: str
    """Line above its pictures."""
    number: int
    """Number of the patch in the test set."""
    lr: np.ndarray
    """[h, w, bands] Sentinel-2 on the 6 m grid."""
    predicted: dict[str, np.ndarray]
    """By method, [4 h, 4 w, bands]."""
    truth: np.ndarray
    """[4 h, 4 w, bands] Spot-7."""

    def versions(self, models: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Name the versions, in the order of a row of pictures.

        Arguments:
            models: by name, answers of models.
        """
        return {
            "Sentinel-2 (6 m grid)": self.lr,
            "bicubic": self.predicted["bicubic"],
            **models,
            TRUTH: self.truth,
        }


def choose(gains: np.ndarray, each: int = EACH) -> list[tuple[str, int]]:
    """Choose patches to show: where the model gains most, in the middle, and least.

    Returns:
        Caption and number of each, no patch twice.
    """
    ranked = np.argsort(gains, kind="stable").tolist()
    half = max((len(ranked) - each) // 2, 0)
    # Of a few patches, one may be among the best and the worst: the first label counts.
    labels: dict[int, str] = {}
    for label, indexes in (
        ("best", ranked[::-1][:each]),
        ("worst", ranked[:each]),
        ("median", ranked[half : half + each]),
    ):
        for index in indexes:
            labels.setdefault(index, label)
    order = ("best", "median", "worst")
    chosen = sorted(labels, key=lambda i: (order.index(labels[i]), -gains[i]))
    return [(f"{labels[i]}: patch {i}, gain {gains[i]:+.2f} dB", i) for i in chosen]


def choose_unlike(gains: np.ndarray, each: int = EACH) -> list[tuple[str, int]]:
    """Choose the patches where two models differ most, to either side.

    Arguments:
        gains: [n] PSNR of the second model less that of the first, dB.
        each: number of patches for each model.

    Returns:
        Caption and number of each, no patch twice.
    """
    ranked = np.argsort(gains, kind="stable").tolist()
    chosen = dict.fromkeys([*ranked[::-1][:each], *ranked[:each]])
    return [(f"patch {i}: B less A {gains[i]:+.2f} dB", i) for i in chosen]


def gather(
    chosen: list[tuple[str, int]],
    enlarged: Iterable[tuple[np.ndarray, dict[str, Any], np.ndarray]],
) -> list[Shown]:
    """Keep the pixels of chosen patches.

    Arguments:
        chosen: caption and number of each patch.
        enlarged: lr, predictions by method and truth of each, [1, h, w, bands].
    """
    return [
        Shown(
            caption, number, lr[0], {m: i.numpy()[0] for m, i in images.items()}, hr[0]
        )
        for (caption, number), (lr, images, hr) in zip(chosen, enlarged, strict=True)
    ]


def save_png(path: str | Path, shown: list[Shown], gains: np.ndarray) -> None:
    """Save the best patch, a median one and the worst as one PNG.

    Arguments:
        path: PNG file.
        shown: patches, the best first.
        gains: [n] gain of each patch of the test set over bicubic, dB.
    """
    picked = np.unique(np.linspace(0, len(shown) - 1, 3).astype(int))
    chosen = [shown[place] for place in picked]
    told = ", ".join(f"{gains[one.number]:+.2f}" for one in chosen)
    rows = [one.versions({MODEL: one.predicted["model"]}) for one in chosen]
    figures.save_rows(path, rows, f"gain over bicubic: {told} dB")


def strips(
    rows: list[tuple[Shown, dict[str, np.ndarray]]],
) -> tuple[list[dict], float]:
    """Draw the versions of patches in rows, and behind them the errors of models.

    Arguments:
        rows: patches, each with the answers of models by name.

    Returns:
        Of each row its `caption` and its `pictures`, data URIs by title; and the error
        that is drawn brightest in all rows, reflectance.
    """
    errors = [
        {m: np.abs(image - shown.truth).mean(axis=-1) for m, image in models.items()}
        for shown, models in rows
    ]
    # One scale for all errors, so that they compare.
    every = [error for by_model in errors for error in by_model.values()]
    brightest = max(float(np.percentile(every, 99.5)), SCALE) if every else SCALE
    drawn = []
    for (shown, models), by_model in zip(rows, errors, strict=True):
        limits = figures.stretch(shown.truth[..., :3])
        pictures = {
            name: _png(figures.to_display(image[..., :3], limits))
            for name, image in shown.versions(models).items()
        }
        for name, error in by_model.items():
            coloured = matplotlib.colormaps["inferno"](np.clip(error / brightest, 0, 1))
            whose = "" if len(models) == 1 else f" of {name}"
            pictures[f"error{whose}"] = _png(coloured[..., :3])
            new = detail.correctness_map(
                models[name], shown.truth, shown.predicted["bicubic"]
            )
            pictures[f"new detail{whose}"] = _png(_new_detail(*new))
        drawn.append({"caption": shown.caption, "pictures": pictures})
    return drawn, brightest


def _new_detail(shares: np.ndarray, counted: np.ndarray) -> np.ndarray:
    """Colour each pixel by its shares [3, h, w]; white where it does not count."""
    coloured = np.einsum("khw,kc->hwc", shares, list(DETAIL_COLOURS.values()))
    coloured[~counted] = 1
    return coloured


def _png(image: np.ndarray) -> str:
    """Give [h, w, 3] in 0-1 as a data URI."""
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
