"""The evaluation as one HTML file that needs nothing else: no network, no folder."""

import io
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image

from srtools import charts, figures, page
from srtools.cards import whole_file
from srtools.conventions import SCALE
from srtools.runs import Run
from srtools.tables import number, span

FILES = ("metrics.json", "patches.csv", "patches.png", "report.html")
COMPARISON_FILES = ("comparison.json", "comparison.html")
EACH = 2  # patches shown of the best, of the median and of the worst


@dataclass(frozen=True)
class Places:
    """Where the patches lie, and how the model does there."""

    windows: np.ndarray | None
    """[n, 2] first row and column on the lr grid."""
    size: int
    """Of the patches, lr pixels."""
    gains: np.ndarray
    """[n] dB."""
    scores: np.ndarray
    """[n, columns] of the model; L1 first."""
    scene: dict
    """Card of the XS image: size, origin and spacing."""


def choose(gains: np.ndarray, each: int = EACH) -> list[tuple[str, int]]:
    """Choose patches to show: where the model gains most, in the middle, and least.

    Returns:
        Label and number of each, no patch twice.
    """
    ranked = np.argsort(gains, kind="stable").tolist()
    half = max((len(ranked) - each) // 2, 0)
    groups = {
        "best": ranked[::-1][:each],
        "worst": ranked[:each],
        "median": ranked[half : half + each],
    }
    taken: dict[int, str] = {}
    for label, indexes in groups.items():
        for index in indexes:
            taken.setdefault(index, label)
    order = {"best": 0, "median": 1, "worst": 2}
    found = [(label, index) for index, label in taken.items()]
    return sorted(found, key=lambda entry: (order[entry[0]], -gains[entry[1]]))


def _versions(picture: tuple) -> dict[str, np.ndarray]:
    """Name the versions of one patch, each [h, w, bands] in reflectance."""
    lr, predicted, truth = picture
    return {
        "Sentinel-2 (6 m grid)": lr[0],
        "bicubic": predicted["bicubic"][0],
        "super-resolution": predicted["model"][0],
        "truth (Spot-7)": truth[0],
    }


def save_pictures(
    path: str | Path, shown: list[tuple[str, int]], gains: np.ndarray, pictures: list
) -> None:
    """Save the best patch, a median one and the worst as one PNG."""
    picked = np.unique(np.linspace(0, len(shown) - 1, 3).astype(int))
    told = ", ".join(f"{gains[shown[number][1]]:+.2f}" for number in picked)
    rows = [_versions(pictures[number]) for number in picked]
    figures.save_rows(path, rows, f"gain over bicubic: {told} dB")


def save(
    path: str | Path, metrics: dict, shown: list, pictures: list, places: Places
) -> None:
    """Write the report.

    Arguments:
        path: HTML file.
        metrics: what metrics.json holds.
        shown: label and number of the patches to show.
        pictures: of each of them lr, predictions and truth, [1, h, w, bands].
        places: where the patches lie.
    """
    sections = [
        _headline(metrics),
        page.section("Scores", page.scores_table(metrics), page.definitions()),
        _bands(metrics, places),
        _strips(shown, pictures, places.gains),
        _closer(metrics),
        _where(metrics, places),
        page.section("How it was made", page.settings(metrics)),
    ]
    title = f"Evaluation of {Path(metrics['model_dir']).name}"
    _write(path, page.document(title, [s for s in sections if s]))


def save_comparison(path: str | Path, comparison: dict, found: list[Run]) -> None:
    """Write the report of a comparison."""
    names = [f"{letter}: {run.name}" for letter, run in zip("AB", found, strict=True)]
    by_name = dict(zip(names, (run.metrics for run in found), strict=True))
    bands = found[0].metrics["bands"]
    l1 = {n: m["inner"]["model"]["l1_dn"] for n, m in by_name.items()}
    drawn = [charts.bars(bands, l1, "L1 per band", "DN")]
    spectra = {n: m["spectrum"] for n, m in by_name.items()}
    if all(spectra.values()):
        first = next(iter(spectra.values()))
        drawn.append(
            charts.curves(
                first["cycles_per_metre"],
                {n: s["correlation"]["model"] for n, s in spectra.items()},
                "Correlation with the truth", "", first["threshold"],
                {n: s["effective_resolution_metres"]["model"]
                 for n, s in spectra.items()},
            )
        )  # fmt: skip
    sections = [
        page.section(
            "Side by side", page.comparison_table(comparison, names), page.images(drawn)
        )
    ]
    _write(path, page.document(" against ".join(names), sections))


def _write(path: str | Path, text: str) -> None:
    with whole_file(path) as partial:
        partial.write_text(text, encoding="utf-8")


def _headline(metrics: dict) -> str:
    inner, bounds = metrics["inner"], metrics["intervals"]
    model, bicubic = inner["model"], inner["bicubic"]
    tiles = [
        ("L1, mean absolute error", f"{model['l1_dn']['all']:.1f} DN",
         f"bicubic {bicubic['l1_dn']['all']:.1f} DN"),
        ("L2, mean squared error", f"{model['l2_reflectance']['all']:.2e}",
         f"bicubic {bicubic['l2_reflectance']['all']:.2e}"),
        ("gain over bicubic", f"{inner['gain_db']:+.2f} dB",
         f"{bounds['level']:.0%}: {span(bounds['gain_db'], sign=True)}"),
        ("patches won", f"{metrics['share_won']:.0%}", f"of {metrics['patches']}"),
    ]  # fmt: skip
    if metrics["spectrum"]:
        size = metrics["spectrum"]["effective_resolution_metres"]
        tiles.append(
            ("effective resolution", f"{number(size['model'], 1)} m",
             f"bicubic {number(size['bicubic'], 1)} m")
        )  # fmt: skip
    return page.tiles(tiles)


def _bands(metrics: dict, places: Places) -> str:
    inner, bands = metrics["inner"], metrics["bands"]
    drawn = [
        charts.bars(
            bands, {m: inner[m]["l1_dn"] for m in metrics["methods"]},
            "L1 per band", "DN",
        ),
        charts.bars(
            bands, {m: inner[m]["psnr_db"] for m in metrics["methods"]},
            "PSNR per band", "dB",
        ),
    ]  # fmt: skip
    if inner["model"]["ssim"]:
        ssim = {m: inner[m]["ssim"] for m in metrics["methods"]}
        drawn.append(charts.bars(bands, ssim, "SSIM per band", ""))
    drawn.append(charts.histogram(places.gains))
    return page.section("Band by band, patch by patch", page.images(drawn))


def _strips(shown: list[tuple[str, int]], pictures: list, gains: np.ndarray) -> str:
    """Show the chosen patches in rows, with the error of the model."""
    errors = [
        np.abs(predicted["model"] - truth)[0].mean(axis=-1)
        for _, predicted, truth in pictures
    ]
    # One scale for all errors, so that they compare.
    most = max(float(np.percentile(errors, 99.5)), SCALE)
    rows = []
    for (label, index), picture, error in zip(shown, pictures, errors, strict=True):
        versions = _versions(picture)
        limits = figures.stretch(versions["truth (Spot-7)"][..., :3])
        cells = {
            name: _png(figures.to_display(image[..., :3], limits))
            for name, image in versions.items()
        }
        coloured = matplotlib.colormaps["inferno"](np.clip(error / most, 0, 1))
        cells["error"] = _png(coloured[..., :3])
        caption = f"{label}: patch {index}, gain {gains[index]:+.2f} dB"
        rows.append(page.strip(caption, cells))
    note = (
        "Red, green and blue, stretched by the truth of each row. The error is the "
        "mean over the bands of |super-resolution - truth|: black is none, yellow "
        f"{most / SCALE:.0f} DN or more, the same in all rows."
    )
    return page.section("Best, median and worst patches", *rows, page.note(note))


def _closer(metrics: dict) -> str:
    spectrum = metrics["spectrum"]
    parts = []
    if spectrum:
        marks = spectrum["effective_resolution_metres"]
        frequency = spectrum["cycles_per_metre"]
        drawn = [
            charts.curves(
                frequency, spectrum["correlation"], "Is it the right detail?",
                "correlation with the truth", spectrum["threshold"], marks,
            ),
            charts.curves(
                frequency, spectrum["power_ratio"], "Is there enough detail?",
                "power, relative to the truth", 1.0, {},
            ),
        ]  # fmt: skip
        parts.append(page.images(drawn))
    parts.append(page.closer_tables(metrics))
    looked = f"{metrics['closer_look']['patches']} of {metrics['patches']} patches."
    return page.section("A closer look", *parts, page.note(looked))


def _where(metrics: dict, places: Places) -> str:
    drawn = []
    if places.windows is not None:
        drawn = [
            charts.scene_map(
                places.windows, places.size, places.scores[:, 0] / SCALE, places.scene,
                "L1 of the model, DN",
            ),
            charts.scene_map(
                places.windows, places.size, places.gains, places.scene,
                "Gain over bicubic, dB",
            ),
        ]  # fmt: skip
    return page.section(
        "Where it goes wrong", page.images(drawn), page.worst_table(metrics["worst"])
    )


def _png(image: np.ndarray) -> str:
    """Give [h, w, 3] in 0-1 as a data URI."""
    pixels = (255 * np.clip(image, 0, 1)).round().astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format="PNG")
    return page.data_uri(file.getvalue(), "image/png")
