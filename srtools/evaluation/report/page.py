"""Pieces of an HTML page: sections, tables, tiles and pictures."""

import base64
from html import escape

from srtools.evaluation.detail import KINDS
from srtools.evaluation.tables import DASH, DIGITS, number, span

STYLE = """
:root { color-scheme: light; --ink: #222a35; --soft: #667080; --line: #e3e7ec;
  --blue: #1d6fd8; --paper: #fff; --back: #f4f6f9; }
* { box-sizing: border-box; }
body { margin: 0; background: var(--back); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans",
  sans-serif; }
main { max-width: 1080px; margin: 0 auto; padding: 1.2rem 1rem 3rem; }
h1 { font-size: 1.5rem; line-height: 1.25; margin: .6rem 0 1rem;
  overflow-wrap: anywhere; }
h2 { font-size: 1.1rem; margin: 0 0 .8rem; }
section { background: var(--paper); border: 1px solid var(--line);
  border-radius: 12px; padding: 1.1rem; margin: 1rem 0; }
.tiles { display: grid; gap: .7rem;
  grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); }
.tile { background: var(--paper); border: 1px solid var(--line);
  border-radius: 12px; padding: .8rem 1rem; }
.tile b { display: block; font-size: 1.45rem; line-height: 1.3; color: var(--blue); }
.tile span, .note, figcaption { color: var(--soft); font-size: .85rem; }
.scroll { overflow-x: auto; -webkit-overflow-scrolling: touch; margin: .4rem 0 1rem; }
table { border-collapse: collapse; font-size: .88rem; width: 100%;
  font-variant-numeric: tabular-nums; }
th, td { padding: .32rem .6rem; text-align: right; white-space: nowrap;
  border-bottom: 1px solid var(--line); }
th { color: var(--soft); font-weight: 600; }
th:first-child, td:first-child { text-align: left; }
tr.strong td { font-weight: 600; }
tr.model td { background: #eef4fd; }
.charts { display: grid; gap: 1rem;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 400px), 1fr)); }
.charts img { width: 100%; height: auto; display: block; }
.strip { display: grid; gap: .4rem;
  grid-template-columns: repeat(var(--columns), 1fr);
  margin: .2rem 0 1.1rem; }
.strip img { width: 100%; height: auto; display: block; border-radius: 6px;
  image-rendering: pixelated; }
figure { margin: 0; }
details { margin-top: .6rem; }
summary { cursor: pointer; color: var(--blue); }
dt { font-weight: 600; margin-top: .5rem; }
dd { margin: 0; color: var(--soft); overflow-wrap: anywhere; }
@media (max-width: 620px) {
  .strip { grid-template-columns: repeat(3, 1fr); }
  section { padding: .9rem .8rem; }
}
"""

DEFINITIONS = {
    "L1, L2": "mean absolute and mean squared error, in reflectance (0-1) and in DN "
    "(reflectance x 10 000).",
    "PSNR": "10 log10(1 / L2), for a reflectance that runs from 0 to 1.",
    "SSIM": "structural similarity in Gaussian windows of 11 x 11 pixels, R = 1; 1 is "
    "perfect.",
    "SAM": "mean angle between the spectra, whatever their brightness, degrees.",
    "ERGAS": "100 / 4 times the RMSE relative to the mean of the band; 0 is perfect.",
    "interval": "what would happen if other places had been tested: whole blocks of "
    "neighbouring patches are drawn again and again (bootstrap).",
}


def document(title: str, sections: list[str]) -> str:
    """Put sections together as a page that needs no other file."""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style></head>\n"
        f"<body><main><h1>{escape(title)}</h1>\n"
        + "\n".join(sections)
        + "\n</main></body></html>\n"
    )


def section(title: str, *parts: str) -> str:
    """Put parts below a heading."""
    return f"<section><h2>{escape(title)}</h2>{''.join(parts)}</section>"


def note(text: str) -> str:
    """Write a remark."""
    return f'<p class="note">{escape(text)}</p>'


def tiles(found: list[tuple[str, str, str]]) -> str:
    """Show numbers in large letters: what, the number, what to compare it with."""
    cells = (
        f'<div class="tile"><span>{escape(what)}</span><b>{escape(value)}</b>'
        f"<span>{escape(beside)}</span></div>"
        for what, value, beside in found
    )
    return f'<div class="tiles">{"".join(cells)}</div>'


