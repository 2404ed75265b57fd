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
BAND_CHARTS = {"l1_dn": ("L1", "DN"), "psnr_db": ("PSNR", "dB"), "ssim": ("SSIM", "")}
RESOLUTION = "effective_resolution_metres"


def save(
    path: str | Path, metrics: dict, assessment: Assessment, shown: list[Shown]
) -> None:
    """Write the report of an evaluation, given the content of metrics.json."""
    drawings = {
        tables.SCORES: [*_bars(metrics), charts.histogram(assessment.gains)],
        tables.DETAIL: _spectra(metrics["spectrum"]),
        tables.COVERAGE: _promises(metrics["coverage"]),
        tables.WORST: _maps(assessment),
    }
    title = f"Evaluation of {Path(metrics['model_dir']).name}"
    _write(path, title, tables.evaluation(metrics), drawings, shown)


def save_comparison(path: str | Path, compared: dict, *metrics: dict) -> None:
    """Write the report of a comparison, given comparison.json and both metrics.json."""
    names = [f"{letter}: {n}" for letter, n in zip("AB", compared["runs"], strict=True)]
    both = dict(zip(names, metrics, strict=True))
    l1 = {name: m["inner"]["model"]["l1_dn"] for name, m in both.items()}
    drawn = [charts.bars(metrics[0]["bands"], l1, "L1 per band", "DN")]
    spectra = {name: m["spectrum"] for name, m in both.items()}
    if all(spectra.values()):
        curves = charts.curves(
            metrics[0]["spectrum"]["cycles_per_metre"],
            {name: s["correlation"]["model"] for name, s in spectra.items()},
            ("Correlation with the truth", ""),
            metrics[0]["spectrum"]["threshold"],
            {name: s[RESOLUTION]["model"] for name, s in spectra.items()},
        )
        drawn.append(curves)
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


def _bars(metrics: dict) -> list[str]:
    """Draw L1, PSNR and SSIM of each band, those that are known."""
    drawn = []
    for key, (name, unit) in BAND_CHARTS.items():
        values = {m: metrics["inner"][m][key] for m in metrics["methods"]}
        if all(values.values()):
            title = f"{name} per band"
            drawn.append(charts.bars(metrics["bands"], values, title, unit))
    return drawn


def _spectra(spectrum: dict | None) -> list[str]:
    """Draw the correlation with the truth and the power over frequency."""
    if not spectrum:
        return []
    frequency, level = spectrum["cycles_per_metre"], spectrum["threshold"]
    correlation = "Is it the right detail?", "correlation with the truth"
    power = "Is there enough detail?", "power, relative to the truth"
    marks = spectrum[RESOLUTION]
    return [
        charts.curves(frequency, spectrum["correlation"], correlation, level, marks),
        charts.curves(frequency, spectrum["power_ratio"], power, 1.0),
    ]


def _promises(coverage: dict | None) -> list[str]:
    """Draw how often the intervals hold, and how wide they are per band."""
    if not coverage:
        return []
    widths = coverage["levels"][SERVED]["half_width_dn"]
    bands = [band for band in widths if band != "all"]
    title = f"Half of their width at {float(SERVED):.0%}"
    return [
        charts.promises(coverage["levels"], "Do the intervals hold what they promise?"),
        charts.bars(bands, {"model": widths}, title, "DN"),
    ]


def _maps(assessment: Assessment) -> list[str]:
    """Draw where L1 is large and where the gain is small, if places are known."""
    test = assessment.test
    if test.windows is None:
        return []
    size, scene = test.size // FACTOR, test.dataset.get("xs", {})
    ground = own_grid.quicklook(test)
    maps = {
        "L1 of the model, DN": assessment.columns["model"][:, 0] / SCALE,
        "Gain over bicubic, dB": assessment.gains,
    }
    return [
        charts.scene_map(test.windows, size, values, scene, title, ground)
        for title, values in maps.items()
    ]
