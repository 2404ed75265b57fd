"""An evaluation, or the comparison of two, as one HTML file that stands alone."""

from pathlib import Path
from typing import Any

import jinja2

from srtools.conventions import FACTOR, SCALE
from srtools.evaluation import own_grid, tables
from srtools.evaluation.assessment import Assessment
from srtools.evaluation.report import charts, pictures
from srtools.evaluation.report.pictures import MODEL, Shown
from srtools.evaluation.runs import Run
from srtools.evaluation.words import in_words
from srtools.files import whole_file
from srtools.network.intervals import SERVED


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
    title = f"Evaluation of {Path(metrics['model_dir']).name}"
    drawings = {
        "bands": _band_charts(metrics, assessment),
        "spectra": _spectra(metrics["spectrum"]) if metrics["spectrum"] else [],
        "maps": _maps(assessment),
        "promises": _promises(metrics["coverage"]),
    }
    rows, brightest = pictures.strips(
        [(one, {MODEL: one.predicted["model"]}) for one in shown]
    )
    _write(
        path,
        "report.html.j2",
        title=title,
        metrics=metrics,
        drawings=drawings,
        rows=rows,
        brightest_dn=brightest / SCALE,
    )


def save_comparison(
    path: str | Path,
    comparison: dict,
    runs: list[Run],
    shown: list[tuple[Shown, Shown]],
) -> None:
    """Write the report of a comparison.

    Arguments:
        path: HTML file.
        comparison: content of comparison.json.
        runs: the two evaluations.
        shown: patches to show, as the first and as the second model make them.
    """
    names = [f"{letter}: {run.name}" for letter, run in zip("AB", runs, strict=True)]
    metrics = {name: run.metrics for name, run in zip(names, runs, strict=True)}
    rows, brightest = pictures.strips(
        [
            (one, {"A": one.predicted["model"], "B": other.predicted["model"]})
            for one, other in shown
        ]
    )
    _write(
        path,
        "comparison.html.j2",
        title=" against ".join(names),
        names=names,
        comparison=comparison,
        drawings=_comparison_charts(metrics),
        rows=rows,
        brightest_dn=brightest / SCALE,
    )


def _write(path: str | Path, template: str, **content: Any) -> None:
    """Fill in a template of this folder; text is escaped."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "number": tables.number,
        "span": tables.span,
        "percent": "{:.0%}".format,
        "interval_kind": tables.interval_kind,
        "remarks": tables.remarks,
        "in_words": in_words,
        "svg_uri": lambda svg: pictures.data_uri(svg.encode(), "image/svg+xml"),
    }
    text = environment.get_template(template).render(
        DIGITS=tables.DIGITS,
        SEEN=tables.SEEN,
        DETAIL_COLOURS=pictures.DETAIL_COLOURS,
        **content,
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


def _spectra(spectrum: dict) -> list[str]:
    """Draw the correlation with the truth and the power over frequency."""
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
    return [
        charts.scene_map(test.windows, size, values, scene, title, ground)
        for values, title in (
            (assessment.columns["model"][:, 0] / SCALE, "L1 of the model, DN"),
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
        resolution = "effective_resolution_metres"
        curves = charts.curves(
            first["spectrum"]["cycles_per_metre"],
            {name: s["correlation"]["model"] for name, s in spectra.items()},
            "Correlation with the truth",
            "",
            level=first["spectrum"]["threshold"],
            marks={name: s[resolution]["model"] for name, s in spectra.items()},
        )
        drawings.append(curves)
    return drawings
