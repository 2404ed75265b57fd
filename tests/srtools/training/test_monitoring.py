"""Numbers of an epoch: the table, the curves, the line on the terminal."""

import logging

import numpy as np
import pytest
from PIL import Image

from srtools.training import monitoring

import tensorflow as tf

# Keras 2 on Python 3.10 draws seeds in an old-fashioned way.
pytestmark = pytest.mark.filterwarnings("ignore:non-integer arguments to randrange")

# As Keras 3 and Keras 2 call the metric of an output "hr".
LOGS = [
    {"loss": 0.5, "psnr": 20.0, "val_loss": 0.25, "val_psnr": 26.0},
    {"loss": 0.5, "hr_psnr": 20.0, "val_loss": 0.25, "val_hr_psnr": 26.0},
]


def with_model(callback, model):
    """Hand a model to a callback; Keras 3 has no public attribute for it."""
    callback.set_model(model)
    return callback


@pytest.fixture
def compiled():
    model = tf.keras.Sequential([tf.keras.Input((2,)), tf.keras.layers.Dense(1)])
    model.compile(tf.keras.optimizers.SGD(0.25), loss="mse")
    return model


def row(epoch, val_loss, seconds=0.0):
    return {**dict.fromkeys(monitoring.COLUMNS, 1.0), "epoch": float(epoch),
            "val_loss": val_loss, "seconds": seconds}  # fmt: skip


@pytest.mark.parametrize("logs", LOGS)
def test_measures_have_one_name_on_both_versions_of_keras(compiled, logs, monkeypatch):
    measures = with_model(monitoring.Measures(25.5, patches=30), compiled)
    # Begin, end of the training steps; what follows is validation.
    monkeypatch.setattr(monitoring.time, "monotonic", iter([10.0, 12.0]).__next__)
    logs = dict(logs)
    measures.on_epoch_begin(0)
    measures.on_test_begin()
    measures.on_epoch_end(0, logs)
    assert logs == {
        "loss": 0.5, "psnr": 20.0, "val_loss": 0.25, "val_psnr": 26.0,
        "val_gain": 0.5, "learning_rate": 0.25, "patches_per_second": 15.0,
    }  # fmt: skip


def finish_epoch(table, epoch, **changed):
    logs = {name: 1.0 for name in monitoring.COLUMNS}
    table.on_epoch_begin(epoch)
    table.on_epoch_end(epoch, {**logs, **changed})


def test_table_is_complete_after_each_epoch(tmp_path, compiled):
    table = with_model(monitoring.Table(tmp_path), compiled)
    table.on_train_begin()
    finish_epoch(table, 0, val_loss=0.123456789, val_gain=-0.5)
    header, line = (tmp_path / "training.csv").read_text().splitlines()
    assert header == (
        "epoch,loss,val_loss,psnr,val_psnr,val_gain,learning_rate,"
        "patches_per_second,seconds"
    )
    assert line.startswith("1,1,0.123456789,1,1,-0.5,1,1,")
    finish_epoch(table, 1)
    assert len((tmp_path / "training.csv").read_text().splitlines()) == 3
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "training.csv",
        "training.png",
    ]


def test_table_goes_on_where_an_interrupted_training_had_stopped(tmp_path, compiled):
    table = with_model(monitoring.Table(tmp_path), compiled)
    table.on_train_begin()
    table.rows = [row(1, 0.5, seconds=100.0)]  # as the backup gives them back
    finish_epoch(table, 1)
    lines = (tmp_path / "training.csv").read_text().splitlines()
    assert [line.split(",")[0] for line in lines] == ["epoch", "1", "2"]
    assert 100 <= table.rows[-1]["seconds"] < 200


def test_a_worker_that_is_not_the_chief_writes_nothing(compiled):
    table = with_model(monitoring.Table(None), compiled)
    table.on_train_begin()
    finish_epoch(table, 0)
    table.on_train_end()
    assert len(table.rows) == 1


def test_best_is_the_smallest_validation_loss():
    table = monitoring.Table(None)
    table.rows = [row(1, 0.5), row(2, 0.3), row(3, 0.4)]
    assert table.best_row()["epoch"] == 2


def test_curves_are_a_picture_of_three_diagrams(tmp_path):
    table = monitoring.Table(tmp_path)
    table.rows = [row(1, 0.5), row(2, 0.3)]
    table.draw()
    with Image.open(tmp_path / "training.png") as picture:
        pixels = np.asarray(picture.convert("L"), float)
    height, width = pixels.shape
    assert width > 3 * height
    # In each third something is drawn.
    assert all(np.ptp(third) > 100 for third in np.array_split(pixels, 3, axis=1))


def test_one_line_per_epoch_marks_the_best(caplog):
    table = monitoring.Table(None)
    lines = monitoring.EpochLines(table, nb_epochs=3)
    with caplog.at_level(logging.INFO):
        for epoch, val_loss in enumerate((0.5, 0.4, 0.6)):
            table.rows.append(row(epoch + 1, val_loss, seconds=10.0 * (epoch + 1)))
            lines.on_epoch_end(epoch)
    first, second, third = caplog.messages
    assert first.startswith(
        "epoch 1/3  loss 1.00000  val_loss 0.50000 *  gain +1.00 dB"
    )
    assert "0.40000 *" in second and "0.60000 *" not in third
    assert "learning rate 1.0e+00" in third and "1 patches/s" in third
    assert [m.split("  ")[-1] for m in caplog.messages] == [
        "10 s, 20 s left", "20 s, 10 s left", "30 s, 0 s left",
    ]  # fmt: skip
