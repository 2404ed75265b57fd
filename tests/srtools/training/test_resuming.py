"""The content of a backup, and when it is taken up or refused."""

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


def make():
    """Make a model that gets worse and worse, and what watches it."""
    model = tf.keras.Sequential([tf.keras.Input((2,)), tf.keras.layers.Dense(1)])
    model.compile(tf.keras.optimizers.Adam(0.5), loss="mse", jit_compile=False)
    model.set_weights([np.zeros((2, 1)), np.zeros(1)])
    deciders = [
        tf.keras.callbacks.EarlyStopping(
            patience=9, restore_best_weights=True, start_from_epoch=-1
        ),
        tf.keras.callbacks.ReduceLROnPlateau(patience=2, cooldown=5),
    ]
    return model, deciders


def train(backup, epochs=4, measured=None):
    model, deciders = make()
    backup.callbacks, backup.batches = [*deciders, Table()], measured
    if backup.found:
        backup.restore_model(model)
    # Keras 3 goes back to the best weights when it is done.
    model.seen = []
    look = tf.keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: model.seen.append(model.get_weights())
    )
    # The target of training is not that of validation, which was met at the start.
    model.fit(
        X,
        Y + 9,
        validation_data=(X, Y),
        initial_epoch=backup.epochs_done,
        epochs=epochs,
        verbose=0,
        callbacks=[look, *deciders, backup],
    )
    return model, deciders


def test_all_that_decides_comes_back(tmp_path):
    path = tmp_path / "backup.npz"
    model, (stop, slower) = train(resuming.Backup(path, SETTINGS))
    assert stop.wait == 3 and slower.cooldown_counter > 0  # it was put to the test

    backup = resuming.Backup(path, SETTINGS)
    assert backup.load(overwrite=False) and backup.found
    assert (backup.epochs_done, backup.stopped) == (4, False)
    again, deciders = make()
    backup.callbacks = deciders
    backup.restore_model(again)
    for callback in (*deciders, backup):
        callback.set_model(again)
        callback.on_train_begin()
    for old, new in zip((stop, slower), deciders, strict=True):
        for name in resuming.STATE:
            assert getattr(old, name, None) == getattr(new, name, None), name
    for old, new in zip(stop.best_weights, deciders[0].best_weights, strict=True):
        np.testing.assert_array_equal(old, new)
    for old, new in zip(model.seen[-1], again.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    old, new = (resuming.optimizer_variables(each) for each in (model, again))
    for one, other in zip(old, new, strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy())
    # The rate that the plateau had reduced is among them.
    assert callbacks.learning_rate(again) == pytest.approx(0.05)


def test_the_start_is_still_the_best_after_an_interruption(tmp_path):
    """The network has moved on when it is taken up again."""
    path, data = tmp_path / "backup.npz", tf.data.Dataset.from_tensors((X, Y))
    ends = []
    for interrupted in (False, True):
        for epochs in (1, 3) if interrupted else (3,):
            backup = resuming.Backup(path, SETTINGS)
            assert backup.load(overwrite=False) is (epochs == 3 and interrupted)
            model, (stop, _) = train(backup, epochs, measured=data)
        backup.forget()
        assert backup.callbacks[-1].start == 0.0
        ends.append((model, stop))
    (whole, stop), (resumed, stop_again) = ends
    assert (stop.best, stop.wait, stop.best_epoch) == (0.0, 3, -1)
    for name in ("best", "wait", "best_epoch"):
        assert getattr(stop_again, name) == getattr(stop, name)
    for array in stop_again.best_weights:
        np.testing.assert_array_equal(array, np.zeros_like(array))
    for one, other in zip(whole.seen[-1], resumed.seen[-1], strict=True):
        np.testing.assert_array_equal(one, other)
        assert np.abs(one).min() > 0.1


def test_other_settings_are_refused_and_named(tmp_path):
    path = tmp_path / "backup.npz"
    train(resuming.Backup(path, SETTINGS), epochs=2)
    other = {**SETTINGS, "batch_size": 8, "seed": 1}
    with pytest.raises(SRError) as raised:
        resuming.Backup(path, other).load(overwrite=False)
    assert "after epoch 2 (batch_size 4, now 8, seed None, now 1)" in str(raised.value)
    # Told to overwrite, it begins again.
    backup = resuming.Backup(path, other)
    assert not backup.load(overwrite=True) and not backup.found


def test_a_broken_file_is_one_line(tmp_path):
    path = tmp_path / "backup.npz"
    path.write_bytes(b"PK\x03\x04 no archive")
    with pytest.raises(SRError, match="backup.npz is not a readable backup"):
        resuming.Backup(path, SETTINGS).load(overwrite=False)


def test_patches_that_changed_are_told_in_words():
    old, new = ({"files": [["a.tif", 7, time]], "seed": 1} for time in (1, 2))
    assert resuming.differences(old, new) == "the patches have changed since"
    both = resuming.differences(old, {**new, "seed": 3})
    assert both == "the patches have changed since, seed 1, now 3"
