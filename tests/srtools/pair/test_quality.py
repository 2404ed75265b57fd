"""Shift, radiometry and change of a pair: measured, judged, recorded."""

import json
import re
import warnings

import numpy as np
import pytest

from srtools.errors import SRError
from srtools.matching.registration import BlockShift
from srtools.pair import criteria, pair_pictures
from srtools.pair.modulation import Modulation
from srtools.pair.quality import PairQuality
from srtools.pair.radiometric_fit import LinearFit
from tests.ground import RIM, changed, measure


@pytest.mark.parametrize(
    ("gain", "bias", "shift", "optics"),
    [
        (0.87, 150.0, (0.1, 0.0), {"noise": 20}),
        (1.25, -100.0, (-5.6, -5.6), {}),
        (0.9, 50.0, (0.0, 8.0), {"noise": 40}),
        # A contrast of 0.42 or 0.18 at 20 m instead of 0.28.
        (1.0, 0.0, (1.3, 1.1), {"blur": 2.8}),
        (1.0, 0.0, (1.3, 1.1), {"blur": 3.9}),
    ],
)
def test_shift_gain_and_bias(scene, gain, bias, shift, optics):
    """Within 0.3 m, 1.5 %, 0.002 reflectance; noise does not flatten the slope."""
    quality = measure(scene.spot(gain, bias), scene.sentinel2(shift, **optics))
    assert quality.spread < 0.3 and quality.changed < 0.01
    for block in quality.blocks:
        assert (block.east, block.north) == pytest.approx(shift, abs=0.3)
        assert block.verdict == "used" and block.correlation > 0.9
    for fit in quality.fits:
        assert fit.gain == pytest.approx(gain, rel=0.015)
        assert fit.bias == pytest.approx(bias, abs=20)
        assert fit.r2 > 0.99


def test_changed_ground(scene):
    """A fifth of the ground has changed: it is counted, and the rest measured."""
    ground = changed(scene.ground, 18)
    differs = np.abs(ground - scene.ground).max(axis=-1) > 200
    truth = differs[RIM:-RIM, RIM:-RIM].mean()
    assert 0.15 < truth < 0.25
    quality = measure(scene.spot(0.9, 100), scene.sentinel2((-2, 3), ground))
    assert quality.shift == pytest.approx((-2, 3), abs=0.3)
    for fit in quality.fits:
        assert fit.gain == pytest.approx(0.9, rel=0.01)
        assert fit.bias == pytest.approx(100, abs=25)
    assert quality.changed == pytest.approx(truth, abs=0.04)


def test_missing_pixels_are_no_samples(scene):
    """A black corner would otherwise be a point at (ground, 0)."""
    quality = measure(scene.spot(0.87, 150, wedge=70), scene.sentinel2((2, 1)))
    assert quality.blocks[0].verdict == "missing"
    assert quality.shift == pytest.approx((2, 1), abs=0.3)
    assert quality.fits[0].gain == pytest.approx(0.87, rel=0.01)
    assert quality.samples[1].min() > 100
    assert quality.changed < 0.002
    few = measure(scene.spot(wedge=38), scene.sentinel2((2, 1))).blocks[0]
    assert few.verdict == "used" and few.correlation > 0.97
    assert few.east == pytest.approx(2, abs=0.3)


@pytest.mark.parametrize("value", [0, 700])
def test_nothing_to_measure(value, tmp_path, write_raster):
    """Constant images, or no data at all: dashes, not a crash or a warning."""
    flat = np.full((64, 64, 4), value, np.uint16)
    xs, s2 = write_raster("xs.tif", flat), write_raster("s2.tif", flat)
    write_raster("pan.tif", np.full((256, 256), value, np.uint16), 1.5)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        quality = measure(xs, s2)
        pair_pictures.save_pair(tmp_path / "pair.png", {"": quality}, flat, (64, 64))
    assert quality.shift is None and quality.fits == [None] * 4
    assert quality.changed is quality.pan_shift is quality.pan_r2 is None
    assert quality.sharpness is None
    verdicts = {line.name: line.verdict for line in quality.criteria()}
    assert verdicts["shift"] == verdicts["radiometry: R2"] == "unknown"
    assert verdicts["blocks without shift"] == quality.verdict == "fail"
    assert "is it one place?" in "; ".join(quality.diagnoses())
    assert json.loads(json.dumps(quality.record()))["shift"]["east"] is None


