"""Pictures of patches and their colours."""

import base64
import io
from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib.image import imread
from PIL import Image

from srtools.evaluation.report import patch_pictures
from srtools.evaluation.report.patch_pictures import BICUBIC, LR, SR, TRUTH


def images(truth: np.ndarray, bicubic: np.ndarray, model: np.ndarray) -> dict:
    return {LR: truth[::4, ::4], BICUBIC: bicubic, SR: model, TRUTH: truth}


def ground(seed: int = 9) -> np.ndarray:
    return np.random.default_rng(seed).uniform(0.05, 0.4, (64, 64, 4))


def pixels(uri: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.split(",")[1]))))


def test_collected_patches():
    """Versions in reflectance, under the number and the gain of the patch."""
    assessment = SimpleNamespace(
        patches_to_show=lambda: [2, 0],
        scores=SimpleNamespace(gains=lambda: np.array([-1, 0, 2])),
    )
    truth = ground()[None]
    predicted = {"bicubic": truth / 2, "model": truth / 4}
    patches = patch_pictures.collect(assessment, [(1e4 * truth, predicted, truth)] * 2)
    assert list(patches) == ["patch 2, +2.00 dB", "patch 0, -1.00 dB"]
    for row in patches.values():
        assert list(row) == [LR, BICUBIC, SR, TRUTH]
        for image, part in zip(row.values(), (1, 0.5, 0.25, 1), strict=True):
            np.testing.assert_allclose(image, part * truth[0])


def test_errors_share_one_scale():
    """All rows share one colour scale; no error is black."""
    truth = ground()
    errors = 0.0, 0.01, 0.02
    rows = {str(error): images(truth, truth, truth + error) for error in errors}
    drawn, brightest = patch_pictures.picture_rows(rows)
    assert brightest == pytest.approx(0.02)
    none, middle, full = (pixels(row["error"]).mean() for row in drawn.values())
    assert none < 5 < middle < full
    assert full > 200  # the brightest colour, for the largest of all errors


def test_new_detail_is_green_blue_or_red():
    """The truth is improvement, the input omission, and noise hallucination."""
    truth = ground()
    zoomed = (truth + np.random.default_rng(1).normal(0, 0.03, truth.shape)).clip(0.01)
    noise = ground(seed=2)
    for name, answer in (
        ("improvement", truth),
        ("omission", zoomed),
        ("hallucination", noise),
    ):
        rows = {name: images(truth, zoomed, answer)}
        picture = pixels(patch_pictures.picture_rows(rows)[0][name]["new detail"]) / 255
        counted = (picture != 1).any(axis=-1)
        assert counted.mean() > 0.2
        distances = {
            kind: np.abs(picture[counted] - colour).sum(axis=-1).mean()
            for kind, colour in patch_pictures.DETAIL_COLOURS.items()
        }
        assert min(distances, key=distances.get) == name


def test_png_shows_best_median_and_worst(tmp_path):
    """Three rows of four pictures, whatever the number of patches to show."""
    truth = ground()
    rows = {str(n): images(truth, truth, truth) for n in range(6)}
    assessment = SimpleNamespace(test=SimpleNamespace(size=64, spacing=1.5))
    patch_pictures.save_png(tmp_path / "six.png", assessment, rows)
    patch_pictures.save_png(tmp_path / "one.png", assessment, {"0": rows["0"]})
    six, one = (imread(tmp_path / f"{name}.png") for name in ("six", "one"))
    assert six.shape[1] == one.shape[1] and six.shape[0] > 2 * one.shape[0]
