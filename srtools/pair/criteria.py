"""Criteria for a pair of images: limits of each value, and remedies."""

import re
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from srtools.conventions import BANDS
from srtools.matching.point_spread import MODULATION

VERDICTS = ("pass", "unknown", "warn", "fail")
# First words of the criteria for which "unknown" is not a pass.  Days, clouds and
# missing ground are unknown for images that are not from a search.
ALWAYS_KNOWN = ("shift", "radiometry", "order", "PAN")


class Check(NamedTuple):
    """Largest distances from the expected value that pass, and that warn, not fail."""

    passes: float
    warns: float
    form: str
    """Format of a value, with its unit."""
    advice: str
    """Problem and remedy; {text} is the value."""
    expected: float = 0

    def format(self, value: float) -> str:
        """Format a value; a small negative one is 0, not -0."""
        return re.sub(r"^-(?=[0.]+([^\d.]|$))", "", self.form.format(value))


ANOTHER = "take another image"
CODING = "--harmonize, if Spot is not reflectance x 10000"
GROUND = "R2 {text}: other ground, clouds, or another band?"
SPREAD = "half of the shifts differ by {text}: train with --loss l1_shift"
OFFSET = "Sentinel-2 is {text} off in all bands: --offset 1000, or 0 if it was 1000"
ORDER = (
    "the bands look like Spot's in another order: where "
    f"{', '.join(BANDS)} are expected, give those that are now called {{text}}"
)
PAN_PLACE = "PAN lies {text} off XS: take both from one product, or register them"
PAN_DAY = "PAN hardly follows XS, as of another day or place: take one product"
BLUR = (
    f"Sentinel-2 keeps {{text}} of the contrast at 1/20 m, {MODULATION} is expected: "
    "less is blurred, resampled or of 20 m; more is another sensor, or a blurred PAN"
)
CHECKS = {
    # An hr pixel is 1.5 m, half an lr pixel 3 m.  With a larger shift the network
    # learns to move the image instead of sharpening it.
    "shift": Check(1.5, 3.0, "{:.2f} m", "shift {text}: --coregister"),
    # Relief and parallax cause local shifts.
    "its spread": Check(1.5, 3.0, "{:.2f} m", SPREAD),
    # Flat blocks are unknown, not wrong: a warning at most.
    "blocks without shift": Check(
        0.5, np.inf, "{:.0%}", "{text} without shift: is it one place?"
    ),
    "radiometry: R2": Check(0.2, 0.5, "{:.3f}", GROUND, 1),
    # Haze and view angle change the gain by some 0.2; 12-bit counts have 0.4 or less.
    "radiometry: gain": Check(0.1, 0.5, "{:.3f}", f"gain {{text}}: {CODING}", 1),
    "radiometry: bias": Check(100.0, 500.0, "{:.0f} DN", f"bias {{text}}: {CODING}"),
    "radiometry: offset": Check(0, 0, "{:+} DN", OFFSET),
    # Gain in mean correlation by another order.
    "order of bands": Check(0.005, 0.02, "{:+.3f}", ORDER),
    "PAN: shift from XS": Check(1.5, 3.0, "{:.2f} m", PAN_PLACE),
    "PAN: relation to XS": Check(0.2, 0.5, "R2 {:.3f}", PAN_DAY, 1),
    "modulation at 1/20 m": Check(0.08, np.inf, "{:.2f}", BLUR, MODULATION),
    "changed ground": Check(0.05, 0.15, "{:.2%}", f"{{text}} has changed; {ANOTHER}"),
    # Crops ripen and are cut within weeks.
    "days between": Check(15, 45, "{:g}", f"{{text}} days between; {ANOTHER}"),
    # Bright roofs alone can reach 0.005.
    "cloud and shadow": Check(0.005, 0.02, "{:.2%}", f"{{text}} cloudy; {ANOTHER}"),
    "missing in Sentinel-2": Check(0.0, 0.01, "{:.2%}", f"{{text}} missing; {ANOTHER}"),
}


class Criterion(NamedTuple):
    """Verdict on one property, a row of the table; "-" stands for an unknown value."""

    name: str
    value: str
    verdict: str  # one of `VERDICTS`
    condition: str  # values that pass
    advice: str  # problem and remedy, for a warning or failure


def judge(
    name: str, values: float | None | Iterable[float | None], text: str | None = None
) -> Criterion:
    """Judge values by `CHECKS[name]`; the worst counts.  `text` replaces the values."""
    check = CHECKS[name]
    values = list(values) if isinstance(values, Iterable) else [values]
    if text is None or None in values:
        text = " ".join("-" if v is None else check.format(v) for v in values)
    condition = f"<= {check.form.format(check.passes)}"
    if check.expected:
        condition = f"{check.expected} +- {check.passes}"
    verdict = worst(_verdict(check, value) for value in values)
    return Criterion(name, text, verdict, condition, check.advice.format(text=text))


def _verdict(check: Check, value: float | None) -> str:
    """Return one of `VERDICTS`; None and nan are unknown."""
    if value is None or np.isnan(value):
        return "unknown"
    distance = abs(value - check.expected)
    if distance <= check.passes:
        return "pass"
    return "warn" if distance <= check.warns else "fail"


def judge_shift(name: str, shift: tuple[float, float] | None) -> Criterion:
    """Judge the length of a shift (east, north), metres; None is unknown."""
    if not shift:
        return judge(name, None)
    length = float(np.hypot(*shift))
    text = "{:.2f} m ({:+.2f} east, {:+.2f} north)".format(length, *shift)
    return judge(name, length, text)


def worst(verdicts: Iterable[str]) -> str:
    """Return the worst verdict, the last in the order of `VERDICTS`."""
    return max(verdicts, key=VERDICTS.index)
