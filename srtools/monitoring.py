"""What one sees of a training while it runs: Keras callbacks."""

import importlib.util
import logging
import time
from pathlib import Path

import numpy as np

from srtools.errors import SRError
from srtools.figures import stretch, to_display
from srtools.quiet import silent_stderr

with silent_stderr():
    import tensorflow as tf

log = logging.getLogger(__name__)


class EpochLines(tf.keras.callbacks.Callback):
    """Log one line per epoch: losses, learning rate, time so far and time left.

    Arguments:
        nb_epochs: number of epochs asked for.
    """

    def __init__(self, nb_epochs: int):
        super().__init__()
        self.nb_epochs = nb_epochs
        self.best = np.inf

    def on_train_begin(self, logs=None):
        """Start the clock."""
        self.begin = time.monotonic()

    def on_epoch_end(self, epoch, logs=None):
        """Log the line."""
        spent = time.monotonic() - self.begin
        left = spent / (epoch + 1) * (self.nb_epochs - epoch - 1)
        val_loss = logs["val_loss"]
        mark = " *" if val_loss < self.best else ""
        self.best = min(self.best, val_loss)
        log.info(
            "epoch %d/%d  loss %.5f  val_loss %.5f%s  learning rate %.1e  "
            "%.0f s, %.0f s left",
            epoch + 1, self.nb_epochs, logs["loss"], val_loss, mark,
            learning_rate(self.model), spent, left,
        )  # fmt: skip


class LossTable(tf.keras.callbacks.Callback):
    """Write one line per epoch to a CSV file, which is closed after each of them.

    Arguments:
        path: the file; columns epoch (from 1), loss, val_loss, learning_rate, seconds.
    """

    def __init__(self, path: str | Path):
        super().__init__()
        self.path = Path(path)

    def on_train_begin(self, logs=None):
        """Start the file and the clock."""
        self.begin = time.monotonic()
        self.path.write_text("epoch,loss,val_loss,learning_rate,seconds\n")

    def on_epoch_end(self, epoch, logs=None):
        """Add a line."""
        seconds = time.monotonic() - self.begin
        losses = f"{logs['loss']:.9g},{logs['val_loss']:.9g}"
        with self.path.open("a") as file:
            rate = learning_rate(self.model)
            file.write(f"{epoch + 1},{losses},{rate:.6g},{seconds:.1f}\n")


class StopOnNaN(tf.keras.callbacks.Callback):
    """Raise an `SRError` when a loss or a weight is no finite number any more."""

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
            raise SRError(
                f"the training diverged and nothing was saved: {what} is {value}, a "
                "number is expected; give a smaller --learning_rate (it was "
                f"{learning_rate(self.model):.1e}), and look for absurd pixels in the "
                "patches"
            )


def check_alive(model: tf.keras.Model, batches: tf.data.Dataset, output: str) -> None:
    """Check that the network answers more than 0 somewhere in every band.

    A ReLU at the end hides a training that diverged: the answer is 0 for ever, and so
    is the gradient, and no loss is ever NaN.

    Raises:
        SRError: if a band is 0 on all patches.
    """
    answers = [model(inputs, training=False)[output] for inputs, _ in batches]
    highest = np.max([tf.reduce_max(a, axis=(0, 1, 2)).numpy() for a in answers], 0)
    if not highest.min() > 0:
        raise SRError(
            "the network died and nothing was saved: at most "
            f"{', '.join(f'{value:.3g}' for value in highest)} is answered in the "
            f"{len(highest)} bands of the validation patches, more than 0 is expected; "
            "give a smaller --learning_rate, or another --seed"
        )


class PatchImages(tf.keras.callbacks.Callback):
    """Write to TensorBoard how the network sees the same patches, epoch by epoch.

    One row per patch: low resolution, super-resolution, truth; red, green, blue, with
    a stretch that never changes.  Only viewing them needs the package tensorboard.

    Arguments:
        folder: where the event file is written.
        lr: `[n, h, w, bands]`, DN.
        hr: `[n, 4 h, 4 w, bands]`, DN.
        scale: reflectance of one DN.
        every: write every so many epochs, and once before the first.
    """

    TAG = "low resolution, super-resolution, truth"

    def __init__(
        self,
        folder: str | Path,
        lr: np.ndarray,
        hr: np.ndarray,
        scale: float,
        every: int = 1,
    ):
        super().__init__()
        self.writer = tf.summary.create_file_writer(str(folder))
        self.lr, self.every = lr.astype(np.float32), every
        zoom = hr.shape[1] // lr.shape[1]
        self.left = self.lr.repeat(zoom, axis=1).repeat(zoom, axis=2) * scale
        self.truth = hr.astype(np.float32) * scale
        self.limits = stretch(self.truth[..., :3].reshape(-1, hr.shape[2], 3))

    def on_train_begin(self, logs=None):
        """Show the fresh network."""
        self.write(step=0)

    def on_epoch_end(self, epoch, logs=None):
        """Show the network after an epoch."""
        if (epoch + 1) % self.every == 0:
            self.write(step=epoch + 1)

    def on_train_end(self, logs=None):
        """Close the event file."""
        self.writer.close()

    def write(self, step: int) -> None:
        """Write one picture."""
        sr = self.model({"lr": self.lr}, training=False)["hr"].numpy()
        sr = np.nan_to_num(sr)  # of a training that diverges, which others report
        rows = np.concatenate([self.left, sr, self.truth], axis=2)[..., :3]
        gap = np.ones_like(rows[:, :4])
        picture = np.concatenate([rows, gap], axis=1).reshape(-1, rows.shape[2], 3)
        pixels = np.uint8(np.rint(255 * to_display(picture, self.limits)))
        with self.writer.as_default():
            write_image(self.TAG, pixels, step)
        self.writer.flush()


def write_image(tag: str, pixels: np.ndarray, step: int) -> None:
    """Write an image [h, w, 3] uint8 as TensorBoard's plugin for images wants it.

    `tf.summary.image` does this as well, but needs the package tensorboard, which
    TensorFlow does not always bring along.
    """
    metadata = tf.compat.v1.SummaryMetadata(
        plugin_data=tf.compat.v1.SummaryMetadata.PluginData(plugin_name="images")
    )
    height, width = (str(size).encode() for size in pixels.shape[:2])
    png = tf.io.encode_png(pixels).numpy()
    tf.summary.write(tag, [width, height, png], step=step, metadata=metadata)


def scalars(folder: str | Path) -> list[tf.keras.callbacks.Callback]:
    """Give the callback that writes the losses to TensorBoard, if it is installed."""
    if importlib.util.find_spec("tensorboard") is None:
        log.warning("TensorBoard is not installed: no curves in %s", folder)
        return []
    return [tf.keras.callbacks.TensorBoard(str(folder), write_graph=False)]


def forget_events(folder: str | Path) -> None:
    """Delete the event files of an earlier training, which would mix with the new."""
    for kind in ("train", "validation", "images"):
        for events in (Path(folder) / kind).glob("events.out.tfevents.*"):
            events.unlink()


def learning_rate(model: tf.keras.Model) -> float:
    """Read the learning rate of the last step, with a schedule or without."""
    rate = model.optimizer.learning_rate
    if callable(rate):
        rate = rate(model.optimizer.iterations)
    return float(rate)
