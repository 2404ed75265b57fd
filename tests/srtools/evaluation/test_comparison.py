"""Comparison of two folders of results, and summary of several scenes."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from srtools.errors import SRError
from srtools.evaluation import comparison, result_files

COUNT = 40
BLOCKS = np.arange(COUNT) // 4
HARD = np.random.default_rng(6).uniform(0.5, 2, COUNT)  # hard for every method


def columns(error: float) -> np.ndarray:
    """L1, L2, SSIM and SAM of patches with an error of `error` times `HARD`."""
    error = error * HARD
    return np.stack([error, error**2, 1 - error, 100 * error], axis=1)


def write_run(folder, error: float, **changed) -> str:
    folder.mkdir(parents=True)
    scores = SimpleNamespace(
        columns=lambda method: columns(error if method == "model" else 0.02),
        gains=lambda: np.zeros(COUNT),
    )
    test = SimpleNamespace(windows=np.arange(2 * COUNT).reshape(COUNT, 2))
    assessment = SimpleNamespace(scores=scores, test=test, blocks=BLOCKS)
    result_files.write_patches(folder / "patches.csv", assessment)
    metrics = {"test_set": "1a", "border": 8, **changed}
    (folder / "metrics.json").write_text(json.dumps(metrics))
    return str(folder)


def test_comparison_by_hand(tmp_path):
    """Errors that are a tenth smaller are 0.915 dB, with an interval of no width."""
    folders = [write_run(tmp_path / f"{e}", e) for e in (0.010, 0.009)]
    out = tmp_path / "both"
    comparison.write(out, False, *folders)
    compared = json.loads((out / "comparison.json").read_text())
    scores = compared["scores"]
    gain = 20 * np.log10(10 / 9)
    assert scores["psnr_db"]["difference"] == pytest.approx(gain, abs=1e-4)
    assert scores["psnr_db"]["interval"] == pytest.approx([gain] * 2, abs=1e-4)
    l2 = 1e4 * np.mean(HARD**2)
    assert scores["l2_dn"]["values"] == pytest.approx([l2, 0.81 * l2], rel=1e-4)
    l1 = 100 * HARD.mean()
    assert scores["l1_dn"]["values"] == pytest.approx([l1, 0.9 * l1], rel=1e-4)
    assert compared["share_won_by_second"] == 1 and len(compared["most_unlike"]) == 4
    assert "<title>0.01 against 0.009</title>" in (out / "comparison.html").read_text()
    back = comparison.compare(*map(result_files.read, folders[::-1]))
    assert back["scores"]["ssim"]["difference"] == -scores["ssim"]["difference"]
    assert back["share_won_by_second"] == 0
    with pytest.raises(SRError, match="comparison.json exists already"):
        comparison.write(out, False, *folders)


@pytest.mark.parametrize(
    ("changed", "words"),
    [({"test_set": "2b"}, "1a and 2b"), ({"border": 4}, "8 and 4")],
)
def test_unlike_runs_are_refused(tmp_path, changed, words):
    one = write_run(tmp_path / "one", 0.01)
    other = write_run(tmp_path / "other", 0.01, **changed)
    with pytest.raises(SRError, match="not evaluated on the same test") as error:
        comparison.write(tmp_path / "both", False, one, other)
    assert words in str(error.value) and not (tmp_path / "both").exists()


def test_other_folders_are_refused(tmp_path):
    for content in (None, '{"patches": 3}', "no JSON"):
        if content:
            (tmp_path / "metrics.json").write_text(content)
        with pytest.raises(SRError, match="is not a folder of results.*--model_dir"):
            result_files.read(tmp_path)


def test_patches_table(tmp_path):
    folder = write_run(tmp_path / "one", 0.01)
    lines = (tmp_path / "one" / "patches.csv").read_text().splitlines()
    assert lines[0].startswith("patch,row,col,block,l1_nearest,l2_nearest,ssim_nearest")
    assert lines[0].endswith(",l1_model,l2_model,ssim_model,sam_model,gain_db")
    assert len(lines) == 1 + COUNT and lines[6].startswith("5,10,11,1,")
    run = result_files.read(folder)
    np.testing.assert_allclose(run.columns, columns(0.01), rtol=1e-5)
    np.testing.assert_array_equal(run.blocks, BLOCKS)


def test_interval_of_scenes_is_students_over_their_means(tmp_path):
    """Mean 2, standard error 1 / sqrt 3, t of 4.303 with two degrees of freedom."""
    score = {"psnr_db": {"all": 25.0}}
    runs = {
        name: {
            "patches": 3,
            "inner": {"bicubic": score, "model": score, "gain_db": gain},
            "intervals": {"gain_db": None},
            "share_won": 1.0,
        }
        for name, gain in (("paris", 1.0), ("lyon", 2.0), ("gers", 3.0))
    }
    (table,) = comparison.write_scenes(tmp_path, runs)
    summary = json.loads((tmp_path / "scenes.json").read_text())
    ends = [2 - 4.30265 / 3**0.5, 2 + 4.30265 / 3**0.5]
    assert summary["gain_db"] == 2
    assert summary["interval"] == pytest.approx(ends, abs=1e-4)
    assert table.rows[0] == ["paris", "3", "25.00", "25.00", "+1.00", "-", "100%"]
