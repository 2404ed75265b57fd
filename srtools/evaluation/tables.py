"""The scores as lines of text, for the terminal."""

DASH = "-"
DIGITS = {"l1_dn": 1, "l2_dn": 0, "ssim": 4}


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


def evaluation(metrics: dict) -> str:
    """Lay out metrics.json: L1 and L2 first, one line per method and band."""
    inner = metrics["inner"]
    line = "{:8} {:>4} {:>8} {:>10} {:>8} {:>10} {:>8} {:>6} {:>6} {:>6}".format
    lines = [
        f"{metrics['patches']} test patches, {metrics['border']} pixels of border left "
        "out; R = 1 (reflectance)",
        line("", "band", "L1", "L2", "L1 (DN)", "L2 (DN^2)", "PSNR dB", "SSIM", "SAM",
             "ERGAS"),
    ]  # fmt: skip
    for method in metrics["methods"]:
        scores = inner[method]
        for band in (*metrics["bands"], "all"):
            ssim, ergas = scores["ssim"], scores["ergas"]
            lines.append(
                line(
                    method, band, f"{scores['l1_reflectance'][band]:.5f}",
                    f"{scores['l2_reflectance'][band]:.3e}",
                    f"{scores['l1_dn'][band]:.1f}", f"{scores['l2_dn'][band]:.0f}",
                    number(scores["psnr_db"][band]),
                    number(ssim and ssim[band], 3),
                    number(scores["sam_degrees"]) if band == "all" else "",
                    number(ergas and ergas[band]),
                )
            )  # fmt: skip
    return "\n".join([*lines, *_remarks(metrics)])


def _remarks(metrics: dict) -> list[str]:
    bounds = metrics["intervals"]
    lines = [
        f"gain over bicubic: {metrics['inner']['gain_db']:+.2f} dB "
        f"{span(bounds['gain_db'], sign=True)} "
        f"({metrics['whole']['gain_db']:+.2f} dB with the border); "
        f"the model wins on {metrics['share_won']:.0%} of the patches",
        f"in brackets: {bounds['level']:.0%} interval over {bounds['blocks']} "
        f"{bounds['kind']}" + (", a rough idea" if bounds["rough"] else ""),
    ]
    robust, seen = metrics["robust"], metrics["consistency"]
    if robust:
        best = robust["model"]
        lines.append(
            f"cPSNR, bias and shift forgiven: bicubic "
            f"{robust['bicubic']['cpsnr_db']:.2f} dB, model {best['cpsnr_db']:.2f} dB "
            f"(best shift of the model: {best['shift_metres']:.1f} m)"
        )
        size = metrics["spectrum"]["effective_resolution_metres"]
        lines.append(
            f"effective resolution: bicubic {number(size['bicubic'], 1)} m, model "
            f"{number(size['model'], 1)} m"
        )
        shares = ", ".join(
            f"{kind} {number(value)}" for kind, value in metrics["correctness"].items()
        )
        lines.append(f"new detail of the model: {shares}")
    if seen:
        lines.append(
            f"seen as Sentinel-2 sees, compared with Sentinel-2 at {seen['grid']}:"
        )
        for method in (m for m in ("bicubic", "model", "truth") if m in seen):
            found = seen[method]
            lines.append(
                f"  {method:8} L1 {number(found['l1_dn'], 1)} DN, spectral angle "
                f"{number(found['spectral_angle_degrees'])} degrees, shift "
                f"{number(found['shift_metres'], 2)} m"
            )
    looked = metrics["closer_look"]["patches"]
    if looked < metrics["patches"]:
        lines.append(f"from cPSNR on: {looked} patches, evenly spread")
    return lines


def comparison(found: dict) -> str:
    """Lay out what `runs.compare` found."""
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
    lines.append(
        f"{other} wins on {found['share_won_by_second']:.0%} of the patches; in "
        f"brackets: {found['level']:.0%} interval over {found['blocks']} blocks"
    )
    return "\n".join(lines)
