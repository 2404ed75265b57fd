"""Callbacks of `fit`: the table, the curves, the line, and reasons to stop early."""

import logging
import os
import signal

import numpy as np
import pytest
from PIL import Image

from srtools import signals
from srtools.errors import SRError
from srtools.training import callbacks, resuming

import tensorflow as tf

# As Keras 3 and Keras 2 call the metric of an output "hr".
LOGS = {
    "Keras 3": {"loss": 0.5, "psnr": 20.0, "val_loss": 0.25, "val_psnr": 26.0},
    "Keras 2": {"loss": 0.5, "hr_psnr": 20.0, "val_loss": 0.25, "val_hr_psnr": 26.0},
}


@pytest.fixture
def compiled():
    model = tf.keras.Sequential([tf.keras.Input((2,)), tf.keras.layers.Dense(1)])
    model.compile(tf.keras.optimizers.SGD(0.25), loss="mse")
    return model


def make_table(folder, model, nb_epochs=3):
    table = callbacks.EpochTable(folder, nb_epochs, patches=30, bicubic_psnr=25.5)
    table.set_model(model)
    return table


def finish_epoch(table, epoch, **changed):
    logs = {**LOGS["Keras 3"], **changed}
    table.on_epoch_begin(epoch)
    table.on_test_begin()
    table.on_epoch_end(epoch, logs)
    return logs


def row(epoch, val_loss, seconds=0.0):
    numbers = {"epoch": float(epoch), "val_loss": val_loss, "seconds": seconds}
    return {**dict.fromkeys(callbacks.COLUMNS, 1.0), **numbers}


@pytest.mark.parametrize("keras", LOGS)
def test_logs_have_the_same_names_on_both_versions_of_keras(
    compiled, keras, monkeypatch
):
    table = make_table(None, compiled)
    # Begin, end of the training steps, end of validation.
    clock = iter([10.0, 12.0, 15.0])
    monkeypatch.setattr(callbacks.time, "monotonic", clock.__next__)
    logs = dict(LOGS[keras])
    table.on_epoch_begin(0)
    table.on_test_begin()
    table.on_epoch_end(0, logs)
    assert logs == {
        **LOGS["Keras 3"],
        "val_gain": 0.5,
        "learning_rate": 0.25,
        "patches_per_second": 15.0,
    }
    assert table.rows == [{**logs, "epoch": 1.0, "seconds": 5.0}]


def test_table_is_complete_after_each_epoch(tmp_path, compiled, caplog):
    caplog.set_level(logging.INFO)
    table = make_table(tmp_path, compiled)
    finish_epoch(table, 0, val_loss=0.123456789, val_psnr=25.0)
    header, line = (tmp_path / "training.csv").read_text().splitlines()
    assert header == (
        "epoch,loss,val_loss,psnr,val_psnr,val_gain,learning_rate,"
        "patches_per_second,seconds"
    )
    assert line.startswith("1,0.5,0.123456789,20,25,-0.5,0.25,")
    again = make_table(tmp_path, compiled)
    again.rows = [{**table.rows[0], "seconds": 100.0}]  # as the backup restores them
    finish_epoch(again, 1)
    lines = (tmp_path / "training.csv").read_text().splitlines()
    assert [line.split(",")[0] for line in lines] == ["epoch", "1", "2"]
    assert 100 <= again.rows[-1]["seconds"] < 200
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["training.csv", "training.png"]
    logged = [line.split("  ")[0] for line in caplog.messages]
    assert logged == ["epoch 1/3", "epoch 2/3"]


def test_a_worker_that_is_not_the_chief_writes_nothing(compiled, caplog):
    table = make_table(None, compiled)
    with caplog.at_level(logging.INFO):
        finish_epoch(table, 0)
        table.draw()
    assert len(table.rows) == 1 and not caplog.messages


def test_curves_are_a_picture_of_three_diagrams(tmp_path, compiled):
    table = make_table(tmp_path, compiled)
    table.rows = [row(1, 0.5), row(2, 0.3)]
    table.draw()
    with Image.open(tmp_path / "training.png") as picture:
        pixels = np.asarray(picture.convert("L"), float)
    height, width = pixels.shape
    assert width > 3 * height
    # In each third something is drawn.
    assert all(np.ptp(third) > 100 for third in np.array_split(pixels, 3, axis=1))


def test_a_line_describes_the_epoch_and_marks_the_best(compiled):
    table, lines = make_table(None, compiled), []
    for epoch, val_loss in enumerate((0.5, 0.4, 0.6), start=1):
        table.rows.append(row(epoch, val_loss, seconds=10.0 * epoch))
        lines.append(table.last_line())
    first, second, third = lines
    assert first == (
        "epoch 1/3  loss 1.00000  val_loss 0.50000 *  gain +1.00 dB  "
        "learning rate 1.0e+00  1 patches/s  10 s, 20 s left"
    )
    assert "0.40000 *" in second and second.endswith("20 s, 10 s left")
    assert "0.60000 *" not in third and third.endswith("30 s, 0 s left")
    assert table.best_row()["epoch"] == 2


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number_stops(compiled, value):
    stop = callbacks.StopOnNaN()
    stop.set_model(compiled)
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


