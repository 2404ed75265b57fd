"""The report in a real browser: everything is shown, on a phone as well."""

import json
import re
import shutil
import subprocess
from html import unescape
from types import SimpleNamespace

import numpy as np
import pytest

from srtools.evaluation.report import pictures, report
from srtools.evaluation.report.pictures import Shown
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
        BROWSER,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--no-first-run",
        "--host-resolver-rules=MAP * ~NOTFOUND",
        "--virtual-time-budget=10000",
        f"--user-data-dir={path.parent / 'profile'}",
        f"--window-size={window},900",
        "--dump-dom",
        probed.as_uri(),
    ]
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
    assert len(shown["images"]) == 10 + 36 and min(shown["images"]) > 0
    assert shown["needed"] <= width
    assert len(shown["columns"].split()) == (6 if width > 620 else 3)
    assert shown["rows"] > 30


@pytest.fixture
def write_report():
    def write(folder, **changed):
        path = folder / "report.html"
        random = np.random.default_rng(9)
        windows = np.array([[32 * index, 0] for index in range(8)])
        test = TestSet(folder, {}, 8, 128, {"xs": {"spacing": 6.0}}, windows)
        gains, scores = random.normal(1, 0.5, 8), random.uniform(0.01, 0.03, (8, 4))
        assessment = SimpleNamespace(test=test, gains=gains, columns={"model": scores})
        truth = random.uniform(0, 0.4, (64, 64, 4))
        predicted = {"bicubic": truth * 0.9, "model": truth * 0.95}
        shown = [
            Shown(caption, number, truth[::4, ::4], predicted, truth)
            for number, caption in pictures.choose(gains).items()
        ]
        report.save(path, {**made_up(), **changed}, assessment, shown)
        return path

    return write


def coverage() -> dict:
    """Give the coverage of intervals that never were."""
    known = {"coverage": 0.91, "half_width_dn": 321.0}
    level = {name: {"B04": v, "B03": v, "all": v} for name, v in known.items()}
    level["by_ground"] = {"flat": known}
    return {
        "views": 1,
        "patches": 4,
        "share_of_ground": {"flat": 1.0, "textured": 0.0, "edges": 0.0},
        "levels": dict.fromkeys(("0.8", "0.9", "0.95"), level),
        "left_out": dict.fromkeys(("0.9",), {"coverage": 0.9, "spread": 0.05}),
    }


def made_up() -> dict:
    """Metrics of an evaluation that never took place."""
    bands, methods = ["B04", "B03"], ["bicubic", "model"]
    by_band = {"B04": 1.0, "B03": 2.0, "all": 1.5}
    names = ("l1_reflectance", "l1_dn", "l2_reflectance", "l2_dn", "psnr_db", "ssim")
    scores = {
        name: {band: value + 10 * number for band, value in by_band.items()}
        for number, name in enumerate((*names, "ergas"))
    }
    scores["sam_degrees"] = 2.0
    area = {**dict.fromkeys(methods, scores), "gain_db": 1.0}
    area["truth_mean_dn"] = {"all": 800.0}
    ends = dict.fromkeys(("l1_dn", "psnr_db", "ssim", "sam_degrees"), [1.0, 2.0])
    seen = {
        "l1_dn": 10.0,
        "bias_dn": -1.0,
        "spectral_angle_degrees": 1.0,
        "shift_metres": None,
    }
    worst = {"patch": 3, "window": [96, 0], "gain_db": 0.1}
    worst |= {f"{n}_{m}": 1.0 for n in ("l1_dn", "psnr_db") for m in methods}
    curve = dict.fromkeys(methods, [1.0, 0.6, 0.1])
    return {
        "patches": 8,
        "bands": bands,
        "methods": methods,
        "border": 8,
        "test_set": "0",
        "inner": area,
        "whole": area,
        "share_won": 1.0,
        "intervals": {
            **dict.fromkeys(methods, ends),
            "gain_db": [0.5, 1.5],
            "level": 0.95,
            "blocks": 4,
            "kind": "blocks",
        },
        "closer_look": {"patches": 8},
        "coverage": coverage(),
        "consistency": {
            **dict.fromkeys((*methods, "truth"), seen),
            "operator": "it is seen",
            "grid": "10 m",
        },
        "spectrum": {
            "threshold": 0.5,
            "cycles_per_metre": [0.1, 0.2, 0.33],
            "power_ratio": curve,
            "correlation": curve,
            "effective_resolution_metres": {"bicubic": None, "model": 2.3},
        },
        "correctness": dict.fromkeys(
            ("improvement", "omission", "hallucination"), 1 / 3
        ),
        "worst": [worst] * 10,
        "model_dir": "<model> & co",
        "model_card": {
            "training": {
                "loss": "l1",
                "learning_rate": 1.23456e-4,
                "augment": True,
                "list": [1],
            },
        },
        "versions": {"python": "3"},
        "commands": ["sr_dataset.py --pan '<pan>.tif'", "sr_eval.py"],
    }


