"""Numbers and pictures for TensorBoard, complete on the disk after each epoch.

Keras' own callback may keep two minutes of curves in memory, which a training that is
killed would lose.  Here a writer is flushed at the end of each `as_default()`.
"""

from pathlib import Path

import numpy as np

from srtools.conventions import INPUT, OUTPUT, SCALE
from srtools.images.figures import stretch, to_display
from srtools.images.zooms import bicubic
from srtools.network.weights import by_name
from srtools.tf import tf

RUNS = ("train", "validation", "images")
"""Folders of the event files, which TensorBoard shows as separate runs."""

COLOURS = {"true colour": [0, 1, 2], "near infrared, red, green": [3, 0, 1]}
GAP_PIXELS = 4  # between patches
PATCH_SIDE = 256  # at least, pixels of the screen: smaller patches are repeated


class Scalars(tf.keras.callbacks.Callback):
    """Write the numbers of each epoch: the runs "train" and "validation".

    Arguments:
        folder: folder of the logs.
        histograms: whether the distribution of each weight is written as well.
    """

    def __init__(self, folder: str | Path, histograms: bool = False):
        super().__init__()
        self.histograms = histograms
        self.train, self.validation = (
            tf.summary.create_file_writer(str(Path(folder) / run)) for run in RUNS[:2]
        )

    def on_epoch_end(self, epoch, logs=None):
        """Write the numbers; those of validation begin with `val_`."""
        for name, value in logs.items():
            validation = name.startswith("val_")
            with (self.validation if validation else self.train).as_default():
                tf.summary.scalar(name.removeprefix("val_"), value, step=epoch + 1)
        if self.histograms:
            with self.train.as_default():
                for name, weight in by_name(self.model).items():
                    tf.summary.histogram(name, weight.numpy(), step=epoch + 1)

    def on_train_end(self, logs=None):
        """Close the event files."""
        self.train.close()
        self.validation.close()


class PatchImages(tf.keras.callbacks.Callback):
    """Write pictures of the same few patches, before the first epoch and after each.

    One row per patch: low resolution, bicubic, super-resolution, truth, and the error
    of super-resolution.  Stretches never change, so that epochs compare: colours go by
    the truth, and the error is white where it is as large as bicubic's largest (its
    99th percentile).

    Arguments:
        folder: folder of the logs.
        lr: `[n, h, w, bands]`, DN.
        hr: `[n, 4 h, 4 w, bands]`, DN.
    """

    TITLE = "low resolution, bicubic, super-resolution, truth, error"

    def __init__(self, folder: str | Path, lr: np.ndarray, hr: np.ndarray):
        super().__init__()
        self.writer = tf.summary.create_file_writer(str(Path(folder) / RUNS[2]))
        self.lr = lr.astype(np.float32)
        zoom = hr.shape[1] // lr.shape[1]
        self.repeated = self.lr.repeat(zoom, axis=1).repeat(zoom, axis=2) * SCALE
        self.bicubic = bicubic(self.lr * SCALE, hr.shape[1:3])
        self.truth = hr.astype(np.float32) * SCALE
        self.limits = stretch(self.truth.reshape(-1, *hr.shape[2:]))
        self.white = np.percentile(self.error(self.bicubic), 99) + 1e-9

    def on_epoch_begin(self, epoch, logs=None):
        """Show the fresh network."""
        if epoch == 0:
            self.write(step=0)

    def on_epoch_end(self, epoch, logs=None):
        """Show the network after an epoch."""
        self.write(step=epoch + 1)

    def on_train_end(self, logs=None):
        """Close the event file."""
        self.writer.close()

    def error(self, predicted: np.ndarray) -> np.ndarray:
        """Give the mean absolute error over the bands: [n, h, w]."""
        return np.abs(predicted - self.truth).mean(axis=-1)

    def write(self, step: int) -> None:
        """Write one picture for each choice of colours."""
        sr = self.model({INPUT: self.lr}, training=False)[OUTPUT].numpy()
        sr = np.nan_to_num(sr)  # other callbacks report a training that diverges
        with self.writer.as_default():
            for name, bands in COLOURS.items():
                picture = self.picture(sr, bands)[None]
                tf.summary.image(f"{name}: {self.TITLE}", picture, step)

    def picture(self, sr: np.ndarray, bands: list[int]) -> np.ndarray:
        """Lay all patches out: [height, width, 3] uint8."""
        limits = tuple(limit[bands] for limit in self.limits)
        columns = [
            to_display(image[..., bands], limits)
            for image in (self.repeated, self.bicubic, sr, self.truth)
        ]
        error = np.clip(self.error(sr) / self.white, 0, 1)
        columns.append(np.repeat(error[..., None], 3, axis=-1))
        size = -(-PATCH_SIDE // error.shape[1])
        columns = [c.repeat(size, axis=1).repeat(size, axis=2) for c in columns]
        # A white gap below and to the right of each patch.
        gaps = ((0, 0), (0, GAP_PIXELS), (0, GAP_PIXELS), (0, 0))
        padded = [np.pad(column, gaps, constant_values=1) for column in columns]
        rows = np.concatenate(padded, axis=2)  # [n, size h + gap, ...]
        return np.uint8(np.rint(255 * rows.reshape(-1, *rows.shape[2:])))


def forget_events(folder: str | Path) -> None:
    """Delete the event files of an earlier training, which would mix with the new."""
    for events in event_files(folder):
        events.unlink()


def event_files(folder: str | Path) -> list[Path]:
    """List the event files of all runs that a training writes."""
    found = (Path(folder, run).glob("events.out.tfevents.*") for run in RUNS)
    return [events for run in found for events in run]
