"""Pictures of validation patches for TensorBoard, epoch after epoch."""

from pathlib import Path

import numpy as np

from srtools.conventions import INPUT, OUTPUT, SCALE
from srtools.images.figures import stretch, to_display
from srtools.images.interpolation import zoom
from srtools.tf import tf

COMPOSITES = {"true colour": [0, 1, 2], "near infrared, red, green": [3, 0, 1]}
TITLE = "low resolution, bicubic, super-resolution, truth, error"
GAP_PIXELS = 4  # white, below and to the right of each patch


class PatchImages(tf.keras.callbacks.Callback):
    """Write pictures of the same few patches at the start and after each epoch.

    Each patch, lr `[n, h, w, bands]` and hr `[n, 4 h, 4 w, bands]` DN, has a row with
    the columns of `TITLE`.  All epochs share the stretch of the truth; the error is
    white from bicubic's 99th percentile on.
    """

    def __init__(self, folder: Path, lr: np.ndarray, hr: np.ndarray):
        super().__init__()
        self.folder, self.lr = folder, lr.astype(np.float32)
        lr, size = self.lr * SCALE, hr.shape[1:3]
        self.nearest = zoom(lr, size, "nearest").numpy()
        self.bicubic = zoom(lr, size, "bicubic").numpy()
        self.truth = hr.astype(np.float32) * SCALE
        self.limits = stretch(self.truth.reshape(-1, *hr.shape[2:]))
        self.error_limit = np.percentile(self._error(self.bicubic), 99) + 1e-9

    def on_train_begin(self, logs=None):
        """Open the event file, which TensorFlow flushes after each epoch."""
        self.writer = tf.summary.create_file_writer(str(self.folder / "images"))

    def on_epoch_end(self, epoch, logs=None):
        """Write one picture per colour composite; epoch -1 is the initial network."""
        sr = self.model({INPUT: self.lr}, training=False)[OUTPUT].numpy()
        sr = np.nan_to_num(sr)  # other callbacks report a training that diverges
        with self.writer.as_default():
            for name, bands in COMPOSITES.items():
                picture = self._picture(sr, bands)[None]
                tf.summary.image(f"{name}: {TITLE}", picture, step=epoch + 1)

    def _error(self, predicted: np.ndarray) -> np.ndarray:
        """Average the absolute error [n, h, w, bands] over the bands, to [n, h, w]."""
        return np.abs(predicted - self.truth).mean(axis=-1)

    def _picture(self, sr: np.ndarray, bands: list[int]) -> np.ndarray:
        """Draw all patches in three bands as one picture, [height, width, 3], 0-1."""
        limits = tuple(limit[bands] for limit in self.limits)
        columns = [
            to_display(image[..., bands], limits)
            for image in (self.nearest, self.bicubic, sr, self.truth)
        ]
        error = np.clip(self._error(sr) / self.error_limit, 0, 1)
        columns.append(np.repeat(error[..., None], 3, axis=-1))
        gaps = ((0, 0), (0, 0), (0, GAP_PIXELS), (0, GAP_PIXELS), (0, 0))
        padded = np.pad(columns, gaps, constant_values=1)
        return np.concatenate(np.concatenate(padded, axis=2))
