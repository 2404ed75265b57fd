"""Pictures of validation patches for TensorBoard, epoch after epoch."""

from pathlib import Path

import numpy as np

from srtools.conventions import INPUT, OUTPUT, SCALE
from srtools.images.figures import stretch, to_display
from srtools.images.interpolation import bicubic
from srtools.tf import tf

TITLE = "bicubic, super-resolution, truth"
GAP_PIXELS = 4  # white, below and to the right of each patch


class PatchImages(tf.keras.callbacks.Callback):
    """Write a picture of the same few patches at the start and after each epoch.

    Each patch, lr `[n, h, w, bands]` and hr `[n, 4 h, 4 w, bands]` DN, has a row with
    the columns of `TITLE`, in true colour, with the stretch of the truth.
    """

    def __init__(self, folder: Path, lr: np.ndarray, hr: np.ndarray):
        super().__init__()
        self.folder, self.lr = folder, lr.astype(np.float32)
        self.bicubic = bicubic(self.lr * SCALE, hr.shape[1:3])
        self.truth = hr.astype(np.float32) * SCALE
        self.limits = stretch(self.truth[..., :3].reshape(-1, hr.shape[2], 3))

    def on_train_begin(self, logs=None):
        """Open the event file, which TensorFlow flushes after each epoch."""
        self.writer = tf.summary.create_file_writer(str(self.folder / "images"))

    def on_epoch_end(self, epoch, logs=None):
        """Write the picture; epoch -1 is the initial network."""
        sr = self.model({INPUT: self.lr}, training=False)[OUTPUT].numpy()
        sr = np.nan_to_num(sr)  # other callbacks report a training that diverges
        columns = [
            to_display(image[..., :3], self.limits)
            for image in (self.bicubic, sr, self.truth)
        ]
        gaps = ((0, 0), (0, 0), (0, GAP_PIXELS), (0, GAP_PIXELS), (0, 0))
        columns = np.concatenate(np.pad(columns, gaps, constant_values=1), axis=2)
        with self.writer.as_default():
            tf.summary.image(TITLE, np.concatenate(columns)[None], step=epoch + 1)
