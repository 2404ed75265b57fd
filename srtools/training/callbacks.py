"""Callbacks of `fit`: the table and curves of the epochs, and reasons to stop early."""

import logging
import signal
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from srtools import files, signals
from srtools.errors import SRError
from srtools.images import figures
from srtools.patches import patch_files
from srtools.tf import tf

log = logging.getLogger(__name__)

COLUMNS = tuple(
    "epoch loss val_loss psnr val_psnr val_gain learning_rate patches_per_second "
    "seconds".split()
)
"""Columns of training.csv: epochs from 1, PSNR and gain over bicubic in dB, the seconds
spent so far, also those before an interruption."""

DRAWING_SECONDS = 20.0  # least time between two drawings of the curves


class EpochTable(tf.keras.callbacks.Callback):
    """Complete the logs of each epoch; write training.csv and training.png; log a line.

    To the losses and `psnr` and `val_psnr`, which Keras 2 and 3 name differently, it
    adds `val_gain` (dB over bicubic), `learning_rate` and `patches_per_second`.
    Callbacks after this one see them.

    Arguments:
        folder: folder of the files; None: no file and no line, rows in memory only.
        nb_epochs: number of epochs asked for.
        patches: number of patches per epoch.
        bicubic_psnr: PSNR of the bicubic zoom of the validation patches, dB.

    Attributes:
        start: scores of the network as it began, epoch 0; None: not measured.
        rows: one dict per epoch, with the keys `COLUMNS`.
    """

    def __init__(
        self, folder: Path | None, nb_epochs: int, patches: int, bicubic_psnr: float
    ):
        super().__init__()
        self.folder, self.start, self.rows = folder, None, []
        self.nb_epochs, self.patches = nb_epochs, patches
        self.bicubic_psnr = bicubic_psnr
        self.begin, self.last_drawing = None, -DRAWING_SECONDS

    def on_epoch_begin(self, epoch, logs=None):
        """Start the clocks; that of the training includes what was interrupted."""
        self.epoch_begin, self.steps_end = time.monotonic(), None
        if self.begin is None:
            before = self.rows[-1]["seconds"] if self.rows else 0.0
            self.begin = self.epoch_begin - before

    def on_test_begin(self, logs=None):
        """Note when the training steps of the epoch were done."""
        self.steps_end = time.monotonic()

    def on_epoch_end(self, epoch, logs=None):
        """Complete the logs, add a row and show it; -1 is the start."""
        now = time.monotonic()
        for key in [key for key in logs if key.endswith("psnr")]:
            name = "val_psnr" if key.startswith("val_") else "psnr"
            logs[name] = float(logs.pop(key))
        logs["val_gain"] = logs["val_psnr"] - self.bicubic_psnr
        if epoch < 0:
            self.start = {"epoch": 0, "loss": None, **logs}
            scores = f"val_loss {logs['val_loss']:.5f} *  gain {logs['val_gain']:+.2f}"
            self._show(f"epoch 0, the start:  {scores} dB")
            return
        logs["learning_rate"] = learning_rate(self.model)
        seconds = (self.steps_end or now) - self.epoch_begin
        logs["patches_per_second"] = self.patches / max(seconds, 1e-9)
        row = {**logs, "epoch": epoch + 1, "seconds": now - self.begin}
        self.rows.append({name: float(row[name]) for name in COLUMNS})
        if self.folder is not None:
            self._write()
        if now - self.last_drawing > DRAWING_SECONDS:
            self.draw()
            self.last_drawing = now
        self._show(self.last_line())

    def _show(self, line: str) -> None:
        if self.folder is not None:
            log.info(line)

    def _write(self) -> None:
        lines = [",".join(f"{row[name]:.9g}" for name in COLUMNS) for row in self.rows]
        with files.whole_file(self.folder / "training.csv") as partial:
            partial.write_text("\n".join([",".join(COLUMNS), *lines, ""]))

    def draw(self) -> None:
        """Draw training.png."""
        if self.folder is not None and self.rows:
            draw_curves(self.folder / "training.png", self.rows)

    def measured(self) -> list[dict]:
        """Return the rows that have a validation loss: the start, and each epoch."""
        return [self.start, *self.rows] if self.start else self.rows

    def best_row(self) -> dict:
        """Return the row with the smallest validation loss; it may be the start."""
        return min(self.measured(), key=lambda row: row["val_loss"])

    def check_moved(self) -> None:
        """Raise `Diverged` if only the training loss has changed; one epoch is few."""
        losses = {row["loss"] for row in self.rows}
        validation = {row["val_loss"] for row in self.rows}
        if len(losses) > 1 == len(validation):
            raise Diverged(
                f"nothing is learned and nothing was saved: the validation loss is "
                f"{validation.pop():.5f} after each of {len(self.rows)} epochs; give a "
                "smaller --learning_rate or another --seed, "
                "and look at the network of sr_model.py: is its answer always 0?"
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


def draw_curves(path: str | Path, rows: list[dict[str, float]]) -> None:
    """Draw loss, gain over bicubic and learning rate of rows of training.csv."""
    figure = Figure(figsize=(12, 3.6), dpi=100)
    losses, gain, rate = figure.subplots(1, 3)
    epochs = [row["epoch"] for row in rows]
    for axes, name, style in (
        (losses, "loss", {"label": "training"}),
        (losses, "val_loss", {"label": "validation"}),
        (gain, "val_gain", {"color": "tab:orange"}),
        (rate, "learning_rate", {"color": "tab:green"}),
    ):
        axes.plot(epochs, [row[name] for row in rows], ".-", **style)
        axes.set_xlabel("epoch")
        axes.grid(visible=True, alpha=0.3)
    losses.set(title="loss", yscale="log")
    losses.legend()
    gain.axhline(0, color="black", linewidth=0.8)
    gain.set(title="gain over bicubic, validation (dB)")
    rate.set(title="learning rate")
    figure.tight_layout()
    figures.save(figure, path)


def learning_rate(model: tf.keras.Model) -> float:
    """Return the learning rate of the last step, with a schedule or without."""
    rate = model.optimizer.learning_rate
    if callable(rate):
        rate = rate(model.optimizer.iterations)
    return float(tf.convert_to_tensor(rate))  # the same on each device


class Interrupted(Exception):
    """A signal asked the training to stop; `number` says which."""

    def __init__(self, number: int):
        super().__init__(f"stopped by {signal.Signals(number).name}")
        self.number = number


class Diverged(SRError):
    """The training went wrong, and would do so again if it went on."""


class StopOnSignal(tf.keras.callbacks.Callback):
    """Raise `Interrupted` after the step in which SIGINT or SIGTERM came.

    `fit` must run inside `signals.held()`, which remembers them.
    """

    def check(self, *arguments, **options) -> None:
        """Raise if a signal has come."""
        number = signals.take()
        if number is not None:
            raise Interrupted(number)

    on_epoch_begin = on_train_batch_end = on_test_batch_end = on_train_end = check


class StopOnNaN(tf.keras.callbacks.Callback):
    """Raise `Diverged` when a loss or a weight is no finite number, or a loss is 0.

    Arguments:
        files: patches images of each group, by kind; the fault may be theirs.
    """

    def __init__(self, files: Mapping[str, dict[str, list[str]]] | None = None):
        super().__init__()
        self.files, self.epoch = files or {}, 0

    def on_epoch_begin(self, epoch, logs=None):
        """Note the epoch: there are good weights after the first one."""
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        """Check the loss of the epoch so far."""
        self._check("the loss", logs["loss"])

    def on_epoch_end(self, epoch, logs=None):
        """Check the validation loss and the weights.

        The losses are not enough: on a CPU a ReLU turns NaN into 0, so that a network
        of NaN weights answers 0 and its loss is a number.
        """
        self._check("the validation loss", logs["val_loss"])
        self._check("a weight", sum(w.sum() for w in self.model.get_weights()))
        if logs.get("loss") == 0:
            raise Diverged(
                "the loss is 0 and nothing is learned, more is expected: are the "
                "training patches empty? look at them, and make them again"
            )

    def _check(self, name: str, value: float) -> None:
        if np.isfinite(value):
            return
        for group in self.files.values():
            if fault := patch_files.first_without_number(group):
                raise Diverged(f"{fault}; make the patches again, as uint16")
        saved = "nothing was saved"
        if self.epoch:
            saved = f"the best weights before epoch {self.epoch + 1} are saved"
        raise Diverged(
            f"the training diverged and {saved}: {name} is {value}, a number is "
            "expected; give a smaller --learning_rate (it was "
            f"{learning_rate(self.model):.1e}) and --overwrite, and look for absurd "
            "pixels in the patches"
        )
