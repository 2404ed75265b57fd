"""The report in a real browser: everything is shown, on a phone as well."""

import json
import re
import shutil
import subprocess
from html import unescape

import numpy as np
import pytest

from srtools.evaluation.report import charts, page, report
from srtools.evaluation.test_set import TestSet

BROWSER = next(filter(None, map(shutil.which, ("chromium", "google-chrome"))), None)
PROBE = """
<script>window.onload = () => {
  document.body.style.width = "WIDTHpx";
  const result = document.createElement("pre");
  result.id = "result";
  result.textContent = JSON.stringify({
    images: [...document.images].map(i => i.complete ? i.naturalWidth : 0),
    columns: getComputedStyle(document.querySelector(".strip")).gridTemplateColumns,
    needed: document.body.scrollWidth,
    rows: document.querySelectorAll("tr").length,
  });
  document.body.append(result);
};</script></body>
"""
RNG = np.random.default_rng(9)
SVG = charts.histogram(np.array([-0.5, 0.2, 1.0]))


def show(path, width: int) -> dict:
    """Open a copy of a page that says what it shows in a browser without network.

    Chromium has no window narrower than 500 pixels; the page in it can be.
    """
    probed = path.with_suffix(".probed.html")
    window = max(width, 500)
    probed.write_text(
        path.read_text().replace("</body>", PROBE.replace("WIDTH", str(width)))
    )
    command = [
        BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
        "--host-resolver-rules=MAP * ~NOTFOUND", "--virtual-time-budget=10000",
        f"--user-data-dir={path.parent / 'profile'}", f"--window-size={window},900",
        "--dump-dom", probed.as_uri(),
    ]  # fmt: skip
    shown = subprocess.run(
        command, capture_output=True, text=True, timeout=120, check=True
    )
    found = re.search(r'<pre id="result">(.*?)</pre>', shown.stdout, re.DOTALL)
    return json.loads(unescape(found[1]))


@pytest.mark.skipif(BROWSER is None, reason="no Chromium to open the report with")
@pytest.mark.parametrize("width", [1200, 360])
def test_browser(tmp_path, write_report, width):
    """All pictures are decoded; tables scroll, the page does not."""
    shown = show(write_report(tmp_path), width)
    # 6 charts, 2 maps, and 5 pictures of each of 6 patches.
    assert len(shown["images"]) == 8 + 30 and min(shown["images"]) > 0
    assert shown["needed"] <= width
    assert len(shown["columns"].split()) == (5 if width > 620 else 3)
    assert shown["rows"] > 30


@pytest.fixture
def write_report():
    def write(folder):
        path = folder / "report.html"
        gains = RNG.normal(1, 0.5, 8)
        windows = np.array([[32 * index, 0] for index in range(8)])
        test = TestSet(folder, {}, 8, 128, {"xs": {"spacing": 6.0}}, windows)
        places = report.Places(test, gains, RNG.uniform(0.01, 0.03, (8, 4)))
        shown = report.choose(gains)
        truth = RNG.uniform(0, 0.4, (1, 64, 64, 4))
        predicted = {"bicubic": truth * 0.9, "model": truth * 0.95}
        pictures = [(truth[:, ::4, ::4], predicted, truth)] * len(shown)
        report.save(path, made_up(), shown, pictures, places)
        return path

    return write


