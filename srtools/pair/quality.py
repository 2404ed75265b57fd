"""Quality of a pair: do Sentinel-2 and Spot show the same ground in the same light?

At most 64 blocks are read, so that a pair of any size fits into memory.
"""

from collections import Counter
from dataclasses import dataclass, field
from itertools import permutations
from typing import Any

import numpy as np

from srtools.conventions import BANDS, OFFSET_DN
from srtools.engine import engine_errors
from srtools.errors import SRError
from srtools.images.raster import ImageInfo
from srtools.matching.point_spread import MODULATION
from srtools.matching.registration import BlockShift, block_shift, read_blocks
from srtools.pair import criteria, radiometric_fit
from srtools.pair.criteria import Criterion, judge, judge_shift
from srtools.pair.modulation import Modulation, modulation
from srtools.pair.pan import PanInXS, relation_to_xs
from srtools.pair.radiometric_fit import FIT_SMOOTHING_METRES, LEAST_R2, LinearFit
from srtools.prefetch import prefetch

import pyotb

LEAST_BLOCKS = 3  # with a shift, before the shift is corrected
MOST_DRAWN = 4000  # samples in the picture
OFFSET_TOLERANCE_DN = 250  # between the zeros of the lines and the offset
LEAST_SAMPLES = 50  # for correlations
LEAST_CORRELATION = 0.5  # mean over the bands; below it no order is better

Shift = tuple[float, float]  # east, north, metres


@dataclass(frozen=True)
class PairQuality:
    """Measurements of a pair of images; `criteria` judges them."""

    blocks: list[BlockShift]
    shift: Shift | None
    """Metres that Sentinel-2 lies too far east and north, median over the blocks."""
    spread: float | None
    """Median distance of the blocks from this shift, metres; None for one block."""
    fits: list[LinearFit | None]
    """Spot as a linear function of Sentinel-2, per band; None if there is none."""
    changed: float | None
    """Share of the ground off the fits, 0-1; None if they explain nothing."""
    samples: tuple[np.ndarray, np.ndarray, np.ndarray] = field(repr=False)
    """DN of Sentinel-2 and of Spot [n, bands], and mask of changed ground [n] bool."""
    pan_shift: Shift | None = None  # PAN against XS, median over the blocks
    pan_r2: float | None = None  # share of the variance of PAN explained by XS
    sharpness: Modulation | None = None
    days: float | None = None  # between the acquisitions
    cloud: float | None = None  # share of the ground of Spot under cloud or shadow
    missing: float | None = None  # share of the ground of Spot without Sentinel-2
    harmonized: bool = False  # gains and biases are removed later

    def criteria(self) -> list[Criterion]:
        """Return one criterion per row of the table."""
        gains, biases, r2 = np.transpose([fit or (None,) * 3 for fit in self.fits])
        if offset := remaining_offset(self.fits):
            biases = biases + gains * offset  # the offset has a row of its own
        coding = judge("radiometry: gain", gains), judge("radiometry: bias", biases)
        if self.harmonized:
            coding = [row._replace(verdict="pass", condition="any") for row in coding]
        order, gained = best_band_order(*self.samples[:2])
        return [
            judge_shift("shift", self.shift),
            judge("its spread", self.spread),
            self._unused(),
            judge("radiometry: R2", r2),
            *coding,
            judge("radiometry: offset", offset),
            judge("order of bands", gained, order),
            judge_shift("PAN: shift from XS", self.pan_shift),
            judge("PAN: relation to XS", self.pan_r2),
            self._modulation(),
            judge("changed ground", self.changed),
            judge("days between", self.days),
            judge("cloud and shadow", self.cloud),
            judge("missing in Sentinel-2", self.missing),
        ]

    def _unused(self) -> Criterion:
        """Judge the share of blocks without a shift; fail without any shift and fit."""
        counts = Counter(block.verdict for block in self.blocks)
        share = 1 - counts.pop("used", 0) / max(len(self.blocks), 1)
        reasons = ", ".join(f"{count} {reason}" for reason, count in counts.items())
        text = f"{share:.0%} ({reasons})" if reasons else f"{share:.0%}"
        row = judge("blocks without shift", share, text)
        related = self.shift or any(self.fits)
        return row if related else row._replace(verdict="fail")

    def _modulation(self) -> Criterion:
        """Judge the modulation; "unknown" if only a part of its interval passes."""
        name = "modulation at 1/20 m"
        if not self.sharpness:
            return judge(name, None)
        value, low, high = self.sharpness
        text = f"{value:.2f} ({low:.2f} to {high:.2f})"
        nearest = judge(name, np.clip(MODULATION, low, high), text)
        if nearest.verdict == "pass" != judge(name, (low, high)).verdict:
            return nearest._replace(verdict="unknown")
        return nearest

    @property
    def verdict(self) -> str:
        """Worst verdict of all criteria."""
        return criteria.worst(
            row.verdict
            for row in self.criteria()
            if row.verdict != "unknown" or row.name.startswith(criteria.ALWAYS_KNOWN)
        )

    def diagnoses(self) -> list[str]:
        """Return one sentence per problem, with a remedy."""
        rows = self.criteria()
        advice = [row.advice for row in rows if row.verdict in ("warn", "fail")]
        unknown = ", ".join(row.name for row in rows if row.verdict == "unknown")
        return [*advice, f"not known: {unknown}"] if unknown else advice

    def table(self) -> str:
        """Format the criteria as a table in text, with the diagnoses below."""
        line = "{:21} {:40} {:8} {}".format
        rows = [line("criterion", "value", "verdict", "passes")]
        rows += [line(*row[:4]) for row in self.criteria()]
        rows.append(f"verdict: {self.verdict}")
        return "\n".join([*rows, *(f"- {text}" for text in self.diagnoses())])

    def check(self, accepted: bool) -> None:
        """Raise if the pair fails and the user does not accept it."""
        if self.verdict != "fail" or accepted:
            return
        failed = [row.name for row in self.criteria() if row.verdict == "fail"]
        raise SRError(
            f"the pair fails ({', '.join(failed)}), no patches are written: "
            f"{'; '.join(self.diagnoses())}; --accept_pair writes them all the same"
        )

    def reliable_shift(self) -> Shift:
        """Return the median shift; raise if too few blocks have a shift."""
        used = sum(block.verdict == "used" for block in self.blocks)
        if not used or used < min(LEAST_BLOCKS, len(self.blocks)):
            raise SRError(
                f"a shift could be measured in {used} of {len(self.blocks)} blocks, "
                f"in {LEAST_BLOCKS} at least is expected; check that the images show "
                "the same place without clouds or nodata, or do without --coregister"
            )
        return self.shift

    def record(self) -> dict:
        """Return `pair` of dataset.json; fits `spot_from_s2` can undo `harmonize`."""
        fits = zip(BANDS, self.fits, strict=True)
        return {
            "verdict": self.verdict,
            "shift": {**_east_north(self.shift), "spread": self.spread},
            "blocks": dict(Counter(block.verdict for block in self.blocks)),
            "spot_from_s2": {band: fit and fit._asdict() for band, fit in fits},
            "pan": {"shift": _east_north(self.pan_shift), "r2": self.pan_r2},
            "modulation": self.sharpness and self.sharpness._asdict(),
            **{key: getattr(self, key) for key in "changed days cloud missing".split()},
            "criteria": {row.name: row.verdict for row in self.criteria()},
            "diagnoses": self.diagnoses(),
        }


