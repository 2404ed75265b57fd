"""Callbacks of `fit`: the table, the curves, the line, and reasons to stop early."""

import contextlib
import logging
import os
import signal

import numpy as np
import pytest
from PIL import Image

from srtools import signals
from srtools.errors import SRError
from srtools.training import callbacks

import tensorflow as tf

NAN, INF = float("nan"), float("inf")


@pytest.fixture
def compiled():
    model = tf.keras.Sequential([tf.keras.Input((2,)), tf.keras.layers.Dense(1)])
    model.compile(tf.keras.optimizers.SGD(0.25), loss="mse")
    return model


@pytest.fixture
def table(tmp_path, compiled):
    """Return a table after the start, which has a validation loss of 1."""
    table = callbacks.EpochTable(tmp_path, nb_epochs=3, patches=30, bicubic_psnr=29.5)
    table.set_model(compiled)
    table.on_epoch_end(-1, {"val_loss": 1.0, "val_mean_squared_error": 0.001})
    return table


@pytest.fixture
def stop(compiled):
    stop = callbacks.StopOnNaN()
    stop.set_model(compiled)
    return stop


def finish_epoch(table, epoch, val_loss=0.25, loss=0.5, output=""):
    """Finish an epoch; Keras 2 has the name of the output before that of a metric."""
    logs = {"loss": loss, f"{output}mean_squared_error": 0.01}
    logs |= {"val_loss": val_loss, f"val_{output}mean_squared_error": 0.001}
    table.on_epoch_begin(epoch)
    table.on_test_begin()
    table.on_epoch_end(epoch, logs)
    return logs


@pytest.mark.parametrize("output", ["", "hr_"])
def test_logs_have_the_same_names_on_both_versions_of_keras(table, output, monkeypatch):
    # Start, end of the training steps, end of validation.
    clock = iter([10.0, 12.0, 15.0])
    monkeypatch.setattr(callbacks.time, "monotonic", clock.__next__)
    logs = finish_epoch(table, 0, output=output)
    expected = {"loss": 0.5, "psnr": 20, "val_loss": 0.25, "val_psnr": 30}
    expected |= {"val_gain": 0.5, "learning_rate": 0.25, "patches_per_second": 15}
    assert logs == pytest.approx(expected)
    assert table.rows == [{**logs, "epoch": 1.0, "seconds": 5.0}]


def test_a_network_without_the_metric_is_refused(table):
    with pytest.raises(SRError, match="compile needs weighted_metrics=.'hr': "):
        table.on_epoch_end(-1, {"val_loss": 1.0})


def test_table_is_complete_after_each_epoch(tmp_path, table, caplog):
    caplog.set_level(logging.INFO)
    finish_epoch(table, 0, val_loss=0.123456789)
    header, line = (tmp_path / "training.csv").read_text().splitlines()
    assert header == (
        "epoch,loss,val_loss,psnr,val_psnr,val_gain,learning_rate,"
        "patches_per_second,seconds"
    )
    assert line.startswith("1,0.5,0.123456789,20,30,0.5,0.25,")
    # Rows restored by the checkpoint of another process.
    table.rows[0]["seconds"], table.begin = 100.0, None
    finish_epoch(table, 1)
    lines = (tmp_path / "training.csv").read_text().splitlines()
    assert [line.split(",")[0] for line in lines] == ["epoch", "1", "2"]
    assert 100 <= table.rows[-1]["seconds"] < 200
    assert [path.name for path in tmp_path.iterdir()] == ["training.csv"]
    logged = [line.split("  ")[0] for line in caplog.messages]
    assert logged == ["epoch 1/3", "epoch 2/3"]


def test_curves_are_a_picture_of_three_diagrams(tmp_path, table):
    finish_epoch(table, 0)
    finish_epoch(table, 1, val_loss=0.2)
    callbacks.draw_curves(tmp_path / "training.png", table.rows, best=2)
    pixels = np.asarray(Image.open(tmp_path / "training.png").convert("L"), float)
    assert all(np.ptp(third) > 100 for third in np.array_split(pixels, 3, axis=1))


