"""The loss that forgives small shifts."""

import numpy as np

from srtools.options import training_options
from srtools.training import losses

import tensorflow as tf


def scene(seed=0):
    """Make ground around patches of 24 x 20 pixels, three pixels wider on each side."""
    return np.random.default_rng(seed).uniform(0, 0.4, (3, 30, 26, 4)).astype("float32")


def cut(ground, down=0, right=0):
    return ground[:, 3 + down : 27 + down, 3 + right : 23 + right]


def loss(truth, image):
    return losses.l1_shift(tf.constant(truth), tf.constant(image)).numpy()


def l1(truth, image):
    return np.abs(truth - image).mean(axis=(1, 2, 3))[:, None, None]


def test_each_patch_is_compared_at_its_best_shift():
    """Pixels that a shift brings in from beyond the truth are mirrored ones."""
    ground, shifts = scene(), ((0, 0), (1, -2), (-2, 2))
    truth = cut(ground)
    image = np.stack([cut(ground, *s)[n] for n, s in enumerate(shifts)])
    errors = loss(truth, image)
    assert errors.shape == (3, 1, 1) and errors[0] == 0  # for weights of patches
    # Only the rim, a sixth of the pixels, is not the same.
    assert (errors < l1(truth, image) / 4 + 1e-6).all()
    assert (loss(truth, cut(ground, 3)) > 0.9 * l1(truth, cut(ground, 3))).all()
    wrong = image + np.float32(0.02)
    np.testing.assert_allclose(loss(truth, wrong)[0], 0.02, rtol=1e-4)


def test_every_pixel_counts_once():
    """A rim without a loss could be of any brightness, and hold that of the patch."""
    truth = cut(scene())
    image = tf.constant(truth + cut(scene(1)) * np.float32(0.01))
    with tf.GradientTape() as tape:
        tape.watch(image)
        total = tf.reduce_sum(losses.l1_shift(tf.constant(truth), image))
    gradient = tape.gradient(total, image).numpy()
    np.testing.assert_allclose(gradient, 1 / truth[0].size, rtol=1e-5)


def test_the_command_line_offers_these_losses():
    assert training_options.LOSSES == tuple(losses.LOSSES)
