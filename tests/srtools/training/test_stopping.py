"""What ends a training before its time."""

import os
import signal

import numpy as np
import pytest

from srtools.errors import SRError
from srtools.training import stopping

import tensorflow as tf

# Keras 2 on Python 3.10 draws seeds in an old-fashioned way.
pytestmark = pytest.mark.filterwarnings("ignore:non-integer arguments to randrange")


class Zoom(tf.Module):
    """A model that repeats each pixel 4 x 4 times, in 0-1."""

    def __call__(self, inputs, training):
        hr = tf.repeat(tf.repeat(inputs["lr"], 4, axis=1), 4, axis=2)
        return {"hr": hr * 1e-4}


@pytest.fixture
def compiled():
    model = tf.keras.Sequential([tf.keras.Input((2,)), tf.keras.layers.Dense(1)])
    model.compile(tf.keras.optimizers.SGD(0.25), loss="mse")
    return model


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number_stops(compiled, value):
    stop = stopping.StopOnNaN()
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


@pytest.mark.parametrize("dead_band", [None, 2])
def test_a_band_that_is_always_0_is_a_dead_network(dead_band):
    lr = np.full((3, 2, 2, 4), 1000.0, np.float32)
    if dead_band is not None:
        lr[..., dead_band] = 0
    batches = tf.data.Dataset.from_tensor_slices(({"lr": lr}, {"hr": lr})).batch(2)
    if dead_band is None:
        stopping.check_alive(Zoom(), batches, "hr")
    else:
        with pytest.raises(SRError, match="died.*0.1, 0.1, 0, 0.1.*--learning_rate"):
            stopping.check_alive(Zoom(), batches, "hr")


def test_learning_rate_of_a_schedule(compiled):
    schedule = tf.keras.optimizers.schedules.CosineDecay(0.5, decay_steps=10)
    compiled.compile(tf.keras.optimizers.SGD(schedule), loss="mse")
    assert stopping.learning_rate(compiled) == pytest.approx(0.5)
    compiled.fit(np.ones((10, 2)), np.ones((10, 1)), batch_size=1, verbose=0)
    # Keras 2 tells the rate of the last step, Keras 3 that of the next one.
    assert stopping.learning_rate(compiled) < 0.02


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_waits_for_the_end_of_the_step(number):
    before = signal.getsignal(number)
    with stopping.StopOnSignal() as signals:
        signals.on_train_batch_end(0, {"loss": 1.0})
        os.kill(os.getpid(), number)
        # A second signal is not held back.
        assert signal.getsignal(number) is before
        for moment in ("on_train_batch_end", "on_test_batch_end"):
            with pytest.raises(stopping.Interrupted, match=number.name) as raised:
                getattr(signals, moment)(1, logs={"loss": 1.0})
            assert raised.value.number == number
    assert signal.getsignal(number) is before