def _east_north(shift: Shift | None) -> dict[str, float | None]:
    return dict(zip(("east", "north"), shift or (None, None), strict=True))


def remaining_offset(fits: list[LinearFit | None]) -> int | None:
    """Return the offset left in the DN of Sentinel-2: 1000, 0 or -1000.

    Spot = gain x Sentinel-2 + bias is 0 at -bias / gain.  Return None if the gain of a
    band is unknown or not positive.
    """
    if any(fit is None or fit.gain <= 0 for fit in fits):
        return None
    zeros = np.array([-fit.bias / fit.gain for fit in fits])
    for offset in (OFFSET_DN, -OFFSET_DN):
        if (np.abs(zeros - offset) <= OFFSET_TOLERANCE_DN).all():
            return offset
    return 0


def best_band_order(s2: np.ndarray, spot: np.ndarray) -> tuple[str, float]:
    """Return names of Sentinel-2's bands in the order of best correlation with Spot.

    The second value is the gain in mean correlation; 0 if no order is better, or the
    samples [n, bands] are few or uniform.
    """
    order, gained = range(len(BANDS)), 0.0
    if len(s2) >= LEAST_SAMPLES and min(np.ptp(x, axis=0).min() for x in (s2, spot)):
        correlation = np.corrcoef(s2.T, spot.T)[: len(BANDS), len(BANDS) :]
        best = max(permutations(order), key=lambda x: correlation[x, order].mean())
        mean = correlation[best, order].mean()
        if mean >= LEAST_CORRELATION:
            order, gained = best, float(mean - correlation.diagonal().mean())
    return " ".join(BANDS[i] for i in order), gained


@engine_errors("comparing the images")
def compare(lr: Any, pan: ImageInfo, xs: ImageInfo, **measured: Any) -> PairQuality:
    """Measure the quality of a pair on a sample of blocks.

    `lr` is a pyotb object, Sentinel-2 on the grid of XS, without offset; `measured` are
    the attributes `days`, `cloud`, `missing` and `harmonized` of `PairQuality`.
    """
    inside, spacing = PanInXS(pan, xs), xs.spacing
    blocks, shifts = [], []
    for block in prefetch(read_blocks(lr, pyotb.Input(xs.path))):
        blocks.append(block._replace(pan=inside.mean(block)))
        shifts.append(block_shift(block, spacing))
    shift, spread = _median_shift(shifts)
    pan_shifts, measured["pan_r2"] = relation_to_xs(blocks, spacing)
    measured["pan_shift"], _ = _median_shift(pan_shifts)
    if (measured["pan_r2"] or 0) >= LEAST_R2:
        measured["sharpness"] = modulation(blocks, shifts, spacing)
    place = shift or (0.0, 0.0), spacing
    s2, spot = radiometric_fit.samples(blocks, *place, FIT_SMOOTHING_METRES)
    lines = [radiometric_fit.fit_line(x, y) for x, y in zip(s2.T, spot.T, strict=True)]
    s2, spot = radiometric_fit.samples(blocks, *place)
    changed = radiometric_fit.is_changed(s2, spot, lines)
    # A line that explains nothing shows no change.
    explained = any(fit and fit.r2 >= LEAST_R2 for fit in lines)
    share = float(changed.mean()) if explained else None
    thin = slice(None, None, max(1, len(s2) // MOST_DRAWN))
    samples = s2[thin], spot[thin], changed[thin]
    return PairQuality(shifts, shift, spread, lines, share, samples, **measured)


def _median_shift(shifts: list[BlockShift]) -> tuple[Shift | None, float | None]:
    """Return the median of used shifts, and their median distance from it, metres."""
    used = np.array([(s.east, s.north) for s in shifts if s.verdict == "used"])
    if not len(used):
        return None, None
    east, north = np.median(used, axis=0).tolist()
    spread = float(np.median(np.hypot(*(used - (east, north)).T)))
    return (east, north), spread if len(used) > 1 else None
