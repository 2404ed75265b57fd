"""Backup of a training, and the lock on its folders.

Keras' `BackupAndRestore` forgets the callbacks: early stopping would begin to count
anew, and lose its best weights.
"""

import json
import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from srtools import cards, files, fingerprints
from srtools.errors import DISK_FULL, SRError
from srtools.network import saved_model, weights
from srtools.tf import tf
from srtools.training import tensorboard
from srtools.training.callbacks import Diverged
from srtools.training.strategies import KERAS

log = logging.getLogger(__name__)

FILE = "interrupted.npz"  # in the folder of the logs
# Attributes of callbacks that are kept; the second ones are lists of arrays.
STATE = {"best", "wait", "best_epoch", "stopped_epoch", "start", "rows"}
WEIGHTS = "best_weights"
FILES = "files"  # setting with the fingerprints of the patches


class DiskFull(SRError):
    """There is no room left for a file of the training."""


class Backup(tf.keras.callbacks.Callback):
    """Write all that the next epoch depends on after each epoch, and restore it.

    It must be the last of the callbacks, when the others have seen the epoch.

    Arguments:
        folder: folder of the file.
        settings: all that the training depends on; a backup with others is refused.
        writes: whether this process writes files; of several workers one does.

    Attributes:
        batches: validation batches; the network that begins is measured on them, as
            epoch 0, so that a worse one is never the best.  None: it is not.
        epochs_done, stopped: number of epochs of an interrupted training, and whether
            it had nothing left to learn.
        latest: number of epochs in the file.
    """

    def __init__(self, folder: Path, settings: dict[str, Any], writes: bool = True):
        super().__init__()
        self.path, self.writes = Path(folder, FILE), writes
        self.settings = cards.plain(settings)
        self.callbacks: Sequence[tf.keras.callbacks.Callback] = ()
        self.batches: tf.data.Dataset | None = None
        self.epochs_done, self.latest, self.stopped = 0, 0, False
        self.states: list[dict] = []
        self.arrays: dict[str, np.ndarray] = {}

    def of(self, callbacks: Sequence[tf.keras.callbacks.Callback]) -> "Backup":
        """Include the state of other callbacks; return the backup itself."""
        self.callbacks = callbacks
        return self

    @property
    def resumes(self) -> bool:
        """True if there is an interrupted training to go on with."""
        return self.epochs_done > 0

    def load(self, overwrite: bool) -> bool:
        """Read the file; return whether there is one with these settings.

        Raises:
            SRError: if it is damaged, or has other settings and not `overwrite`.
        """
        if not self.path.exists():
            return False
        try:
            with self.path.open("rb") as file, np.load(file) as archive:
                arrays = dict(archive)
            state = json.loads(str(arrays.pop("state")))
        except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
            raise SRError(
                f"{self.path} is not a readable backup ({error}); delete it to begin "
                "again"
            ) from None
        differing = differences(state["settings"], self.settings)
        if not differing:
            self.arrays, self.states = arrays, state["callbacks"]
            self.epochs_done = self.latest = state["epochs_done"]
            self.stopped = state["stopped"]
        elif state["epochs_done"] and not overwrite:
            raise SRError(
                f"a training with other settings was interrupted after epoch "
                f"{state['epochs_done']} ({differing}): give those to go on with it, "
                "or --overwrite to begin again"
            )
        return not differing

    def restore_model(self, model: tf.keras.Model) -> None:
        """Restore weights and optimizer of a compiled model."""
        model.set_weights(self._stack("weights"))
        variables = optimizer_variables(model)
        for variable, array in zip(variables, self._stack("optimizer"), strict=True):
            variable.assign(array)
        log.info(
            "going on after epoch %d of an interrupted training; to begin again, "
            "delete %s",
            self.epochs_done,
            self.path,
        )

    def on_train_begin(self, logs=None):
        """Restore the other callbacks, which were just reset, or measure the start."""
        if not self.resumes and self.batches is not None:
            scores = self.model.evaluate(self.batches, verbose=0, return_dict=True)
            logs = {f"val_{name}": float(v) for name, v in scores.items()}
            for callback in self.callbacks:
                callback.on_epoch_end(-1, logs)  # Keras counts from 0
        for number, (callback, state) in enumerate(
            zip(self.callbacks, self.states, strict=False)
        ):
            vars(callback).update(state)
            if hasattr(callback, WEIGHTS):
                setattr(callback, WEIGHTS, self._stack(f"{WEIGHTS}{number}"))

    def on_epoch_end(self, epoch, logs=None):
        """Write the file."""
        self._write(epoch + 1, bool(self.model.stop_training))

    def begin(self) -> None:
        """Write the file of a training that has not finished an epoch yet."""
        self._write(0, False)

    def _write(self, epochs_done: int, stopped: bool) -> None:
        if not self.writes:
            return
        stacks, states = {}, []
        if epochs_done:
            stacks["weights"] = self.model.get_weights()
            stacks["optimizer"] = [v.numpy() for v in optimizer_variables(self.model)]
            for number, callback in enumerate(self.callbacks):
                states.append({k: v for k, v in vars(callback).items() if k in STATE})
                stacks[f"{WEIGHTS}{number}"] = getattr(callback, WEIGHTS, None) or []
        state = {"settings": self.settings, "callbacks": states}
        state |= {"epochs_done": epochs_done, "stopped": stopped}
        arrays = {
            f"{k}/{i}": a for k, each in stacks.items() for i, a in enumerate(each)
        }
        arrays["state"] = np.array(json.dumps(state, default=float))
        with files.whole_file(self.path) as partial:
            weights.save_arrays(partial, arrays)
        self.latest = epochs_done

    def forget(self) -> None:
        """Delete the file: the training is over, or another one begins."""
        self.path.unlink(missing_ok=True)

    def _stack(self, name: str) -> list[np.ndarray]:
        return [a for key, a in self.arrays.items() if key.split("/")[0] == name]


