"""The folders of a training: what is kept, cleared away, refused or left alone."""

import errno
import os

import pytest

from srtools.errors import SRError
from srtools.training import callbacks, folders, resuming

import tensorflow as tf

SETTINGS = {"batch_size": 4}


def finish(backup, epochs):
    """Train so many epochs."""
    model = tf.keras.Sequential([tf.keras.Input((2,)), tf.keras.layers.Dense(1)])
    model.compile(tf.keras.optimizers.Adam(), loss="mse")
    backup.set_model(model)
    for epoch in range(epochs):
        backup.on_epoch_end(epoch)


def hold(tmp_path, overwrite=False, chief=True):
    logs, model = tmp_path / "logs", tmp_path / "model"
    return folders.hold(logs, model, SETTINGS, overwrite, chief)


@pytest.mark.parametrize("folder", [True, False])
def test_what_is_no_model_is_never_replaced(tmp_path, folder):
    precious = tmp_path / "model"
    if folder:
        precious.mkdir()
        precious /= "train_lr_patches.tif"
    precious.write_text("precious")
    with pytest.raises(SRError, match="model holds something else than a SavedModel"):
        with hold(tmp_path, overwrite=True):
            pass
    assert precious.read_text() == "precious"
    assert not (tmp_path / "logs").exists()


@pytest.mark.parametrize(
    ("error", "epochs", "kept"),
    [
        (callbacks.Diverged("nan"), 2, False),
        (SRError("disk full"), 2, True),
        (SRError("no such model"), 0, False),
        (OSError("disk full"), 2, True),
    ],
)
def test_a_backup_is_kept_unless_it_is_of_no_use(tmp_path, error, epochs, kept):
    with pytest.raises(type(error)):
        with hold(tmp_path) as backup:
            if epochs:
                finish(backup, epochs)
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
            with hold(tmp_path) as backup:
                (tmp_path / "logs" / "training.csv").touch()
                if epochs:
                    finish(backup, epochs)
                raise error
        with hold(tmp_path) as backup:
            assert backup.epochs_done == epochs


def test_a_full_graphics_card_is_no_full_disk(tmp_path):
    error = tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")
    with pytest.raises(tf.errors.ResourceExhaustedError):
        with hold(tmp_path):
            raise error


def test_a_worker_that_is_not_the_chief_makes_no_folder(tmp_path):
    with hold(tmp_path, chief=False) as backup:
        finish(backup, epochs=1)
    assert list(tmp_path.iterdir()) == []


def test_logs_of_somebody_else_are_kept(tmp_path):
    events = tmp_path / "logs" / "train" / "events.out.tfevents.1.host"
    events.parent.mkdir(parents=True)
    events.write_text("precious")
    with pytest.raises(SRError, match="events.out.tfevents.1.host exists already"):
        with hold(tmp_path):
            pass
    assert events.read_text() == "precious"
    with hold(tmp_path, overwrite=True):
        pass


def test_links_to_folders_stay_and_an_empty_one_is_empty(tmp_path):
    far = tmp_path / "far"
    (far / "model").mkdir(parents=True)
    for name in ("model", "logs"):
        (tmp_path / name).symlink_to(far / name)
    with hold(tmp_path) as backup:
        finish(backup, epochs=1)
    assert (far / "logs" / resuming.FILE).exists()
    assert all((tmp_path / name).is_symlink() for name in ("model", "logs"))
    with hold(tmp_path) as backup:
        assert backup.epochs_done == 1


def test_a_long_name_is_refused_before_the_training(tmp_path):
    model = tmp_path / ("m" * 240)
    with pytest.raises(SRError, match="mmm is too long, at most 237 bytes"):
        with folders.hold(tmp_path / "logs", model, SETTINGS, False, True):
            pass
    assert list(tmp_path.iterdir()) == []
