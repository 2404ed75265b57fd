"""What a backup holds, and when it is taken up, refused or forgotten."""

import errno
import os

import numpy as np
import pytest

from srtools.errors import SRError
from srtools.training import resuming, stopping

import tensorflow as tf

# Keras 2 on Python 3.10 draws seeds in an old-fashioned way.
pytestmark = pytest.mark.filterwarnings("ignore:non-integer arguments to randrange")

SETTINGS = {"batch_size": 4, "finetune": None}
X, Y = np.ones((8, 2), np.float32), np.zeros((8, 1), np.float32)


def make():
    """Make a model that gets worse and worse, and what watches it."""
    model = tf.keras.Sequential([tf.keras.Input((2,)), tf.keras.layers.Dense(1)])
    model.compile(tf.keras.optimizers.Adam(0.5), loss="mse", jit_compile=False)
    model.set_weights([np.zeros((2, 1)), np.zeros(1)])
    callbacks = [
        tf.keras.callbacks.EarlyStopping(patience=9, restore_best_weights=True),
        tf.keras.callbacks.ReduceLROnPlateau(patience=2, cooldown=5),
    ]
    return model, callbacks


def train(backup, epochs=4):
    model, callbacks = make()
    backup.callbacks = callbacks
    # Keras 3 goes back to the best weights when it is done.
    model.seen = []
    look = tf.keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: model.seen.append(model.get_weights())
    )
    # The target of training is not that of validation, which was met at the start.
    model.fit(X, Y + 9, validation_data=(X, Y), epochs=epochs, verbose=0,
              callbacks=[look, *callbacks, backup])  # fmt: skip
    return model, callbacks


def test_all_that_decides_comes_back(tmp_path):
    path = tmp_path / "backup.npz"
    model, (stop, slower) = train(resuming.Backup(path, SETTINGS))
    assert stop.wait == 3 and slower.cooldown_counter > 0  # it was put to the test

    backup = resuming.Backup(path, SETTINGS)
    assert backup.look(overwrite=False) and backup.found
    assert (backup.epochs_done, backup.stopped) == (4, False)
    again, callbacks = make()
    backup.callbacks = callbacks
    backup.restore_model(again)
    for callback in (*callbacks, backup):
        callback.set_model(again)
        callback.on_train_begin()
    for old, new in zip((stop, slower), callbacks, strict=True):
        for name in resuming.STATE:
            assert getattr(old, name, None) == getattr(new, name, None), name
    for old, new in zip(stop.best_weights, callbacks[0].best_weights, strict=True):
        np.testing.assert_array_equal(old, new)
    for old, new in zip(model.seen[-1], again.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    old, new = (resuming.optimizer_variables(each) for each in (model, again))
    for one, other in zip(old, new, strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy())
    # The rate that the plateau had reduced is among them.
    assert stopping.learning_rate(again) == pytest.approx(0.05)


def test_other_settings_are_refused_and_named(tmp_path):
    path = tmp_path / "backup.npz"
    train(resuming.Backup(path, SETTINGS), epochs=2)
    other = {**SETTINGS, "batch_size": 8, "seed": 1}
    with pytest.raises(SRError) as raised:
        resuming.Backup(path, other).look(overwrite=False)
    assert "after epoch 2 (batch_size 4, now 8, seed None, now 1)" in str(raised.value)
    # Told to overwrite, it begins again.
    backup = resuming.Backup(path, other)
    assert not backup.look(overwrite=True) and not backup.found


def test_a_broken_file_is_one_line(tmp_path):
    path = tmp_path / "backup.npz"
    path.write_bytes(b"PK\x03\x04 no archive")
    with pytest.raises(SRError, match="backup.npz is not a readable backup"):
        resuming.Backup(path, SETTINGS).look(overwrite=False)


def session(tmp_path, overwrite=False, chief=True):
    logs, model = tmp_path / "logs", tmp_path / "model"
    return resuming.session(logs, model, SETTINGS, overwrite, chief)


@pytest.mark.parametrize("folder", [True, False])
def test_what_is_no_model_is_never_replaced(tmp_path, folder):
    precious = tmp_path / "model"
    if folder:
        precious.mkdir()
        precious /= "train_lr_patches.tif"
    precious.write_text("precious")
    with pytest.raises(SRError, match="model holds something else than a SavedModel"):
        with session(tmp_path, overwrite=True):
            pass
    assert precious.read_text() == "precious"
    assert not (tmp_path / "logs").exists()


@pytest.mark.parametrize(
    ("error", "epochs", "kept"),
    [
        (stopping.Diverged("nan"), 2, False),
        (SRError("disk full"), 2, True),
        (SRError("no such model"), 0, False),
        (OSError("disk full"), 2, True),
    ],
)
def test_a_backup_is_kept_unless_it_is_of_no_use(tmp_path, error, epochs, kept):
    with pytest.raises(type(error)):
        with session(tmp_path) as backup:
            if epochs:
                train(backup, epochs)
            raise error
    assert (tmp_path / "logs" / resuming.FILE).exists() is kept
    # Nothing is left behind by a training that never began.
    assert (tmp_path / "logs").exists() is kept


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)),
        tf.errors.ResourceExhaustedError(
            None, None, "model/variables; No space left on device"
        ),
    ],
)
def test_a_full_disk_is_one_line_and_the_training_can_go_on(tmp_path, error):
    for epochs in (0, 2):
        with pytest.raises(SRError, match=r"written \(No space left.*make room"):
            with session(tmp_path) as backup:
                (tmp_path / "logs" / "training.csv").touch()
                if epochs:
                    train(backup, epochs)
                raise error
        with session(tmp_path) as backup:
            assert backup.epochs_done == epochs


def test_a_full_graphics_card_is_no_full_disk(tmp_path):
    error = tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")
    with pytest.raises(tf.errors.ResourceExhaustedError):
        with session(tmp_path):
            raise error


def test_what_a_killed_training_was_writing_is_cleared_away(tmp_path):
    name = "8letters"  # as many as tempfile takes
    gone = [tmp_path / f".partial-model-{name}", tmp_path / "logs" / f".partial-{name}"]
    # Another training may be writing "model-2" at this moment.
    kept = [tmp_path / f".partial-{other}-{name}" for other in ("other", "model-2")]
    kept.append(tmp_path / "logs" / "notes")
    for folder in (*gone, *kept):
        folder.mkdir(parents=True)
        (folder / "file").touch()
    with session(tmp_path):
        assert not any(folder.exists() for folder in gone)
        assert all(folder.exists() for folder in kept)


def test_a_worker_that_is_not_the_chief_makes_no_folder(tmp_path):
    with session(tmp_path, chief=False) as backup:
        train(backup, epochs=1)
    assert list(tmp_path.iterdir()) == []
