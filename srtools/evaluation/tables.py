"""The results as titled tables, which the terminal and the reports show alike."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from srtools.conventions import SCALE
from srtools.evaluation.confidence import FEWEST_BLOCKS
from srtools.patches.patch_files import pair_verdict

DASH = "-"
DIGITS = {"l1_dn": 1, "l2_dn": 0, "ssim": 4}  # of the scores that do not have 2
SIGNED = {"bias_dn", "difference", "difference_db", "gain_change_db", "gain_db"}
SEEN = ("bicubic", "model", "consistent", "truth")  # rows of the consistency
SCORES, DETAIL = "Scores", "New detail"  # titles of tables that have charts
COVERAGE, WORST = "Intervals of pixels", "Worst patches"
EXPLAINED = (
    "L1, L2: mean absolute and squared error, reflectance (0-1) or DN (x 10 000)",
    "PSNR: 10 log10(1 / L2); SSIM: structural similarity, 1 is perfect; SAM: angle "
    "between spectra; ERGAS: 25 times the RMSE relative to the mean, 0 is perfect",
    "interval: range of the score if other places of the scene had been tested",
    "resolution: half the period down to which the correlation with the truth stays "
    "above one half",
)


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
        if table.page_only or not (table.rows or table.notes):
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


def number(
    value: float | list[float] | None, digits: int = 2, sign: bool = False
) -> str:
    """Write a number, the two ends of an interval, or a dash for what is not known.

    >>> number(0.8915, sign=True), number([0.4, 1.26]), number(None)
    ('+0.89', '[0.40, 1.26]', '-')
    """
    if value is None:
        return DASH
    if isinstance(value, list):
        return f"[{', '.join(number(end, digits, sign) for end in value)}]"
    return f"{value:{'+' if sign else ''}.{digits}f}"


def _cells(record: dict, **digits: int) -> list[str]:
    """Write entries of a record with so many digits each; of changes the sign, too."""
    return [
        number(record.get(name), count, sign=name in SIGNED)
        for name, count in digits.items()
    ]


def interval_kind(bounds: dict) -> str:
    """Return how sure the intervals are, or why there is none.

    >>> interval_kind({"level": 0.95, "blocks": 12})
    '95% interval over 12 blocks'

    Arguments:
        bounds: `intervals` of metrics.json, or comparison.json.
    """
    kind = bounds.get("kind", "blocks")
    if bounds["blocks"] < FEWEST_BLOCKS:
        return f"no interval: at least {FEWEST_BLOCKS} {kind} are needed"
    return f"{bounds['level']:.0%} interval over {bounds['blocks']} {kind}"


def evaluation(metrics: dict) -> list[Table]:
    """Return the tables of metrics.json, L1 and L2 first."""
    inner, whole, bands = metrics["inner"], metrics["whole"], metrics["bands"]
    note = (
        f"{metrics['patches']} patches, {metrics['border']} pixels of border left out; "
        "R = 1 (reflectance)"
    )
    return [
        Table(SCORES, *_scores(metrics, inner, ["all"]), [note]),
        _gain(metrics),
        Table("In words", notes=[*in_words(metrics), *remarks(metrics)]),
        Table("Scores, band by band", *_scores(metrics, inner, bands)),
        Table(
            "Scores with the border", *_scores(metrics, whole, ["all"]), EXPLAINED, True
        ),
        *_detail(metrics),
        *_consistency(metrics),
        *_coverage(metrics),
        _worst(metrics),
        _making(metrics),
    ]


def _scores(metrics: dict, area: dict, bands: list[str]) -> tuple[list, list]:
    """Return columns and rows: the scores of each method in some bands, or in `all`."""
    rows = []
    for method in metrics["methods"]:
        for band in bands:
            scores = {
                name: values.get(band) if isinstance(values, dict) else values
                for name, values in area[method].items()
            }
            row = [
                *_cells(scores, l1_reflectance=5),
                f"{scores['l2_reflectance']:.3e}",
                *_cells(scores, l1_dn=1, l2_dn=0, psnr_db=2, ssim=3),
                number(scores["sam_degrees"]) if band == "all" else "",
                number(scores["ergas"]),
            ]
            rows.append([method if band == "all" else f"{method} {band}", *row])
    names = "L1", "L2", "L1, DN", "L2, DN²", "PSNR, dB", "SSIM", "SAM, °", "ERGAS"
    return ["", *names], rows


def _gain(metrics: dict) -> Table:
    bounds = metrics["intervals"]
    inner, whole = (_cells(metrics[area], gain_db=2) for area in ("inner", "whole"))
    ends = number(bounds["gain_db"], sign=True)
    rows = [
        ["inside the border", *inner, ends, f"{metrics['share_won']:.0%}"],
        ["with the border", *whole, "", ""],
    ]
    columns = ["", "gain, dB", "interval", "patches won"]
    return Table("Gain over bicubic", columns, rows, [interval_kind(bounds)])


def _detail(metrics: dict) -> list[Table]:
    if not metrics["spectrum"]:
        return []
    size = metrics["spectrum"]["effective_resolution_metres"]
    shares = metrics["correctness"]
    rows = [
        ["bicubic", number(size["bicubic"], 1), *[""] * len(shares)],
        ["model", number(size["model"], 1), *map(number, shares.values())],
    ]
    note = f"{_sampled(metrics)}; new detail: shares that add up to 1"
    return [Table(DETAIL, ["", "resolution, m", *shares], rows, [note])]


def _sampled(metrics: dict) -> str:
    return f"on {metrics['closer_look']['patches']} of {metrics['patches']} patches"


def _consistency(metrics: dict) -> list[Table]:
    seen = metrics["consistency"]
    if not seen:
        return []
    scores = {"l1_dn": 1, "bias_dn": 1, "spectral_angle_degrees": 2, "shift_metres": 2}
    rows = [
        [m, *_cells(seen[m], **scores, gain_change_db=2)] for m in SEEN if m in seen
    ]
    columns = ["", "L1, DN", "bias, DN", "SAM, °", "shift, m", "change of gain, dB"]
    notes = [
        f"{_sampled(metrics)}; the truth says how much the two satellites differ by "
        "themselves",
        '"consistent" is the answer as sr_infer.py --consistent changes it',
    ]
    title = f"Seen as Sentinel-2 sees, compared with Sentinel-2 at {seen['grid']}"
    return [Table(title, columns, rows, notes)]


def _coverage(metrics: dict) -> list[Table]:
    coverage, bands = metrics["coverage"], metrics["bands"]
    if not coverage:
        return []
    grounds = coverage["share_of_ground"]
    rows = []
    for level, held in coverage["levels"].items():
        by_ground = held["by_ground"]
        shares = [held["coverage"][band] for band in ("all", *bands)]
        shares += [by_ground.get(ground, {}).get("coverage") for ground in grounds]
        rows.append(
            [
                f"{float(level):.0%}",
                *(DASH if share is None else f"{share:.1%}" for share in shares),
                number(held["half_width_dn"]["all"], 0),
            ]
        )
    columns = ["promised", "held", *bands, *grounds, "half-width, DN"]
    left_out = coverage["left_out"]["0.9"]
    notes = [
        f"{coverage['views']} view(s) of the image, {_sampled(metrics)}; measured on "
        "validation patches, of which those that were left out held "
        f"{left_out['coverage']:.1%} +- {100 * left_out['spread']:.1f} points at 90%",
        "ground: "
        + ", ".join(f"{share:.0%} {name}" for name, share in grounds.items()),
    ]
    return [Table(COVERAGE, columns, rows, notes)]


def _worst(metrics: dict) -> Table:
    scores = {"l1_dn_bicubic": 1, "l1_dn_model": 1}
    scores |= {"psnr_db_bicubic": 2, "psnr_db_model": 2}
    rows = [
        [
            str(patch["patch"]),
            ", ".join(map(str, patch["window"] or DASH)),
            *_cells(patch, gain_db=2, **scores),
        ]
        for patch in metrics["worst"]
    ]
    heads = "L1 bicubic, DN", "L1 model, DN", "PSNR bicubic, dB", "PSNR model, dB"
    columns = ["patch", "row, col (6 m)", "gain, dB", *heads]
    return Table(WORST, columns, rows, page_only=True)


def _making(metrics: dict) -> Table:
    settings = [
        f"{key} {value:.4g}" if type(value) is float else f"{key} {value}"
        for key, value in (metrics["model_card"].get("training") or {}).items()
        if isinstance(value, (str, int, float))
    ]
    versions = (f"{name} {version}" for name, version in metrics["versions"].items())
    notes = [
        f"model: {metrics['model_dir']}",
        f"training: {', '.join(settings) or 'unknown'}",
        f"test set: {metrics['patches']} patches, checksum {metrics['test_set']}",
        f"versions: {', '.join(versions)}",
        *metrics["commands"],
    ]
    return Table("How it was made", notes=notes, page_only=True)


def remarks(metrics: dict) -> list[str]:
    """Return what must not be overlooked: a doubtful pair, a model that loses."""
    lines = []
    if verdict := pair_verdict(metrics.get("dataset", {})):
        lines.append(f"{verdict}: what is measured against it is doubtful, too")
    if metrics["inner"]["gain_db"] <= 0:
        lines.append("the model does not beat bicubic, which costs nothing")
    return lines


def in_words(metrics: dict) -> list[str]:
    """Return what the numbers mean for this model, a sentence for each."""
    inner, lost = metrics["inner"], 1 - metrics["share_won"]
    model, bicubic = (inner[m]["l1_dn"]["all"] for m in ("model", "bicubic"))
    truth = inner["truth_mean_dn"]["all"]
    share = f", {model / truth:.0%} of the mean of the truth" if truth else ""
    sentences = [
        f"a pixel is {model:.0f} DN off in the mean ({model * SCALE:.3f} of reflectance"
        f"{share}), bicubic's {bicubic:.0f} DN"
        + (f"; on {lost:.0%} of the patches bicubic is better" if lost else "")
    ]
    if metrics["spectrum"]:
        sentences.append(_sharpness(metrics["spectrum"]["effective_resolution_metres"]))
    shares = metrics["correctness"]
    if shares and None not in shares.values():
        sentences.append(
            f"of the detail that bicubic lacks {shares['improvement']:.0%} is right, "
            f"{shares['omission']:.0%} is missing and "
            f"{shares['hallucination']:.0%} is invented"
        )
    if metrics["consistency"]:
        model, truth = (metrics["consistency"][m]["l1_dn"] for m in ("model", "truth"))
        how = "as well as" if model <= truth else "less well than"
        sentences.append(
            f"it agrees with Sentinel-2 {how} the truth does: {model:.0f} DN off, the "
            f"truth {truth:.0f} DN"
        )
    return sentences


def _sharpness(size: dict[str, float | None]) -> str:
    """Compare the effective resolutions, metres; None is coarser than measured."""
    model, bicubic = size["model"], size["bicubic"]
    if model is None:
        return "no detail is right, however coarse"
    if bicubic is not None and model >= bicubic:
        return f"not sharper than bicubic: right down to {model:.1f} m, as bicubic"
    beside = "not at all" if bicubic is None else f"down to {bicubic:.1f} m"
    return f"sharper than bicubic: right down to {model:.1f} m, bicubic {beside}"


def comparison(compared: dict) -> list[Table]:
    """Return the tables of comparison.json, or of scenes_comparison.json."""
    if "scenes" in compared:
        columns = [
            "scene",
            "patches",
            *compared["runs"],
            "difference",
            "interval",
            "won",
        ]
        rows = [
            [
                row["name"],
                str(row["patches"]),
                *map(number, row["psnr_db"]),
                *_cells(row, difference_db=2),
                number(row["interval"], sign=True),
                f"{row['share_won_by_second']:.0%}",
            ]
            for row in compared["scenes"]
        ]
        note = _mean(compared, "difference_db", "difference")
        return [Table("PSNR by scene, dB", columns, rows, [note])]
    rows = []
    for name, scores in compared["scores"].items():
        digits = DIGITS.get(name, 2)
        values = [number(value, digits) for value in scores["values"]]
        ends = number(scores["interval"], digits, sign=True)
        rows.append([name, *values, *_cells(scores, difference=digits), ends])
    notes = [
        f"{compared['runs'][1]} wins on {compared['share_won_by_second']:.0%} of the "
        f"{compared['patches']} patches",
        f"difference on the same patches: {interval_kind(compared)}",
    ]
    unlike = [[str(p["patch"]), *_cells(p, gain_db=2)] for p in compared["most_unlike"]]
    columns = ["", *compared["runs"], "difference", "interval"]
    return [
        Table("Side by side", columns, rows, notes),
        Table("Where they differ most", ["patch", "difference of PSNR, dB"], unlike),
    ]


def scenes(summary: dict) -> list[Table]:
    """Return the table of scenes.json: a row for each scene, and the mean of all."""
    rows = [
        [
            row["name"],
            str(row["patches"]),
            *_cells(row, bicubic_psnr_db=2, psnr_db=2, gain_db=2),
            number(row["interval"], sign=True),
            f"{row['share_won']:.0%}",
            *_cells(row["spectral_angle_degrees"], model=2, truth=2),
        ]
        for row in summary["scenes"]
    ]
    columns = ["scene", "patches", "bicubic, dB", "model, dB", "gain, dB", "interval"]
    columns += ["won", "angle, °", "of the truth"]
    notes = [_mean(summary, "gain_db", "gain"), "angle: spectral angle to Sentinel-2"]
    return [Table("Scenes", columns, rows, notes)]


def _mean(summary: dict, name: str, what: str) -> str:
    """Return the mean of a score over scenes, and its interval."""
    count = len(summary["scenes"])
    bounds = {"level": summary["level"], "blocks": count, "kind": "scenes"}
    return (
        f"mean {what} over {count} scenes: {number(summary[name], sign=True)} dB "
        f"{number(summary['interval'], sign=True)} ({interval_kind(bounds)})"
    )
