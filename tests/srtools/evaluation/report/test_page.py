"""The report as a page that stands alone."""

from types import SimpleNamespace

import numpy as np

from srtools.evaluation.eval_set import EvalSet
from srtools.evaluation.report import page
from srtools.evaluation.report.patch_pictures import BICUBIC, LR, SR, TRUTH


def test_the_page_has_all_parts_and_escaped_names(tmp_path, metrics):
    """Two curves, the gains and their map, and 6 pictures of each of 5 patches."""
    path = tmp_path / "report.html"
    random = np.random.default_rng(9)
    windows = np.array([[32 * index, 0] for index in range(8)])
    test = EvalSet(tmp_path, {}, 8, 128, {}, windows)
    scores = SimpleNamespace(gains=lambda: random.normal(1, 0.5, 8))
    truth = random.uniform(0, 0.4, (64, 64, 4))
    images = {LR: truth[::4, ::4], BICUBIC: truth * 0.9, SR: truth, TRUTH: truth}
    examples = {f"patch <{n}>": images for n in range(5)}
    page.save(path, metrics(), SimpleNamespace(test=test, scores=scores), examples)
    text = path.read_text()
    assert text.count('src="data:image/svg+xml;base64,') == 4
    assert text.count('src="data:image/png;base64,') == 30
    assert "&lt;model&gt; &amp; co" in text and "<model>" not in text
    assert "sr_dataset.py --pan &#39;&lt;pan&gt;.tif&#39;</p>" in text
    assert "<b>patch &lt;0&gt;</b>" in text
    assert "<td>5.8</td>" in text and "95% interval over 12 blocks" in text
