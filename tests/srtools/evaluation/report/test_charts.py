"""Charts as SVG: their text stays text, and their colours have a meaning."""

import re

import numpy as np
import pytest

from srtools.evaluation.report import charts


def test_histogram():
    """Patches where bicubic is better have its colour."""
    drawn = charts.histogram(np.array([-0.5, 0.2, 1.0]))
    assert "Gain, patch by patch" in drawn and "http-equiv" not in drawn
    assert charts.COLOURS["model"] in drawn and charts.COLOURS["bicubic"] in drawn
    assert charts.COLOURS["bicubic"] not in charts.histogram(np.array([0.2, 1.0]))


def test_map():
    """A gain of 0 is white, if there are losses; the same data give the same bytes."""
    windows = np.array([[0, 0], [32, 0], [32, 64]])
    drawn = [
        charts.scene_map(windows, 32, np.array(values), {}, "map")
        for values in ([1.0, 2.0, 3.0], [-1.0, 0.0, 1.0])
    ]
    white = [len(re.findall("fill: #(?:f7f7f7|f7f6f6|f6f6f7)", text)) for text in drawn]
    assert white[1] > white[0]
    again = charts.scene_map(windows, 32, np.array([1.0, 2.0, 3.0]), {}, "map")
    assert again == drawn[0]


@pytest.mark.parametrize(("scene", "unit"), [({"spacing": 6.0}, "km"), ({}, "pixels")])
def test_map_names_its_unit(scene, unit):
    drawn = charts.scene_map(np.zeros((1, 2), int), 32, np.ones(1), scene, "map")
    assert f"{unit} from the corner of the image" in drawn


def test_bars_have_a_colour_per_method():
    values = {"bicubic": {"B04": 1.0}, "model": {"B04": 2.0}}
    drawn = charts.bars(["B04"], values, "L1 per band", "DN")
    for text in ("L1 per band", "DN", "B04", "bicubic", "model"):
        assert f">{text}<" in drawn
    assert charts.COLOURS["bicubic"] in drawn and charts.COLOURS["model"] in drawn


def test_curves_mark_the_resolution():
    """A dot where a method's resolution is known; pixel sizes as far as they go."""
    curve = {"model": [1.0, 0.5, 0.1]}
    plain, marked = (
        charts.curves([0.1, 0.2, 1 / 3], curve, ("title", ""), 0.5, marks)
        for marks in (None, {"model": 2.5})
    )
    dots = [text.count(f"fill: {charts.COLOURS['model']}") for text in (plain, marked)]
    assert dots[1] > dots[0] == 0
    assert ">5<" in plain and ">1.5<" in plain
    coarse = charts.curves([0.05, 0.1], {"model": [1, 1]}, ("title", ""), 0.5)
    assert ">5<" in coarse and ">1.5<" not in coarse
