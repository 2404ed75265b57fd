"""The evaluation as one HTML file that needs nothing else: no network, no folder."""

import io
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image

from srtools.conventions import FACTOR, SCALE
from srtools.evaluation.report import charts, page
from srtools.evaluation.runs import Run
from srtools.evaluation.tables import number, span
from srtools.evaluation.test_set import TestSet
from srtools.files import whole_file
from srtools.images import figures

FILES = ("metrics.json", "patches.csv", "patches.png", "report.html")
COMPARISON_FILES = ("comparison.json", "comparison.html")
EACH = 2  # patches shown of the best, of the median and of the worst
MODEL, TRUTH = "super-resolution", "truth (Spot-7)"


@dataclass(frozen=True)
class Places:
    """Where the patches lie, and how the model does there."""

    test: TestSet
    gains: np.ndarray
    """[n] dB."""
    scores: np.ndarray
    """[n, columns] of the model; L1 first."""


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


def choose_unlike(gains: np.ndarray, each: int = EACH) -> list[tuple[str, int]]:
    """Choose the patches where two models differ most, to either side.

    Arguments:
        gains: [n] of the second over the first, dB.
        each: patches for which model.

    Returns:
        Label and number of each, no patch twice.
    """
    ranked = np.argsort(gains, kind="stable").tolist()
    chosen = dict.fromkeys([*ranked[::-1][:each], *ranked[:each]])
    return [(f"patch {i}: B less A {gains[i]:+.2f} dB", i) for i in chosen]


def _versions(picture: tuple, models: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Name the versions of one patch, each [h, w, bands] in reflectance.

    Arguments:
        picture: lr, predictions and truth, [1, h, w, bands].
        models: what models make of it, by name, [1, h, w, bands].
    """
    lr, predicted, truth = picture
    found = {"Sentinel-2 (6 m grid)": lr, "bicubic": predicted["bicubic"]}
    return {name: v[0] for name, v in {**found, **models, TRUTH: truth}.items()}


def save_pictures(
    path: str | Path, shown: list[tuple[str, int]], gains: np.ndarray, pictures: list
) -> None:
    """Save the best patch, a median one and the worst as one PNG."""
    picked = np.unique(np.linspace(0, len(shown) - 1, 3).astype(int))
    told = ", ".join(f"{gains[shown[number][1]]:+.2f}" for number in picked)
    chosen = [pictures[number] for number in picked]
    rows = [_versions(one, {MODEL: one[1]["model"]}) for one in chosen]
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


def save_comparison(
    path: str | Path, comparison: dict, found: list[Run], shown: list, pictures: list
) -> None:
    """Write the report of a comparison.

    Arguments:
        path: HTML file.
        comparison: what comparison.json holds.
        found: the two evaluations.
        shown: caption and number of the patches to show.
        pictures: of each of them, for either model, lr, predictions and truth.
    """
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
    table = page.comparison_table(comparison, names)
    sections = [page.section("Side by side", table, page.images(drawn))]
    title = "Where they differ most"
    if pictures:
        rows = [
            (caption, _versions(one, {"A": one[1]["model"], "B": other[1]["model"]}))
            for (caption, _), (one, other) in zip(shown, pictures, strict=True)
        ]
        sections.append(page.section(title, _rows(rows, ("A", "B"))))
    else:
        why = "No pictures: they are made when two models are given, and --patches."
        sections.append(page.section(title, page.note(why)))
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
    rows = [
        (
            f"{label}: patch {index}, gain {gains[index]:+.2f} dB",
            _versions(picture, {MODEL: picture[1]["model"]}),
        )
        for (label, index), picture in zip(shown, pictures, strict=True)
    ]
    return page.section("Best, median and worst patches", _rows(rows, (MODEL,)))


def _rows(rows: list[tuple[str, dict]], models: tuple[str, ...]) -> str:
    """Show versions of patches in rows, and behind them the errors of models.

    Arguments:
        rows: caption, and by name [h, w, bands] reflectance.
        models: names of the versions whose errors are shown.
    """
    errors = [
        {m: np.abs(images[m] - images[TRUTH]).mean(axis=-1) for m in models}
        for _, images in rows
    ]
    # One scale for all errors, so that they compare.
    every = [error for by_model in errors for error in by_model.values()]
    most = max(float(np.percentile(every, 99.5)), SCALE)
    strips = []
    for (caption, images), by_model in zip(rows, errors, strict=True):
        limits = figures.stretch(images[TRUTH][..., :3])
        cells = {
            name: _png(figures.to_display(image[..., :3], limits))
            for name, image in images.items()
        }
        for name, error in by_model.items():
            coloured = matplotlib.colormaps["inferno"](np.clip(error / most, 0, 1))
            what = "error" if len(models) == 1 else f"error of {name}"
            cells[what] = _png(coloured[..., :3])
        strips.append(page.strip(caption, cells))
    note = (
        "Red, green and blue, stretched by the truth of each row. The error is the "
        "mean over the bands of |super-resolution - truth|: black is none, yellow "
        f"{most / SCALE:.0f} DN or more, the same in all rows."
    )
    return "".join(strips) + page.note(note)


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
    test, drawn = places.test, []
    if test.windows is not None:
        size, scene = test.size // FACTOR, test.dataset.get("xs", {})
        drawn = [
            charts.scene_map(test.windows, size, values, scene, title)
            for values, title in (
                (places.scores[:, 0] / SCALE, "L1 of the model, DN"),
                (places.gains, "Gain over bicubic, dB"),
            )
        ]
    return page.section(
        "Where it goes wrong", page.images(drawn), page.worst_table(metrics["worst"])
    )


def _png(image: np.ndarray) -> str:
    """Give [h, w, 3] in 0-1 as a data URI."""
    pixels = (255 * np.clip(image, 0, 1)).round().astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format="PNG")
    return page.data_uri(file.getvalue(), "image/png")
