"""Do Sentinel-2 and Spot show the same ground in the same light?

    quality = compare(lr, pan, xs, days=3, cloud=0.001, missing=0.0)
    print(quality.table())
    hr = fits.harmonize(hr, quality.fits)

A sample of blocks is read, small enough for any memory.  Measured are the shift between
the images, by phase correlation per block, a robust linear relation per band, Spot =
gain x Sentinel-2 + bias, the share of the ground that has changed, how PAN follows XS,
and how sharp Sentinel-2 is.  The table has one row per criterion.
"""

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from srtools.conventions import BANDS, OFFSET_DN
from srtools.engine import engine_errors
from srtools.errors import SRError
from srtools.images.raster import ImageInfo
from srtools.matching.point_spread import MODULATION
from srtools.matching.registration import Block, BlockShift, block_shift, read_blocks
from srtools.pair.fits import (
    CHANGE_SUPPORT_METRES,
    FIT_SUPPORT_METRES,
    LinearFit,
    fit_line,
    is_changed,
    radiometry_samples,
)
from srtools.pair.pan import PanInXS, follows
from srtools.pair.sharpness import Modulation, modulation

import pyotb

LEAST_BLOCKS = 3  # that must have given a shift before it is corrected
MOST_DRAWN = 4000  # samples that are kept for the picture
OFFSET_TOLERANCE_DN = 250  # of the offset that the lines of all bands agree on
LEAST_SAMPLES = 50  # for medians and correlations
LEAST_CORRELATION = 0.5  # mean over the bands, below which no order means anything
VERDICTS = ("pass", "unknown", "warn", "fail")
# First words of the criteria of which "unknown" is no pass; days, clouds and missing
# ground are known of Sentinel-2 images from a search only.
ALWAYS_KNOWN = ("shift", "radiometry", "order", "PAN")


class Limits(NamedTuple):
    """Largest values that pass, and that are only a warning; larger ones fail."""

    passes: float
    warns: float

    def verdict(self, value: float | None) -> str:
        """Judge a value."""
        if value is None or np.isnan(value):
            return "unknown"
        if value <= self.passes:
            return "pass"
        return "warn" if value <= self.warns else "fail"


# An hr pixel is 1.5 m, and half an lr pixel 3 m: from there on the network learns to
# move the image rather than to sharpen it.
SHIFT = Limits(1.5, 3.0)  # metres, length of the median shift
SPREAD = Limits(1.5, 3.0)  # metres; larger where relief or parallax shifts locally
UNUSED = Limits(0.5, np.inf)  # share of blocks that gave no shift: unknown, not wrong
UNEXPLAINED = Limits(0.2, 0.5)  # 1 - R2 of the worst band
# Haze and view angle change a gain by some 0.2; 12-bit counts have 0.4 or less.
GAIN = Limits(0.1, 0.5)  # away from 1, worst band
BIAS = Limits(100.0, 500.0)  # DN, worst band
CHANGE = Limits(0.05, 0.15)  # share of the ground
DAYS = Limits(15, 45)  # crops ripen and are cut within weeks
CLOUD = Limits(0.005, 0.02)  # share; bright roofs alone can make 0.005
MISSING = Limits(0.0, 0.01)  # share
DISORDER = Limits(0.005, 0.02)  # mean correlation that another order of bands gains
SHARPNESS = 0.2, 0.36  # modulations of Sentinel-2 at a period of 20 m, in all bands


class Criterion(NamedTuple):
    """One row of the table; an unknown value is a dash."""

    name: str
    value: str
    verdict: str
    """One of `VERDICTS`."""
    wanted: str
    """Condition to pass."""
    advice: tuple[str, ...] = ()
    """Problems and remedies, if it warns or fails; rows may share some."""


