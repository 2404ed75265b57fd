"""Patches to show: the right ones, in the right colours."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from srtools.evaluation.report import pictures
from srtools.evaluation.report.pictures import Shown


def shown(truth: np.ndarray, number: int = 0, **predicted: np.ndarray) -> Shown:
    return Shown("a patch", number, truth[::4, ::4], predicted, truth)


def ground(seed: int = 9) -> np.ndarray:
    return np.random.default_rng(seed).uniform(0.05, 0.4, (64, 64, 4))


def pixels(uri: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.split(",")[1]))))


def test_chosen_patches():
    """Best, middle and worst, none twice, also when there are few."""
    gains = np.array([5.0, 1.0, 3.0, 2.0, 4.0, 0.0, 6.0])
    captions = pictures.choose(gains)
    assert list(captions) == [6, 0, 2, 3, 1, 5]
    labels = [caption.split(":")[0] for caption in captions.values()]
    assert labels == ["best", "best", "median", "median", "worst", "worst"]
    assert captions[6] == "best: patch 6, gain +6.00 dB"
    for count in range(1, 6):
        assert len(pictures.choose(gains[:count])) == count


def test_errors_share_one_scale():
    """Of two rows, that with twice the error is brighter; no error is black."""
    truth = ground()
    rows = [
        shown(truth, bicubic=truth, model=truth + error) for error in (0.0, 0.01, 0.02)
    ]
    drawn, brightest = pictures.strips(rows)
    assert brightest == pytest.approx(0.02)
    none, half, full = (pixels(row["pictures"]["error"]).mean() for row in drawn)
    assert none < 5 < half < full
    assert full > 200  # the brightest colour, for the largest of all errors


def test_new_detail_is_green_blue_or_red():
    """The truth is all right, the input misses all, and noise is invented."""
    truth = ground()
    zoomed = (truth + np.random.default_rng(1).normal(0, 0.03, truth.shape)).clip(0.01)
    noise = ground(seed=2)
    for name, answer in (
        ("improvement", truth),
        ("omission", zoomed),
        ("hallucination", noise),
    ):
        rows = [shown(truth, bicubic=zoomed, model=answer)]
        picture = pixels(pictures.strips(rows)[0][0]["pictures"]["new detail"]) / 255
        counted = (picture != 1).any(axis=-1)
        assert counted.mean() > 0.2
        distances = {
            kind: np.abs(picture[counted] - colour).sum(axis=-1).mean()
            for kind, colour in pictures.DETAIL_COLOURS.items()
        }
        assert min(distances, key=distances.get) == name


def test_no_rows():
    assert pictures.strips([])[0] == []


def test_png_shows_best_median_and_worst(tmp_path):
    """Three rows of four pictures, whatever the number of patches to show."""
    truth = ground()
    rows = [shown(truth, n, bicubic=truth, model=truth) for n in range(6)]
    pictures.save_png(tmp_path / "six.png", rows, np.arange(6.0))
    pictures.save_png(tmp_path / "one.png", rows[:1], np.arange(6.0))
    with (
        Image.open(tmp_path / "six.png") as six,
        Image.open(tmp_path / "one.png") as one,
    ):
        assert six.width == one.width and six.height > 2 * one.height
