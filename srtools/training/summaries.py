"""Event files for TensorBoard, complete after each epoch.

Keras' own callback may keep two minutes of curves in memory, which a training that is
killed would lose, and like `tf.summary.scalar` it needs the package tensorboard, which
TensorFlow does not always bring along.  Here only viewing needs it.
"""

from pathlib import Path

import numpy as np

from srtools.network.weights import by_name
from srtools.tf import tf

# TensorBoard's number for each kind of data: tensorflow/core/framework/summary.proto.
KINDS = {"scalars": 1, "histograms": 2, "images": 3}
RUNS = ("train", "validation", "images")
BUCKETS = 30


class Scalars(tf.keras.callbacks.Callback):
    """Write the numbers of each epoch: the runs "train" and "validation".

    Arguments:
        folder: of the logs.
        histograms: whether the distribution of each weight is written as well.
    """

    def __init__(self, folder: str | Path, histograms: bool = False):
        super().__init__()
        self.histograms = histograms
        self.writers = {
            run: tf.summary.create_file_writer(str(Path(folder) / run))
            for run in ("train", "validation")
        }

    def on_epoch_end(self, epoch, logs=None):
        """Write the numbers; those of validation begin with `val_`."""
        for name, value in logs.items():
            run = "validation" if name.startswith("val_") else "train"
            with self.writers[run].as_default():
                value = tf.constant(value, tf.float32)
                write(name.removeprefix("val_"), value, epoch + 1, "scalars")
        if self.histograms:
            with self.writers["train"].as_default():
                for name, weight in by_name(self.model).items():
                    write(name, histogram(weight.numpy()), epoch + 1, "histograms")
        for writer in self.writers.values():
            writer.flush()

    def on_train_end(self, logs=None):
        """Close the event files."""
        for writer in self.writers.values():
            writer.close()


def histogram(values: np.ndarray) -> np.ndarray:
    """Count values in buckets: [BUCKETS, 3] of left edge, right edge, count."""
    counts, edges = np.histogram(values, BUCKETS)
    return np.stack([edges[:-1], edges[1:], counts], axis=1).astype(np.float64)


def write_image(tag: str, pixels: np.ndarray, step: int) -> None:
    """Write an image [h, w, 3] uint8."""
    height, width = (str(size).encode() for size in pixels.shape[:2])
    write(tag, [width, height, tf.io.encode_png(pixels).numpy()], step, "images")


def write(tag: str, value, step: int, kind: str) -> None:
    """Write to the default writer, for the plugin `kind` of TensorBoard."""
    metadata = tf.compat.v1.SummaryMetadata(
        plugin_data=tf.compat.v1.SummaryMetadata.PluginData(plugin_name=kind),
        data_class=KINDS[kind],
    )
    tf.summary.write(tag, value, step=step, metadata=metadata)


def forget_events(folder: str | Path) -> None:
    """Delete the event files of an earlier training, which would mix with the new."""
    for run in RUNS:
        for events in (Path(folder) / run).glob("events.out.tfevents.*"):
            events.unlink()
