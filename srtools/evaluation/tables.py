"""The results as titled tables, which the terminal and the reports show alike."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from srtools.conventions import SCALE
from srtools.evaluation.confidence import FEWEST_BLOCKS
from srtools.images.patch_files import pair_verdict

DASH = "-"
DIGITS = {"l1_dn": 1, "l2_dn": 0, "ssim": 4}  # of the scores that do not have 2
SEEN = ("bicubic", "model", "consistent", "truth")  # rows of the consistency
SCORES, DETAIL = "Scores", "New detail"  # titles of tables that have charts
COVERAGE, WORST = "Intervals of pixels", "Worst patches"
EXPLAINED = (
    "L1, L2: mean absolute and mean squared error, in reflectance (0-1) and in DN "
    "(reflectance x 10 000)",
    "PSNR: 10 log10(1 / L2), for a reflectance that runs from 0 to 1",
    "SSIM: structural similarity in Gaussian windows of 11 x 11 pixels; 1 is perfect",
    "SAM: mean angle between the spectra, whatever their brightness",
    "ERGAS: 100 / 4 times the RMSE relative to the mean of the band; 0 is perfect",
    "interval: range of the score if other places of the scene had been tested: "
    "Student's t over blocks of neighbouring patches",
    "resolution: half the period down to which the correlation with the truth stays "
    "above one half",
    "improvement, omission, hallucination: detail that is right, that is missing and "
    "that is invented, where the truth differs most from bicubic; they add up to 1, as "
    "opensr-test defines them",
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


def number(value: float | None, digits: int = 2, sign: bool = False) -> str:
    """Write a number, or a dash for one that is not known.

    >>> number(0.8915, sign=True), number(None)
    ('+0.89', '-')
    """
    return DASH if value is None else f"{value:{'+' if sign else ''}.{digits}f}"


def span(ends: list[float] | None, digits: int = 2, sign: bool = False) -> str:
    """Write an interval.

    >>> span([0.4, 1.26], sign=True), span(None)
    ('[+0.40, +1.26]', '-')
    """
    if ends is None:
        return DASH
    return f"[{', '.join(number(end, digits, sign) for end in ends)}]"


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
    inner, whole = metrics["inner"], metrics["whole"]
    border = f"{metrics['border']} pixels of border left out; R = 1 (reflectance)"
    bands = metrics["bands"]
    return [
        _scores(
            SCORES, metrics, inner, ["all"], f"{metrics['patches']} patches, {border}"
        ),
        _gain(metrics),
        Table("In words", notes=[*in_words(metrics), *remarks(metrics)]),
        _scores("Scores, band by band", metrics, inner, bands),
        _scores("Scores with the border", metrics, whole, ["all"], page_only=True),
        _intervals(metrics),
        Table("What the scores mean", notes=EXPLAINED, page_only=True),
        *_detail(metrics),
        *_consistency(metrics),
        *_coverage(metrics),
        _worst(metrics),
        _making(metrics),
    ]


def _scores(
    title: str, metrics: dict, area: dict, bands: list[str], *notes: str, **more: Any
) -> Table:
    """Return the scores of each method in some bands, or in `all`."""
    names = ["band"] if len(bands) > 1 else []
    heads = "L1", "L2", "L1, DN", "L2, DN²", "PSNR, dB", "SSIM", "SAM, °", "ERGAS"
    rows = []
    for method in metrics["methods"]:
        scores = area[method]
        ssim, ergas = scores["ssim"] or {}, scores["ergas"] or {}
        for band in bands:
            row = [
                number(scores["l1_reflectance"][band], 5),
                f"{scores['l2_reflectance'][band]:.3e}",
                number(scores["l1_dn"][band], 1),
                number(scores["l2_dn"][band], 0),
                number(scores["psnr_db"][band]),
                number(ssim.get(band), 3),
                number(scores["sam_degrees"]) if band == "all" else "",
                number(ergas.get(band)),
            ]
            rows.append([method, *([band] if names else []), *row])
    return Table(title, ["", *names, *heads], rows, notes, **more)


def _gain(metrics: dict) -> Table:
    bounds = metrics["intervals"]
    inner, whole = (metrics[area]["gain_db"] for area in ("inner", "whole"))
    won = f"{metrics['share_won']:.0%}"
    rows = [
        [
            "inside the border",
            number(inner, sign=True),
            span(bounds["gain_db"], sign=True),
            won,
        ],
        ["with the border", number(whole, sign=True), "", ""],
    ]
    columns = ["", "gain, dB", "interval", "patches won"]
    return Table("Gain over bicubic", columns, rows, [interval_kind(bounds)])


def _intervals(metrics: dict) -> Table:
    digits = {"l1_dn": 1, "psnr_db": 2, "ssim": 3, "sam_degrees": 2}
    rows = [
        [method, *(span(metrics["intervals"][method][n], d) for n, d in digits.items())]
        for method in metrics["methods"]
    ]
    columns = ["", "L1, DN", "PSNR, dB", "SSIM", "SAM, °"]
    return Table("Intervals of the scores", columns, rows, page_only=True)


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
    rows = [
        [
            method,
            number(seen[method]["l1_dn"], 1),
            number(seen[method].get("bias_dn"), 1, sign=True),
            number(seen[method]["spectral_angle_degrees"]),
            number(seen[method]["shift_metres"]),
            number(seen[method].get("gain_change_db"), sign=True)
            if method == "consistent"
            else "",
        ]
        for method in SEEN
        if method in seen
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
    names = ("l1_dn_bicubic", "l1_dn_model", "psnr_db_bicubic", "psnr_db_model")
    rows = [
        [
            str(patch["patch"]),
            ", ".join(map(str, patch["window"] or DASH)),
            number(patch["gain_db"], sign=True),
            *(number(patch[name], 1 if "l1" in name else 2) for name in names),
        ]
        for patch in metrics["worst"]
    ]
    heads = "L1 bicubic, DN", "L1 model, DN", "PSNR bicubic, dB", "PSNR model, dB"
    columns = ["patch", "row, col (6 m)", "gain, dB", *heads]
    return Table(WORST, columns, rows, page_only=True)


def _making(metrics: dict) -> Table:
    training = metrics["model_card"].get("training") or {}
    plain = {k: v for k, v in training.items() if isinstance(v, (str, int, float))}
    settings = (
        f"{k} {v:.4g}" if type(v) is float else f"{k} {v}" for k, v in plain.items()
    )
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
    one, other = compared["runs"]
    if "scenes" in compared:
        rows = [
            [
                row["name"],
                str(row["patches"]),
                *map(number, row["psnr_db"]),
                number(row["difference_db"], sign=True),
                span(row["interval"], sign=True),
                f"{row['share_won_by_second']:.0%}",
            ]
            for row in compared["scenes"]
        ]
        columns = ["scene", "patches", one, other, "difference", "interval", "won"]
        note = _mean(compared, "difference_db", "difference")
        return [Table("PSNR by scene, dB", columns, rows, [note])]
    rows = []
    for name, scores in compared["scores"].items():
        digits = DIGITS.get(name, 2)
        values = [number(value, digits) for value in scores["values"]]
        apart = number(scores["difference"], digits, sign=True)
        rows.append([name, *values, apart, span(scores["interval"], digits, sign=True)])
    notes = [
        f"{other} wins on {compared['share_won_by_second']:.0%} of the "
        f"{compared['patches']} patches",
        f"difference on the same patches: {interval_kind(compared)}",
    ]
    unlike = [
        [str(p["patch"]), number(p["gain_db"], sign=True)]
        for p in compared["most_unlike"]
    ]
    return [
        Table("Side by side", ["", one, other, "difference", "interval"], rows, notes),
        Table("Where they differ most", ["patch", "difference of PSNR, dB"], unlike),
    ]


def scenes(summary: dict) -> list[Table]:
    """Return the table of scenes.json: a row for each scene, and the mean of all."""
    rows = [
        [
            row["name"],
            str(row["patches"]),
            number(row["bicubic_psnr_db"]),
            number(row["psnr_db"]),
            number(row["gain_db"], sign=True),
            span(row["interval"], sign=True),
            f"{row['share_won']:.0%}",
            *(number(row["spectral_angle_degrees"][of]) for of in ("model", "truth")),
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
        f"{span(summary['interval'], sign=True)} ({interval_kind(bounds)})"
    )
