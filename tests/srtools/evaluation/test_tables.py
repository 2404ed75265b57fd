"""The lines of the terminal."""

import pytest

from srtools.evaluation import tables
from srtools.evaluation.words import in_words


def metrics(**changed) -> dict:
    """Metrics of a test set that is too small for most scores."""
    by_band = {"B04": 0.5, "all": 0.25}
    names = ("l1_reflectance", "l2_reflectance", "l1_dn", "l2_dn", "psnr_db")
    scores = {**dict.fromkeys(names, by_band), "sam_degrees": 1.0}
    scores |= {"ssim": None, "ergas": None}
    return {
        "patches": 8,
        "border": 4,
        "bands": ["B04"],
        "methods": ["model"],
        "inner": {
            "model": scores,
            "bicubic": scores,
            "gain_db": 1.0,
            "truth_mean_dn": by_band,
        },
        "whole": {"gain_db": 0.5},
        "share_won": 0.75,
        "intervals": {
            "level": 0.95,
            "blocks": 12,
            "kind": "blocks of neighbours",
            "gain_db": [0.25, 1.75],
        },
        "closer_look": {"patches": 8},
        **dict.fromkeys(("consistency", "coverage", "spectrum", "correctness")),
        **changed,
    }


def held() -> dict:
    """Intervals that hold a little less than they promise."""
    widths = {"B04": 310.0, "all": 300.0}
    level = {"coverage": {"B04": 0.875, "all": 0.88}, "half_width_dn": widths}
    return {"views": 1, "levels": {"0.9": level}}


def test_l1_and_l2_first():
    lines = tables.evaluation(metrics()).splitlines()
    assert lines[1].split()[:3] == ["band", "L1", "L2"]
    band = ["model", "B04", "0.50000", "5.000e-01", "0.5", "0", "0.50", "-", "-"]
    assert lines[2].split() == band
    assert lines[3].split()[-2:] == ["1.00", "-"]  # SAM, of all bands; no ERGAS


def test_gain_and_its_interval():
    assert tables.evaluation(metrics()).splitlines()[4:6] == [
        "gain over bicubic: +1.00 dB [+0.25, +1.75] (+0.50 dB with the border); "
        "the model wins on 75% of the patches",
        "in brackets: 95% interval over 12 blocks of neighbours",
    ]


@pytest.mark.parametrize("kind", ["patches", "blocks of neighbours"])
def test_two_blocks_have_no_interval(kind):
    bounds = {"level": 0.95, "blocks": 2, "kind": kind, "gain_db": None}
    assert tables.evaluation(metrics(intervals=bounds)).splitlines()[4:6] == [
        "gain over bicubic: +1.00 dB (+0.50 dB with the border); "
        "the model wins on 75% of the patches",
        f"no interval: at least 3 {kind} are needed",
    ]


def test_two_scenes_have_no_interval():
    """The mean alone, and why."""
    row = {"name": "nice", "patches": 3, "psnr_db": [30.0, 31.0], "difference_db": 1.0}
    row |= {"interval": None, "share_won_by_second": 1.0}
    found = {"runs": ["a", "b"], "scenes": [row, row], "level": 0.95}
    found |= {"difference_db": 1.0, "interval": None}
    assert tables.scenes_compared(found).splitlines()[-1] == (
        "mean difference over 2 scenes: +1.00 dB - "
        "(no interval: at least 3 scenes are needed)"
    )


def test_slow_scores():
    """Their lines, and on how many patches they were measured."""
    view = {"l1_dn": 60.0, "spectral_angle_degrees": None, "shift_metres": 0.5}
    found = metrics(
        patches=9,
        spectrum={"effective_resolution_metres": {"bicubic": None, "model": 4.0}},
        correctness={"improvement": 0.5, "omission": 0.3, "hallucination": 0.2},
        coverage=held(),
        consistency={"grid": "10 m", "model": {**view, "l1_dn": 50.0}, "truth": view},
    )
    assert tables.evaluation(found).splitlines()[6:] == [
        "effective resolution: bicubic - m, model 4.0 m",
        "new detail of the model: improvement 0.50, omission 0.30, hallucination 0.20",
        "seen as Sentinel-2 sees, compared with Sentinel-2 at 10 m:",
        "  model      L1 50.0 DN, spectral angle - degrees, shift 0.50 m",
        "  truth      L1 60.0 DN, spectral angle - degrees, shift 0.50 m",
        "intervals of pixels, 1 view(s) of the image:",
        "  promised 90%, held 88.0% (B04 87.5%), +- 300 DN in the mean",
        "in words:",
        *(f"- {text}" for text in in_words(found)),
        "from the effective resolution on: 8 patches, evenly spread",
    ]


@pytest.mark.parametrize(
    ("blocks", "words"),
    [
        (2, "of the patches; no interval: at least 3 blocks are needed"),
        (12, "of the patches; in brackets: 95% interval over 12 blocks"),
    ],
)
def test_comparison(blocks, words):
    found = {
        "runs": ["a", "a_long_name"],
        "patches": 8,
        "blocks": blocks,
        "level": 0.95,
        "share_won_by_second": 0.5,
        "scores": {
            "ssim": {"values": [0.5, 0.75], "difference": 0.25, "interval": None},
        },
    }
    lines = tables.comparison(found).splitlines()
    assert lines[0] == "8 test patches"
    assert lines[1].split() == ["a", "a_long_name", "difference"]
    assert lines[2].split() == ["ssim", "0.5000", "0.7500", "+0.2500", "-"]
    assert lines[3] == f"a_long_name wins on 50% {words}"


def test_remarks_say_what_must_not_be_overlooked():
    """A pair that failed, and a model that loses, in words."""
    assert tables.remarks(metrics()) == []
    pair = {"verdict": "fail", "diagnoses": ["shift 5.0 m: --coregister"]}
    scores = {**metrics()["inner"], "gain_db": -0.2}
    found = metrics(dataset={"pair": pair}, inner=scores)
    lines = tables.evaluation(found).splitlines()[-2:]
    assert lines == tables.remarks(found)
    assert lines[0].startswith("the pair of these patches: fail (shift 5.0 m: --coreg")
    assert lines[1] == "the model does not beat bicubic, which costs nothing"
