"""The report in a real browser, on a screen and on a phone."""

import json
import re
import shutil
import subprocess
from html import unescape
from types import SimpleNamespace

import numpy as np
import pytest

from srtools.evaluation.eval_set import EvalSet
from srtools.evaluation.report import page
from srtools.evaluation.report.patch_pictures import BICUBIC, LR, SR, TRUTH

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
    """Open a copy of a page with a probe in a browser without network.

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
    match = re.search(r'<pre id="result">(.*?)</pre>', shown.stdout, re.DOTALL)
    return json.loads(unescape(match[1]))


@pytest.mark.skipif(BROWSER is None, reason="no Chromium to open the report with")
@pytest.mark.parametrize("width", [1200, 360])
def test_browser(tmp_path, write_report, width):
    """All pictures are decoded; tables scroll, the page does not."""
    shown = show(write_report(tmp_path), width)
    # Two curves, the gains and their map, and 6 pictures of each of 5 patches.
    assert len(shown["images"]) == 4 + 30 and min(shown["images"]) > 0
    assert shown["needed"] <= width
    assert len(shown["columns"].split()) == (6 if width > 620 else 3)
    assert shown["rows"] > 10


@pytest.fixture
def write_report(metrics):
    def write(folder):
        path = folder / "report.html"
        random = np.random.default_rng(9)
        windows = np.array([[32 * index, 0] for index in range(8)])
        test = EvalSet(folder, {}, 8, 128, {}, windows)
        scores = SimpleNamespace(gains=lambda: random.normal(1, 0.5, 8))
        truth = random.uniform(0, 0.4, (64, 64, 4))
        images = {LR: truth[::4, ::4], BICUBIC: truth * 0.9, SR: truth, TRUTH: truth}
        examples = {f"patch <{n}>": images for n in range(5)}
        page.save(path, metrics(), SimpleNamespace(test=test, scores=scores), examples)
        return path

    return write


def test_names_cannot_break_the_page(tmp_path, write_report):
    """Text is escaped; tables and their notes are on the page."""
    text = write_report(tmp_path).read_text()
    assert "&lt;model&gt; &amp; co" in text and "<model>" not in text
    assert "sr_dataset.py --pan &#39;&lt;pan&gt;.tif&#39;</p>" in text
    assert "<b>patch &lt;0&gt;</b>" in text
    assert "<td>5.8</td>" in text and "95% interval over 12 blocks" in text
