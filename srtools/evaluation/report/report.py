"""An evaluation, or the comparison of two, as one HTML file that stands alone."""

from pathlib import Path

import jinja2

from srtools.conventions import FACTOR, SCALE
from srtools.evaluation import own_grid, tables
from srtools.evaluation.assessment import Assessment
from srtools.evaluation.report import charts, pictures
from srtools.evaluation.report.pictures import Shown
from srtools.evaluation.tables import Table
from srtools.files import whole_file
from srtools.network.intervals import SERVED

PICTURES_NOTE = (
    "Red, green and blue, stretched by the truth of each row. Error: mean over the "
    "bands of |super-resolution - truth|; black is none, yellow {brightest:.0f} DN or "
    "more. New detail, where the truth differs most from bicubic: green is right, blue "
    "is missing, red is invented; in between they mix."
)


def save(
    path: str | Path, metrics: dict, assessment: Assessment, shown: list[Shown]
) -> None:
    """Write the report of an evaluation.

    Arguments:
        path: HTML file.
        metrics: content of metrics.json.
        assessment: the scores of each patch.
        shown: patches to show.
    """
    drawings = {
        tables.SCORES: _band_charts(metrics, assessment),
        tables.DETAIL: _spectra(metrics["spectrum"]),
        tables.COVERAGE: _promises(metrics["coverage"]),
        tables.WORST: _maps(assessment),
    }
    title = f"Evaluation of {Path(metrics['model_dir']).name}"
    _write(path, title, tables.evaluation(metrics), drawings, shown)


def save_comparison(path: str | Path, compared: dict, *metrics: dict) -> None:
    """Write the report of a comparison.

    Arguments:
        path: HTML file.
        compared: content of comparison.json.
        metrics: content of metrics.json of the first and of the second evaluation.
    """
    names = [f"{letter}: {n}" for letter, n in zip("AB", compared["runs"], strict=True)]
    drawn = _comparison_charts(dict(zip(names, metrics, strict=True)))
    sections = tables.comparison(compared)
    _write(path, " against ".join(names), sections, {sections[0].title: drawn}, [])


def _write(
    path: str | Path,
    title: str,
    sections: list[Table],
    drawings: dict[str, list[str]],
    shown: list[Shown],
) -> None:
    """Fill in the template; text is escaped."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["uri"] = lambda svg: pictures.data_uri(
        svg.encode(), "image/svg+xml"
    )
    strips, brightest = pictures.strips(shown)
    note = PICTURES_NOTE.format(brightest=brightest / SCALE)
    text = environment.get_template("page.html.j2").render(
        title=title, sections=sections, drawings=drawings, strips=strips, note=note
    )
    with whole_file(path) as partial:
        partial.write_text(text, encoding="utf-8")


def _band_charts(metrics: dict, assessment: Assessment) -> list[str]:
    """Draw L1, PSNR and SSIM of each band, and the gain of each patch."""
    drawings = []
    for key, title, unit in (
        ("l1_dn", "L1 per band", "DN"),
        ("psnr_db", "PSNR per band", "dB"),
        ("ssim", "SSIM per band", ""),
    ):
        values = {m: metrics["inner"][m][key] for m in metrics["methods"]}
        if all(values.values()):
            drawings.append(charts.bars(metrics["bands"], values, title, unit))
    return [*drawings, charts.histogram(assessment.gains)]


def _spectra(spectrum: dict | None) -> list[str]:
    """Draw the correlation with the truth and the power over frequency."""
    if not spectrum:
        return []
    frequency = spectrum["cycles_per_metre"]
    correlation = charts.curves(
        frequency,
        spectrum["correlation"],
        "Is it the right detail?",
        "correlation with the truth",
        level=spectrum["threshold"],
        marks=spectrum["effective_resolution_metres"],
    )
    power = charts.curves(
        frequency,
        spectrum["power_ratio"],
        "Is there enough detail?",
        "power, relative to the truth",
        level=1.0,
    )
    return [correlation, power]


def _promises(coverage: dict | None) -> list[str]:
    """Draw what the intervals hold, and how wide they are per band."""
    if not coverage:
        return []
    levels = coverage["levels"]
    widths = levels[SERVED]["half_width_dn"]
    bands = list(widths)[:-1]  # the last one is all together
    title = f"Half of their width at {float(SERVED):.0%}"
    return [
        charts.promises(levels, "Do the intervals hold what they promise?"),
        charts.bars(bands, {"model": widths}, title, "DN"),
    ]


def _maps(assessment: Assessment) -> list[str]:
    """Draw where L1 is large and where the gain is small, if places are known."""
    test = assessment.test
    if test.windows is None:
        return []
    size, scene = test.size // FACTOR, test.dataset.get("xs", {})
    ground = own_grid.quicklook(test)
    l1 = assessment.columns["model"][:, 0] / SCALE
    return [
        charts.scene_map(test.windows, size, values, scene, title, ground)
        for values, title in (
            (l1, "L1 of the model, DN"),
            (assessment.gains, "Gain over bicubic, dB"),
        )
    ]


def _comparison_charts(metrics: dict[str, dict]) -> list[str]:
    """Draw L1 of each band, and the correlation with the truth, of two models."""
    first = next(iter(metrics.values()))
    l1 = {name: m["inner"]["model"]["l1_dn"] for name, m in metrics.items()}
    drawings = [charts.bars(first["bands"], l1, "L1 per band", "DN")]
    spectra = {name: m["spectrum"] for name, m in metrics.items()}
    if all(spectra.values()):
        sizes = {n: s["effective_resolution_metres"] for n, s in spectra.items()}
        curves = charts.curves(
            first["spectrum"]["cycles_per_metre"],
            {name: s["correlation"]["model"] for name, s in spectra.items()},
            "Correlation with the truth",
            "",
            level=first["spectrum"]["threshold"],
            marks={name: size["model"] for name, size in sizes.items()},
        )
        drawings.append(curves)
    return drawings
