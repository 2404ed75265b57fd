"""Checkpoint and lock of a training: save, refuse, delete; test_sr_train.py resumes."""

import numpy as np
import pytest

from srtools.errors import SRError
from srtools.training.callbacks import Diverged
from srtools.training.checkpoint import FILE, Checkpoint, locked

import tensorflow as tf

SETTINGS = {"batch_size": 4, "finetune": None}
X, Y = np.ones((8, 2), np.float32), np.zeros((8, 1), np.float32)


def train(checkpoint, epochs):
    model = tf.keras.Sequential([tf.keras.Input((2,)), tf.keras.layers.Dense(1)])
    model.compile("adam", loss="mse", jit_compile=False)
    checkpoint.batches = tf.data.Dataset.from_tensors((X, Y))
    model.fit(X, Y, epochs=epochs, verbose=0, callbacks=[checkpoint])


def test_other_settings_are_refused_and_named(tmp_path):
    train(Checkpoint(tmp_path, {**SETTINGS, "files": [["a.tif", 7, 1]]}), epochs=2)
    changed = {"batch_size": 8, "files": [["a.tif", 7, 2]], "seed": 1}
    checkpoint = Checkpoint(tmp_path, {**SETTINGS, **changed})
    words = "batch_size 4, now 8, the patches have changed since, seed None, now 1"
    with pytest.raises(SRError, match=f"after epoch 2 .{words}"):
        checkpoint.load(overwrite=False)
    assert not checkpoint.load(overwrite=True) and not checkpoint.arrays


def test_a_damaged_file_is_one_line(tmp_path):
    (tmp_path / FILE).write_bytes(b"PK\x03\x04 no archive")
    with pytest.raises(SRError, match="npz is not a readable checkpoint.*delete it"):
        Checkpoint(tmp_path, SETTINGS).load(overwrite=False)


@pytest.fixture
def run(tmp_path):
    """Return a function that trains some epochs in locked folders, and fails."""

    def run(epochs=0, error=None, overwrite=False):
        checkpoint = Checkpoint(tmp_path / "logs", SETTINGS)
        with locked(checkpoint, str(tmp_path / "model"), overwrite):
            resumed_after = checkpoint.epochs_done
            if epochs:
                train(checkpoint, epochs)
            if error:
                raise error
        return resumed_after

    return run


def test_a_folder_that_is_not_a_model_is_never_replaced(tmp_path, run):
    precious = tmp_path / "model" / "train_lr_patches.tif"
    precious.parent.mkdir()
    precious.write_text("precious")
    with pytest.raises(SRError, match="model holds something else than a SavedModel"):
        run(overwrite=True)
    assert precious.read_text() == "precious"
    assert not (tmp_path / "logs").exists()


@pytest.mark.parametrize(
    ("error", "epochs", "kept"),
    [
        (Diverged("nan"), 2, False),
        (SRError("no such patch"), 2, True),
        (SRError("no such model"), 0, False),
        (OSError("disk full"), 2, True),
        (OSError("disk full"), 0, True),
    ],
)
def test_a_checkpoint_is_kept_if_it_can_be_resumed(tmp_path, run, error, epochs, kept):
    with pytest.raises(type(error)):
        run(epochs, error)
    # A training that failed before its first epoch leaves nothing behind.
    assert (tmp_path / "logs" / FILE).exists() is kept
    assert (tmp_path / "logs").exists() is kept
    if kept:
        (tmp_path / "logs" / "training.csv").touch()
        assert run() == epochs


def test_curves_of_an_earlier_training_are_kept(tmp_path, run):
    curves = tmp_path / "logs" / "training.csv"
    curves.parent.mkdir()
    curves.write_text("precious")
    with pytest.raises(SRError, match="training.csv exists already; give --overwrite"):
        run()
    assert curves.read_text() == "precious"
    run(overwrite=True)


def test_two_trainings_do_not_write_to_one_folder(tmp_path, run):
    checkpoint = Checkpoint(tmp_path / "logs", SETTINGS)
    with locked(checkpoint, str(tmp_path / "model"), overwrite=False):
        with pytest.raises(SRError, match="another training is writing to .*logs; wai"):
            run()


def test_links_to_folders_stay_links(tmp_path, run):
    target = tmp_path / "target"
    for name in ("model", "logs"):
        (target / name).mkdir(parents=True)
        (tmp_path / name).symlink_to(target / name)
    run(epochs=1)
    assert (target / "logs" / FILE).exists()
    assert all((tmp_path / name).is_symlink() for name in ("model", "logs"))
    assert run() == 1
