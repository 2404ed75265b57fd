"""What ends a training before its time: signals, and losses that are no numbers."""

import signal

import numpy as np

from srtools.errors import SRError
from srtools.tf import tf


class Interrupted(Exception):
    """A signal asked the training to stop; `number` says which."""

    def __init__(self, number: int):
        super().__init__(f"stopped by {signal.Signals(number).name}")
        self.number = number


class Diverged(SRError):
    """The training has led nowhere, and would again if it went on."""


class StopOnSignal(tf.keras.callbacks.Callback):
    """Raise `Interrupted` after the step in which SIGINT or SIGTERM came.

    As a context manager it listens; outside fit the signal is only remembered, so that
    nothing is left half-written.  A second signal ends the process as usual.
    """

    SIGNALS = (signal.SIGINT, signal.SIGTERM)

    def __init__(self):
        super().__init__()
        self.received = None

    def __enter__(self):
        self.before = {number: signal.getsignal(number) for number in self.SIGNALS}
        for number in self.SIGNALS:
            signal.signal(number, self.remember)
        return self

    def __exit__(self, *error):
        for number, handler in self.before.items():
            signal.signal(number, handler)

    def remember(self, number, frame) -> None:
        """Note the signal, and let the next one through."""
        self.received = number
        for each, handler in self.before.items():
            signal.signal(each, handler)

    def check(self, *arguments, **options) -> None:
        """Raise if a signal has come."""
        if self.received:
            raise Interrupted(self.received)

    on_epoch_begin = on_train_batch_end = on_test_batch_end = check


class StopOnNaN(tf.keras.callbacks.Callback):
    """Raise `Diverged` when a loss or a weight is no finite number any more."""

    def on_train_batch_end(self, batch, logs=None):
        """Look at the loss of the epoch so far."""
        self.check("the loss", logs["loss"])

    def on_epoch_end(self, epoch, logs=None):
        """Look at the validation loss and the weights.

        The losses are not enough: on a CPU a ReLU turns NaN into 0, so that a network
        of NaN weights answers 0 and its loss is a number.
        """
        self.check("the validation loss", logs["val_loss"])
        self.check(
            "a weight", sum(weights.sum() for weights in self.model.get_weights())
        )

    def check(self, what: str, value: float) -> None:
        """Raise if the value is NaN or infinite."""
        if not np.isfinite(value):
            rate = learning_rate(self.model)
            raise Diverged(
                f"the training diverged and nothing was saved: {what} is {value}, a "
                "number is expected; give a smaller --learning_rate (it was "
                f"{rate:.1e}), and look for absurd pixels in the patches"
            )


def check_alive(model: tf.keras.Model, batches: tf.data.Dataset, output: str) -> None:
    """Check that the network answers more than 0 somewhere in every band.

    A ReLU at the end hides a training that diverged: the answer is 0 for ever, and so
    is the gradient, and no loss is ever NaN.

    Raises:
        Diverged: if a band is 0 on all patches.
    """
    answers = [model(inputs, training=False)[output] for inputs, _ in batches]
    highest = np.max([tf.reduce_max(a, axis=(0, 1, 2)).numpy() for a in answers], 0)
    if not highest.min() > 0:
        raise Diverged(
            "the network died and nothing was saved: at most "
            f"{', '.join(f'{value:.3g}' for value in highest)} is answered in the "
            f"{len(highest)} bands of the validation patches, more than 0 is expected; "
            "give a smaller --learning_rate, or another --seed"
        )


def learning_rate(model: tf.keras.Model) -> float:
    """Read the learning rate of the last step, with a schedule or without."""
    rate = model.optimizer.learning_rate
    if callable(rate):
        rate = rate(model.optimizer.iterations)
    return float(tf.convert_to_tensor(rate))  # of several devices one