def quality_of(**changed) -> PairQuality:
    """Make a pair that passes, but for some attributes."""
    nothing = np.zeros((0, 4))
    values = {
        "blocks": [BlockShift(0, 0, 64, 0.3, 0.4, 0.9, "used")],
        "shift": (0.3, 0.4),
        "spread": 0.2,
        "fits": [LinearFit(1.02, 10.0, 0.98)] * 4,
        "changed": 0.01,
        "samples": (nothing, nothing, np.zeros(0, bool)),
        "pan_shift": (0.1, -0.1),
        "pan_r2": 0.97,
        "sharpness": Modulation(0.28, 0.26, 0.3),
        "days": 3,
        "cloud": 0.001,
        "missing": 0.0,
    }
    return PairQuality(**{**values, **changed})


def quality_with(gain: float, bias: float, r2: float = 0.99, **changed) -> PairQuality:
    return quality_of(fits=[LinearFit(gain, bias, r2)] * 4, **changed)


def sharp(value: float, low: float, high: float) -> PairQuality:
    return quality_of(sharpness=Modulation(value, low, high))


GAIN, OFFSET = "radiometry: gain", "radiometry: offset"
MODULATION = "modulation at 1/20 m"


@pytest.mark.parametrize(
    ("quality", "row", "verdict", "words"),
    [
        (quality_of(shift=(0.9, 1.2)), "shift", "pass", None),
        (quality_of(shift=(0.9, -1.3)), "shift", "warn", "1.58 m .*--coregister"),
        (quality_of(shift=(2.5, 2.5)), "shift", "fail", "--coregister"),
        (quality_of(spread=2.0), "its spread", "warn", "2.00 m"),
        (quality_with(0.7, 0), GAIN, "warn", "0.700.*--harmonize"),
        (quality_with(0.4, 0), GAIN, "fail", "not reflectance x 10000"),
        (quality_with(0.4, 50, harmonized=True), GAIN, "pass", None),
        (quality_with(1, 300), "radiometry: bias", "warn", "--harmonize"),
        (quality_with(1, 0, 0.7), "radiometry: R2", "warn", "other ground"),
        (quality_with(1, 0, 0.4), "radiometry: R2", "fail", "other ground"),
        (quality_with(1, -980), OFFSET, "fail", "[+]1000.*--offset 1000"),
        (quality_with(1, 1010), OFFSET, "fail", "-1000.*--offset"),
        # Harmonizing Spot does not mend Sentinel-2.
        (quality_with(0.5, -500, harmonized=True), OFFSET, "fail", "--offset 1000"),
        (quality_of(pan_shift=(-1.5, 1.5)), "PAN: shift from XS", "warn", "2.12 m"),
        (quality_of(pan_shift=(12, 12)), "PAN: shift from XS", "fail", "one product"),
        (quality_of(pan_r2=0.75), "PAN: relation to XS", "warn", "another day or p"),
        (quality_of(pan_r2=0.3), "PAN: relation to XS", "fail", "take one product"),
        (quality_of(sharpness=None), MODULATION, "unknown", None),
        (sharp(0.11, 0.10, 0.12), MODULATION, "warn", "0.11 .0.10 to 0.12.*, 0.28 is"),
        (sharp(0.4, 0.37, 0.5), MODULATION, "warn", "0.37"),
        (sharp(0.2, 0.1, 0.3), MODULATION, "unknown", None),
        (sharp(0.3, 0.1, 0.5), MODULATION, "unknown", None),
        (quality_of(changed=0.1), "changed ground", "warn", "10.00%.*another image"),
        (quality_of(changed=0.2), "changed ground", "fail", "another image"),
        (quality_of(days=30), "days between", "warn", "another image"),
        (quality_of(days=439), "days between", "fail", "439 days between"),
        (quality_of(days=None), "days between", "unknown", None),
        (quality_of(cloud=0.01), "cloud and shadow", "warn", "1.00% cloudy"),
        (quality_of(missing=0.1), "missing in Sentinel-2", "fail", "10.00% missing"),
        (quality_of(missing=np.nan), "missing in Sentinel-2", "unknown", None),
    ],
)
def test_one_row_decides(quality, row, verdict, words):
    """Nothing else is to blame; the sentence names the value and the way out."""
    rows = {criterion.name: criterion.verdict for criterion in quality.criteria()}
    assert rows.pop(row) == verdict
    assert set(rows.values()) == {"pass"}
    assert quality.verdict == ("pass" if verdict == "unknown" else verdict)
    assert quality.record()["verdict"] == quality.verdict
    text = "; ".join(quality.diagnoses())
    expected = f"not known: {row}" if verdict == "unknown" else words
    assert re.search(expected, text) if expected else not text
    if verdict == "fail":
        with pytest.raises(SRError, match="--accept_pair writes them all the same"):
            quality.check(accepted=False)
    quality.check(accepted=True)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"fits": [None] * 4}, "radiometry: R2, radiometry: gain"),
        ({"shift": None, "spread": None}, "shift, its spread"),
        ({"pan_r2": None}, "PAN: relation to XS"),
        ({"pan_shift": None}, "PAN: shift from XS"),
    ],
)
def test_a_pair_with_an_unknown_criterion_does_not_pass(changed, words):
    quality = quality_of(**changed)
    assert quality.verdict == "unknown"
    assert quality.diagnoses()[0].startswith(f"not known: {words}")


