"""The scores as lines of text, for the terminal."""

from srtools.evaluation.confidence import FEWEST_BLOCKS
from srtools.evaluation.words import in_words
from srtools.images.patch_files import pair_verdict

DASH = "-"
DIGITS = {"l1_dn": 1, "l2_dn": 0, "ssim": 4}  # of the scores that do not have 2

SEEN = ("bicubic", "model", "consistent", "truth")  # rows, as far as they are known
CHANGE = "gain_change_db"  # of the model by `--consistent`


def number(value: float | None, digits: int = 2, sign: bool = False) -> str:
    """Write a number, or a dash for one that is not known.

    >>> number(0.8915, sign=True), number(None)
    ('+0.89', '-')
    """
    if value is None:
        return DASH
    return f"{value:{'+' if sign else ''}.{digits}f}"


def span(ends: list[float] | None, digits: int = 2, sign: bool = False) -> str:
    """Write an interval.

    >>> span([0.4, 1.26], sign=True), span(None)
    ('[+0.40, +1.26]', '-')
    """
    if ends is None:
        return DASH
    return f"[{', '.join(number(end, digits, sign) for end in ends)}]"


def interval_kind(bounds: dict) -> str:
    """Say how sure the intervals are, or why there is none.

    >>> interval_kind({"level": 0.95, "blocks": 12})
    '95% interval over 12 blocks'

    Arguments:
        bounds: `intervals` of metrics.json, or comparison.json.
    """
    kind = bounds.get("kind", "blocks")
    if bounds["blocks"] < FEWEST_BLOCKS:
        return f"no interval: at least {FEWEST_BLOCKS} {kind} are needed"
    return f"{bounds['level']:.0%} interval over {bounds['blocks']} {kind}"


def _mean(summary: dict, name: str, what: str) -> str:
    """Write the mean of a score over scenes, and its interval."""
    rows = summary["scenes"]
    bounds = {"level": summary["level"], "blocks": len(rows), "kind": "scenes"}
    return (
        f"mean {what} over {len(rows)} scenes: {number(summary[name], sign=True)} dB "
        f"{span(summary['interval'], sign=True)} ({interval_kind(bounds)})"
    )


def scenes(summary: dict) -> str:
    """Lay out scenes.json: a line for each scene, and the mean of all."""
    rows = summary["scenes"]
    width = max(12, *(len(row["name"]) for row in rows))
    line = "{:{}} {:>7} {:>10} {:>8} {:>7} {:18} {:>4} {:>5} {:>5}".format
    names = "patches", "bicubic dB", "model dB", "gain dB", "", "won", "angle", "truth"
    lines = [line("scene", width, *names)]
    for row in rows:
        angles = row["spectral_angle_degrees"]
        lines.append(
            line(
                row["name"],
                width,
                row["patches"],
                number(row["bicubic_psnr_db"]),
                number(row["psnr_db"]),
                number(row["gain_db"], sign=True),
                span(row["interval"], sign=True),
                f"{row['share_won']:.0%}",
                number(angles["model"]),
                number(angles["truth"]),
            )
        )
    lines.append(_mean(summary, "gain_db", "gain"))
    lines.append("angle: spectral angle to Sentinel-2, degrees, and that of the truth")
    return "\n".join(lines)


def scenes_compared(summary: dict) -> str:
    """Lay out scenes_comparison.json: a line for each scene, and the mean of all."""
    rows = summary["scenes"]
    one, other = summary["runs"]
    width = max(12, *(len(row["name"]) for row in rows))
    wide = max(len(one), len(other), 8)
    models = f"{{:>{wide}}} {{:>{wide}}}"
    line = f"{{:{width}}} {{:>7}} {models} {{:>10}} {{:18}} {{:>4}}".format
    lines = [line("PSNR, dB", "patches", one, other, "difference", "", "won")]
    for row in rows:
        lines.append(
            line(
                row["name"],
                row["patches"],
                *map(number, row["psnr_db"]),
                number(row["difference_db"], sign=True),
                span(row["interval"], sign=True),
                f"{row['share_won_by_second']:.0%}",
            )
        )
    return "\n".join([*lines, _mean(summary, "difference_db", "difference")])


def evaluation(metrics: dict) -> str:
    """Lay out metrics.json: L1 and L2 first, one line per method and band."""
    line = "{:8} {:>4} {:>8} {:>10} {:>8} {:>10} {:>8} {:>6} {:>6} {:>6}".format
    names = ("L1", "L2", "L1 (DN)", "L2 (DN^2)", "PSNR dB", "SSIM", "SAM", "ERGAS")
    lines = [
        f"{metrics['patches']} test patches, {metrics['border']} pixels of border left "
        "out; R = 1 (reflectance)",
        line("", "band", *names),
    ]
    for method in metrics["methods"]:
        scores = metrics["inner"][method]
        for band in (*metrics["bands"], "all"):
            lines.append(line(method, band, *_cells(scores, band)))
    lines += [*_gain(metrics), *_detail(metrics), *_consistency(metrics)]
    lines += _coverage(metrics)
    lines += ["in words:", *(f"- {text}" for text in in_words(metrics))]
    lines += remarks(metrics)
    sample = metrics["closer_look"]["patches"]
    if sample < metrics["patches"]:
        lines.append(
            f"from the effective resolution on: {sample} patches, evenly spread"
        )
    return "\n".join(lines)


