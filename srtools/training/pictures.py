"""How the network sees the same patches, epoch by epoch: pictures for TensorBoard."""

from pathlib import Path

import numpy as np

from srtools.images.figures import stretch, to_display
from srtools.tf import tf
from srtools.training.losses import bicubic
from srtools.training.summaries import write_image

COLOURS = {"true colour": [0, 1, 2], "near infrared, red, green": [3, 0, 1]}
GAP = 4  # pixels between patches


class PatchImages(tf.keras.callbacks.Callback):
    """Write pictures of a few patches to TensorBoard after each epoch.

    One row per patch: low resolution, bicubic, super-resolution, truth, and the error
    of super-resolution.  Stretches never change, so that epochs compare: colours go by
    the truth, and the error is white where it is as large as bicubic's largest (its
    99th percentile).  Only viewing the pictures needs the package tensorboard.

    Arguments:
        folder: where the event file is written.
        lr: `[n, h, w, bands]`, DN.
        hr: `[n, 4 h, 4 w, bands]`, DN.
        scale: reflectance of one DN.
        every: write every so many epochs, and once before the first.
    """

    TITLE = "low resolution, bicubic, super-resolution, truth, error"

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
        self.repeated = self.lr.repeat(zoom, axis=1).repeat(zoom, axis=2) * scale
        self.bicubic = bicubic(self.lr * scale, hr.shape[1:3])
        self.truth = hr.astype(np.float32) * scale
        self.limits = stretch(self.truth.reshape(-1, *hr.shape[2:]))
        self.white = np.percentile(self.error(self.bicubic), 99) + 1e-9

    def on_epoch_begin(self, epoch, logs=None):
        """Show the fresh network."""
        if epoch == 0:
            self.write(step=0)

    def on_epoch_end(self, epoch, logs=None):
        """Show the network after an epoch."""
        if (epoch + 1) % self.every == 0:
            self.write(step=epoch + 1)

    def on_train_end(self, logs=None):
        """Close the event file."""
        self.writer.close()

    def error(self, predicted: np.ndarray) -> np.ndarray:
        """Give the mean absolute error over the bands: [n, h, w]."""
        return np.abs(predicted - self.truth).mean(axis=-1)

    def write(self, step: int) -> None:
        """Write one picture for each choice of colours."""
        sr = self.model({"lr": self.lr}, training=False)["hr"].numpy()
        sr = np.nan_to_num(sr)  # of a training that diverges, which others report
        with self.writer.as_default():
            for name, bands in COLOURS.items():
                pixels = self.picture(sr, bands)
                write_image(f"{name}: {self.TITLE}", pixels, step)
        self.writer.flush()

    def picture(self, sr: np.ndarray, bands: list[int]) -> np.ndarray:
        """Lay all patches out: [height, width, 3] uint8."""
        limits = tuple(limit[bands] for limit in self.limits)
        columns = [
            to_display(image[..., bands], limits)
            for image in (self.repeated, self.bicubic, sr, self.truth)
        ]
        error = np.clip(self.error(sr) / self.white, 0, 1)
        columns.append(np.repeat(error[..., None], 3, axis=-1))
        # A white gap below and to the right of each patch.
        margins = ((0, 0), (0, GAP), (0, GAP), (0, 0))
        padded = [np.pad(column, margins, constant_values=1) for column in columns]
        rows = np.concatenate(padded, axis=2)  # [n, h + gap, 5 (w + gap), 3]
        return np.uint8(np.rint(255 * rows.reshape(-1, *rows.shape[2:])))