def made_up() -> dict:
    """Metrics of an evaluation that never took place."""
    bands, methods = ["B04", "B03"], ["bicubic", "model"]
    by_band = {"B04": 1.0, "B03": 2.0, "all": 1.5}
    names = ("l1_reflectance", "l2_reflectance", "l1_dn", "l2_dn", "psnr_db", "ssim")
    scores = {**dict.fromkeys((*names, "ergas"), by_band), "sam_degrees": 2.0}
    area = {**dict.fromkeys(methods, scores), "gain_db": 1.0}
    ends = dict.fromkeys(("l1_dn", "psnr_db", "ssim", "sam_degrees"), [1.0, 2.0])
    robust = {
        "cpsnr_db": 30.0, "shift_metres": 0.0, "share_unshifted": 1.0,
    }  # fmt: skip
    seen = {
        "l1_dn": 10.0, "bias_dn": -1.0, "spectral_angle_degrees": 1.0,
        "shift_metres": None,
    }  # fmt: skip
    worst = {"patch": 3, "window": [96, 0], "gain_db": 0.1}
    worst |= {f"{n}_{m}": 1.0 for n in ("l1_dn", "psnr_db") for m in methods}
    curve = dict.fromkeys(methods, [1.0, 0.6, 0.1])
    return {
        "patches": 8, "bands": bands, "methods": methods, "border": 8,
        "test_set": "0", "inner": area, "whole": area, "share_won": 1.0,
        "intervals": {
            **dict.fromkeys(methods, ends), "gain_db": [0.5, 1.5], "level": 0.95,
            "blocks": 2, "kind": "blocks", "rough": True,
        },
        "closer_look": {"patches": 8},
        "robust": {**dict.fromkeys(methods, robust), "tried_shifts_pixels": 3},
        "consistency": {
            **dict.fromkeys((*methods, "truth"), seen), "operator": "it is seen",
            "grid": "10 m",
        },
        "spectrum": {
            "threshold": 0.5, "cycles_per_metre": [0.1, 0.2, 0.33],
            "power_ratio": curve, "correlation": curve,
            "effective_resolution_metres": {"bicubic": None, "model": 2.3},
        },
        "correctness": dict.fromkeys(
            ("improvement", "omission", "hallucination"), 1 / 3
        ),
        "worst": [worst] * 10, "model_dir": "<model> & co", "model_card": {},
        "versions": {"python": "3"},
    }  # fmt: skip


def test_names_cannot_break_the_page(tmp_path, write_report):
    text = write_report(tmp_path).read_text()
    assert "&lt;model&gt; &amp; co" in text and "<model>" not in text


def test_chosen_patches():
    """Best, middle and worst, none twice, also when there are few."""
    gains = np.array([5.0, 1.0, 3.0, 2.0, 4.0, 0.0, 6.0])
    assert report.choose(gains) == [
        ("best", 6), ("best", 0), ("median", 2), ("median", 3),
        ("worst", 1), ("worst", 5),
    ]  # fmt: skip
    for count in range(1, 6):
        chosen = report.choose(gains[:count])
        indexes = [index for _, index in chosen]
        assert len(set(indexes)) == len(indexes) == count


def test_patches_where_two_models_differ():
    """The two where B is better by most, the two where A is; few are all shown."""
    gains = np.array([0.1, -2.0, 3.0, 0.0, -0.5, 1.0])
    chosen = report.choose_unlike(gains)
    assert [index for _, index in chosen] == [2, 5, 1, 4]
    assert chosen[2][0] == "patch 1: B less A -2.00 dB"
    assert [index for _, index in report.choose_unlike(gains[:3])] == [2, 0, 1]


def test_drawings():
    """Text stays text; colours say which side of zero a patch is on."""
    assert "Gain, patch by patch" in SVG and "http-equiv" not in SVG
    assert charts.COLOURS["model"] in SVG and charts.COLOURS["bicubic"] in SVG
    windows = np.array([[0, 0], [32, 0], [32, 64]])
    drawn = [
        charts.scene_map(windows, 32, np.array(values), {}, "map")
        for values in ([1.0, 2.0, 3.0], [-1.0, 0.0, 1.0])
    ]
    white = [len(re.findall("fill: #(?:f7f7f7|f7f6f6|f6f6f7)", text)) for text in drawn]
    assert white[1] > white[0]  # where the gain is 0
    again = charts.scene_map(windows, 32, np.array([1.0, 2.0, 3.0]), {}, "map")
    assert again == drawn[0]


def test_tables_are_even():
    text = page.table(["a", "b"], [[1, "<"], [3, 4]])
    assert text.count("<td>") == 4 and "&lt;" in text