@dataclass(frozen=True)
class PairQuality:
    """Measurements of how well a pair of images fits together, judged in `criteria`."""

    blocks: list[BlockShift]
    shift: tuple[float, float] | None
    """Metres by which Sentinel-2 lies too far east and north, median over the blocks;
    None if no block gave one."""
    spread: float | None
    """Metres from the median within which half of the blocks lie; of one block None."""
    fits: list[LinearFit | None]
    """Spot as a function of Sentinel-2, per band; None where there is no relation."""
    changed: float | None
    """Share of the ground that has changed, 0-1; see `fits.is_changed`."""
    samples: tuple[np.ndarray, np.ndarray, np.ndarray] = field(repr=False)
    """DN of Sentinel-2 and of Spot [n, bands], and whether they changed [n] bool."""
    pan_shift: tuple[float, float] | None = None  # of PAN against XS, likewise
    pan_r2: float | None = None  # share of PAN's variance that XS explains
    sharpness: Modulation | None = None
    days: float | None = None  # between the two images
    cloud: float | None = None  # share of Spot's ground under cloud or shadow
    missing: float | None = None  # share of Spot's ground that Sentinel-2 lacks
    harmonized: bool = False  # gains and biases are removed later: they do not count

    def criteria(self) -> list[Criterion]:
        """Judge the pair: the rows of the table."""
        product = "take both from one product"
        change = "{}; take another image"
        unexplained = None if self.pan_r2 is None else 1 - self.pan_r2
        text = "-" if self.pan_r2 is None else f"R2 {self.pan_r2:.3f}"
        advice = f"PAN hardly follows XS, as of another day or place: {product}"
        moved = f"PAN lies {{:.1f}} m off XS: {product}, or register them"
        return [
            _shift("shift", self.shift, "shift {:.1f} m: --coregister"),
            _row("its spread", self.spread, SPREAD, "{:.2f} m"),
            self._unused(),
            *self._radiometry(),
            self._order(),
            _shift("PAN: shift from XS", self.pan_shift, moved),
            _row(
                "PAN: relation to XS", unexplained, UNEXPLAINED, advice=advice
            )._replace(value=text, wanted=f"R2 >= {1 - UNEXPLAINED.passes:g}"),
            self._sharpness(),
            _row("changed ground", self.changed, CHANGE, "{:.2%}", change),
            _row("days between", self.days, DAYS, "{:g}", change),
            _row("cloud and shadow", self.cloud, CLOUD, "{:.2%}", change),
            _row("missing in Sentinel-2", self.missing, MISSING, "{:.2%}"),
        ]

    def _unused(self) -> Criterion:
        """Judge the blocks without shift; they fail if the bands say nothing either."""
        counts = Counter(block.verdict for block in self.blocks)
        share = 1 - counts.pop("used", 0) / max(len(self.blocks), 1)
        row = _row("blocks without shift", share, UNUSED, "{:.0%}")
        if counts:
            reasons = ", ".join(f"{count} {reason}" for reason, count in counts.items())
            row = row._replace(value=f"{row.value} ({reasons})")
        if self.shift or any(self.fits):
            return row
        advice = ("nothing shows that both images show the same ground",)
        return row._replace(verdict="fail", advice=advice)

    def _radiometry(self) -> Iterator[Criterion]:
        """Judge the relation of each band, or its brightness where there is none."""
        wanted = f"R2 >= {1 - UNEXPLAINED.passes:g}"
        if not self.harmonized:
            wanted = f"gain 1 +- {GAIN.passes}, bias +- {BIAS.passes:g} DN, {wanted}"
        ratios, advice = median_ratios(*self.samples[:2]), self._radiometry_advice()
        for number, (band, fit) in enumerate(zip(BANDS, self.fits, strict=True)):
            value, verdict = "-", "unknown"
            if fit:
                bias = f"bias {round(fit.bias):+d} DN"
                value = f"gain {fit.gain:.3f}, {bias}, R2 {fit.r2:.3f}"
                verdicts = [UNEXPLAINED.verdict(1 - fit.r2)]
                if not self.harmonized:
                    verdicts += [GAIN.verdict(abs(fit.gain - 1))]
                    verdicts += [BIAS.verdict(abs(fit.bias))]
                # Harmonizing Spot does not mend Sentinel-2.
                verdicts += ["fail"] if offset_left(self.fits) else []
                verdict = _worst(verdicts)
            elif ratios is not None:
                value = f"too even for a line; medians {ratios[number]:.2f} : 1"
                verdict = "fail" if abs(ratios[number] - 1) > GAIN.warns else "unknown"
            yield Criterion(f"radiometry {band}", value, verdict, wanted, advice)

    def _radiometry_advice(self) -> tuple[str, ...]:
        """Diagnose the radiometry of all bands."""
        offset, fits = offset_left(self.fits), [fit for fit in self.fits if fit]
        ratios = median_ratios(*self.samples[:2])
        gain = np.median([f.gain for f in fits] or (1.0 if ratios is None else ratios))
        bias, advice = max((abs(fit.bias) for fit in fits), default=0), []
        if offset:
            too = "bright" if offset > 0 else "dark"
            advice.append(
                f"Sentinel-2 is some {abs(offset)} DN too {too} in all bands: --offset "
                f"{max(offset, 0)}?"
            )
        elif not self.harmonized and (abs(gain - 1) > GAIN[0] or bias > BIAS[0]):
            text = f", bias up to {bias:.0f} DN" if fits else ""
            if abs(gain - 1) > GAIN.warns:
                text += ": Spot is not reflectance x 10000"
            advice.append(f"gain {gain:.2g}{text}: --harmonize")
        pairs = zip(BANDS, self.fits, strict=True)
        if weak := [band for band, f in pairs if f and 1 - f.r2 > UNEXPLAINED.warns]:
            advice.append(
                f"{', '.join(weak)} hardly relate to Spot: other ground, clouds, or "
                "another band?"
            )
        return tuple(advice)

    def _order(self) -> Criterion:
        order, gained = better_order(*self.samples[:2])
        better = " ".join(order)
        advice = (
            "the bands look like Spot's in another order: where "
            f"{', '.join(BANDS)} are expected, give those that are now called {better}",
        )
        value = better + (f" (correlation {gained:+.3f})" if gained else "")
        verdict = DISORDER.verdict(gained)
        return Criterion("order of bands", value, verdict, "as given", advice)

    def _sharpness(self) -> Criterion:
        """Judge whether Sentinel-2 is as sharp as it should be; it never fails."""
        (least, most), text, verdict, why = SHARPNESS, "-", "unknown", ""
        if self.sharpness:
            value, low, high = self.sharpness
            text = f"{value:.2f} ({low:.2f} to {high:.2f})"
            if high < least:
                verdict, why = "warn", "is it blurred, resampled, or of 20 m?"
            elif low > most:
                verdict, why = "warn", "is it another sensor's, or PAN without detail?"
            elif least <= low and high <= most:
                verdict = "pass"
        usual, wanted = f"{MODULATION:g} is expected", f"{least:g} to {most:g}"
        advice = f"Sentinel-2 keeps {text} of the contrast at 1/20 m, {usual}: {why}"
        return Criterion("modulation at 1/20 m", text, verdict, wanted, (advice,))

    @property
    def verdict(self) -> str:
        """The worst of all criteria."""
        return _worst(
            row.verdict
            for row in self.criteria()
            if row.verdict != "unknown" or row.name.startswith(ALWAYS_KNOWN)
        )

    def diagnoses(self) -> list[str]:
        """Return one sentence per problem, with a remedy."""
        rows = self.criteria()
        wrong = (row.advice for row in rows if row.verdict in ("warn", "fail"))
        advice = list(dict.fromkeys(itertools.chain(*wrong)))
        unknown = ", ".join(row.name for row in rows if row.verdict == "unknown")
        return [*advice, f"not known: {unknown}"] if unknown else advice

    def table(self) -> str:
        """Lay the criteria out as text, the diagnoses below them."""
        line = "{:21} {:40} {:8} {}".format
        rows = [line("criterion", "value", "verdict", "passes")]
        rows += [line(*row[:4]) for row in self.criteria()]
        rows.append(f"verdict: {self.verdict}")
        return "\n".join([*rows, *(f"- {text}" for text in self.diagnoses())])

    def check(self, accepted: bool) -> None:
        """Refuse a pair that fails, unless the user accepts it all the same."""
        if self.verdict != "fail" or accepted:
            return
        failed = [row.name for row in self.criteria() if row.verdict == "fail"]
        raise SRError(
            f"the pair fails ({', '.join(failed)}), no patches are written: "
            f"{'; '.join(self.diagnoses())}; --accept_pair writes them all the same"
        )

    def reliable_shift(self) -> tuple[float, float]:
        """Return the shift; raise if too few blocks gave one to correct it."""
        used = sum(block.verdict == "used" for block in self.blocks)
        if not used or used < min(LEAST_BLOCKS, len(self.blocks)):
            raise SRError(
                f"a shift could be measured in {used} of {len(self.blocks)} blocks, "
                f"in {LEAST_BLOCKS} at least is expected; check that the images show "
                "the same place without clouds, or do without --coregister"
            )
        return self.shift

    def record(self) -> dict:
        """Return the card's entries; the fits undo what `fits.harmonize` did."""
        fits = zip(BANDS, self.fits, strict=True)
        return {
            "verdict": self.verdict,
            "shift": {**_named(self.shift), "spread": self.spread},
            "blocks": dict(Counter(block.verdict for block in self.blocks)),
            "spot_from_s2": {band: fit and fit._asdict() for band, fit in fits},
            "pan": {"shift": _named(self.pan_shift), "r2": self.pan_r2},
            "modulation": self.sharpness and self.sharpness._asdict(),
            **{key: getattr(self, key) for key in "changed days cloud missing".split()},
            "criteria": {row.name: row.verdict for row in self.criteria()},
            "diagnoses": self.diagnoses(),
        }


