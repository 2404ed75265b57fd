"""Do Sentinel-2 and Spot show the same ground in the same light?

    quality = compare(lr, pan, xs, days=3, cloud=0.001, missing=0.0)
    print(quality.table())
    hr = fits.harmonize(hr, quality.fits)

A sample of blocks is read, small enough for any memory.  It tells the shift between
the images, by phase correlation per block, a robust linear relation per band, Spot =
gain x Sentinel-2 + bias, the share of the ground that has changed, how PAN follows XS,
and how sharp Sentinel-2 is.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from srtools.conventions import BANDS
from srtools.engine import engine_errors
from srtools.errors import SRError
from srtools.images.optics import MODULATION
from srtools.images.raster import ImageInfo
from srtools.images.registration import Block, BlockShift, block_shift, read_blocks
from srtools.pair import diagnosis
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


class Limits(NamedTuple):
    """Largest values that pass, and that are only a warning; larger ones fail."""

    passes: float
    warns: float


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
VERDICTS = ("pass", "unknown", "warn", "fail")
ALWAYS_KNOWN = ("shift", "radiometry", "order", "PAN")  # first words of criteria


class Criterion(NamedTuple):
    """One line of the table; an unknown value is a dash."""

    name: str
    value: str
    verdict: str
    """One of `VERDICTS`."""
    wanted: str
    """Condition to pass."""
    advice: str = ""
    """What is wrong, and what to do, if it warns or fails."""


@dataclass(frozen=True)
class PairQuality:
    """How well a pair of images fits together, with a verdict for each criterion."""

    blocks: list[BlockShift]
    shift: tuple[float, float] | None
    """Shift of Sentinel-2 to the east and north, metres, median over the blocks; None
    if no block gave one."""
    spread: float | None
    """Distance from the median within which half of the blocks lie, metres; None for a
    single block."""
    fits: list[LinearFit | None]
    """Spot as a function of Sentinel-2, per band; None where there is no relation."""
    changed: float | None
    """Share of the ground that has changed, 0-1; see `fits.is_changed`."""
    samples: tuple[np.ndarray, np.ndarray, np.ndarray] = field(repr=False)
    """DN of Sentinel-2 and of Spot [n, bands], and whether they changed [n] bool."""
    pan_shift: tuple[float, float] | None = None
    """The same shift of PAN against XS."""
    pan_r2: float | None = None
    """Share of PAN's variance that XS explains, 0-1; see `pan.follows`."""
    sharpness: Modulation | None = None
    """Contrast that Sentinel-2 keeps at a period of 20 m."""
    days: float | None = None
    """Days between the two images."""
    cloud: float | None = None
    """Share of Spot's ground under cloud or shadow, 0-1."""
    missing: float | None = None
    """Share of Spot's ground that Sentinel-2 lacks, 0-1."""
    harmonized: bool = False
    """Whether gains and biases are removed afterwards, so that they do not count."""

    def criteria(self) -> list[Criterion]:
        """Judge the pair."""
        counts = Counter(block.verdict for block in self.blocks)
        unused = 1 - counts["used"] / max(len(self.blocks), 1)
        reasons = ", ".join(f"{n} {key}" for key, n in counts.items() if key != "used")
        order, gained = diagnosis.better_order(*self.samples[:2])
        right, better = ", ".join(BANDS), " ".join(order)
        gain = f" (correlation {gained:+.3f})" if gained else ""
        left = None if self.pan_r2 is None else 1 - self.pan_r2
        change = "{}; take another image"
        one_product = "take both from one product"
        return [
            _shift("shift", self.shift, "shift {:.1f} m: --coregister"),
            _line("its spread", self.spread, SPREAD, "{:.2f} m"),
            _line("blocks without shift", unused, UNUSED, "{:.0%}", reasons),
            *(self._radiometry(number) for number in range(len(BANDS))),
            Criterion(
                "order of bands",
                better + gain,
                _judge(gained, DISORDER),
                "as given",
                f"the bands look like Spot's in another order: where {right} are "
                f"expected, give those that are now called {better}",
            ),
            _shift(
                "PAN: shift from XS",
                self.pan_shift,
                f"PAN lies {{:.1f}} m off XS: {one_product}, or register them",
            ),
            Criterion(
                "PAN: relation to XS",
                "-" if left is None else f"R2 {self.pan_r2:.3f}",
                _judge(left, UNEXPLAINED),
                f"R2 >= {1 - UNEXPLAINED.passes:g}",
                f"PAN hardly follows XS, as of another day or place: {one_product}",
            ),
            self._sharpness(),
            _line("changed ground", self.changed, CHANGE, "{:.2%}", advice=change),
            _line("days between", self.days, DAYS, "{:g}", advice=change),
            _line("cloud and shadow", self.cloud, CLOUD, "{:.2%}", advice=change),
            _line("missing in Sentinel-2", self.missing, MISSING, "{:.2%}"),
        ]

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
        return Criterion("modulation at 1/20 m", text, verdict, wanted, advice)

    def _radiometry(self, number: int) -> Criterion:
        """Judge the relation of one band, or its brightness where there is none."""
        wanted = f"R2 >= {1 - UNEXPLAINED.passes:g}"
        if not self.harmonized:
            wanted = f"gain 1 +- {GAIN.passes}, bias +- {BIAS.passes:g} DN, {wanted}"
        fit, text, verdict = self.fits[number], "-", "unknown"
        ratios = diagnosis.median_ratios(*self.samples[:2])
        if fit:
            text = f"gain {fit.gain:.3f}, bias {round(fit.bias):+d} DN, R2 {fit.r2:.3f}"
            verdict = _judge(1 - fit.r2, UNEXPLAINED)
            if not self.harmonized:
                off = _judge(abs(fit.gain - 1), GAIN), _judge(abs(fit.bias), BIAS)
                verdict = _worst(verdict, *off)
        elif ratios is not None:
            text = f"too even for a line; medians {ratios[number]:.2f} : 1"
            off = abs(ratios[number] - 1) > GAIN.warns
            verdict = "fail" if off else "unknown"
        return Criterion(f"radiometry {BANDS[number]}", text, verdict, wanted)

    @property
    def _unrelated(self) -> bool:
        """Whether nothing at all shows that both images show the same ground."""
        return self.shift is None and not any(self.fits)

    @property
    def verdict(self) -> str:
        """The worst of all criteria.

        Days, clouds and missing ground are known of found scenes only; that shift and
        radiometry cannot be measured is no pass.
        """
        lines = self.criteria()
        judged = [
            line.verdict
            for line in lines
            if line.verdict != "unknown" or line.name.startswith(ALWAYS_KNOWN)
        ]
        if diagnosis.offset_left(self.fits):
            judged.append("fail")  # harmonizing Spot does not mend Sentinel-2
        if self._unrelated:
            judged.append("fail")
        return _worst(*judged)

    def diagnoses(self) -> list[str]:
        """Say what is wrong with the pair, and what to do."""
        lines, found = self.criteria(), []
        offset = diagnosis.offset_left(self.fits)
        gains = [fit.gain for fit in self.fits if fit]
        ratios = diagnosis.median_ratios(*self.samples[:2])
        gain = np.median(gains or (ratios if ratios is not None else [1.0]))
        biases = [abs(fit.bias) for fit in self.fits if fit]
        off = abs(gain - 1) > GAIN.passes or max(biases, default=0) > BIAS.passes
        if offset:
            remedy = f"--offset {max(offset, 0)}"
            found.append(
                f"Sentinel-2 is some {abs(offset)} DN too "
                f"{'bright' if offset > 0 else 'dark'} in all bands: {remedy}?"
            )
        elif off and not self.harmonized:
            counts = abs(gain - 1) > GAIN.warns
            reason = ": Spot is not reflectance x 10000" if counts else ""
            bias = f", bias up to {max(biases):.0f} DN" if biases else ""
            found.append(f"gain {gain:.2g}{bias}{reason}: --harmonize")
        weak = [
            b
            for b, f in zip(BANDS, self.fits, strict=True)
            if f and 1 - f.r2 > UNEXPLAINED.warns
        ]
        if self._unrelated:
            found.append("nothing shows that both images show the same ground")
        if weak:
            found.append(
                f"{', '.join(weak)} hardly relate to Spot: other ground, clouds, or "
                "another band?"
            )
        wrong = [line for line in lines if line.verdict in ("warn", "fail")]
        found += [line.advice for line in wrong if line.advice]
        unknown = [line.name for line in lines if line.verdict == "unknown"]
        if unknown:
            found.append(f"not known: {', '.join(unknown)}")
        return found

    def table(self) -> str:
        """Lay the criteria out as text, the diagnoses below them."""
        line = "{:21} {:40} {:8} {}".format
        rows = [line("criterion", "value", "verdict", "passes")]
        rows += [line(*criterion[:4]) for criterion in self.criteria()]
        rows.append(f"verdict: {self.verdict}")
        return "\n".join([*rows, *(f"- {text}" for text in self.diagnoses())])

    def check(self, accepted: bool) -> None:
        """Refuse a pair that fails.

        Arguments:
            accepted: whether the user wants its patches all the same.

        Raises:
            SRError: naming what fails.
        """
        if self.verdict != "fail" or accepted:
            return
        failed = [line.name for line in self.criteria() if line.verdict == "fail"]
        reasons = ", ".join(failed) or "see the table"
        advice = "; ".join(self.diagnoses())
        raise SRError(
            f"the pair fails ({reasons}), no patches are written: {advice}; "
            "--accept_pair writes them all the same"
        )

    def reliable_shift(self) -> tuple[float, float]:
        """Give the shift, measured in enough blocks to correct it.

        Raises:
            SRError: if too few blocks gave one.
        """
        used = sum(block.verdict == "used" for block in self.blocks)
        if not used or used < min(LEAST_BLOCKS, len(self.blocks)):
            raise SRError(
                f"a shift could be measured in {used} of {len(self.blocks)} blocks, "
                f"in {LEAST_BLOCKS} at least is expected; check that the images show "
                "the same place without clouds, or do without --coregister"
            )
        return self.shift

    def record(self) -> dict:
        """Give what a card keeps; the fits undo what `fits.harmonize` did."""
        fits = zip(BANDS, self.fits, strict=True)
        return {
            "verdict": self.verdict,
            "shift": {**_named(self.shift), "spread": self.spread},
            "blocks": dict(Counter(block.verdict for block in self.blocks)),
            "spot_from_s2": {band: fit and fit._asdict() for band, fit in fits},
            "pan": {"shift": _named(self.pan_shift), "r2": self.pan_r2},
            "modulation": self.sharpness and self.sharpness._asdict(),
            "changed": self.changed,
            "days": self.days,
            "cloud": self.cloud,
            "missing": self.missing,
            "criteria": {line.name: line.verdict for line in self.criteria()},
            "diagnoses": self.diagnoses(),
        }


