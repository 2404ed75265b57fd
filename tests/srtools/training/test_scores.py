"""Scores of training against NumPy."""

import math

import numpy as np
import pytest

from srtools.images.zooms import bicubic
from srtools.training import scores

import tensorflow as tf


def test_psnr_is_that_of_all_patches_and_not_the_mean_of_each():
    random = np.random.default_rng(0)
    truth, answer = random.uniform(0, 0.5, (2, 3, 8, 8, 4)).astype(np.float32)
    metric = scores.PSNR()
    for first, last in ((0, 2), (2, 3)):  # batches of different sizes
        metric.update_state(truth[first:last], answer[first:last])
    expected = -10 * math.log10(np.square(answer.astype(float) - truth).mean())
    assert float(metric.result()) == pytest.approx(expected, abs=1e-4)
    metric.reset_state()
    metric.update_state(np.zeros((1, 2, 2, 4)), np.full((1, 2, 2, 4), 0.1))
    assert float(metric.result()) == pytest.approx(20, abs=1e-4)


def test_bicubic_of_all_batches():
    random = np.random.default_rng(0)
    lr = random.integers(100, 3000, (3, 6, 6, 4)).astype(np.float32)
    hr = random.uniform(0, 0.3, (3, 24, 24, 4)).astype(np.float32)
    batches = tf.data.Dataset.from_tensor_slices(({"lr": lr}, {"hr": hr})).batch(2)
    zoomed = tf.image.resize(lr * 1e-4, (24, 24), "bicubic").numpy()
    mse = np.square(zoomed.astype(float) - hr).mean()
    expected = 10 * math.log10(1 / mse)
    assert scores.psnr_of(
        batches, lambda lr, size: bicubic(lr * 1e-4, size)
    ) == pytest.approx(expected, abs=1e-3)
