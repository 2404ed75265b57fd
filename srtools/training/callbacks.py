"""Callbacks of `fit`: the table and curves of the epochs, and reasons to stop early."""

import logging
import time
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from srtools import files, signals
from srtools.errors import SRError
from srtools.images import figures
from srtools.metrics import psnr
from srtools.tf import tf

log = logging.getLogger(__name__)

COLUMNS = tuple(
    "epoch loss val_loss psnr val_psnr val_gain learning_rate patches_per_second "
    "seconds".split()
)
"""Columns of training.csv; PSNR and gain over bicubic are in dB, `seconds` run from the
start of the training, without interruptions."""

CURVES = {
    "loss": {"loss": "training", "val_loss": "validation"},
    "gain over bicubic, validation (dB)": {"val_gain": ""},
    "learning rate": {"learning_rate": ""},
}
"""Columns in each diagram of training.png, with labels of the legend."""


class EpochTable(tf.keras.callbacks.Callback):
    """Complete the logs of each epoch, write them to training.csv and log a line.

    The mean squared error, which Keras 2 and 3 name differently, becomes `psnr` and
    `val_psnr`; the other `COLUMNS` are added.  Callbacks after this one see them.

    Attributes:
        patches: number of patches in an epoch, with repetitions.
        start: scores of the initial network, epoch 0.
        rows: one dict per epoch, with the keys `COLUMNS`.
    """

    def __init__(self, folder: Path, nb_epochs: int, patches: int, bicubic_psnr: float):
        super().__init__()
        self.folder, self.nb_epochs, self.patches = folder, nb_epochs, patches
        self.bicubic_psnr, self.start, self.begin = bicubic_psnr, None, None
        self.rows: list[dict[str, float]] = []

    def on_epoch_begin(self, epoch, logs=None):
        """Start the clock of the epoch, and start or continue that of the training."""
        self.epoch_begin = self.steps_end = time.monotonic()
        if self.begin is None:
            earlier = self.rows[-1]["seconds"] if self.rows else 0.0
            self.begin = self.epoch_begin - earlier

    def on_test_begin(self, logs=None):
        """Note the end of the training steps of the epoch."""
        self.steps_end = time.monotonic()

    def on_epoch_end(self, epoch, logs=None):
        """Complete the logs; write and log a row.  Epoch -1 is the initial network."""
        for key in [key for key in logs if key.endswith("mean_squared_error")]:
            name = "val_psnr" if key.startswith("val_") else "psnr"
            logs[name] = float(psnr(logs.pop(key)))
        if "val_psnr" not in logs:
            raise SRError(
                "compile needs weighted_metrics={'hr': ['mean_squared_error']}"
            )
        logs["val_gain"] = logs["val_psnr"] - self.bicubic_psnr
        if epoch < 0:
            self.start = {"epoch": 0, "loss": None, **logs}
            numbers = logs["val_loss"], logs["val_gain"]
            log.info("epoch 0, the start:  val_loss %.5f *  gain %+.2f dB", *numbers)
            return
        rate = self.model.optimizer.learning_rate  # the current one of a schedule
        logs["learning_rate"] = float(tf.convert_to_tensor(rate))
        seconds = max(self.steps_end - self.epoch_begin, 1e-9)
        logs["patches_per_second"] = self.patches / seconds
        row = {**logs, "epoch": epoch + 1, "seconds": time.monotonic() - self.begin}
        self.rows.append({name: float(row[name]) for name in COLUMNS})
        lines = [",".join(f"{row[name]:.9g}" for name in COLUMNS) for row in self.rows]
        with files.whole_file(self.folder / "training.csv") as partial:
            partial.write_text("\n".join([",".join(COLUMNS), *lines, ""]))
        log.info("%s", self.last_line())

    def best_row(self) -> dict:
        """Return the row with the smallest validation loss; it may be `start`."""
        return min([self.start, *self.rows], key=lambda row: row["val_loss"])

    def check_progress(self) -> None:
        """Raise `Diverged` if the validation loss is the same after each epoch."""
        losses = {row["loss"] for row in self.rows}
        validation = {row["val_loss"] for row in self.rows}
        if len(losses) > 1 == len(validation):
            raise Diverged(
                "the network learned nothing, and no model was saved: the validation "
                f"loss is {validation.pop():.5f} in each of {len(self.rows)} epochs; "
                "give a smaller --learning_rate or another --seed, and check in "
                "sr_model.py that the output of the network is not always 0"
            )

    def last_line(self) -> str:
        """Describe the last epoch; a star marks the best one so far."""
        row = self.rows[-1]
        left = row["seconds"] / row["epoch"] * (self.nb_epochs - row["epoch"])
        star = " *" if self.best_row() is row else ""
        return (
            f"epoch {row['epoch']:.0f}/{self.nb_epochs}  loss {row['loss']:.5f}  "
            f"val_loss {row['val_loss']:.5f}{star}  gain {row['val_gain']:+.2f} dB  "
            f"learning rate {row['learning_rate']:.1e}  "
            f"{row['patches_per_second']:.3g} patches/s  "
            f"{row['seconds']:.0f} s, {left:.0f} s left"
        )


