"""The checks of exercises 3 and 4 pass right models, and name each mistake."""

import json

import numpy as np
import pytest
import rasterio

from lesson.check import main
from lesson.scores import check_scores
from lesson.training import check_training
from srtools.errors import SRError
from tests.lesson.served_models import Double, Grey, Zoom, save
from tests.training_patches import write_stack

import tensorflow as tf

COUNTS = {"train": 9, "valid": 3, "test": 5}


@pytest.fixture(scope="module")
def patches(tmp_path_factory):
    """lr of noise, and hr that is its bilinear zoom: a model can be perfect."""
    folder = tmp_path_factory.mktemp("patches")
    rng = np.random.default_rng(0)
    for group, count in COUNTS.items():
        lr = rng.uniform(500, 3000, (count, 32, 32, 4)).astype(np.float32)
        # Later patches are harder: what is left out changes the scores.
        extra = rng.normal(0, 20, (count, 128, 128, 4)) * np.arange(
            1, count + 1
        ).reshape(-1, 1, 1, 1)
        hr = tf.image.resize(lr, (128, 128), "bilinear").numpy() + extra
        for kind, stack in (("lr", lr), ("hr", hr)):
            name = f"{group}_{kind}_patches.tif"
            write_stack(folder / name, stack.astype(np.float32))
    return folder


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return save(tmp_path_factory.mktemp("right") / "model", Zoom())


def write_logs(folder, valid=(4, 3, 2, 1, 1.01, 1, 1.02, 1, 1, 1), pictures=True):
    with tf.summary.create_file_writer(str(folder / "train")).as_default():
        for epoch in range(10):
            tf.summary.scalar("epoch_loss", 5 - epoch / 3, step=epoch)
        if pictures:
            tf.summary.image("answers", np.zeros((1, 8, 8, 3)), step=0)
    if valid:
        with tf.summary.create_file_writer(str(folder / "validation")).as_default():
            for epoch, value in enumerate(valid):
                tf.summary.scalar("epoch_loss", value, step=epoch)
    return folder


def failed(report):
    return [line.what for line in report.failed]


def test_a_right_training_passes(model, patches, tmp_path):
    report = check_training(model, write_logs(tmp_path), patches)
    assert report.passed and len(report.lines) == 7, str(report)


MODELS = {
    "no better than bicubic": (Zoom("bicubic"), None, "beats bicubic"),
    "another scale": (Zoom(gain=0.5), None, "beats bicubic"),
    "twice as large": (Double(), None, "no output is 4 times as large"),
    "one band": (Grey(), None, "the answer is like hr"),
    "one size only": (Zoom(), [None, 32, 32, 4], "any size"),
}


@pytest.mark.parametrize("mistake", MODELS)
def test_wrong_models(mistake, patches, tmp_path):
    wrong, shape, words = MODELS[mistake]
    folder = save(tmp_path / "model", wrong, *([shape] if shape else []))
    report = check_training(folder, write_logs(tmp_path / "logs"), patches)
    assert any(words in what for what in failed(report)), str(report)


def test_no_model(patches, tmp_path):
    report = check_training(tmp_path, write_logs(tmp_path / "logs"), patches)
    assert "is no SavedModel" in failed(report)[0]


LOGS = {
    "no pictures": ({"pictures": False}, "pictures"),
    "no validation": ({"valid": ()}, "validation loss"),
    "stopped too early": ({"valid": range(20, 2, -1)}, "no longer fell"),
}


@pytest.mark.parametrize("mistake", LOGS)
def test_wrong_logs(mistake, model, patches, tmp_path):
    options, words = LOGS[mistake]
    report = check_training(model, write_logs(tmp_path, **options), patches)
    assert len(report.failed) == 1 and words in failed(report)[0], str(report)


def test_empty_logs(model, patches, tmp_path):
    report = check_training(model, tmp_path, patches)
    assert "training loss is in the logs (0 scalars" in failed(report)[0]


def errors(patches, group):
    pixels = {}
    for kind in ("lr", "hr"):
        with rasterio.open(patches / f"{group}_{kind}_patches.tif") as file:
            stack = np.moveaxis(file.read(), 0, -1)
        pixels[kind] = stack.reshape(-1, stack.shape[1], stack.shape[1], 4)
    zoomed = tf.image.resize(pixels["lr"], (128, 128), "bilinear").numpy()
    return (zoomed - pixels["hr"]).astype(float)


def score(values):
    return float(np.abs(values).mean()), float((values**2).mean())


def test_right_scores_pass(model, patches, tmp_path):
    l1, l2 = score(errors(patches, "test"))
    assert check_scores(patches, model, None, l1, l2).passed
    assert check_scores(patches, model, None, l1 * 1e-4, l2 * 1e-8).passed
    told = tmp_path / "metrics.json"
    for said in (
        {"l1": l1, "l2": l2},
        {"model": {"L1_dn": {"all": l1}, "L2_reflectance": {"all": l2 * 1e-8}}},
    ):
        told.write_text(json.dumps(said))
        assert check_scores(patches, model, told, None, None).passed


def test_wrong_scores_are_explained(model, patches):
    test = errors(patches, "test")
    l1, l2 = score(test)
    batches = np.mean([score(test[i : i + 2]) for i in range(0, 5, 2)], axis=0)
    for said, words in (
        ((l1, l2**0.5), "this is its root"),
        (score(errors(patches, "valid")), "validation patches"),
        (score(errors(patches, "train")), "training patches"),
        (score(test[:4]), "batch was left out"),
        (batches, "means of batches"),
        ((l1 * 1.1, l2 * 1.1), "recompute it"),
    ):
        report = check_scores(patches, model, None, *map(float, said))
        assert words in report.failed[-1].hint, str(report)


def test_scores_that_are_not_there(model, patches, tmp_path, capsys):
    (tmp_path / "m.json").write_text('{"psnr": 30}')
    report = check_scores(patches, model, tmp_path / "m.json", None, None)
    assert "nothing is called l1" in report.failed[0].hint
    folders = ["--patches", str(patches), "--model_dir", str(model)]
    assert main(["4", *folders, "--l1", "3"]) == 1
    assert "--metrics FILE, or both" in capsys.readouterr().err
    with pytest.raises(SRError, match="train_|test_"):
        check_scores(tmp_path, model, None, 1.0, 1.0)
    (tmp_path / "m.json").write_text("L1 = 3")
    with pytest.raises(SRError, match="no.* readable JSON file"):
        check_scores(patches, model, tmp_path / "m.json", None, None)


def test_patches_that_are_not_there(model, tmp_path):
    report = check_training(model, tmp_path, tmp_path)
    assert "valid_lr_patches.tif" in report.failed[0].what
