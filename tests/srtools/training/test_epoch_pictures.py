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


def test_columns_show_bicubic_the_network_and_the_truth(tmp_path, pair):
    """One picture of the start and one of an epoch, with a constant stretch."""
    images = epoch_pictures.PatchImages(tmp_path, *pair)
    images.set_model(Zoom("bicubic"))
    images.on_train_begin()
    images.on_epoch_end(-1)
    images.set_model(Zoom("nearest"))
    images.on_epoch_end(0)
    # The file is not closed: a training that is killed now loses nothing.
    events = read_events(tmp_path)
    titles = [(step, tag) for _, tag, step, _ in events]
    assert titles == [(0, epoch_pictures.TITLE), (1, epoch_pictures.TITLE)]
    start, epoch = (columns(value.tensor.string_val[2]) for *_, value in events)
    np.testing.assert_allclose(start[0], start[1], atol=1)
    np.testing.assert_array_equal(epoch[::2], start[::2])
    assert np.abs(epoch[1] - epoch[0]).mean() > 5
    repeated = epoch[1].reshape(3, 8, 4, 8, 4, 3)
    assert np.ptp(repeated, axis=(2, 4)).max() == 0  # the network repeats pixels
    hr = pair[1][..., :3]
    low, high = np.percentile(hr.reshape(-1, 3), (1, 99), axis=0)
    shown = 255 * np.clip((hr - low) / (high - low), 0, 1) ** (1 / 1.5)
    np.testing.assert_allclose(epoch[2], shown, atol=1.5)


def columns(png):
    """Return the three columns, [3 patches, 32, 32, 3] without the gaps."""
    picture = tf.io.decode_png(png).numpy()
    assert picture.shape == (3 * SIDE, 3 * SIDE, 3)
    parts = picture.reshape(3, SIDE, 3, SIDE, 3)[:, :32, :, :32]
    return [parts[:, :, n].astype(int) for n in range(3)]