@engine_errors("comparing the images")
def compare(lr: Any, pan: ImageInfo, xs: ImageInfo, **known: Any) -> PairQuality:
    """Measure on a sample of blocks how well Sentinel-2 and Spot fit together.

    Arguments:
        lr: pyotb object or file, Sentinel-2 on the grid of XS, without offset.
        pan, xs: the images of Spot.
        known: `days`, `cloud`, `missing`, as in `PairQuality`.
    """
    inside = PanInXS(pan.path, xs.path)
    blocks = read_blocks(lr, pyotb.Input(xs.path))
    blocks = (block._replace(pan=inside.mean(block)) for block in blocks)
    return measure_pair(blocks, xs.spacing, **known)


def measure_pair(blocks: Iterable[Block], spacing: float, **known: Any) -> PairQuality:
    """Measure shift, radiometry, change and sharpness on blocks of the images.

    Arguments:
        blocks: from `registration.read_blocks`, with PAN; all are kept in memory.
        spacing: size of their pixels in metres.
        known: `days`, `cloud`, `missing`, as in `PairQuality`.
    """
    blocks = list(blocks)
    shifts = [block_shift(block, spacing) for block in blocks]
    shift, spread = _middle(shifts)
    of_pan, known["pan_r2"] = follows(blocks, spacing)
    known["pan_shift"], _ = _middle(of_pan)
    if known["pan_r2"] and 1 - known["pan_r2"] <= UNEXPLAINED.warns:
        known["sharpness"] = modulation(blocks, shifts, spacing)
    lr, xs = _samples(blocks, shift, spacing, FIT_SUPPORT_METRES)
    fits = [fit_line(x, y) for x, y in zip(lr.T, xs.T, strict=True)]
    lr, xs = _samples(blocks, shift, spacing, CHANGE_SUPPORT_METRES)
    changed = is_changed(lr, xs, fits)
    # Off a line that explains nothing there is no change.
    explained = any(fit and 1 - fit.r2 <= UNEXPLAINED.warns for fit in fits)
    share = float(changed.mean()) if explained else None
    thin = slice(None, None, max(1, len(lr) // MOST_DRAWN))
    samples = lr[thin], xs[thin], changed[thin]
    return PairQuality(shifts, shift, spread, fits, share, samples, **known)


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


def _judge(value: float | None, limits: Limits) -> str:
    if value is None or np.isnan(value):
        return "unknown"
    if value <= limits.passes:
        return "pass"
    return "warn" if value <= limits.warns else "fail"


def _worst(*verdicts: str) -> str:
    return max(verdicts, key=VERDICTS.index)


def _line(
    name: str, value: Any, limits: Limits, form: str, note: str = "", advice: str = ""
) -> Criterion:
    text = "-" if value is None else form.format(value) + (f" ({note})" if note else "")
    wanted, advice = f"<= {form.format(limits[0])}", advice.format(f"{name}: {text}")
    return Criterion(name, text, _judge(value, limits), wanted, advice)


def _shift(name: str, shift: tuple[float, float] | None, advice: str) -> Criterion:
    length, text = None, "-"
    if shift:
        length = float(np.hypot(*shift))
        text = "{:.2f} m ({:+.2f} east, {:+.2f} north)".format(length, *shift)
        advice = advice.format(length)
    return Criterion(name, text, _judge(length, SHIFT), f"<= {SHIFT.passes} m", advice)


def _named(shift: tuple[float, float] | None) -> dict[str, float | None]:
    return dict(zip(("east", "north"), shift or (None, None), strict=True))