def remarks(metrics: dict) -> list[str]:
    """Say in words what must not be overlooked: a doubtful pair, a model that loses."""
    found = []
    if verdict := pair_verdict(metrics.get("dataset", {})):
        found.append(f"{verdict}: what is measured against it is doubtful, too")
    if metrics["inner"]["gain_db"] <= 0:
        found.append("the model does not beat bicubic, which costs nothing")
    return found


def _cells(scores: dict, band: str) -> list[str]:
    """Write the scores of one method in one band, or in all."""
    ssim, ergas = scores["ssim"], scores["ergas"]
    return [
        number(scores["l1_reflectance"][band], 5),
        f"{scores['l2_reflectance'][band]:.3e}",
        number(scores["l1_dn"][band], 1),
        number(scores["l2_dn"][band], 0),
        number(scores["psnr_db"][band]),
        number(ssim and ssim[band], 3),
        number(scores["sam_degrees"]) if band == "all" else "",
        number(ergas and ergas[band]),
    ]


def _gain(metrics: dict) -> list[str]:
    """Write the gain over bicubic, and how sure it is."""
    bounds = metrics["intervals"]
    ends = bounds["gain_db"]
    kind = interval_kind(bounds)
    return [
        f"gain over bicubic: {metrics['inner']['gain_db']:+.2f} dB "
        + (f"{span(ends, sign=True)} " if ends else "")
        + f"({metrics['whole']['gain_db']:+.2f} dB with the border); "
        f"the model wins on {metrics['share_won']:.0%} of the patches",
        f"in brackets: {kind}" if ends else kind,
    ]


def _detail(metrics: dict) -> list[str]:
    """Write effective resolution and correctness."""
    if not metrics["spectrum"]:
        return []
    size = metrics["spectrum"]["effective_resolution_metres"]
    shares = metrics["correctness"].items()
    return [
        f"effective resolution: bicubic {number(size['bicubic'], 1)} m, "
        f"model {number(size['model'], 1)} m",
        "new detail of the model: "
        + ", ".join(f"{kind} {number(value)}" for kind, value in shares),
    ]


def _consistency(metrics: dict) -> list[str]:
    """Write the difference from Sentinel-2."""
    seen = metrics["consistency"]
    if not seen:
        return []
    lines = [f"seen as Sentinel-2 sees, compared with Sentinel-2 at {seen['grid']}:"]
    for method in (m for m in SEEN if m in seen):
        found = seen[method]
        lines.append(
            f"  {method:10} L1 {number(found['l1_dn'], 1)} DN, spectral angle "
            f"{number(found['spectral_angle_degrees'])} degrees, shift "
            f"{number(found['shift_metres'], 2)} m"
            + (f"; gain {found[CHANGE]:+.2f} dB" if CHANGE in found else "")
        )
    return lines


def _coverage(metrics: dict) -> list[str]:
    """Write what the intervals promise, and what they hold."""
    found = metrics["coverage"]
    if not found:
        return []
    lines = [f"intervals of pixels, {found['views']} view(s) of the image:"]
    for level, held in found["levels"].items():
        bands = ", ".join(f"{b} {held['coverage'][b]:.1%}" for b in metrics["bands"])
        lines.append(
            f"  promised {float(level):.0%}, held {held['coverage']['all']:.1%} "
            f"({bands}), +- {held['half_width_dn']['all']:.0f} DN in the mean"
        )
    return lines


def comparison(found: dict) -> str:
    """Lay out comparison.json."""
    one, other = found["runs"]
    wide = max(len(one), len(other), 9)
    lines = [
        f"{found['patches']} test patches",
        f"{'':12} {one:>{wide}} {other:>{wide}} {'difference':>11}",
    ]
    for name, scores in found["scores"].items():
        digits = DIGITS.get(name, 2)
        first, second = (number(value, digits) for value in scores["values"])
        lines.append(
            f"{name:12} {first:>{wide}} {second:>{wide}} "
            f"{number(scores['difference'], digits, sign=True):>11} "
            f"{span(scores['interval'], digits, sign=True)}"
        )
    brackets = "in brackets: " if found["blocks"] >= FEWEST_BLOCKS else ""
    lines.append(
        f"{other} wins on {found['share_won_by_second']:.0%} of the patches; "
        f"{brackets}{interval_kind(found)}"
    )
    return "\n".join(lines)
