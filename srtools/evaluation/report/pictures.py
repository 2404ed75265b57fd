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


class Shown(NamedTuple):
    """One patch to show, and its versions in reflectance."""

    caption: str
    number: int
    """Number of the patch in the test set."""
    lr: np.ndarray
    """[h, w, bands] Sentinel-2 on the 6 m grid."""
    predicted: dict[str, np.ndarray]
    """By method, [4 h, 4 w, bands]."""
    truth: np.ndarray
    """[4 h, 4 w, bands] Spot-7."""

    @property
    def versions(self) -> dict[str, np.ndarray]:
        """Versions by title, in the order of a row of pictures."""
        return {
            "Sentinel-2 (6 m grid)": self.lr,
            "bicubic": self.predicted["bicubic"],
            "super-resolution": self.predicted["model"],
            "truth (Spot-7)": self.truth,
        }


def choose(gains: np.ndarray, each: int = EACH) -> dict[int, str]:
    """Choose patches to show: where the model gains most, in the middle, and least.

    Returns:
        Caption of each, by its number in the test set.
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
    return {i: f"{labels[i]}: patch {i}, gain {gains[i]:+.2f} dB" for i in chosen}


def gather(
    captions: dict[int, str],
    enlarged: Iterable[tuple[np.ndarray, dict[str, Any], np.ndarray]],
) -> list[Shown]:
    """Keep the pixels of chosen patches, of which one by one is enlarged."""
    return [
        Shown(
            caption, number, lr[0], {m: i.numpy()[0] for m, i in images.items()}, hr[0]
        )
        for (number, caption), (lr, images, hr) in zip(
            captions.items(), enlarged, strict=True
        )
    ]


def save_png(path: str | Path, shown: list[Shown], gains: np.ndarray) -> None:
    """Save the best patch, a median one and the worst, of those shown, as one PNG."""
    picked = np.unique(np.linspace(0, len(shown) - 1, 3).astype(int))
    chosen = [shown[place] for place in picked]
    captions = ", ".join(f"{gains[one.number]:+.2f}" for one in chosen)
    rows = [one.versions for one in chosen]
    figures.save_rows(path, rows, f"gain over bicubic: {captions} dB")


def strips(shown: list[Shown]) -> tuple[list[dict], float]:
    """Draw the versions of patches in rows, and behind them the errors of the model.

    Returns:
        Of each row its `caption` and its `pictures`, data URIs by title; and the error
        that is drawn brightest in all rows, reflectance.
    """
    errors = [np.abs(p.predicted["model"] - p.truth).mean(axis=-1) for p in shown]
    # One scale for all errors, so that they compare.
    brightest = max(float(np.percentile(errors, 99.5)), SCALE) if errors else SCALE
    rows = []
    for patch, error in zip(shown, errors, strict=True):
        limits = figures.stretch(patch.truth[..., :3])
        drawn = {
            name: _png(figures.to_display(image[..., :3], limits))
            for name, image in patch.versions.items()
        }
        glow = matplotlib.colormaps["inferno"](np.clip(error / brightest, 0, 1))
        answers = patch.predicted["model"], patch.truth, patch.predicted["bicubic"]
        drawn["error"] = _png(glow[..., :3])
        drawn["new detail"] = _png(_new_detail(*detail.correctness_map(*answers)))
        rows.append({"caption": patch.caption, "pictures": drawn})
    return rows, brightest


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
