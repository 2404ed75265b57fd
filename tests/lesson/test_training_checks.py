"""The checks of exercises 3 and 4 pass right models, and name each mistake."""

import json

import numpy as np
import pytest

from lesson.check import main
from lesson.patch_checks import read_patches
from lesson.score_checks import check_scores
from lesson.training_checks import check_training
from srtools.errors import SRError
from tests.lesson.zoom_models import save_zoom
from tests.training_patches import write_pair

import tensorflow as tf

COUNTS = {"train": 9, "valid": 3, "test": 5}


@pytest.fixture(scope="module")
def patches(tmp_path_factory):
    """lr of noise, and hr that is its bilinear zoom: a model can be perfect."""
    folder = tmp_path_factory.mktemp("patches")
    rng = np.random.default_rng(0)
    for group, count in COUNTS.items():
        lr = rng.uniform(500, 3000, (count, 32, 32, 4)).astype(np.float32)
        # Later patches are harder: a patch that is left out changes the scores.
        harder = np.arange(1, count + 1).reshape(-1, 1, 1, 1)
        hr = tf.image.resize(lr, (128, 128), "bilinear").numpy()
        hr += rng.normal(0, 20, hr.shape) * harder
        write_pair(folder, group, lr, hr)
    return folder


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return save_zoom(tmp_path_factory.mktemp("right") / "model")


FALLEN = (4, 3, 2, 1, 1.01, 1, 1.02, 1, 1, 1)


def write_logs(folder, valid=FALLEN, pictures=True, earlier=""):
    """Write the logs of a run; those of one before lie in the folder `earlier`."""
    if earlier:
        write_logs(folder / earlier, FALLEN if valid != FALLEN else range(20, 2, -1))
    train = [5 - epoch / 3 for epoch in range(10)]
    for group, losses in (("train", train), ("validation", valid)):
        if not losses:
            continue
        with tf.summary.create_file_writer(str(folder / group)).as_default():
            for epoch, value in enumerate(losses):
                tf.summary.scalar("epoch_loss", value, step=epoch)
            if pictures:
                tf.summary.image("answers", np.zeros((1, 8, 8, 3)), step=0)
    return folder


def failed(report):
    return [line.statement for line in report.failed]


@pytest.mark.parametrize("earlier", ["", ".", "run_before", "z_run_before"])
@pytest.mark.parametrize("zoom", [{}, {"shape": (1, None, None)}])
def test_a_right_training_passes(earlier, zoom, patches, tmp_path):
    model = save_zoom(tmp_path / "model", **zoom)
    logs = write_logs(tmp_path / "logs", earlier=earlier)
    report = check_training(model, logs, patches)
    assert report.passed and len(report.lines) == 9, str(report)


