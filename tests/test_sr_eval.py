"""Exercise 4: scores of all test patches, of the model and of bicubic."""

import json
import re
import shutil
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

import sr_eval
from srtools import cards
from srtools.network import saved_model
from srtools.options.evaluation_options import Options
from tests.conftest import Toy
from tests.networks import save_function
from tests.training_patches import DATASET

import tensorflow as tf

ROOT = Path(__file__).parent.parent


def evaluate(folder, model: str, out, **options) -> dict:
    options |= {"patches": (str(folder),), "model_dir": model, "out_dir": str(out)}
    return sr_eval.evaluate(Options(**options))


def lr_patches(count: int, size: int = 8, bands: int = 4) -> np.ndarray:
    random = np.random.default_rng(1)
    return random.integers(100, 5000, (count, size, size, bands))


def repeat(lr: np.ndarray) -> np.ndarray:
    return lr.repeat(4, axis=1).repeat(4, axis=2)


def repeated(patches, count: int) -> Path:
    """Write patches that a model which repeats pixels predicts exactly."""
    lr = lr_patches(count)
    return patches("test", lr, repeat(lr))


@pytest.mark.parametrize("batch_size", [1, 2, 64])
def test_no_patch_is_dropped(tmp_path, patches, repeating_model, batch_size):
    """Whatever the batch size, each pixel of the 5 patches counts once."""
    lr = lr_patches(5)
    error = np.arange(5)[:, None, None, None] * np.array([10, 20, 30, 40])
    folder = patches("test", lr, repeat(lr) + error)
    out = tmp_path / "eval"
    metrics = evaluate(folder, repeating_model, out, batch_size=batch_size)
    scores = metrics["whole"]["model"]
    # Without places each patch is a block.
    assert metrics["patches"] == metrics["intervals"]["blocks"] == 5
    with open(out / "patches.csv") as file:
        assert [line.split(",")[0] for line in file][1:] == list("01234")
    # Mean of 0..4 is 2, mean of their squares is 6.
    factors = {"B04": 10, "B03": 20, "B02": 30, "B08": 40}
    for band, factor in factors.items():
        assert scores["l1_dn"][band] == pytest.approx(2 * factor, rel=1e-4)
        assert scores["l2_dn"][band] == pytest.approx(6 * factor**2, rel=1e-4)
    mse = 6e-8 * np.mean(np.square([10, 20, 30, 40]))
    assert scores["psnr_db"]["all"] == pytest.approx(10 * np.log10(1 / mse), abs=1e-3)


def test_bicubic_is_on_the_same_pixels(tmp_path, patches, repeating_model):
    lr = lr_patches(3)
    hr = repeat(lr)
    folder = patches("test", lr, hr)
    metrics = evaluate(folder, repeating_model, tmp_path / "eval")
    zoomed = tf.image.resize(lr.astype(np.float32), (32, 32), "bicubic").numpy()
    for area, inside in (("whole", np.s_[:]), ("inner", np.s_[:, 8:-8, 8:-8])):
        expected = np.abs(zoomed[inside] - hr[inside]).mean()
        score = metrics[area]["bicubic"]["l1_dn"]["all"]
        assert score == pytest.approx(expected, rel=1e-4)


def test_table_files_and_exit_code(
    tmp_path, patches, repeating_model, monkeypatch, capsys
):
    out = tmp_path / "eval"
    arguments = ["--patches", str(repeated(patches, 4)), "--out_dir", str(out)]
    arguments += ["--model_dir", repeating_model]
    assert sr_eval.main(arguments) == 0
    table = capsys.readouterr().out
    assert table.startswith("Scores:") and "4 patches" in table
    for method in ("nearest", "bilinear", "bicubic", "model"):
        assert table.count(f"\n  {method}") >= 5  # four bands and all
    json.loads((out / "metrics.json").read_text(), parse_constant=pytest.fail)
    assert (out / "patches.png").stat().st_size > 10_000
    # They exist now, which is found out before the work.
    monkeypatch.setattr(sr_eval, "read_batches", pytest.fail)
    assert sr_eval.main(arguments) == 1
    assert "exists already" in capsys.readouterr().err