def _worst(verdicts: Iterable[str]) -> str:
    return max(verdicts, key=VERDICTS.index)


def _row(
    name: str, value: Any, limits: Limits, form: str = "{}", advice: str = ""
) -> Criterion:
    text = "-" if value is None else form.format(value)
    sentences = (advice.format(f"{name}: {text}"),) if advice else ()
    wanted = f"<= {form.format(limits.passes)}"
    return Criterion(name, text, limits.verdict(value), wanted, sentences)


def _shift(name: str, shift: tuple[float, float] | None, advice: str) -> Criterion:
    length, text = None, "-"
    if shift:
        length = float(np.hypot(*shift))
        text = "{:.2f} m ({:+.2f} east, {:+.2f} north)".format(length, *shift)
        advice = advice.format(length)
    wanted = f"<= {SHIFT.passes} m"
    return Criterion(name, text, SHIFT.verdict(length), wanted, (advice,))


def _named(shift: tuple[float, float] | None) -> dict[str, float | None]:
    return dict(zip(("east", "north"), shift or (None, None), strict=True))


def offset_left(fits: list[LinearFit | None]) -> int | None:
    """Return the DN that Sentinel-2 has too much in every band: 1000, -1000 or None.

    Spot = gain x Sentinel-2 + bias is 0 where Sentinel-2 is -bias / gain.
    """
    if any(fit is None or fit.gain <= 0 for fit in fits):
        return None
    zeros = np.array([-fit.bias / fit.gain for fit in fits])
    for offset in (OFFSET_DN, -OFFSET_DN):
        if (np.abs(zeros - offset) <= OFFSET_TOLERANCE_DN).all():
            return offset
    return None