def draw_curves(path: str | Path, rows: list[dict[str, float]], best: float) -> None:
    """Draw loss, gain over bicubic and learning rate of rows of training.csv.

    `best` is the epoch with the saved weights, 0 for the start.
    """
    figure = Figure(figsize=(12, 3.6), dpi=100)
    diagrams = figure.subplots(1, 3)
    for axes, (title, columns) in zip(diagrams, CURVES.items(), strict=True):
        for column, label in columns.items():
            epochs, values = ([row[key] for row in rows] for key in ("epoch", column))
            axes.plot(epochs, values, ".-", label=label)
        mark = {"color": "tab:green", "linestyle": "--", "label": f"best: {best:.0f}"}
        axes.axvline(best, **mark)
        axes.set(title=title, xlabel="epoch")
        axes.grid(visible=True, alpha=0.3)
    diagrams[0].legend()
    diagrams[1].axhline(0, color="black", linewidth=0.8)
    figure.tight_layout()
    figures.save(figure, path)


class Interrupted(Exception):
    """A signal has interrupted the training; the argument is the signal's number."""


class Diverged(SRError):
    """The training failed, and would fail again if it were resumed."""


class StopOnSignal(tf.keras.callbacks.Callback):
    """Raise `Interrupted` after the step in which SIGINT or SIGTERM came.

    `fit` must run inside `signals.deferred()`, which records signals.
    """

    def check(self, *arguments, **options) -> None:
        """Raise `Interrupted` if a signal was received."""
        if number := signals.take():
            raise Interrupted(number)

    on_epoch_begin = on_train_batch_end = on_test_batch_end = on_train_end = check


class StopOnNaN(tf.keras.callbacks.Callback):
    """Raise `Diverged` when a loss or a weight is not finite, or a loss is 0."""

    def on_train_batch_end(self, batch, logs=None):
        """Check the loss of the epoch so far."""
        self._check("the loss", logs["loss"])

    def on_epoch_end(self, epoch, logs=None):
        """Check the validation loss and the weights."""
        self._check("the validation loss", logs["val_loss"])
        # On a CPU a ReLU turns NaN into 0, so that the loss of NaN weights is a number.
        self._check("a weight", sum(w.sum() for w in self.model.get_weights()))
        if logs.get("loss") == 0:
            raise Diverged(
                "the loss is 0, a larger one is expected: the training patches may be "
                "empty; look at them, and make them again"
            )

    def _check(self, name: str, value: float) -> None:
        """Raise `Diverged` if the value is not finite; `name` is for the message."""
        if np.isfinite(value):
            return
        raise Diverged(
            f"the training diverged: {name} is {value}, a finite number is expected; "
            "give a smaller --learning_rate and --overwrite, and look for extreme "
            "pixels in the patches"
        )