def scene(patches, count: int = 6, size: int = 16, **card):
    """Write smooth patches with noise in the truth, and a card with their places."""
    lr = gaussian_filter(lr_patches(count, size).astype(float), (0, 1.5, 1.5, 0))
    noise = np.random.default_rng(2).normal(0, 100, (count, 4 * size, 4 * size, 4))
    hr = repeat(lr) + noise
    folder = patches("test", lr, hr.clip(1))
    windows = [[size * (4 * index // 3), 0] for index in range(count)]
    card = {
        **DATASET,
        "offset": 0,
        "groups": {"test": {"patches": count, "windows": windows}},
        "xs": {"crs": "EPSG:32631", "origin": [452001.0, 5412003.0]},
        **card,
    }
    (folder / "dataset.json").write_text(json.dumps(card))
    return folder


def test_places_make_blocks_and_a_report_needs_no_other_file(
    tmp_path, patches, repeating_model
):
    metrics = evaluate(scene(patches, 9), repeating_model, tmp_path / "eval")
    # 11 rows of patches, of which two are empty: three pieces.
    assert metrics["intervals"]["blocks"] == 3
    assert metrics["intervals"]["kind"] == "blocks of neighbours"
    low, high = metrics["intervals"]["gain_db"]
    assert low < metrics["inner"]["gain_db"] < high
    report = (tmp_path / "eval" / "report.html").read_text()
    assert "Patches by gain, the best first" in report
    sources = re.findall(r"""(?:src|href)\s*=\s*["']([^"']*)""", report)
    assert len(sources) > 10
    assert all(source.startswith("data:") for source in sources)
    for outside in ("<script", "<link", "@import", "url(", "<iframe"):
        assert outside not in report


def test_every_key_is_documented(tmp_path, patches, write_raster, repeating_model):
    seen = np.full((60, 60, 4), 1000, np.uint16)
    write_raster("sentinel2.tif", seen, 10.0, (451900.0, 5412100.0))
    metrics = evaluate(scene(patches), repeating_model, tmp_path / "eval")
    text = (ROOT / "docs" / "metrics.md").read_text()
    keys = set(metrics) | set(metrics["inner"]) | set(metrics["inner"]["model"])
    keys |= set(metrics["consistency"]) | set(metrics["consistency"]["consistent"])
    keys |= set(metrics["spectrum"]) | set(metrics["correctness"])
    keys |= set(metrics["intervals"])
    assert len(keys) > 40
    assert not [key for key in keys if f"`{key}`" not in text]


def test_compare(tmp_path, patches, repeating_model, blurring_model, capsys):
    """One model predicts the truth almost exactly, and so wins everywhere."""
    folder, results = scene(patches, 9), [str(tmp_path / name) for name in "ab"]
    one, other = (
        evaluate(folder, model, out)["inner"]["model"]
        for model, out in zip((blurring_model, repeating_model), results, strict=True)
    )
    out = tmp_path / "both"
    assert sr_eval.main(["--compare", *results, "--out_dir", str(out)]) == 0
    assert "b wins on 100% of the 9 patches" in capsys.readouterr().out
    psnr = json.loads((out / "comparison.json").read_text())["scores"]["psnr_db"]
    expected = [one["psnr_db"]["all"], other["psnr_db"]["all"]]
    assert psnr["values"] == pytest.approx(expected, abs=1e-3)
    assert 0 < psnr["interval"][0] <= psnr["difference"] <= psnr["interval"][1]


def test_patches_of_nothing(tmp_path, patches, repeating_model):
    """A single black patch: unknown scores are null, not nan."""
    lr = np.zeros((1, 32, 32, 4), int)
    folder = patches("test", lr, repeat(lr))
    metrics = evaluate(folder, repeating_model, tmp_path / "eval")
    text = (tmp_path / "eval" / "metrics.json").read_text()
    assert json.loads(text, parse_constant=pytest.fail)["patches"] == 1
    assert metrics["intervals"]["gain_db"] is None
    assert metrics["inner"]["model"]["ergas"] is None
    assert metrics["consistency"] is None
    assert (tmp_path / "eval" / "report.html").exists()


def test_a_model_with_another_offset(tmp_path, patches, caplog):
    """Products with and without ESA's offset are scored, with a warning."""
    model = Path(Toy(radius=0).save(tmp_path / "model"))
    (model / "assets").mkdir(exist_ok=True)
    card = {"bands": ["B04", "B03", "B02", "B08"], "offset_removed": 1000}
    (model / "assets" / "model_card.json").write_text(json.dumps(card))
    arguments = ["--patches", str(scene(patches)), "--model_dir", str(model)]
    arguments += ["--out_dir", str(tmp_path / "eval")]
    assert sr_eval.main(arguments) == 0
    words = "Sentinel-2 less 1000 DN, the patches are it less 0 DN"
    assert words in caplog.text


def test_memory_does_not_grow(tmp_path, patches, repeating_model, monkeypatch):
    """400 patches more need less than a fifth of their size in memory."""
    monkeypatch.setattr(sr_eval.result_files, "write", lambda *_: None)
    peaks = []
    for count in (20, 20, 420):  # the first run also imports and traces
        folder = repeated(patches, count)
        tracemalloc.start()
        options = {"batch_size": 5, "overwrite": True}
        evaluate(folder, repeating_model, tmp_path / "eval", **options)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    more = 400 * 32 * 32 * 4 * np.dtype(np.float32).itemsize
    assert peaks[2] - peaks[1] < more / 5


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (None, "is not a SavedModel"),
        (("lr", "sr"), "has no input or output hr; it has lr, sr"),
        (("x", "hr"), "has no input or output lr; it has "),
    ],
)
def test_other_models_are_one_line(names, words, tmp_path, patches, capfd):
    arguments = ["--patches", str(repeated(patches, 4))]
    model, out = str(tmp_path / "model"), tmp_path / "eval"
    if names:
        lr, hr = names
        save_function(model, lambda image: {hr: image}, **{lr: [None, None, None, 4]})
    arguments += ["--model_dir", model, "--out_dir", str(out)]
    assert sr_eval.main(arguments) == 1
    error = capfd.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1
    assert words in error
    assert not out.exists()


def test_several_scenes_are_one_table(tmp_path, patches, repeating_model, capsys):
    """Each scene has a folder of results; the mean is over scenes, not patches."""
    folders = []
    for name, count, error in (("nice", 5, 40), ("lille", 2, 400)):
        lr = lr_patches(count)
        folder = patches("test", lr, repeat(lr) + error * (lr[:, :1, :1] % 2))
        folders.append(shutil.copytree(folder, tmp_path / name))
    out = tmp_path / "eval"
    model = shutil.copytree(repeating_model, tmp_path / "model")
    cards.write_card(model / saved_model.CARD, {"lr_spacing": 6.0})
    arguments = ["--model_dir", str(model), "--out_dir", str(out), "--patches"]
    arguments += map(str, folders)
    other = shutil.copytree(folder, tmp_path / "other")
    (other / "dataset.json").write_text('{"lr": {"spacing": 9.0}}')
    for wrong in (tmp_path / "none", other):
        assert sr_eval.main([*arguments, str(wrong)]) == 1
        assert not out.exists()  # it is reported before any is scored
    assert sr_eval.main(arguments) == 0
    summary = json.loads((out / "scenes.json").read_text())
    assert [row["name"] for row in summary["scenes"]] == ["nice", "lille"]
    gains = [row["gain_db"] for row in summary["scenes"]]
    for row in summary["scenes"]:
        metrics = json.loads((out / row["name"] / "metrics.json").read_text())
        assert row["patches"] == metrics["patches"]
        assert row["gain_db"] == metrics["inner"]["gain_db"]
    assert gains[0] > gains[1] + 1
    assert summary["gain_db"] == pytest.approx(np.mean(gains))
    assert summary["interval"] is None
    lines = capsys.readouterr().out.splitlines()
    written = lines[-1].removeprefix("written: ").split(", ")
    assert len(written) == 9 and all(Path(name).exists() for name in written)
    mean = f"- mean gain over 2 scenes: {summary['gain_db']:+.2f} dB - (no interval: "
    assert f"{mean}at least 3 scenes are needed)" in lines
    shutil.rmtree(out / "nice")
    (out / "scenes.json").unlink()
    assert sr_eval.main(arguments) == 1  # the results of lille exist
    assert not (out / "nice").exists()