def median_ratios(s2: np.ndarray, spot: np.ndarray) -> np.ndarray | None:
    """Return the median of Spot over that of Sentinel-2, per band; None if unknown.

    Both are [n, bands] DN of the same places.  Even ground has no texture to fit a line
    to, but it has a brightness.
    """
    if len(s2) < LEAST_SAMPLES:
        return None
    one, other = np.median(s2, axis=0), np.median(spot, axis=0)
    return other / one if (one > 0).all() else None


def better_order(s2: np.ndarray, spot: np.ndarray) -> tuple[tuple[str, ...], float]:
    """Return the order of Sentinel-2's bands in which they look most like Spot's.

    With it comes the gain in the mean correlation of the bands.  If no order is better,
    or nothing can be said, it is the order as it is, and 0.
    """
    textured = min(np.ptp(x, axis=0).min() for x in (s2, spot)) if len(s2) else 0
    if len(s2) < LEAST_SAMPLES or not textured:
        return BANDS, 0.0
    count = len(BANDS)
    correlation = np.corrcoef(s2.T, spot.T)[:count, count:]
    orders = list(itertools.permutations(range(count)))
    means = [np.mean(correlation[order, range(count)]) for order in orders]
    best = int(np.argmax(means))
    if means[best] < LEAST_CORRELATION:
        return BANDS, 0.0
    return tuple(BANDS[i] for i in orders[best]), float(means[best] - means[0])


