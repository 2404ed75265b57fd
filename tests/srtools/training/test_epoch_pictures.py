"""Pictures of patches in the event files of TensorBoard."""

import numpy as np
import pytest

from srtools.training import epoch_pictures
from tests.training_patches import read_events

import tensorflow as tf

SIDE = 32 + epoch_pictures.GAP_PIXELS


class Zoom(tf.Module):
    def __init__(self, method):
        self.method = method

    def __call__(self, inputs, training):
        return {"hr": tf.image.resize(inputs["lr"] * 1e-4, (32, 32), self.method)}


@pytest.fixture
def pair():
    rng = np.random.default_rng(0)
    lr, hr = (rng.integers(0, 3000, (3, side, side, 4)) for side in (8, 32))
    return lr.astype(np.uint16), hr.astype(np.uint16)


def show(folder, model, lr, hr):
    """Return the pictures of the start and of an epoch, in true and false colour.

    Each is a list of five columns, [3 patches x 32, 32, 3] without the gaps.
    """
    images = epoch_pictures.PatchImages(folder, lr, hr)
    images.set_model(model)
    images.on_train_begin()
    images.on_epoch_end(-1)
    images.on_epoch_end(0)
    # The file is not closed: a training that is killed now loses nothing.
    events = read_events(folder)
    assert [step for _, _, step, _ in events] == [0, 0, 1, 1]
    titles = [tag.split(":")[0] for _, tag, _, _ in events]
    assert titles == ["true colour", "near infrared, red, green"] * 2
    return [columns(value.tensor.string_val[2]) for _, _, _, value in events]


def columns(png):
    picture = tf.io.decode_png(png).numpy()
    assert picture.shape == (3 * SIDE, 5 * SIDE, 3)
    parts = picture.reshape(3, SIDE, 5, SIDE, 3)[:, :32, :, :32]
    return [parts[:, :, n].astype(int) for n in range(5)]


def test_columns_show_the_images_in_true_and_false_colour(tmp_path, pair):
    lr, hr = pair
    hr[..., 3] = hr[..., 1]  # near infrared is like green
    pictures = show(tmp_path, Zoom("nearest"), lr, hr)
    for low, bicubic, sr, truth, error in pictures:
        # The network repeats pixels, as the column of lr does.
        np.testing.assert_allclose(low, sr, atol=1)
        assert np.abs(low - bicubic).mean() > 5
        assert np.abs(sr - truth).mean() > 20
        assert np.ptp(error, axis=-1).max() == 0  # grey
    # The stretch is constant: the same network gives the same picture.
    np.testing.assert_array_equal(pictures[0], pictures[2])
    true, false = pictures[0][3], pictures[1][3]
    np.testing.assert_array_equal(false, true[..., [1, 0, 1]])


def test_the_error_is_black_at_0_and_white_for_the_worst_of_bicubic(tmp_path, pair):
    lr, hr = pair
    error = show(tmp_path / "bicubic", Zoom("bicubic"), lr, hr)[0][4]
    assert error.max() == 255 and (error == 255).mean() == pytest.approx(0.01, abs=5e-3)
    hr = lr.repeat(4, axis=1).repeat(4, axis=2)
    assert show(tmp_path / "zoom", Zoom("nearest"), lr, hr)[0][4].max() == 0