def test_a_line_describes_the_epoch_and_marks_the_best(table):
    lines = []
    for epoch, val_loss in enumerate((0.5, 0.4, 0.6), start=1):
        row = dict.fromkeys(callbacks.COLUMNS, 1.0) | {"val_loss": val_loss}
        table.rows.append(row | {"epoch": epoch, "seconds": 10.0 * epoch})
        lines.append(table.last_line())
    assert lines[0] == (
        "epoch 1/3  loss 1.00000  val_loss 0.50000 *  gain +1.00 dB  "
        "learning rate 1.0e+00  1 patches/s  10 s, 20 s left"
    )
    assert ["*" in line for line in lines] == [True, True, False]
    assert table.best_row()["epoch"] == 2


def test_the_start_is_epoch_0_and_may_be_the_best(table):
    """It has no row, because nothing was trained."""
    finish_epoch(table, 0, val_loss=1.5)
    start = {"epoch": 0, "loss": None, "val_loss": 1.0, "val_psnr": 30, "val_gain": 0.5}
    assert table.best_row() == pytest.approx(start)
    assert len(table.rows) == 1 and "*" not in table.last_line()
    finish_epoch(table, 1, val_loss=0.5)
    assert table.best_row()["epoch"] == 2


@pytest.mark.parametrize("value", [NAN, INF])
def test_a_loss_that_is_no_number_stops(stop, value):
    stop.on_train_batch_end(0, {"loss": 1.0})
    with pytest.raises(
        SRError, match=f"loss is {value}, a finite number .*--learning_rate"
    ):
        stop.on_train_batch_end(1, {"loss": value})
    stop.on_epoch_end(0, {"loss": 1.0, "val_loss": 1.0})
    with pytest.raises(SRError, match=f"validation loss is {value}"):
        stop.on_epoch_end(0, {"loss": 1.0, "val_loss": value})
    # After a ReLU the loss is a number all the same.
    stop.model.set_weights([np.full((2, 1), value), np.zeros(1)])
    with pytest.raises(SRError, match=f"a weight is {value}"):
        stop.on_epoch_end(0, {"loss": 1.0, "val_loss": 1.0})


def test_a_loss_of_0_stops(stop):
    with pytest.raises(SRError, match="the loss is 0, .*may be empty.*again"):
        stop.on_epoch_end(0, {"loss": 0.0, "val_loss": 1.0})
    stop.on_epoch_end(-1, {"val_loss": 1.0})  # the start has no training loss


@pytest.mark.parametrize(
    ("losses", "validation", "stuck"),
    [
        ((0.5, 0.4), (0.25, 0.25), True),
        ((0.5, 0.4), (0.25, 0.26), False),
        ((0.5, 0.5), (0.25, 0.25), False),
        ((0.5,), (0.25,), False),
    ],
)
def test_a_constant_validation_loss_is_an_error(table, losses, validation, stuck):
    for epoch, (loss, val_loss) in enumerate(zip(losses, validation, strict=True)):
        finish_epoch(table, epoch, val_loss, loss)
    words = "learned nothing.* 0.25000 in each of 2 epochs"
    with pytest.raises(SRError, match=words) if stuck else contextlib.nullcontext():
        table.check_progress()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_waits_for_the_end_of_the_step(number):
    before, stop = signal.getsignal(number), callbacks.StopOnSignal()
    for moment in ("on_train_batch_end", "on_test_batch_end", "on_train_end"):
        with signals.deferred():
            getattr(stop, moment)(0, logs={"loss": 1.0})
            os.kill(os.getpid(), number)
            with pytest.raises(callbacks.Interrupted) as raised:
                getattr(stop, moment)(1, logs={"loss": 1.0})
            assert raised.value.args == (number,)
        # The end of the block does not act on it once more.
        assert signal.getsignal(number) is before