def table(header: list[str], rows: list[list], classes: list[str] | None = None) -> str:
    """Lay out rows; on a narrow screen the table scrolls, the page does not."""
    classes = classes or [""] * len(rows)
    head = "".join(f"<th>{escape(name)}</th>" for name in header)
    body = "".join(
        f'<tr class="{kind}">'
        + "".join(f"<td>{escape(str(cell))}</td>" for cell in row)
        + "</tr>"
        for row, kind in zip(rows, classes, strict=True)
    )
    return (
        f'<div class="scroll"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def data_uri(content: bytes, kind: str) -> str:
    """Write a file as an address that holds it.

    >>> data_uri(b"hi", "text/plain")
    'data:text/plain;base64,aGk='
    """
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def images(drawings: list[str]) -> str:
    """Show SVG drawings side by side, below each other on a narrow screen."""
    cells = (
        f'<img alt="chart" src="{data_uri(drawing.encode(), "image/svg+xml")}">'
        for drawing in drawings
    )
    return f'<div class="charts">{"".join(cells)}</div>' if drawings else ""


def strip(caption: str, pictures: dict[str, str]) -> str:
    """Show pictures, given as data URIs by their titles, in a row."""
    cells = "".join(
        f'<figure><img alt="{escape(name)}" src="{picture}">'
        f"<figcaption>{escape(name)}</figcaption></figure>"
        for name, picture in pictures.items()
    )
    style = f"--columns: {len(pictures)}"
    return f'<b>{escape(caption)}</b><div class="strip" style="{style}">{cells}</div>'


def scores_table(metrics: dict) -> str:
    """Lay out the scores: each method over all bands, and each band folded away."""
    header = [
        "", "L1", "L1, DN", "L2", "L2, DN²", "PSNR, dB", "SSIM", "SAM, °", "ERGAS",
    ]  # fmt: skip
    sections = []
    for band in ("all", *metrics["bands"]):
        rows = [[m, *_scores(metrics["inner"][m], band)] for m in metrics["methods"]]
        kinds = ["model strong" if m == "model" else "" for m in metrics["methods"]]
        sections.append((band, table(header, rows, kinds)))
    folded = "".join(f"<b>{escape(band)}</b>{rows}" for band, rows in sections[1:])
    bounds = metrics["intervals"]
    ends = [
        [m, *(span(bounds[m][k], d) for k, d in _BOUNDED)] for m in metrics["methods"]
    ]
    whole = [[m, *_scores(metrics["whole"][m], "all")] for m in metrics["methods"]]
    rough = ", so few that it is a rough idea" if bounds["rough"] else ""
    about = (
        f"Over all bands, {metrics['patches']} patches, {metrics['border']} pixels of "
        f"border left out. With the border the gain is "
        f"{metrics['whole']['gain_db']:+.2f} dB. Interval: {bounds['level']:.0%}, from "
        f"{bounds['blocks']} {bounds['kind']}{rough}."
    )
    return (
        sections[0][1]
        + note(about)
        + fold("band by band", folded)
        + fold("with the border", table(header, whole))
        + fold("intervals", table(["", "L1, DN", "PSNR, dB", "SSIM", "SAM, °"], ends))
    )


_BOUNDED = (("l1_dn", 1), ("psnr_db", 2), ("ssim", 3), ("sam_degrees", 2))


def _scores(scores: dict, band: str) -> list[str]:
    ssim, ergas = scores["ssim"], scores["ergas"]
    return [
        f"{scores['l1_reflectance'][band]:.5f}", f"{scores['l1_dn'][band]:.1f}",
        f"{scores['l2_reflectance'][band]:.2e}", f"{scores['l2_dn'][band]:.0f}",
        number(scores["psnr_db"][band]), number(ssim and ssim[band], 3),
        number(scores["sam_degrees"]) if band == "all" else "",
        number(ergas and ergas[band]),
    ]  # fmt: skip


def fold(title: str, content: str) -> str:
    """Hide content behind its title until it is asked for."""
    return f"<details><summary>{escape(title)}</summary>{content}</details>"


def definitions() -> str:
    """Say what the scores mean."""
    entries = "".join(
        f"<dt>{escape(name)}</dt><dd>{escape(text)}</dd>"
        for name, text in DEFINITIONS.items()
    )
    return fold("what the scores mean", f"<dl>{entries}</dl>")


def closer_tables(metrics: dict) -> str:
    """Lay out cPSNR, correctness and consistency."""
    parts = []
    robust, seen = metrics["robust"], metrics["consistency"]
    if robust:
        rows = [
            [
                m, number(robust[m]["cpsnr_db"]), number(robust[m]["shift_metres"], 1),
                f"{robust[m]['share_unshifted']:.0%}",
                number(metrics["spectrum"]["effective_resolution_metres"][m], 1),
            ]
            for m in ("bicubic", "model")
        ]  # fmt: skip
        header = ["", "cPSNR, dB", "best shift, m", "best unshifted", "resolution, m"]
        parts.append(table(header, rows))
        parts.append(
            note(
                "cPSNR forgives a bias of each band and a shift of up to "
                f"{robust['tried_shifts_pixels']} pixels. The effective resolution is "
                "half the period down to which the correlation with the truth stays "
                "above one half (the dots above)."
            )
        )
        shares = [number(metrics["correctness"][kind], 2) for kind in KINDS]
        parts.append(table(["new detail", *KINDS], [["model", *shares]]))
        parts.append(
            note(
                "Shares that add up to 1, as opensr-test defines them, where the truth "
                "differs most from bicubic: detail that is right, that is missing, "
                "that is invented."
            )
        )
    if seen:
        rows = [
            [
                m, number(seen[m]["l1_dn"], 1), number(seen[m]["bias_dn"], 1, True),
                number(seen[m]["spectral_angle_degrees"]),
                number(seen[m]["shift_metres"]),
            ]
            for m in ("bicubic", "model", "truth") if m in seen
        ]  # fmt: skip
        header = [
            f"seen as Sentinel-2 sees, {seen['grid']}", "L1, DN", "bias, DN",
            "angle, °", "shift, m",
        ]  # fmt: skip
        parts.append(table(header, rows))
        parts.append(
            note(
                f"Here {seen['operator']}. The row of the truth says how much Spot-7 "
                "and Sentinel-2 differ by themselves."
            )
        )
    return "".join(parts)


def worst_table(worst: list[dict]) -> str:
    """List the patches where the model gains least."""
    rows = [
        [
            entry["patch"],
            DASH if entry["window"] is None else ", ".join(map(str, entry["window"])),
            number(entry["gain_db"], 2, True),
            number(entry["l1_dn_bicubic"], 1), number(entry["l1_dn_model"], 1),
            number(entry["psnr_db_bicubic"]), number(entry["psnr_db_model"]),
        ]
        for entry in worst
    ]  # fmt: skip
    header = [
        "worst patch", "row, col (6 m)", "gain, dB", "L1 bicubic", "L1 model",
        "PSNR bicubic", "PSNR model",
    ]  # fmt: skip
    return table(header, rows)


def comparison_table(found: dict, names: list[str]) -> str:
    """Lay out what `runs.compare` found."""
    rows = []
    for name, scores in found["scores"].items():
        digits = DIGITS.get(name, 2)
        values = [number(value, digits) for value in scores["values"]]
        difference = number(scores["difference"], digits, sign=True)
        rows.append(
            [name, *values, difference, span(scores["interval"], digits, sign=True)]
        )
    level = f"{found['level']:.0%} interval"
    about = (
        f"{names[1]} wins on {found['share_won_by_second']:.0%} of the "
        f"{found['patches']} patches. The interval is that of the difference on the "
        f"same patches, from {found['blocks']} blocks of neighbours."
    )
    return table(["", *names, "difference", level], rows) + note(about)


def settings(metrics: dict) -> str:
    """Say from what the numbers were made."""
    training = metrics["model_card"].get("training", {})
    entries = {
        "model": metrics["model_dir"],
        "training": ", ".join(
            f"{key} {value:.4g}" if isinstance(value, float) else f"{key} {value}"
            for key, value in training.items()
            if isinstance(value, int | float | str)
        ),
        "test set": f"{metrics['patches']} patches, checksum {metrics['test_set']}",
        "versions": ", ".join(f"{k} {v}" for k, v in metrics["versions"].items()),
    }
    found = "".join(
        f"<dt>{escape(name)}</dt><dd>{escape(text)}</dd>"
        for name, text in entries.items()
        if text
    )
    return f"<dl>{found}</dl>"