@engine_errors("comparing the images")
def compare(lr: Any, pan: ImageInfo, xs: ImageInfo, **facts: Any) -> PairQuality:
    """Measure on a sample of blocks how well Sentinel-2 and Spot fit together.

    Arguments:
        lr: pyotb object or file, Sentinel-2 on the grid of XS, without offset.
        pan, xs: the images of Spot.
        facts: `days`, `cloud`, `missing`, `harmonized`, as in `PairQuality`.
    """
    inside = PanInXS(pan.path, xs.path)
    blocks = read_blocks(lr, pyotb.Input(xs.path))
    blocks = (block._replace(pan=inside.mean(block)) for block in blocks)
    return measure_pair(blocks, xs.spacing, **facts)


def measure_pair(blocks: Iterable[Block], spacing: float, **facts: Any) -> PairQuality:
    """Measure a pair on blocks with PAN, of pixels with a spacing in metres."""
    blocks = list(blocks)
    shifts = [block_shift(block, spacing) for block in blocks]
    shift, spread = _middle(shifts)
    of_pan, facts["pan_r2"] = follows(blocks, spacing)
    facts["pan_shift"], _ = _middle(of_pan)
    if facts["pan_r2"] and 1 - facts["pan_r2"] <= UNEXPLAINED.warns:
        facts["sharpness"] = modulation(blocks, shifts, spacing)
    lr, xs = _samples(blocks, shift, spacing, FIT_SUPPORT_METRES)
    fits = [fit_line(x, y) for x, y in zip(lr.T, xs.T, strict=True)]
    lr, xs = _samples(blocks, shift, spacing, CHANGE_SUPPORT_METRES)
    changed = is_changed(lr, xs, fits)
    # Off a line that explains nothing there is no change.
    explained = any(fit and 1 - fit.r2 <= UNEXPLAINED.warns for fit in fits)
    share = float(changed.mean()) if explained else None
    thin = slice(None, None, max(1, len(lr) // MOST_DRAWN))
    samples = lr[thin], xs[thin], changed[thin]
    return PairQuality(shifts, shift, spread, fits, share, samples, **facts)


def _middle(shifts: list[BlockShift]) -> tuple[Any, float | None]:
    """Return the median of the shifts that count, and their median distance from it."""
    used = np.array([(s.east, s.north) for s in shifts if s.verdict == "used"])
    if not len(used):
        return None, None
    east, north = np.median(used, axis=0).tolist()
    spread = float(np.median(np.hypot(*(used - (east, north)).T)))
    return (east, north), spread if len(used) > 1 else None


def _samples(
    blocks: list[Block], shift: Any, spacing: float, support: float
) -> Iterator[np.ndarray]:
    """Join the radiometry samples of all blocks: Sentinel-2, Spot."""
    parts = (radiometry_samples(b, shift or (0, 0), spacing, support) for b in blocks)
    return (np.concatenate(images) for images in zip(*parts, strict=True))
