"""What the scores of a model mean, in words."""

from srtools.conventions import SCALE


def in_words(metrics: dict) -> list[str]:
    """Say what the numbers mean for this model, a sentence for each.

    Arguments:
        metrics: content of metrics.json.
    """
    found = [_error(metrics)]
    if metrics["spectrum"]:
        found.append(_sharpness(metrics["spectrum"]["effective_resolution_metres"]))
    shares = metrics["correctness"]
    if shares and None not in shares.values():
        found.append(
            f"of the detail that bicubic lacks {shares['improvement']:.0%} is right, "
            f"{shares['omission']:.0%} is missing and "
            f"{shares['hallucination']:.0%} is invented"
        )
    if metrics["consistency"]:
        found.append(_agreement(metrics["consistency"]))
    return found


def _error(metrics: dict) -> str:
    """Compare the mean errors, and tell on how many patches bicubic is better."""
    inner = metrics["inner"]
    model, bicubic = (inner[m]["l1_dn"]["all"] for m in ("model", "bicubic"))
    truth, lost = inner["truth_mean_dn"]["all"], 1 - metrics["share_won"]
    return (
        f"a pixel is {model:.0f} DN off in the mean ({model * SCALE:.3f} of reflectance"
        + (f", {model / truth:.0%} of the mean of the truth" if truth else "")
        + f"), bicubic's {bicubic:.0f} DN"
        + (f"; on {lost:.0%} of the patches bicubic is better" if lost else "")
    )


def _sharpness(size: dict[str, float | None]) -> str:
    """Compare the effective resolutions, metres; None is coarser than measured."""
    model, bicubic = size["model"], size["bicubic"]
    if model is None:
        return "no detail is right, however coarse"
    if bicubic is not None and model >= bicubic:
        return f"not sharper than bicubic: right down to {model:.1f} m, as bicubic"
    beside = "not at all" if bicubic is None else f"down to {bicubic:.1f} m"
    return f"sharper than bicubic: right down to {model:.1f} m, bicubic {beside}"


def _agreement(seen: dict) -> str:
    """Tell whether Sentinel-2 would see its own pixels again."""
    model, truth = (seen[m]["l1_dn"] for m in ("model", "truth"))
    how = "as well as" if model <= truth else "less well than"
    return (
        f"it agrees with Sentinel-2 {how} the truth does: {model:.0f} DN off, the "
        f"truth {truth:.0f} DN"
    )
