"""Numbers and pictures for TensorBoard, complete on the disk after each epoch.

Keras' own callback may keep two minutes of curves in memory, which a training that is
killed would lose.  Here a writer is flushed at the end of each `as_default()`.
"""

from pathlib import Path

import numpy as np

from srtools.conventions import INPUT, OUTPUT, SCALE
from srtools.images.figures import stretch, to_display
from srtools.images.zooms import bicubic
from srtools.tf import tf

RUNS = ("train", "validation", "images")  # folders, which TensorBoard shows apart

COLOURS = {"true colour": [0, 1, 2], "near infrared, red, green": [3, 0, 1]}
GAP_PIXELS = 4  # between patches
PATCH_SIDE = 256  # at least, pixels of the screen: smaller patches are repeated


class Scalars(tf.keras.callbacks.Callback):
    """Write the numbers of each epoch: the runs "train" and "validation"."""

    def __init__(self, folder: str | Path):
        super().__init__()
        self.train, self.validation = (_writer(folder, run) for run in RUNS[:2])

    def on_epoch_end(self, epoch, logs=None):
        """Write the numbers, but not those of the start; `val_` is validation."""
        for name, value in logs.items() if epoch >= 0 else ():
            validation = name.startswith("val_")
            with (self.validation if validation else self.train).as_default():
                tf.summary.scalar(name.removeprefix("val_"), value, step=epoch + 1)

    def on_train_end(self, logs=None):
        """Close the event files."""
        self.train.close()
        self.validation.close()


class PatchImages(tf.keras.callbacks.Callback):
    """Write pictures of the same few patches at the start and after each epoch.

    One row per patch: low resolution, bicubic, super-resolution, truth, and the error
    of super-resolution.  Stretches never change, so that epochs compare: colours go by
    the truth, and the error is white where it is as large as bicubic's largest (its
    99th percentile).

    Arguments:
        folder: folder of the logs.
        lr, hr: patches `[n, h, w, bands]` and `[n, 4 h, 4 w, bands]`, DN.
    """

    TITLE = "low resolution, bicubic, super-resolution, truth, error"

    def __init__(self, folder: str | Path, lr: np.ndarray, hr: np.ndarray):
        super().__init__()
        self.writer = _writer(folder, RUNS[2])
        self.lr = lr.astype(np.float32)
        zoom = hr.shape[1] // lr.shape[1]
        self.repeated = self.lr.repeat(zoom, axis=1).repeat(zoom, axis=2) * SCALE
        self.bicubic = bicubic(self.lr * SCALE, hr.shape[1:3])
        self.truth = hr.astype(np.float32) * SCALE
        self.limits = stretch(self.truth.reshape(-1, *hr.shape[2:]))
        self.white = np.percentile(self._error(self.bicubic), 99) + 1e-9

    def on_epoch_end(self, epoch, logs=None):
        """Write one picture for each choice of colours; -1 is the start."""
        sr = self.model({INPUT: self.lr}, training=False)[OUTPUT].numpy()
        sr = np.nan_to_num(sr)  # other callbacks report a training that diverges
        with self.writer.as_default():
            for name, bands in COLOURS.items():
                picture = self._picture(sr, bands)[None]
                tf.summary.image(f"{name}: {self.TITLE}", picture, step=epoch + 1)

    def on_train_end(self, logs=None):
        """Close the event file."""
        self.writer.close()

    def _error(self, predicted: np.ndarray) -> np.ndarray:
        """Return the mean absolute error over the bands: [n, h, w]."""
        return np.abs(predicted - self.truth).mean(axis=-1)

    def _picture(self, sr: np.ndarray, bands: list[int]) -> np.ndarray:
        """Lay all patches out: [height, width, 3] uint8."""
        limits = tuple(limit[bands] for limit in self.limits)
        columns = [
            to_display(image[..., bands], limits)
            for image in (self.repeated, self.bicubic, sr, self.truth)
        ]
        error = np.clip(self._error(sr) / self.white, 0, 1)
        columns.append(np.repeat(error[..., None], 3, axis=-1))
        size = -(-PATCH_SIDE // error.shape[1])
        patches = np.stack(columns).repeat(size, axis=2).repeat(size, axis=3)
        # A white gap below and to the right of each patch.
        gaps = ((0, 0), (0, 0), (0, GAP_PIXELS), (0, GAP_PIXELS), (0, 0))
        padded = np.pad(patches, gaps, constant_values=1)
        rows = np.concatenate(padded, axis=2)  # [n, size h + gap, ...]
        return np.uint8(np.rint(255 * rows.reshape(-1, *rows.shape[2:])))


def _writer(folder: str | Path, run: str) -> tf.summary.SummaryWriter:
    return tf.summary.create_file_writer(str(Path(folder) / run))


def forget_events(folder: str | Path) -> None:
    """Delete the event files of an earlier training, which would mix with the new."""
    for events in event_files(folder):
        events.unlink()


def event_files(folder: str | Path) -> list[Path]:
    """List the event files of all runs that a training writes."""
    return [p for run in RUNS for p in Path(folder, run).glob("events.out.tfevents.*")]