# Options of the model and of the logs, and words of the line that must fail.
MISTAKES = {
    "no better than bicubic": ({"method": "bicubic"}, {}, "beats bicubic"),
    "another scale": ({"unit": 5e-5}, {}, "beats bicubic"),
    "twice as large": ({"factor": 2}, {}, "no output is 4 times as large"),
    "one band": ({"bands": 1}, {}, "the answer is like hr"),
    "one size only": ({"shape": (None, 32, 32)}, {}, "any size"),
    "no crops": ({"crop": 0}, {}, "cropped outputs for exercise 5"),
    "no model": (None, {}, "is no SavedModel"),
    "no logs": ({}, None, "training loss is in the logs (0 scalars"),
    "no pictures": ({}, {"pictures": False}, "pictures"),
    "no validation": ({}, {"valid": ()}, "validation loss"),
    "stopped too early": ({}, {"valid": range(20, 2, -1)}, "no longer fell"),
    "a target in DN": ({"unit": 1.0}, {}, "outputs are reflectance or DN (medians hr"),
    "a target scaled twice": ({"unit": 1e-8}, {}, "beats bicubic"),
    "weights that are no numbers": ({"unit": float("nan")}, {}, "beats bicubic"),
    "the newest run stopped too early": (
        {},
        {"valid": range(20, 2, -1), "earlier": "a_run_before"},
        "no longer fell (18",
    ),
    "the same in one folder": (
        {},
        {"valid": range(20, 2, -1), "earlier": "."},
        "no longer fell (18",
    ),
    "diverged": ({}, {"valid": [3, *[float("nan")] * 9]}, "no longer fell"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_each_mistake_is_named(mistake, model, patches, tmp_path):
    zoom, losses, words = MISTAKES[mistake]
    if zoom is None:
        model = tmp_path / "none"
    elif zoom:
        model = save_zoom(tmp_path / "zoom", **zoom)
    logs = tmp_path if losses is None else write_logs(tmp_path / "logs", **losses)
    report = check_training(model, logs, patches)
    assert any(words in line for line in failed(report)), str(report)
    assert len(report.failed) == 1 or losses is None
    if "beats" in words:
        hints = {"another": "0.5 times", "a target": "times as", "weights": "smaller"}
        word = next((w for k, w in hints.items() if mistake.startswith(k)), "longer")
        assert word in report.failed[0].hint


def test_patches_that_are_not_there(model, tmp_path):
    report = check_training(model, tmp_path, tmp_path)
    assert "valid_lr_patches.tif" in failed(report)[0]


def errors(patches, group):
    lr, hr = (read_patches(patches / f"{group}_{k}_patches.tif") for k in ("lr", "hr"))
    return tf.image.resize(lr, (128, 128), "bilinear").numpy().astype(float) - hr


def score(values):
    return float(np.abs(values).mean()), float((values**2).mean())


def test_right_scores_pass(model, patches, tmp_path):
    l1, l2 = score(errors(patches, "test"))
    inner = score(errors(patches, "test")[:, 8:-8, 8:-8])  # as sr_eval.py does
    path = tmp_path / "metrics.json"
    assert check_scores(patches, model, None, l1, l2).passed
    assert check_scores(patches, model, None, l1 * 1e-4, l2 * 1e-8).passed
    assert check_scores(patches, model, None, *inner).passed
    contents = [
        {"l1": l1, "l2": l2},
        {"model": {"L1_dn": {"all": l1}, "L2_reflectance": {"all": l2 * 1e-8}}},
        {"test_l1": [l1], "test L2": str(l2)},
        [{"name": "model", "testL1": f"{l1} DN"}, {"L2norm": f"{l2:.4f} DN"}],
        {"mae": f"{l1 * 1e-4:.6f}".replace(".", ","), "MSE (reflectance)": l2 * 1e-8},
    ]
    for content in contents:
        for encoding in ("utf-8", "utf-8-sig", "utf-16"):  # PowerShell writes the last
            path.write_text(json.dumps(content), encoding)
            assert check_scores(patches, model, path, None, None).passed, content


def mean_of_batches(values: np.ndarray) -> tuple[float, float]:
    batches = [score(values[first : first + 2]) for first in range(0, 5, 2)]
    return tuple(np.mean(batches, axis=0))


# Errors [n, h, w, bands] and hr become the scores that a student claims.
WRONG_SCORES = {
    "the root of L2": (lambda e, hr: (score(e)[0], score(e)[1] ** 0.5), "its root"),
    "without abs": (lambda e, hr: (-1.0, score(e)[1]), "cannot be negative"),
    "the last patch left out": (lambda e, hr: score(e[:-1]), "last patch or batch"),
    "the root of L2 in reflectance": (
        lambda e, hr: (score(e)[0], score(e)[1] ** 0.5 * 1e-4),
        "its root",
    ),
    "the last batch left out": (lambda e, hr: score(e[:4]), "batch was left out"),
    "the first batch": (lambda e, hr: score(e[:2]), "first batch alone"),
    "means of batches": (lambda e, hr: mean_of_batches(e), "means of batches"),
    "the sum over bands": (lambda e, hr: tuple(4 * s for s in score(e)), "over bands"),
    "near infrared": (lambda e, hr: score(e[..., 3]), "band 4 alone"),
    "blue first": (lambda e, hr: score((e + hr)[..., [2, 1, 0, 3]] - hr), "different"),
    "the mean before abs": (lambda e, hr: score(e.mean()), "before the absolute value"),
    "the mean of a patch before abs": (
        lambda e, hr: score(e.mean(axis=(1, 2))),
        "before the absolute value",
    ),
    "hr scaled twice": (lambda e, hr: score(e + hr - hr * 1e-4), "scaled twice, or"),
    "hr not scaled": (lambda e, hr: score((e + hr) * 1e-4 - hr), "or not at all"),
    "the sum": (lambda e, hr: tuple(5 * s for s in score(e)), "not divided by"),
    "L1 and L2 exchanged": (lambda e, hr: score(e)[::-1], "this is L1: exchange it"),
    "PSNR": (lambda e, hr: (score(e)[0], -10 * np.log10(score(e * 1e-4)[1])), "PSNR"),
    "percent": (lambda e, hr: (score(e)[0] / 100, score(e)[1] * 1e-4), "in percent"),
    "something else": (
        lambda e, hr: tuple(1.1 * s for s in score(e)),
        "recompute it with the saved model",
    ),
}


@pytest.mark.parametrize("mistake", [*WRONG_SCORES, "validation", "training", "zoom"])
def test_wrong_scores_are_explained(mistake, model, patches, tmp_path):
    lr, hr = (read_patches(patches / f"test_{k}_patches.tif") for k in ("lr", "hr"))
    if mistake in WRONG_SCORES:
        claim, words = WRONG_SCORES[mistake]
        claimed = claim(errors(patches, "test"), hr)
    elif mistake == "zoom":
        zoomed = tf.image.resize(lr, (128, 128), "bicubic").numpy().astype(float)
        claimed, words = score(zoomed - hr), "the score of bicubic, not"
    else:
        group = mistake.removesuffix("ation").removesuffix("ing")
        claimed, words = score(errors(patches, group)), f"the {mistake} patches"
    report = check_scores(patches, model, None, *map(float, claimed))
    assert words in report.failed[-1].hint, str(report)
    assert str(report).count(report.failed[-1].hint) == 1
    if mistake in ("the first batch", "something else"):  # bicubic stands beside it
        zoomed = score(tf.image.resize(lr, (128, 128), "bicubic").numpy() - hr)
        path = tmp_path / "metrics.json"
        for rows in ((zoomed, claimed), (claimed, zoomed)):
            content = {
                name: {"l1": float(l1), "l2": float(l2)}
                for name, (l1, l2) in zip("ab", rows, strict=True)
            }
            path.write_text(json.dumps(content))
            report = check_scores(patches, model, path, None, None)
            assert words in report.failed[-1].hint, str(report)


def test_scores_that_are_not_there(model, patches, tmp_path, capsys):
    path = tmp_path / "m.json"
    path.write_text('{"psnr": 30}')
    report = check_scores(patches, model, path, None, None)
    assert "nothing is called l1" in report.failed[0].hint
    l1, l2 = score(errors(patches, "test"))
    for content in (
        {"l10": l1, "rmse": l2},
        {"l1": None, "l2": True},
        {"l1": "", "x": 3},
    ):
        path.write_text(json.dumps(content))
        report = check_scores(patches, model, path, None, None)
        assert [line.hint for line in report.failed] == [
            f"nothing is called {name} in the file" for name in ("l1", "l2")
        ]
    folders = ["--patches", str(patches), "--model_dir", str(model)]
    assert main(["4", *folders, "--l1", "3"]) == 1
    assert "--metrics FILE, or both" in capsys.readouterr().err
    with pytest.raises(SRError, match="train_|test_"):
        check_scores(tmp_path, model, None, 1.0, 1.0)
    path.write_text("L1 = 3")
    with pytest.raises(SRError, match="no.* readable JSON file"):
        check_scores(patches, model, path, None, None)