def differences(old: dict, new: dict) -> str:
    """List the settings that differ, as "name old, now new"."""
    names = [name for name in {**old, **new} if old.get(name) != new.get(name)]
    return ", ".join(
        "the patches have changed since"
        if name == FILES
        else f"{name} {old.get(name)}, now {new.get(name)}"
        for name in names
    )


def optimizer_variables(model: tf.keras.Model) -> list[tf.Variable]:
    """Return the variables of the optimizer, made now if it has not run yet."""
    model.optimizer.build(model.trainable_variables)  # does nothing the second time
    return list(model.optimizer.variables)


def circumstances(patches: dict[str, dict[str, list[str]]]) -> dict[str, Any]:
    """Return what a training depends on besides its options, as settings.

    Arguments:
        patches: patches images of each kind, "lr" and "hr", of each group.
    """
    paths = [p for kinds in patches.values() for each in kinds.values() for p in each]
    return {FILES: fingerprints.of_files(paths), "versions": [tf.__version__, KERAS]}


@contextmanager
def lock(backup: Backup, model_dir: str | Path, overwrite: bool) -> Iterator[None]:
    """Read the backup, and lock the folders for one training at a time.

    Arguments:
        backup: the backup, in the folder of the logs.
        model_dir: SavedModel that will be written.
        overwrite: whether a model, or a backup with other settings, may be replaced.

    Raises:
        SRError: if the model exists, or something else in its place, or the backup has
            other settings, or the folder has logs of another training.
    """
    logs = backup.path.parent
    saved_model.check_replaceable(model_dir)
    resumes = backup.load(overwrite)
    if not resumes:
        events = [] if backup.path.exists() else tensorboard.event_files(logs)
        files.refuse_existing([model_dir, logs / "training.csv", *events], overwrite)
    if not backup.writes:
        yield
        return
    files.make_folder(Path(model_dir).absolute().parent)
    busy = (
        f"another training is writing to {logs}; wait for it, or give another "
        "--model_dir"
    )
    with files.hold(files.make_folder(logs), busy):
        try:
            with one_line_if_full(logs):
                if not resumes:
                    backup.begin()
                yield
        except SRError as error:
            not_begun = not backup.latest and not isinstance(error, DiskFull)
            if isinstance(error, Diverged) or not_begun:
                backup.forget()
            raise
        finally:
            with suppress(OSError):
                logs.rmdir()  # if it is still empty


@contextmanager
def one_line_if_full(logs: Path) -> Iterator[None]:
    """Raise `DiskFull` for errors of Python or TensorFlow about a full disk."""
    try:
        yield
    except (OSError, tf.errors.OpError) as error:
        reasons = [os.strerror(n) for n in DISK_FULL if os.strerror(n) in str(error)]
        if not reasons:
            raise
        raise DiskFull(
            f"a file of the training could not be written ({reasons[0]}; the logs are "
            f"in {logs}); make room and start the same command again, which goes on "
            "after the last whole epoch"
        ) from None