def test_names_cannot_break_the_page(tmp_path, write_report):
    text = write_report(tmp_path).read_text()
    assert "&lt;model&gt; &amp; co" in text and "<model>" not in text


def rows_of(text: str) -> list[list[str]]:
    """Give the cells of all rows of all tables of a page."""
    rows = re.findall(r"<tr[^>]*>(.*?)</tr>", text, re.DOTALL)
    return [re.findall(r"<t[dh]>(.*?)</t[dh]>", row, re.DOTALL) for row in rows]


def test_numbers_on_the_page(tmp_path, write_report):
    """Each score stands in its column, with its digits."""
    text = write_report(tmp_path).read_text()
    rows = rows_of(text)
    header = "L1", "L2", "L1, DN", "L2, DN²", "PSNR, dB", "SSIM", "SAM, °", "ERGAS"
    assert rows[0] == ["", *header]
    numbers = ["1.50000", "2.150e+01", "11.5", "32", "41.50", "51.500", "2.00", "61.50"]
    assert rows[2] == ["model", *numbers]
    assert ["bicubic", "-", "", "", ""] in rows  # no resolution is known
    assert "sr_dataset.py --pan &#39;&lt;pan&gt;.tif&#39;</p>" in text
    assert ["model", "2.3", "0.33", "0.33", "0.33"] in rows
    assert ["truth", "10.0", "-1.0", "1.00", "-", "-"] in rows
    assert ["90%", *["91.0%"] * 4, "-", "-", "321"] in rows
    assert rows.count(["3", "96, 0", "+0.10", "1.0", "1.0", "1.00", "1.00"]) == 10
    assert "95% interval over 4 blocks" in text
    assert "training: loss l1, learning_rate 0.0001235, augment True<" in text


def test_comparison_of_folders(tmp_path):
    """Two results: their tables and charts."""
    compared = {
        "runs": ["<one>", "other"],
        "most_unlike": [],
        "level": 0.95,
        "blocks": 12,
        "patches": 8,
        "share_won_by_second": 0.75,
        "scores": {
            "l2_dn": {"values": [10.4, 9.0], "difference": -1.4, "interval": None},
            "psnr_db": {"values": [30, 31], "difference": 1, "interval": [0.5, 2]},
        },
    }
    path = tmp_path / "comparison.html"
    report.save_comparison(path, compared, made_up(), made_up())
    text = path.read_text()
    assert ["l2_dn", "10", "9", "-1", "-"] in rows_of(text)
    assert ["psnr_db", "30.00", "31.00", "+1.00", "[+0.50, +2.00]"] in rows_of(text)
    assert "other wins on 75%" in text and "95% interval over 12 blocks" in text
    assert "A: &lt;one&gt; against B: other" in text and "<one>" not in text
    assert text.count('alt="chart"') == 2 and "<figure>" not in text
