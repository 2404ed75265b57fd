"""The results as titled tables, which the terminal and the reports show alike."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from srtools.conventions import SCALE
from srtools.evaluation.confidence import FEWEST_BLOCKS
from srtools.patches.patch_files import pair_verdict

Columns = Sequence[tuple[str, str, str]]
"""Heading with its unit, entry of a record, and format of its number."""

GAIN, DETAIL = "Gain over bicubic", "New detail"  # titles of tables with charts
SCORE_COLUMNS = (
    ("L1", "l1_reflectance", ".5f"),
    ("L2", "l2_reflectance", ".3e"),
    ("L1, DN", "l1_dn", ".1f"),
    ("L2, DN²", "l2_dn", ".0f"),
    ("PSNR, dB", "psnr_db", ".2f"),
    ("SSIM", "ssim", ".3f"),
    ("ERGAS", "ergas", ".2f"),
    ("SAM, °", "sam_degrees", ".2f"),  # of all bands, so that it comes last
)
CONSISTENCY_COLUMNS = (
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
COMPARED = {"l1_dn": ".1f", "l2_dn": ".0f", "ssim": ".4f"}  # others have two digits


@dataclass(frozen=True)
class Table:
    """A table, and the sentences below it."""

    title: str
    columns: Sequence[str] = ()
    """Headings, with units; the first is that of the names of rows."""
    rows: Sequence[Sequence[str]] = ()
    notes: Sequence[str] = ()
    page_only: bool = False
    """Whether the terminal leaves it out."""


def as_text(tables: Iterable[Table]) -> str:
    """Lay out tables for the terminal."""
    lines: list[str] = []
    for table in tables:
        if table.page_only:
            continue
        rows = [table.columns, *table.rows] if table.columns else table.rows
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines.append(f"{table.title}:")
        for first, *cells in rows:
            right = "".join(
                f"  {cell:>{width}}"
                for cell, width in zip(cells, widths[1:], strict=True)
            )
            lines.append(f"  {first:{widths[0]}}{right}".rstrip())
        lines += [f"- {note}" for note in table.notes]
    return "\n".join(lines)


def number(value: float | list[float] | None, form: str = ".2f") -> str:
    """Write a number, the two ends of an interval, or a dash for what is not known.

    >>> number(0.8915, "+.2f"), number([0.4, 1.26]), number(None)
    ('+0.89', '[0.40, 1.26]', '-')
    """
    if isinstance(value, list):
        return f"[{', '.join(number(end, form) for end in value)}]"
    return "-" if value is None else format(value, form)


def tabulate(
    title: str,
    records: Mapping[str, Mapping[str, Any]],
    columns: Columns,
    notes: Sequence[str] = (),
    first: str = "",
) -> Table:
    """Make a table of records, by the name of their row; `first` heads the names."""
    rows = [
        [name, *(number(record.get(key), form) for _, key, form in columns)]
        for name, record in records.items()
    ]
    return Table(title, [first, *(heading for heading, _, _ in columns)], rows, notes)


def interval_kind(bounds: dict) -> str:
    """Return how sure the intervals are, or why there is none.

    >>> interval_kind({"level": 0.95, "blocks": 12})
    '95% interval over 12 blocks'
    """
    kind = bounds.get("kind", "blocks")
    if bounds["blocks"] < FEWEST_BLOCKS:
        return f"no interval: at least {FEWEST_BLOCKS} {kind} are needed"
    return f"{bounds['level']:.0%} interval over {bounds['blocks']} {kind}"


def evaluation(metrics: dict) -> list[Table]:
    """Return the tables of metrics.json, L1 and L2 first."""
    patches, looked_at = metrics["patches"], metrics["closer_look"]["patches"]
    sample = f"on {looked_at} of {patches} patches"
    means, by_band = _scores(metrics, ["all"]), _scores(metrics, metrics["bands"])
    left_out = f"{metrics['border']} pixels of border left out; R = 1 (reflectance)"
    making = [
        f"model: {metrics['model_dir']}",
        f"test set: {patches} patches, checksum {metrics['test_set']}",
        "scores: docs/metrics.md explains them",
        *metrics["commands"],
    ]
    return [
        tabulate("Scores", means, SCORE_COLUMNS, [f"{patches} patches, {left_out}"]),
        _gain(metrics),
        Table("In words", notes=in_words(metrics)),
        tabulate("Scores, band by band", by_band, SCORE_COLUMNS[:-1]),
        _detail(metrics, sample),
        *_consistency(metrics["consistency"], sample),
        *_coverage(metrics, sample),
        Table("How it was made", notes=making, page_only=True),
    ]


def _scores(metrics: dict, bands: Sequence[str]) -> dict[str, dict]:
    """Return the scores of each method in some bands, or in `all`, by row."""
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
    inner, whole = (number(metrics[a]["gain_db"], "+.2f") for a in ("inner", "whole"))
    ends, won = number(bounds["gain_db"], "+.2f"), f"{metrics['share_won']:.0%}"
    rows = [
        ["inside the border", inner, ends, won],
        ["with the border", whole, "", ""],
    ]
    columns = ["", "gain, dB", "interval", "patches won"]
    return Table(GAIN, columns, rows, [interval_kind(bounds)])


def _detail(metrics: dict, sample: str) -> Table:
    size = metrics["spectrum"]["effective_resolution_metres"]
    shares = metrics["correctness"]
    records = {
        "bicubic": {"resolution": size["bicubic"]},
        "model": {"resolution": size["model"], **shares},
    }
    columns = [("resolution, m", "resolution", ".1f")]
    columns += [(name, name, ".2f") for name in shares]
    note = f"{sample}; new detail: shares that add up to 1"
    return tabulate(DETAIL, records, columns, [note])


def _consistency(consistency: dict | None, sample: str) -> list[Table]:
    if not consistency:
        return []
    records = {k: v for k, v in consistency.items() if isinstance(v, dict)}
    notes = [
        f"{sample}; the truth says how much the two satellites differ by themselves",
        '"consistent" is the answer as sr_infer.py --consistent changes it',
    ]
    title = "Seen as Sentinel-2 sees, compared with Sentinel-2 at 10 m"
    return [tabulate(title, records, CONSISTENCY_COLUMNS, notes)]


def _coverage(metrics: dict, sample: str) -> list[Table]:
    coverage = metrics["coverage"]
    if not coverage:
        return []
    records = {
        f"{float(level):.0%}": record["coverage"]
        | {"width": record["half_width_dn"]["all"]}
        for level, record in coverage["levels"].items()
    }
    bands = [(band, band, ".1%") for band in metrics["bands"]]
    columns = [("held", "all", ".1%"), *bands, ("half-width, DN", "width", ".0f")]
    left_out = coverage["left_out"]["0.9"]
    note = (
        f"{coverage['views']} view(s) of the image, {sample}; measured on validation "
        "patches, of which those that were left out held "
        f"{left_out['coverage']:.1%} +- {100 * left_out['spread']:.1f} points at 90%"
    )
    return [tabulate("Intervals of pixels", records, columns, [note], "promised")]


def in_words(metrics: dict) -> list[str]:
    """Return what the numbers mean for this model, a sentence for each."""
    inner, lost = metrics["inner"], 1 - metrics["share_won"]
    model, bicubic = (inner[m]["l1_dn"]["all"] for m in ("model", "bicubic"))
    truth = inner["truth_mean_dn"]["all"]
    share = f", {model / truth:.0%} of the mean of the truth" if truth else ""
    sizes = metrics["spectrum"]["effective_resolution_metres"]
    model_size, bicubic_size = (
        f"{sizes[method]:.1f} m" if sizes[method] else "no size"
        for method in ("model", "bicubic")
    )
    sentences = [
        f"a pixel is {model:.0f} DN off in the mean ({model * SCALE:.3f} of reflectance"
        f"{share}), bicubic's {bicubic:.0f} DN"
        + (f"; on {lost:.0%} of the patches bicubic is better" if lost else ""),
        f"its detail is right down to {model_size}, bicubic's down to {bicubic_size}",
    ]
    shares = metrics["correctness"]
    if None not in shares.values():
        sentences.append(
            f"of the detail that bicubic lacks {shares['improvement']:.0%} is right, "
            f"{shares['omission']:.0%} is missing and "
            f"{shares['hallucination']:.0%} is invented"
        )
    if seen := metrics["consistency"]:
        model, truth = (seen[image]["l1_dn"] for image in ("model", "truth"))
        how = "as well as" if model <= truth else "less well than"
        sentences.append(
            f"it agrees with Sentinel-2 {how} the truth does: {model:.0f} DN off, the "
            f"truth {truth:.0f} DN"
        )
    else:
        sentences.append(
            "agreement with Sentinel-2 is not measured: its own pixels are not kept "
            "beside the patches, have another CRS, or are too few"
        )
    if verdict := pair_verdict(metrics["dataset"]):
        sentences.append(f"{verdict}: what is measured against it is doubtful, too")
    if inner["gain_db"] <= 0:
        sentences.append("the model does not beat bicubic, which costs nothing")
    return sentences


def comparison(compared: dict) -> list[Table]:
    """Return the tables of comparison.json."""
    one, other = compared["runs"]
    rows = []
    for name, score in compared["scores"].items():
        form = COMPARED.get(name, ".2f")
        values = [number(value, form) for value in score["values"]]
        values += [number(score[key], f"+{form}") for key in ("difference", "interval")]
        rows.append([name, *values])
    notes = [
        f"{other} wins on {compared['share_won_by_second']:.0%} of the "
        f"{compared['patches']} patches",
        f"difference on the same patches: {interval_kind(compared)}",
    ]
    unlike = {str(patch["patch"]): patch for patch in compared["most_unlike"]}
    columns = [("difference of PSNR, dB", "gain_db", "+.2f")]
    return [
        Table("Side by side", ["", one, other, "difference", "interval"], rows, notes),
        tabulate("Where they differ most", unlike, columns, first="patch"),
    ]


def scenes(summary: dict) -> list[Table]:
    """Return the table of scenes.json: a row for each scene, and the mean of all."""
    records = {scene["name"]: scene for scene in summary["scenes"]}
    count = len(records)
    bounds = {"level": summary["level"], "blocks": count, "kind": "scenes"}
    note = (
        f"mean gain over {count} scenes: {number(summary['gain_db'], '+.2f')} dB "
        f"{number(summary['interval'], '+.2f')} ({interval_kind(bounds)})"
    )
    return [tabulate("Scenes", records, SCENE_COLUMNS, [note], "scene")]
