"""Reports of an evaluation or a comparison as self-contained HTML files."""

from pathlib import Path

import jinja2
from matplotlib.colors import to_hex

from srtools.conventions import SCALE
from srtools.evaluation import tables
from srtools.evaluation.assessment import Assessment
from srtools.evaluation.report import charts, patch_pictures
from srtools.evaluation.report.patch_pictures import DETAIL_COLOURS, PatchImages
from srtools.evaluation.tables import Table

PICTURES_NOTE = (
    "Images: red, green and blue, stretched by the truth of each row. Error: mean over "
    "the bands of |super-resolution - truth|; black is none, yellow {brightest:.0f} DN "
    "or more. New detail, where the truth differs most from bicubic, in these colours, "
    "which mix:"
)
MEANINGS = "right", "missing", "invented"  # of the colours of new detail


def save(
    path: Path, metrics: dict, assessment: Assessment, images: PatchImages
) -> None:
    """Write the report of an evaluation; `images` are the patches that it shows."""
    test, gains = assessment.test, assessment.scores.gains()
    drawings = {
        tables.GAIN: [charts.svg(charts.bars, gains)],
        tables.DETAIL: [
            charts.svg(charts.curves, metrics["spectrum"], name)
            for name in charts.CURVES
        ],
    }
    if test.windows is not None:
        drawings[tables.GAIN].append(charts.svg(charts.scene_map, test, gains))
    title = f"Evaluation of {Path(metrics['model_dir']).name}"
    _write(path, title, tables.evaluation(metrics), drawings, images)


def save_comparison(path: Path, compared: dict) -> None:
    """Write the report of two runs from the content of comparison.json."""
    title = " against ".join(compared["runs"])
    _write(path, title, tables.comparison(compared), {}, {})


def _write(
    path: Path,
    title: str,
    sections: list[Table],
    drawings: dict[str, list[str]],
    images: PatchImages,
) -> None:
    """Write tables, SVG drawings by title of their table, and images of patches."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    svg = "image/svg+xml"
    environment.filters["uri"] = lambda s: patch_pictures.data_uri(s.encode(), svg)
    rows, brightest = patch_pictures.picture_rows(images)
    colours = dict(zip(MEANINGS, map(to_hex, DETAIL_COLOURS.values()), strict=True))
    note = PICTURES_NOTE.format(brightest=brightest / SCALE)
    facts = {"title": title, "sections": sections, "drawings": drawings}
    pictures = {"rows": rows, "note": note, "colours": colours}
    text = environment.get_template("page.html.j2").render(**facts, **pictures)
    path.write_text(text, encoding="utf-8")