def test_a_loss_of_0_stops(compiled):
    stop = callbacks.StopOnNaN()
    stop.set_model(compiled)
    with pytest.raises(SRError, match="the loss is 0 .*patches empty.*again"):
        stop.on_epoch_end(0, {"loss": 0.0, "val_loss": 1.0})
    stop.on_epoch_end(-1, {"val_loss": 1.0})  # before the first one there is none


@pytest.mark.parametrize(
    ("losses", "validation", "stuck"),
    [
        ((0.5, 0.4), (0.25, 0.25, 0.25), True),
        ((0.5, 0.4), (0.25, 0.25, 0.26), False),
        ((0.5, 0.4), (0.26, 0.25, 0.25), True),  # a network that died
        ((0.5, 0.5), (0.25, 0.25, 0.25), False),
        ((0.5,), (0.25, 0.25), False),
    ],
)
def test_a_validation_loss_that_never_moves_is_an_error(
    compiled, losses, validation, stuck
):
    table = make_table(None, compiled)
    table.on_epoch_end(-1, {"val_loss": validation[0], "val_psnr": 26.0})
    for epoch, loss in enumerate(losses):
        finish_epoch(table, epoch, loss=loss, val_loss=validation[epoch + 1])
    if stuck:
        with pytest.raises(SRError, match="nothing is learned.* 0.25000 .*of 2 epochs"):
            table.check_moved()
    else:
        table.check_moved()


def test_the_start_is_epoch_0_and_may_be_the_best(tmp_path, compiled, caplog):
    """It is no row: in it, nothing was trained."""
    compiled.compile(
        "sgd", loss="mse", weighted_metrics=[tf.keras.metrics.MeanSquaredError("psnr")]
    )
    compiled.set_weights([np.zeros((2, 1)), np.ones(1)])
    table = make_table(tmp_path, compiled)
    stop = tf.keras.callbacks.EarlyStopping(
        patience=9, restore_best_weights=True, start_from_epoch=-1
    )
    stop.set_model(compiled)
    stop.on_train_begin()
    batches = tf.data.Dataset.from_tensors((np.ones((4, 2)), np.zeros((4, 1))))
    backup = resuming.Backup(tmp_path, {}).of([table, stop])
    backup.batches = batches
    backup.set_model(compiled)
    with caplog.at_level(logging.INFO):
        backup.on_train_begin()
    assert caplog.messages == [
        "epoch 0, the start:  val_loss 1.00000 *  gain -24.50 dB"
    ]
    compiled.set_weights([np.ones((2, 1)), np.ones(1)])
    finish_epoch(table, 0, val_loss=1.5)
    stop.on_epoch_end(0, {"val_loss": 1.5})
    assert table.best_row() == {
        **{"epoch": 0, "loss": None, "val_loss": 1.0},
        **{"val_psnr": 1.0, "val_gain": -24.5},
    }
    assert (stop.best, stop.wait) == (1.0, 1)
    np.testing.assert_array_equal(stop.best_weights[0], np.zeros((2, 1)))
    assert len(table.rows) == 1 and "*" not in table.last_line()
    finish_epoch(table, 1, val_loss=0.5)
    assert table.best_row()["epoch"] == 2


def test_learning_rate_of_a_schedule(compiled):
    schedule = tf.keras.optimizers.schedules.CosineDecay(0.5, decay_steps=10)
    compiled.compile(tf.keras.optimizers.SGD(schedule), loss="mse")
    assert callbacks.learning_rate(compiled) == pytest.approx(0.5)
    compiled.fit(np.ones((10, 2)), np.ones((10, 1)), batch_size=1, verbose=0)
    # Keras 2 tells the rate of the last step, Keras 3 that of the next one.
    assert callbacks.learning_rate(compiled) < 0.02


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_waits_for_the_end_of_the_step(number):
    before, stop = signal.getsignal(number), callbacks.StopOnSignal()
    for moment in ("on_train_batch_end", "on_test_batch_end", "on_train_end"):
        with signals.held():
            getattr(stop, moment)(0, logs={"loss": 1.0})
            os.kill(os.getpid(), number)
            # A second signal is not held back.
            assert signal.getsignal(number) is signal.SIG_DFL
            with pytest.raises(callbacks.Interrupted, match=number.name) as raised:
                getattr(stop, moment)(1, logs={"loss": 1.0})
            assert raised.value.number == number
        # The block ends without acting on it once more.
        assert signal.getsignal(number) is before


def test_patches_that_are_no_numbers_are_no_divergence(compiled, write_raster):
    stack = np.full((24, 8, 4), np.nan, np.float32)
    path = write_raster("train_hr_patches.tif", stack, crs=None)
    stop = callbacks.StopOnNaN({"train": {"hr": [path]}})
    stop.set_model(compiled)
    with pytest.raises(SRError, match="patch 0 of .*hr_patches.tif holds nan .*again"):
        stop.on_train_batch_end(0, {"loss": float("nan")})
