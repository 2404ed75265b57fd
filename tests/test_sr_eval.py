"""Exercise 4: all test patches, the right numbers, and bicubic beside them."""

import json

import numpy as np
import pytest
import tensorflow as tf

import sr_eval
from tests.conftest import Toy

RNG = np.random.default_rng(1)


def lr_patches(count: int, size: int = 8, bands: int = 4) -> np.ndarray:
    return RNG.integers(100, 5000, (count, size, size, bands))


def repeat(lr: np.ndarray) -> np.ndarray:
    return lr.repeat(4, axis=1).repeat(4, axis=2)


def test_perfect_model_has_no_error(tmp_path, patches, repeating_model):
    lr = lr_patches(5)
    folder = patches("test", lr, repeat(lr))
    metrics = sr_eval.evaluate(
        patches=folder, model_dir=repeating_model, out_dir=tmp_path / "eval"
    )
    assert metrics["whole"]["model"]["l1_dn"]["all"] < 1e-2
    assert metrics["share_won"] == 1
    assert metrics["inner"]["gain_db"] > 40


@pytest.mark.parametrize("batch_size", [1, 2, 5, 64])
def test_no_patch_is_dropped(tmp_path, patches, repeating_model, batch_size):
    """Whatever the batch size, each pixel of the 5 patches counts once."""
    lr = lr_patches(5)
    error = np.arange(5)[:, None, None, None] * np.array([10, 20, 30, 40])
    folder = patches("test", lr, repeat(lr) + error)
    metrics = sr_eval.evaluate(
        patches=folder,
        model_dir=repeating_model,
        out_dir=tmp_path / "eval",
        batch_size=batch_size,
        border=8,
    )
    scores = metrics["whole"]["model"]
    assert metrics["patches"] == 5
    assert scores["pixels"] == 5 * 32 * 32
    assert metrics["inner"]["model"]["pixels"] == 5 * 16 * 16
    # Mean of 0..4 is 2, mean of their squares is 6.
    for band, factor in zip(
        ("B04", "B03", "B02", "B08"), (10, 20, 30, 40), strict=True
    ):
        assert scores["l1_dn"][band] == pytest.approx(2 * factor, rel=1e-4)
        assert scores["l2_dn"][band] == pytest.approx(6 * factor**2, rel=1e-4)
        assert scores["l1_reflectance"][band] == pytest.approx(2e-4 * factor, rel=1e-4)
        assert scores["l2_reflectance"][band] == pytest.approx(
            6e-8 * factor**2, rel=1e-4
        )
    mse = 6e-8 * np.mean(np.square([10, 20, 30, 40]))
    assert scores["psnr_db"] == pytest.approx(10 * np.log10(1 / mse), abs=1e-3)


def test_bicubic_is_on_the_same_pixels(tmp_path, patches, repeating_model):
    lr = lr_patches(3)
    hr = repeat(lr)
    folder = patches("test", lr, hr)
    metrics = sr_eval.evaluate(
        patches=folder, model_dir=repeating_model, out_dir=tmp_path / "eval", border=4
    )
    zoomed = tf.image.resize(lr.astype(np.float32), (32, 32), "bicubic").numpy()
    inner = np.s_[:, 4:-4, 4:-4]
    expected = np.abs(zoomed[inner] - hr[inner]).mean()
    assert metrics["inner"]["bicubic"]["l1_dn"]["all"] == pytest.approx(
        expected, rel=1e-4
    )


def test_table_files_and_exit_code(tmp_path, patches, repeating_model, capsys):
    lr = lr_patches(4)
    folder = patches("test", lr, repeat(lr))
    out = tmp_path / "eval"
    arguments = ["--patches", str(folder), "--model_dir", repeating_model]
    arguments += ["--out_dir", str(out)]
    assert sr_eval.main([*arguments, "--border", "0"]) == 0
    table = capsys.readouterr().out
    assert "4 test patches" in table and "bicubic   B04" in table
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["inner"] == metrics["whole"]
    assert (out / "patches.png").stat().st_size > 10_000
    assert sr_eval.main(arguments) == 1  # they exist now


BAD = {
    "missing": "is missing or not an image",
    "counts": "4 patches and",
    "bands": "has 3 band(s), 4 are expected",
    "factor": "4 times as many are expected",
    "no model": "is not a SavedModel",
    "no output": "has no output 'hr'; it has sr",
    "no input": "has no input 'lr'; it has x",
    "border": "leaves nothing",
    "stack": "a stack of square patches is expected",
}


@pytest.mark.parametrize(("case", "words"), BAD.items())
def test_bad_input_is_one_line(
    case, words, tmp_path, patches, write_raster, repeating_model, capfd
):
    lr = lr_patches(4, bands=3 if case == "bands" else 4)
    hr = lr if case == "factor" else repeat(lr)
    folder = patches("test", lr, hr[:2] if case == "counts" else hr)
    model, border = repeating_model, "2"
    if case == "missing":
        (folder / "test_hr_patches.tif").unlink()
    elif case == "stack":
        write_raster("test_lr_patches.tif", np.ones((13, 8, 4)))
    elif case == "no model":
        model = str(tmp_path)
    elif case == "border":
        border = "16"
    elif case in ("no output", "no input"):
        model = misnamed(tmp_path / "misnamed", case)
    out = tmp_path / "eval"
    arguments = ["--patches", str(folder), "--model_dir", model, "--border", border]
    assert sr_eval.main([*arguments, "--out_dir", str(out)]) == 1
    error = capfd.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1
    assert words in error
    assert not list(out.glob("*"))


def misnamed(folder, case: str) -> str:
    """Save a model whose input or output has another name."""
    toy = Toy(radius=0)
    spec = tf.TensorSpec([None, None, None, 4], tf.float32)
    if case == "no output":
        serve = tf.function(lambda lr: {"sr": lr}, input_signature=[spec])
    else:
        serve = tf.function(lambda x: {"hr": x}, input_signature=[spec])
    tf.saved_model.save(toy, str(folder), signatures={"serving_default": serve})
    return str(folder)
