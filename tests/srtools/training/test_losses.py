"""Losses and scores against NumPy."""

import math

import numpy as np
import pytest

from srtools.training import losses

import tensorflow as tf

RNG = np.random.default_rng(0)
TRUTH, ANSWER = RNG.uniform(0, 0.5, (2, 3, 8, 8, 4)).astype(np.float32)


def test_charbonnier_of_the_docstring():
    truth = np.zeros((1, 1, 2, 2), np.float32)
    answer = np.array([[[[0.0, 0.0], [0.1, -0.1]]]], np.float32)
    found = losses.charbonnier(truth, answer).numpy()
    assert found.shape == (1, 1, 2)
    np.testing.assert_allclose(found[0, 0], [0.001, math.hypot(0.1, 0.001)], rtol=1e-6)


def test_charbonnier_of_a_perfect_answer_has_a_gradient_that_is_a_number():
    answer = tf.Variable(TRUTH)
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(losses.charbonnier(tf.constant(TRUTH), answer))
    assert np.abs(tape.gradient(loss, answer).numpy()).max() == 0


def test_psnr_is_that_of_all_patches_and_not_the_mean_of_each():
    metric = losses.PSNR()
    for first, last in ((0, 2), (2, 3)):  # batches of different sizes
        metric.update_state(TRUTH[first:last], ANSWER[first:last])
    expected = -10 * math.log10(np.square(ANSWER.astype(float) - TRUTH).mean())
    assert float(metric.result()) == pytest.approx(expected, abs=1e-4)
    metric.reset_state()
    metric.update_state(np.zeros((1, 2, 2, 4)), np.full((1, 2, 2, 4), 0.1))
    assert float(metric.result()) == pytest.approx(20, abs=1e-4)


def test_bicubic_of_all_batches():
    lr = RNG.integers(100, 3000, (3, 6, 6, 4)).astype(np.float32)
    hr = RNG.uniform(0, 0.3, (3, 24, 24, 4)).astype(np.float32)
    batches = tf.data.Dataset.from_tensor_slices(({"lr": lr}, {"hr": hr})).batch(2)
    zoomed = tf.image.resize(lr * 1e-4, (24, 24), "bicubic").numpy()
    mse = np.square(zoomed.astype(float) - hr).mean()
    expected = 10 * math.log10(1 / mse)
    assert losses.bicubic_psnr(batches, 1e-4) == pytest.approx(expected, abs=1e-3)
