"""Losses against numbers computed by hand."""

import math
import subprocess
import sys

import numpy as np

from srtools.training import losses

import tensorflow as tf


def test_charbonnier_of_the_docstring():
    truth = np.zeros((1, 1, 2, 2), np.float32)
    answer = np.array([[[[0.0, 0.0], [0.1, -0.1]]]], np.float32)
    found = losses.charbonnier(truth, answer).numpy()
    assert found.shape == (1, 1, 2)
    np.testing.assert_allclose(found[0, 0], [0.001, math.hypot(0.1, 0.001)], rtol=1e-6)


def test_charbonnier_of_a_perfect_answer_has_a_gradient_that_is_a_number():
    truth = tf.random.stateless_uniform([3, 8, 8, 4], [0, 1])
    answer = tf.Variable(truth)
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(losses.charbonnier(truth, answer))
    assert np.abs(tape.gradient(loss, answer).numpy()).max() == 0


def test_the_names_of_losses_are_known_without_tensorflow():
    code = "import sys; from srtools.training.losses import LOSSES; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert "tensorflow" not in done.stdout.split()
