"""Results as tables with titles, for the terminal and for the reports."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from srtools.conventions import SCALE
from srtools.evaluation.confidence import FEWEST_BLOCKS
from srtools.patches.patch_files import pair_verdict

GAIN, DETAIL = "Gain over bicubic", "New detail"  # tables with charts
SCORE_COLUMNS = (
    ("L1", "l1_reflectance", ".5f"),
    ("L2", "l2_reflectance", ".3e"),
    ("L1, DN", "l1_dn", ".1f"),
    ("L2, DN²", "l2_dn", ".0f"),
    ("PSNR, dB", "psnr_db", ".2f"),
    ("SSIM", "ssim", ".3f"),
    ("ERGAS", "ergas", ".2f"),
    ("SAM, °", "sam_degrees", ".2f"),  # last, because there is none per band
)
CONSISTENCY = (
    ("L1, DN", "l1_dn", ".1f"),
    ("bias, DN", "bias_dn", "+.1f"),
    ("SAM, °", "spectral_angle_degrees", ".2f"),
    ("shift, m", "shift_metres", ".2f"),
    ("change of gain, dB", "gain_change_db", "+.2f"),
)
SCENE_COLUMNS = (
    ("patches", "patches", "d"),
    ("bicubic, dB", "bicubic_psnr_db", ".2f"),
    ("model, dB", "psnr_db", ".2f"),
    ("gain, dB", "gain_db", "+.2f"),
    ("interval", "interval", "+.2f"),
    ("won", "share_won", ".0%"),
)
COMPARISON_FORMATS = {"l1_dn": ".1f", "l2_dn": ".0f", "ssim": ".4f"}


@dataclass(frozen=True)
class Table:
    """Table with notes below it."""

    title: str
    columns: Sequence[str] = ()
    """Headings with units; the first one heads the names of the rows."""
    rows: Sequence[Sequence[str]] = ()
    notes: Sequence[str] = ()
    page_only: bool = False
    """True if the terminal leaves the table out."""


def format_tables(tables: Iterable[Table]) -> str:
    """Format tables as aligned text for the terminal."""
    lines: list[str] = []
    for table in tables:
        if table.page_only:
            continue
        rows = [table.columns, *table.rows] if table.columns else table.rows
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines.append(f"{table.title}:")
        for first, *cells in rows:
            padded = zip(cells, widths[1:], strict=True)
            right = "".join(f"  {cell:>{width}}" for cell, width in padded)
            lines.append(f"  {first:{widths[0]}}{right}".rstrip())
        lines += [f"- {note}" for note in table.notes]
    return "\n".join(lines)


def format_number(value: float | list[float] | None, form: str = ".2f") -> str:
    """Format a number or both ends of an interval; replace None by a dash.

    >>> format_number(0.8915, "+.2f"), format_number([0.4, 1.26]), format_number(None)
    ('+0.89', '[0.40, 1.26]', '-')
    """
    if isinstance(value, list):
        return f"[{', '.join(format_number(end, form) for end in value)}]"
    return "-" if value is None else format(value, form)


def make_table(
    title: str,
    records: Mapping[str, Mapping[str, Any]],
    columns: Sequence[tuple[str, str, str]],
    notes: Sequence[str] = (),
    first_heading: str = "",
) -> Table:
    """Make a table with a row for each of the records, which stand by name.

    A column is (heading with unit, key of the records, number format).
    """
    rows = [
        [name, *(format_number(record.get(key), form) for _, key, form in columns)]
        for name, record in records.items()
    ]
    headings = [first_heading, *(heading for heading, _, _ in columns)]
    return Table(title, headings, rows, notes)


def describe_intervals(bounds: dict) -> str:
    """Describe intervals by level and number of blocks, or say why there are none.

    >>> describe_intervals({"level": 0.95, "blocks": 12})
    '95% interval over 12 blocks'
    """
    kind = bounds.get("kind", "blocks")
    if bounds["blocks"] < FEWEST_BLOCKS:
        return f"no interval: at least {FEWEST_BLOCKS} {kind} are needed"
    return f"{bounds['level']:.0%} interval over {bounds['blocks']} {kind}"


def evaluation(metrics: dict) -> list[Table]:
    """Make tables of the content of metrics.json; L1 and L2 come first."""
    patches = metrics["patches"]
    sample = f"on {metrics['closer_look']['patches']} of {patches} patches"
    means, by_band = _scores(metrics, ["all"]), _scores(metrics, metrics["bands"])
    left_out = f"without {metrics['border']} pixels of border; R = 1 (reflectance)"
    provenance = [
        f"model: {metrics['model_dir']}",
        f"test set: {patches} patches, checksum {metrics['test_set']}",
        "the scores are explained in docs/metrics.md",
        *metrics["commands"],
    ]
    return [
        make_table("Scores", means, SCORE_COLUMNS, [f"{patches} patches, {left_out}"]),
        _gain(metrics),
        Table("Summary", notes=summary_sentences(metrics)),
        make_table("Scores, band by band", by_band, SCORE_COLUMNS[:-1]),
        _detail(metrics, sample),
        *_consistency(metrics["consistency"], sample),
        *_coverage(metrics, sample),
        Table("Provenance", notes=provenance, page_only=True),
    ]


def _scores(metrics: dict, bands: Sequence[str]) -> dict[str, dict]:
    """Return the scores by row, "<method> <band>"; the band "all" is not named."""
    return {
        f"{method} {band}".removesuffix(" all"): {
            key: value.get(band) if isinstance(value, dict) else value
            for key, value in metrics["inner"][method].items()
        }
        for method in metrics["methods"]
        for band in bands
    }


def _gain(metrics: dict) -> Table:
    bounds = metrics["intervals"]
    records = metrics["inner"], metrics["whole"], bounds
    inner, whole, interval = (format_number(r["gain_db"], "+.2f") for r in records)
    rows = [
        ["without the border", inner, interval, f"{metrics['share_won']:.0%}"],
        ["with the border", whole, "", ""],
    ]
    columns = ["", "gain, dB", "interval", "patches won"]
    return Table(GAIN, columns, rows, [describe_intervals(bounds)])


def _detail(metrics: dict, sample: str) -> Table:
    size = metrics["spectrum"]["effective_resolution_metres"]
    shares = metrics["correctness"]
    records = {name: {"resolution": size[name]} for name in ("bicubic", "model")}
    records["model"] |= shares
    columns = [("resolution, m", "resolution", ".1f")]
    columns += [(name, name, ".2f") for name in shares]
    note = f"{sample}; the shares of new detail add up to 1"
    return make_table(DETAIL, records, columns, [note])


def _consistency(consistency: dict | None, sample: str) -> list[Table]:
    if not consistency:
        return []
    records = {k: v for k, v in consistency.items() if isinstance(v, dict)}
    notes = [
        f"{sample}; the row of the truth is the difference between the satellites",
        '"consistent" is the prediction after sr_infer.py --consistent',
    ]
    return [make_table("Consistency with Sentinel-2", records, CONSISTENCY, notes)]


def _coverage(metrics: dict, sample: str) -> list[Table]:
    if not (coverage := metrics["coverage"]):
        return []
    records = {
        f"{float(level):.0%}": record["coverage"]
        | {"width": record["half_width_dn"]["all"]}
        for level, record in coverage["levels"].items()
    }
    bands = [(band, band, ".1%") for band in metrics["bands"]]
    columns = [("coverage", "all", ".1%"), *bands, ("half-width, DN", "width", ".0f")]
    return [make_table("Intervals of pixels", records, columns, [sample], "level")]


def summary_sentences(metrics: dict) -> list[str]:
    """Return a sentence on each result in metrics.json and on each reason for doubt."""
    inner, share_lost = metrics["inner"], 1 - metrics["share_won"]
    model, bicubic = (inner[m]["l1_dn"]["all"] for m in ("model", "bicubic"))
    truth = inner["truth_mean_dn"]["all"]
    relative = f", {model / truth:.0%} of the mean of the truth" if truth else ""
    metres = metrics["spectrum"]["effective_resolution_metres"]
    sizes = {name: f"{size:.1f} m" if size else "none" for name, size in metres.items()}
    sentences = [
        f"mean absolute error: {model:.0f} DN ({model * SCALE:.3f} of reflectance"
        f"{relative}); bicubic: {bicubic:.0f} DN",
        f"effective resolution: {sizes['model']}; bicubic: {sizes['bicubic']}",
    ]
    if share_lost:
        sentences.append(f"bicubic is better on {share_lost:.0%} of the patches")
    shares = metrics["correctness"]
    if None not in shares.values():
        sentences.append(
            f"of the detail that bicubic lacks {shares['improvement']:.0%} is right, "
            f"{shares['omission']:.0%} is missing and "
            f"{shares['hallucination']:.0%} is invented"
        )
    if consistency := metrics["consistency"]:
        model, truth = (consistency[image]["l1_dn"] for image in ("model", "truth"))
        sentences.append(
            f"difference from Sentinel-2: {model:.0f} DN; the truth: {truth:.0f} DN"
        )
    else:
        sentences.append(
            "the difference from Sentinel-2 is not measured: its native pixels are not "
            "beside the patches, have another CRS, or are too few"
        )
    if verdict := pair_verdict(metrics["dataset"]):
        sentences.append(f"{verdict}: the scores are doubtful as well")
    if inner["gain_db"] <= 0:
        sentences.append("the model does not beat bicubic, which costs nothing")
    return sentences


def comparison(compared: dict) -> list[Table]:
    """Make tables of the content of comparison.json."""
    one, other = compared["runs"]
    rows = []
    for name, score in compared["scores"].items():
        form = COMPARISON_FORMATS.get(name, ".2f")
        values = [format_number(value, form) for value in score["values"]]
        changes = score["difference"], score["interval"]
        values += [format_number(change, f"+{form}") for change in changes]
        rows.append([name, *values])
    notes = [
        f"{other} wins on {compared['share_won_by_second']:.0%} of the "
        f"{compared['patches']} patches",
        f"difference on the same patches: {describe_intervals(compared)}",
    ]
    unlike = {str(patch["patch"]): patch for patch in compared["most_unlike"]}
    columns = [("difference of PSNR, dB", "gain_db", "+.2f")]
    return [
        Table("Comparison", ["", one, other, "difference", "interval"], rows, notes),
        make_table("Largest differences", unlike, columns, first_heading="patch"),
    ]


def scenes(summary: dict) -> list[Table]:
    """Make a table of the content of scenes.json: a row for each scene, mean of all."""
    records = {scene["name"]: scene for scene in summary["scenes"]}
    count = len(records)
    bounds = {"level": summary["level"], "blocks": count, "kind": "scenes"}
    note = (
        f"mean gain over {count} scenes: {summary['gain_db']:+.2f} dB "
        f"{format_number(summary['interval'], '+.2f')} ({describe_intervals(bounds)})"
    )
    return [make_table("Scenes", records, SCENE_COLUMNS, [note], "scene")]
