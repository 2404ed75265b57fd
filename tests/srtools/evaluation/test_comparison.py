"""Folders of results side by side: the same patches, the difference, its interval."""

import json

import numpy as np
import pytest

from srtools.errors import SRError
from srtools.evaluation import comparison, results

COUNT = 40
BLOCKS = np.arange(COUNT) // 4
HARD = np.random.default_rng(6).uniform(0.5, 2, COUNT)  # hard for every method


def columns(error: float) -> np.ndarray:
    """L1, L2, SSIM and SAM of patches whose error is `error` times how hard it is."""
    error = error * HARD
    return np.stack([error, error**2, 1 - error, 100 * error], axis=1)


def write_run(folder, error: float, **changed) -> str:
    folder.mkdir(parents=True)
    methods = {"bicubic": columns(0.02), "model": columns(error)}
    results.write_patches(folder / "patches.csv", methods, None, BLOCKS)
    metrics = {"inner": {"model": {}}, "test_set": "1a", "border": 8, **changed}
    (folder / "metrics.json").write_text(json.dumps(metrics))
    return str(folder)


def test_comparison_by_hand(tmp_path):
    """A tenth less error everywhere: 0.915 dB, won everywhere, beyond doubt."""
    one = comparison.read_run(write_run(tmp_path / "one", 0.010))
    other = comparison.read_run(write_run(tmp_path / "other", 0.009))
    compared = comparison.compare(one, other)
    scores = compared["scores"]
    gain = 20 * np.log10(10 / 9)
    assert scores["psnr_db"]["difference"] == pytest.approx(gain, abs=1e-4)
    assert scores["psnr_db"]["interval"] == pytest.approx([gain] * 2, abs=1e-4)
    l2 = 1e4 * np.mean(HARD**2)
    assert scores["l2_dn"]["values"] == pytest.approx([l2, 0.81 * l2], rel=1e-4)
    assert scores["l1_dn"]["values"] == pytest.approx(
        [100 * HARD.mean(), 90 * HARD.mean()], rel=1e-4
    )
    assert compared["share_won_by_second"] == 1
    back = comparison.compare(other, one)
    assert back["scores"]["ssim"]["difference"] == -scores["ssim"]["difference"]
    assert back["share_won_by_second"] == 0


@pytest.mark.parametrize(
    ("changed", "words"),
    [({"test_set": "2b"}, "same test patches"), ({"border": 4}, "same border")],
)
def test_unlike_runs_are_refused(tmp_path, changed, words):
    one = write_run(tmp_path / "one", 0.01)
    other = write_run(tmp_path / "other", 0.01, **changed)
    with pytest.raises(SRError, match=words):
        comparison.write(tmp_path / "both", one, other)
    assert not (tmp_path / "both").exists()


def test_other_scenes_are_refused(tmp_path):
    write_run(tmp_path / "one" / "nice", 0.01)
    write_run(tmp_path / "other" / "lille", 0.01)
    with pytest.raises(SRError, match="other scenes, .'nice'. and .'lille'.;"):
        comparison.write(tmp_path / "both", tmp_path / "one", tmp_path / "other")
    (tmp_path / "one" / "metrics.json").touch()  # of a run before, of one scene
    with pytest.raises(SRError, match="results of one scene, and of several ..'nice'"):
        comparison.write(tmp_path / "both", tmp_path / "one", tmp_path / "other")


def test_other_folders_are_refused(tmp_path):
    with pytest.raises(SRError, match="metrics.json is missing"):
        comparison.read_run(tmp_path)
    (tmp_path / "metrics.json").write_text('{"patches": 3}')
    with pytest.raises(SRError, match="no result of this sr_eval.py"):
        comparison.read_run(tmp_path)


def test_patches_table(tmp_path):
    windows = np.arange(2 * COUNT).reshape(COUNT, 2)
    path = tmp_path / "patches.csv"
    results.write_patches(path, {"model": columns(0.01)}, windows, BLOCKS)
    lines = path.read_text().splitlines()
    header = "patch,row,col,block,l1_model,l2_model,ssim_model,sam_model"
    assert lines[0] == header and len(lines) == 1 + COUNT
    assert lines[6].startswith("5,10,11,1,")


def test_interval_of_scenes_is_students_over_their_means():
    """Mean 2, standard error 1 / sqrt 3, t of 4.303 with two degrees of freedom."""
    rows = [{"gain_db": gain} for gain in (1.0, 2.0, 3.0)]
    summary = comparison.mean_of_scenes(rows, "gain_db")
    half = 4.30265 / 3**0.5
    assert summary["gain_db"] == 2
    assert summary["interval"] == pytest.approx([2 - half, 2 + half], abs=1e-4)
    assert comparison.mean_of_scenes(rows[:2], "gain_db")["interval"] is None


def test_a_comparison_is_no_folder_of_results(tmp_path):
    """Two models that were compared would count as two scenes."""
    for name in ("a_one", "b_other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "metrics.json").write_text("{}")
    (tmp_path / "comparison.json").write_text("{}")
    with pytest.raises(SRError, match="is a comparison itself; give two folders"):
        comparison.scenes_in(tmp_path)
