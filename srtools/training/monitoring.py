"""What one sees of a training while it runs: numbers and curves, as Keras callbacks."""

import csv
import logging
import time
from pathlib import Path

import numpy as np

from srtools import files
from srtools.tf import tf
from srtools.training import curves
from srtools.training.stopping import learning_rate

log = logging.getLogger(__name__)

COLUMNS = (
    "epoch", "loss", "val_loss", "psnr", "val_psnr", "val_gain", "learning_rate",
    "patches_per_second", "seconds",
)  # fmt: skip
"""Of training.csv: epochs from 1, PSNR and gain over bicubic in dB, the seconds spent
so far, also those before an interruption."""

DRAW_EVERY = 20.0  # seconds between two drawings of the curves


class Measures(tf.keras.callbacks.Callback):
    """Complete the logs of an epoch for the callbacks that come after.

    To the losses and `psnr` and `val_psnr`, which Keras 2 and 3 name differently, it
    adds `val_gain` (dB over bicubic), `learning_rate` and `patches_per_second`.

    Arguments:
        bicubic_psnr: of the validation patches, dB.
        patches: seen per epoch.
    """

    def __init__(self, bicubic_psnr: float, patches: int):
        super().__init__()
        self.bicubic_psnr, self.patches = bicubic_psnr, patches

    def on_epoch_begin(self, epoch, logs=None):
        """Start the clock."""
        self.begin = time.monotonic()
        self.trained = None

    def on_test_begin(self, logs=None):
        """Note when the training steps of the epoch were done."""
        self.trained = time.monotonic()

    def on_epoch_end(self, epoch, logs=None):
        """Complete the logs."""
        for key in [key for key in logs if key.endswith("psnr")]:
            name = "val_psnr" if key.startswith("val_") else "psnr"
            logs[name] = float(logs.pop(key))
        logs["val_gain"] = logs["val_psnr"] - self.bicubic_psnr
        logs["learning_rate"] = learning_rate(self.model)
        seconds = (self.trained or time.monotonic()) - self.begin
        logs["patches_per_second"] = self.patches / max(seconds, 1e-9)


class Table(tf.keras.callbacks.Callback):
    """Write training.csv and training.png, both complete after each epoch.

    Arguments:
        folder: where to; None to keep the rows in memory only.

    Attributes:
        rows: one dict per epoch, with the keys `COLUMNS`.
    """

    def __init__(self, folder: Path | None):
        super().__init__()
        self.folder, self.rows = folder, []
        self.drawn = -DRAW_EVERY

    def on_train_begin(self, logs=None):
        """Start the clock."""
        self.begin = None

    def on_epoch_begin(self, epoch, logs=None):
        """Go on with the time where an interrupted training had stopped."""
        if self.begin is None:
            before = self.rows[-1]["seconds"] if self.rows else 0.0
            self.begin = time.monotonic() - before

    def on_epoch_end(self, epoch, logs=None):
        """Add a row."""
        seconds = time.monotonic() - self.begin
        record = {**logs, "epoch": epoch + 1, "seconds": seconds}
        self.rows.append({name: float(record[name]) for name in COLUMNS})
        self.write()
        if time.monotonic() - self.drawn > DRAW_EVERY:
            self.draw()
            self.drawn = time.monotonic()

    def on_train_end(self, logs=None):
        """Draw all curves."""
        self.draw()

    def write(self) -> None:
        """Write the table."""
        if self.folder is None:
            return
        with (
            files.whole_file(self.folder / "training.csv") as partial,
            partial.open("w", newline="") as file,
        ):
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(COLUMNS)
            for row in self.rows:
                writer.writerow(f"{row[name]:.9g}" for name in COLUMNS)

    def draw(self) -> None:
        """Draw the curves."""
        if self.folder is not None and self.rows:
            curves.draw(self.folder / "training.png", self.rows)

    def best_row(self) -> dict:
        """Give the row with the smallest validation loss."""
        return self.rows[int(np.argmin([row["val_loss"] for row in self.rows]))]


class EpochLines(tf.keras.callbacks.Callback):
    """Log one line per epoch: losses, gain, speed, time so far and time left.

    Arguments:
        table: the table, which knows the earlier epochs.
        nb_epochs: number of epochs asked for.
    """

    def __init__(self, table: Table, nb_epochs: int):
        super().__init__()
        self.table, self.nb_epochs = table, nb_epochs

    def on_epoch_end(self, epoch, logs=None):
        """Log the line."""
        row = self.table.rows[-1]
        left = row["seconds"] / (epoch + 1) * (self.nb_epochs - epoch - 1)
        log.info(
            "epoch %d/%d  loss %.5f  val_loss %.5f%s  gain %+.2f dB  "
            "learning rate %.1e  %.3g patches/s  %.0f s, %.0f s left",
            epoch + 1, self.nb_epochs, row["loss"], row["val_loss"],
            " *" if self.table.best_row() is row else "", row["val_gain"],
            row["learning_rate"], row["patches_per_second"], row["seconds"], left,
        )  # fmt: skip
