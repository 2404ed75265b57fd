"""The backup and the lock of a training: what is kept, restored, refused, cleared."""

import numpy as np
import pytest

from srtools.errors import SRError
from srtools.training import callbacks, resuming

import tensorflow as tf

SETTINGS = {"batch_size": 4, "finetune": None}
X, Y = np.ones((8, 2), np.float32), np.zeros((8, 1), np.float32)


class Table(tf.keras.callbacks.Callback):
    """Remember the start, as the table of the epochs does."""

    start = None

    def on_epoch_end(self, epoch, logs=None):
        if epoch < 0:
            self.start = logs["val_loss"]


def train(backup, epochs=4):
    """Train a model that gets worse and worse; return its weights at the end."""
    model = tf.keras.Sequential([tf.keras.Input((2,)), tf.keras.layers.Dense(1)])
    model.compile(tf.keras.optimizers.Adam(0.5), loss="mse", jit_compile=False)
    model.set_weights([np.zeros((2, 1)), np.zeros(1)])
    stop = tf.keras.callbacks.EarlyStopping(
        patience=9, restore_best_weights=True, start_from_epoch=-1
    )
    backup.batches = tf.data.Dataset.from_tensors((X, Y))
    if backup.arrays:
        backup.restore_model(model)
    # Keras 3 goes back to the best weights when it is done.
    seen = []
    look = tf.keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: seen.append(model.get_weights())
    )
    # The target of training is not that of validation, which was met at the start.
    model.fit(
        X,
        Y + 9,
        validation_data=(X, Y),
        initial_epoch=backup.epochs_done,
        epochs=epochs,
        verbose=0,
        callbacks=[stop, look, backup.of([Table(), stop])],
    )
    optimizer = [v.numpy() for v in resuming.optimizer_variables(model)]
    return stop, seen[-1], optimizer


def assert_same(arrays, others):
    for one, other in zip(arrays, others, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("first", [1, 3])
def test_a_training_that_goes_on_ends_as_if_it_had_not_stopped(tmp_path, first):
    """With its optimizer, and a start that is still the best."""
    whole = train(resuming.Backup(tmp_path / "whole", SETTINGS))
    train(resuming.Backup(tmp_path, SETTINGS), first)
    backup = resuming.Backup(tmp_path, SETTINGS)
    assert backup.load(overwrite=False) and backup.arrays
    assert (backup.epochs_done, backup.stopped) == (first, False)
    resumed = train(backup)
    assert backup.callbacks[0].start == 0.0
    for stop in (whole[0], resumed[0]):
        assert (stop.best, stop.wait, stop.stopped_epoch) == (0.0, 4, 0)
        assert_same(stop.best_weights, [np.zeros((2, 1)), np.zeros(1)])
    assert_same(resumed[1], whole[1])
    assert_same(resumed[2], whole[2])
    assert np.abs(whole[1][0]).min() > 0.1


def test_other_settings_are_refused_and_named(tmp_path):
    train(resuming.Backup(tmp_path, SETTINGS), epochs=2)
    other = {**SETTINGS, "batch_size": 8, "seed": 1}
    backup = resuming.Backup(tmp_path, other)
    with pytest.raises(SRError, match="after epoch 2 .batch_size 4, now 8, seed None"):
        backup.load(overwrite=False)
    # With overwrite, it begins again.
    assert not backup.load(overwrite=True) and not backup.arrays


def test_a_broken_file_is_one_line(tmp_path):
    (tmp_path / resuming.FILE).write_bytes(b"PK\x03\x04 no archive")
    with pytest.raises(SRError, match="npz is not a readable backup.*delete it"):
        resuming.Backup(tmp_path, SETTINGS).load(overwrite=False)


def test_patches_that_changed_are_named_in_words():
    old, new = ({"files": [["a.tif", 7, time]], "seed": 1} for time in (1, 2))
    both = resuming.differences(old, {**new, "seed": 3})
    assert both == "the patches have changed since, seed 1, now 3"


@pytest.fixture
def lock(tmp_path):
    """Return a function that locks folders, trains some epochs, and fails."""

    def run(epochs=0, error=None, overwrite=False):
        backup = resuming.Backup(tmp_path / "logs", SETTINGS)
        with resuming.lock(backup, tmp_path / "model", overwrite):
            done = backup.epochs_done
            if epochs:
                train(backup, epochs)
            if error:
                raise error
        return done

    return run


def test_what_is_no_model_is_never_replaced(tmp_path, lock):
    precious = tmp_path / "model" / "train_lr_patches.tif"
    precious.parent.mkdir()
    precious.write_text("precious")
    with pytest.raises(SRError, match="model holds something else than a SavedModel"):
        lock(overwrite=True)
    assert precious.read_text() == "precious"
    assert not (tmp_path / "logs").exists()


@pytest.mark.parametrize(
    ("error", "epochs", "kept"),
    [
        (callbacks.Diverged("nan"), 2, False),
        (SRError("no such patch"), 2, True),
        (SRError("no such model"), 0, False),
        (OSError("disk full"), 2, True),
        (OSError("disk full"), 0, True),
    ],
)
def test_a_backup_is_kept_unless_it_is_of_no_use(tmp_path, lock, error, epochs, kept):
    with pytest.raises(type(error)):
        lock(epochs, error)
    # Nothing is left behind by a training that never began.
    assert (tmp_path / "logs" / resuming.FILE).exists() is kept
    assert (tmp_path / "logs").exists() is kept
    if kept:  # the same command goes on
        (tmp_path / "logs" / "training.csv").touch()
        assert lock() == epochs


def test_curves_of_an_earlier_training_are_kept(tmp_path, lock):
    curves = tmp_path / "logs" / "training.csv"
    curves.parent.mkdir()
    curves.write_text("precious")
    with pytest.raises(SRError, match="training.csv exists already; give --overwrite"):
        lock()
    assert curves.read_text() == "precious"
    lock(overwrite=True)


def test_links_to_folders_stay_and_an_empty_one_is_empty(tmp_path, lock):
    far = tmp_path / "far"
    (far / "model").mkdir(parents=True)
    for name in ("model", "logs"):
        (tmp_path / name).symlink_to(far / name)
    lock(epochs=1)
    assert (far / "logs" / resuming.FILE).exists()
    assert all((tmp_path / name).is_symlink() for name in ("model", "logs"))
    assert lock() == 1
