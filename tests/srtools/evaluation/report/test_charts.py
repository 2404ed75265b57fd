"""Charts as SVG with text and fixed colours."""

import re
from pathlib import Path

import numpy as np

from srtools.evaluation.eval_set import EvalSet
from srtools.evaluation.report import charts
from srtools.evaluation.report.charts import bars, curves, scene_map, svg


def test_bars_have_the_numbers_of_few_patches():
    """Patches with a loss have the colour of bicubic."""
    drawn = svg(bars, np.array([-0.5, 0.2, 1.0]))
    assert re.findall(r">(\d)<", drawn)[:3] == ["2", "1", "0"]  # the best first
    assert ">40 patches<" in svg(bars, np.arange(40.0))
    assert "Gain, patch by patch" in drawn and "http-equiv" not in drawn
    assert charts.COLOURS["model"] in drawn and charts.COLOURS["bicubic"] in drawn
    assert charts.COLOURS["bicubic"] not in svg(bars, np.array([0.2, 1.0]))


def test_map():
    """A gain of 0 is white; the same data give the same bytes."""
    windows = np.array([[0, 0], [32, 0], [32, 64]])
    card = {"groups": {"train": {"windows": [[0, 200]]}, "valid": {}}}
    test = EvalSet(Path("nowhere"), {}, 3, 128, card, windows)
    drawn = [
        svg(scene_map, test, np.array(values))
        for values in ([1.0, 2.0, 3.0], [-1.0, 0.0, 1.0])
    ]
    white = [len(re.findall("fill: #(?:f7f7f7|f7f6f6|f6f6f7)", text)) for text in drawn]
    assert white[1] > white[0]
    assert svg(scene_map, test, np.array([1.0, 2.0, 3.0])) == drawn[0]
    assert "km from the corner of the image" in drawn[0]
    assert all(f">{number}<" in drawn[0] for number in range(3))
    assert "Gain over bicubic, dB" in svg(scene_map, test, np.zeros(3))


def spectrum(frequency: list[float], size: float | None = None) -> dict:
    curve = {"model": [1.0, 0.5, 0.1][: len(frequency)]}
    return {
        "cycles_per_metre": frequency,
        "threshold": 0.5,
        "correlation": curve,
        "power_ratio": curve,
        "effective_resolution_metres": {"model": size},
    }


def test_curves_mark_the_resolution():
    """A dot for the effective resolution, and ticks up to the highest frequency."""
    plain, marked = (
        svg(curves, spectrum([0.1, 0.2, 1 / 3], size), "correlation")
        for size in (None, 2.5)
    )
    dots = [text.count(f"fill: {charts.COLOURS['model']}") for text in (plain, marked)]
    assert dots[1] > dots[0] == 0
    assert ">5<" in plain and ">1.5<" in plain
    coarse = svg(curves, spectrum([0.05, 0.1]), "power_ratio")
    assert ">5<" in coarse and ">1.5<" not in coarse
    assert "Is there enough detail?" in coarse and ">model<" in coarse
