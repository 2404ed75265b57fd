"""Numbers and pictures in the event files that TensorBoard reads."""

import numpy as np
import pytest

from srtools.training import tensorboard

import tensorflow as tf
from tensorflow.core.util.event_pb2 import Event


def read_events(folder):
    """Read the summaries of the event files of a folder."""
    return [
        (event.step, value)
        for path in sorted(folder.glob("events.out.tfevents.*"))
        for record in tf.data.TFRecordDataset(str(path))
        for event in [Event.FromString(record.numpy())]
        for value in event.summary.value
    ]


class Zoom(tf.Module):
    """What `PatchImages` asks of a model: here each pixel 4 x 4 times, in 0-1."""

    def __call__(self, inputs, training):
        hr = tf.repeat(tf.repeat(inputs["lr"], 4, axis=1), 4, axis=2)
        return {"hr": hr * 1e-4}


class Bicubic(tf.Module):
    """A network that has learned nothing but the bicubic zoom."""

    def __call__(self, inputs, training):
        lr = inputs["lr"] * 1e-4
        hr = tf.image.resize(lr, (4 * lr.shape[1], 4 * lr.shape[2]), "bicubic")
        return {"hr": hr}


def patch_pair(count=3, seed=0):
    rng = np.random.default_rng(seed)
    lr = rng.integers(0, 3000, (count, 8, 8, 4)).astype(np.uint16)
    return lr, rng.integers(0, 3000, (count, 32, 32, 4)).astype(np.uint16)


def show(folder, model, lr, hr, epochs):
    images = tensorboard.PatchImages(folder, lr, hr)
    images.set_model(model)
    for epoch in range(-1, epochs):
        images.on_epoch_end(epoch)
    images.on_train_end()
    return read_events(folder / "images")


def decode(value):
    """Give the columns of a picture: [3 x 32, 32, 3] each, without the gaps."""
    width, height, png = value.tensor.string_val
    picture = tf.io.decode_png(png).numpy()
    assert picture.shape == (int(height), int(width), 3) == (3 * 260, 5 * 260, 3)
    columns = picture.reshape(3, 260, 5, 260, 3)[:, :256, :, :256]
    return [columns[:, :, n].astype(int) for n in range(5)]


def test_versions_of_a_patch_stand_side_by_side_in_true_and_false_colour(tmp_path):
    events = show(tmp_path, Zoom(), *patch_pair(), epochs=1)
    assert [step for step, _ in events] == [0, 0, 1, 1]
    assert [value.tag.split(":")[0] for _, value in events[:2]] == [
        "true colour",
        "near infrared, red, green",
    ]
    for _, value in events:
        assert value.metadata.plugin_data.plugin_name == "images"
        low, bicubic, sr, truth, error = decode(value)
        # This model answers what is shown of lr, so both columns are the same.
        np.testing.assert_allclose(low, sr, atol=1)
        assert np.abs(low - bicubic).mean() > 5
        assert np.abs(sr - truth).mean() > 20
        assert np.ptp(error, axis=-1).max() == 0  # grey
    # The stretch is fixed: the same network gives the same picture.
    assert events[0][1].tensor == events[2][1].tensor


def test_false_colour_is_near_infrared_red_green(tmp_path):
    lr, hr = patch_pair()
    hr[..., 3] = hr[..., 0]  # near infrared looks like red, each with its own stretch
    (_, true), (_, false) = show(tmp_path, Zoom(), lr, hr, epochs=1)[:2]
    true, false = decode(true)[3], decode(false)[3]
    np.testing.assert_array_equal(false[..., 0], true[..., 0])
    np.testing.assert_array_equal(false[..., 1], true[..., 0])
    np.testing.assert_array_equal(false[..., 2], true[..., 1])


def test_error_is_white_where_bicubic_is_worst_and_black_where_all_is_right(tmp_path):
    lr, hr = patch_pair()
    error = decode(show(tmp_path / "b", Bicubic(), lr, hr, epochs=1)[0][1])[4]
    assert error.max() == 255 and (error == 255).mean() == pytest.approx(0.01, abs=5e-3)
    hr = lr.repeat(4, axis=1).repeat(4, axis=2)
    error = decode(show(tmp_path / "z", Zoom(), lr, hr, epochs=1)[0][1])[4]
    assert error.max() == 0


def test_numbers_are_on_the_disk_after_each_epoch(tmp_path):
    scalars = tensorboard.Scalars(tmp_path)
    scalars.on_epoch_end(-1, {"val_loss": 0.75})  # the start is no epoch
    scalars.on_epoch_end(0, {"loss": 0.5, "val_loss": 0.25, "val_gain": 1.5})
    # Not closed: a training that is killed now has lost nothing.
    train, valid = (read_events(tmp_path / run) for run in ("train", "validation"))
    assert [(step, v.tag) for step, v in train] == [(1, "loss")]
    assert [(step, v.tag) for step, v in valid] == [(1, "loss"), (1, "gain")]
    values = [tf.make_ndarray(v.tensor) for _, v in (*train, *valid)]
    assert values == [0.5, 0.25, 1.5]
    assert {v.metadata.plugin_data.plugin_name for _, v in train} == {"scalars"}
    scalars.on_train_end()


def test_forgetting_deletes_event_files_only(tmp_path):
    kept = [tmp_path / "training.csv", tmp_path / "train" / "notes.txt"]
    gone = [tmp_path / kind / "events.out.tfevents.1" for kind in ("train", "images")]
    for path in (*kept, *gone):
        path.parent.mkdir(exist_ok=True)
        path.touch()
    tensorboard.forget_events(tmp_path)
    assert all(path.exists() for path in kept)
    assert not any(path.exists() for path in gone)
