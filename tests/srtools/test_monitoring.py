"""Callbacks: one line per epoch, a stop when the loss is no number, pictures."""

import importlib.util
import logging

import numpy as np
import pytest

from srtools import monitoring
from srtools.errors import SRError
from srtools.quiet import silent_stderr

with silent_stderr():
    import tensorflow as tf
    from tensorflow.core.util.event_pb2 import Event

# Keras 2 on Python 3.10 draws seeds in an old-fashioned way.
pytestmark = pytest.mark.filterwarnings("ignore:non-integer arguments to randrange")


def read_events(folder):
    """Read the summaries of a folder without the package tensorboard."""
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


def with_model(callback, model):
    """Hand a model to a callback; Keras 3 has no public attribute for it."""
    callback.set_model(model)
    return callback


@pytest.fixture
def compiled():
    model = tf.keras.Sequential([tf.keras.Input((2,)), tf.keras.layers.Dense(1)])
    model.compile(tf.keras.optimizers.SGD(0.25), loss="mse")
    return model


def test_one_line_per_epoch_marks_the_best(caplog, compiled):
    lines = with_model(monitoring.EpochLines(nb_epochs=3), compiled)
    with caplog.at_level(logging.INFO):
        lines.on_train_begin()
        for epoch, val_loss in enumerate((0.5, 0.4, 0.6)):
            lines.on_epoch_end(epoch, {"loss": 0.25, "val_loss": val_loss})
    first, second, third = caplog.messages
    assert first.startswith("epoch 1/3  loss 0.25000  val_loss 0.50000 *")
    assert "0.40000 *" in second and "0.60000 *" not in third
    assert "learning rate 2.5e-01" in third and third.endswith(" 0 s left")


def test_table_is_complete_after_each_epoch(tmp_path, compiled):
    table = with_model(monitoring.LossTable(tmp_path / "t.csv"), compiled)
    table.on_train_begin()
    table.on_epoch_end(0, {"loss": 0.5, "val_loss": 0.123456789})
    header, line = (tmp_path / "t.csv").read_text().splitlines()
    assert header == "epoch,loss,val_loss,learning_rate,seconds"
    assert line == "1,0.5,0.123456789,0.25,0.0"


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number_stops(compiled, value):
    stop = with_model(monitoring.StopOnNaN(), compiled)
    stop.on_train_batch_end(0, {"loss": 1.0})
    with pytest.raises(SRError, match=f"loss is {value}.*--learning_rate.*2.5e-01"):
        stop.on_train_batch_end(1, {"loss": value})
    stop.on_epoch_end(0, {"loss": 1.0, "val_loss": 1.0})
    with pytest.raises(SRError, match=f"validation loss is {value}"):
        stop.on_epoch_end(0, {"loss": 1.0, "val_loss": value})
    # Behind a ReLU the loss stays a number.
    compiled.set_weights([np.full((2, 1), value), np.zeros(1)])
    with pytest.raises(SRError, match=f"a weight is {value}"):
        stop.on_epoch_end(0, {"loss": 1.0, "val_loss": 1.0})


def test_pictures_show_lr_sr_and_truth_side_by_side(tmp_path):
    rng = np.random.default_rng(0)
    lr = rng.integers(0, 3000, (3, 8, 8, 4)).astype(np.uint16)
    hr = rng.integers(0, 3000, (3, 32, 32, 4)).astype(np.uint16)
    images = with_model(monitoring.PatchImages(tmp_path, lr, hr, 1e-4), Zoom())
    images.on_train_begin()
    images.on_epoch_end(0)
    images.on_train_end()
    events = read_events(tmp_path)
    assert [step for step, _ in events] == [0, 1]
    for _, value in events:
        assert value.tag == "low resolution, super-resolution, truth"
        assert value.metadata.plugin_data.plugin_name == "images"
        width, height, png = value.tensor.string_val
        picture = tf.io.decode_png(png).numpy()
        assert picture.shape == (3 * 36, 3 * 32, 3) == (int(height), int(width), 3)
        # This model answers what is shown of lr, so both columns are the same.
        left, middle, right = np.split(picture, 3, axis=1)
        np.testing.assert_allclose(left.astype(int), middle.astype(int), atol=1)
        assert np.abs(left.astype(int) - right).mean() > 20
    # The stretch is fixed: the same network gives the same picture.
    assert events[0][1].tensor == events[1][1].tensor


def test_pictures_every_so_many_epochs(tmp_path):
    lr, hr = np.ones((1, 2, 2, 4), np.uint16), np.ones((1, 8, 8, 4), np.uint16)
    images = monitoring.PatchImages(tmp_path, lr, hr, 1e-4, every=3)
    with_model(images, Zoom())
    for epoch in range(7):
        images.on_epoch_end(epoch)
    images.on_train_end()
    assert [step for step, _ in read_events(tmp_path)] == [3, 6]


def test_without_tensorboard_there_are_no_curves_but_a_warning(caplog, monkeypatch):
    assert len(monitoring.scalars("logs")) == 1
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with caplog.at_level(logging.WARNING):
        assert monitoring.scalars("logs") == []
    assert "TensorBoard is not installed: no curves in logs" in caplog.text


def test_forgetting_deletes_event_files_only(tmp_path):
    kept = [tmp_path / "training.csv", tmp_path / "train" / "notes.txt"]
    gone = [tmp_path / kind / "events.out.tfevents.1" for kind in ("train", "images")]
    for path in (*kept, *gone):
        path.parent.mkdir(exist_ok=True)
        path.touch()
    monitoring.forget_events(tmp_path)
    assert all(path.exists() for path in kept)
    assert not any(path.exists() for path in gone)


@pytest.mark.parametrize("dead_band", [None, 2])
def test_a_band_that_is_always_0_is_a_dead_network(dead_band):
    lr = np.full((3, 2, 2, 4), 1000.0, np.float32)
    if dead_band is not None:
        lr[..., dead_band] = 0
    batches = tf.data.Dataset.from_tensor_slices(({"lr": lr}, {"hr": lr})).batch(2)
    if dead_band is None:
        monitoring.check_alive(Zoom(), batches, "hr")
    else:
        with pytest.raises(SRError, match="died.*0.1, 0.1, 0, 0.1.*--learning_rate"):
            monitoring.check_alive(Zoom(), batches, "hr")


def test_learning_rate_of_a_schedule(compiled):
    schedule = tf.keras.optimizers.schedules.CosineDecay(0.5, decay_steps=10)
    compiled.compile(tf.keras.optimizers.SGD(schedule), loss="mse")
    assert monitoring.learning_rate(compiled) == pytest.approx(0.5)
    compiled.fit(np.ones((10, 2)), np.ones((10, 1)), batch_size=1, verbose=0)
    # Keras 2 tells the rate of the last step, Keras 3 that of the next one.
    assert monitoring.learning_rate(compiled) < 0.02