def test_table():
    blocks = [
        BlockShift(0, 0, 64, 0.3, -1.0, 0.9, "used"),
        BlockShift(0, 32, 64, 0.0, 0.0, 0.0, "flat"),
    ]
    lines = quality_of(blocks=blocks, shift=(0.3, -1.0)).table().splitlines()
    assert len(lines) == 17
    assert lines[-1] == "verdict: pass"
    assert "1.04 m (+0.30 east, -1.00 north)" in lines[1]
    assert "50% (1 flat)" in lines[3]
    assert "1.020 1.020 1.020 1.020" in lines[5] and "1 +- 0.1" in lines[5]
    assert all(len(line) < 100 for line in lines)


def test_zero_has_no_sign():
    row = criteria.judge("radiometry: bias", [-0.3, -0.6, -10, 0.2])
    assert row.value == "0 DN -1 DN -10 DN 0 DN"
    shares = criteria.judge("radiometry: gain", [-0.0001, -0.012])
    assert shares.value == "0.000 -0.012"


def test_another_order_of_bands_is_named():
    """Blue for red: the bands resemble each other, each its own the most."""
    random = np.random.default_rng(2)
    ground = random.normal(1500, 300, (500, 1)) + random.normal(0, 120, (500, 4))
    spot = ground + random.normal(0, 20, (500, 4))
    right, swapped, noise = (
        quality_of(samples=(s2, spot, np.zeros(500, bool)))
        for s2 in (ground, ground[:, [2, 1, 0, 3]], random.normal(1500, 300, (500, 4)))
    )
    assert swapped.verdict == "fail"
    assert "are now called B02 B03 B04 B08" in "; ".join(swapped.diagnoses())
    assert right.verdict == noise.verdict == "pass"


def test_record_holds_the_fits_exactly():
    """`harmonize` must be undone with the numbers that did it."""
    fit = LinearFit(0.8123456789012345, 41.12345678901234, 0.9)
    record = json.loads(json.dumps(quality_of(fits=[fit] * 4).record()))
    assert LinearFit(**record["spot_from_s2"]["B08"]) == fit
    assert record["shift"] == {"east": 0.3, "north": 0.4, "spread": 0.2}
    assert record["pan"] == {"shift": {"east": 0.1, "north": -0.1}, "r2": 0.97}
    assert record["modulation"] == {"value": 0.28, "low": 0.26, "high": 0.3}
