"""A training that was killed goes on after the last epoch that it finished.

After each epoch one file receives all that the next one depends on: weights, optimizer,
best weights so far, the state of the callbacks that decide something, the table.
Keras' `BackupAndRestore` forgets the callbacks: early stopping would begin to count
anew, and lose its best weights.
"""

import fcntl
import glob
import json
import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from srtools import files, fingerprints
from srtools.errors import DISK_FULL, SRError
from srtools.network import saved_model, weights
from srtools.tf import tf
from srtools.training.stopping import Diverged

log = logging.getLogger(__name__)

FILE = "interrupted.npz"

FULL = [os.strerror(number) for number in DISK_FULL]

# What callbacks must remember.  A list of arrays (weights) is kept as arrays.
STATE = ("best", "wait", "best_epoch", "stopped_epoch", "cooldown_counter", "rows")
WEIGHTS = "best_weights"


@contextmanager
def session(
    logs: Path, model_dir: Path, settings: dict[str, Any], overwrite: bool, chief: bool
) -> Iterator["Backup"]:
    """Hold the folders of a training, and give what an interrupted one left there.

    Arguments:
        logs: folder of the logs and of the backup.
        model_dir: the model to write.
        settings: all that the training depends on.
        overwrite: whether a model, or a backup with other settings, may be replaced.
        chief: whether this process writes files; of several workers one does.

    Raises:
        SRError: if the model exists, or something else in its place, or the backup is
            one of other settings.
    """
    saved_model.check_replaceable(model_dir)
    backup = Backup(logs / FILE, settings, writes=chief)
    going_on = backup.look(overwrite)
    if not going_on:
        files.refuse_existing([model_dir, logs / "training.csv"], overwrite)
    if not chief:
        yield backup
        return
    files.make_folder(model_dir.absolute().parent)
    with one_at_a_time(files.make_folder(logs)):
        # What a killed training was writing at that moment.
        beside = model_dir.absolute().parent
        for partial in (
            *logs.glob(".partial-*"),
            # Eight letters, or it is that of a model whose name only begins so.
            *beside.glob(f".partial-{glob.escape(model_dir.name)}-????????"),
        ):
            shutil.rmtree(partial, ignore_errors=True)
        try:
            with full_disk(backup):
                if not going_on:
                    backup.write(0, stopped=False, callbacks=[], arrays={})
                yield backup
        except SRError as error:
            # It would diverge again; or it has not begun.
            not_begun = not backup.latest and not isinstance(error, DiskFull)
            if isinstance(error, Diverged) or not_begun:
                backup.forget()
            raise
        finally:
            with suppress(OSError):
                logs.rmdir()  # if it is still empty


class DiskFull(SRError):
    """There is no room left for a file of the training."""


@contextmanager
def full_disk(backup: "Backup") -> Iterator[None]:
    """Turn what Python and TensorFlow say when a disk is full into one line.

    Raises:
        DiskFull: which leaves the backup as it is, since the training can go on.
    """
    try:
        yield
    except (OSError, tf.errors.OpError) as error:
        reasons = [reason for reason in FULL if reason in str(error)]
        if not reasons:
            raise
        raise DiskFull(
            f"a file of the training could not be written ({reasons[0]}; the logs are "
            f"in {backup.path.parent}); make room and start the same command again, "
            "which goes on after the last whole epoch"
        ) from None


@contextmanager
def one_at_a_time(folder: Path) -> Iterator[None]:
    """Hold a folder for one training; whatever ends the process sets it free.

    Raises:
        SRError: if another training holds it.
    """
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SRError(
                f"another training is writing to {folder}; wait for it, or give "
                "another --model_dir"
            ) from None
        except OSError:
            pass  # some network file systems have no locks
        yield
    finally:
        os.close(handle)


class Backup(tf.keras.callbacks.Callback):
    """Write the state of a training after each epoch, and take it up again.

    It must be the last of the callbacks, when the others have seen the epoch.

    Arguments:
        path: the file.
        settings: all that the training depends on; a backup with others is refused.
        writes: whether this process writes the file.

    Attributes:
        callbacks: those whose state belongs to the training; to be set before `fit`.
    """

    def __init__(self, path: Path, settings: dict[str, Any], writes: bool = True):
        super().__init__()
        self.path, self.writes = Path(path), writes
        self.settings = json.loads(json.dumps(settings, default=str))
        self.callbacks: list[tf.keras.callbacks.Callback] = []
        self.latest = 0  # epochs in the file
        self.state: dict[str, Any] | None = None
        self.arrays: dict[str, np.ndarray] = {}

    @property
    def found(self) -> bool:
        """Tell whether there is an interrupted training to go on with."""
        return self.epochs_done > 0

    @property
    def epochs_done(self) -> int:
        """Count the epochs that the interrupted training had finished."""
        return self.state["epochs_done"] if self.state else 0

    @property
    def stopped(self) -> bool:
        """Tell whether the interrupted training had nothing left to learn."""
        return bool(self.state and self.state["stopped"])

    def look(self, overwrite: bool) -> bool:
        """Read the file, if there is one that fits; tell whether.

        Raises:
            SRError: if it was written with other settings and not `overwrite`.
        """
        if not self.path.exists():
            return False
        try:
            with self.path.open("rb") as file, np.load(file) as archive:
                arrays = dict(archive)
            state = json.loads(str(arrays.pop("state")))
        except (OSError, ValueError, KeyError, BadZipFile) as error:
            raise SRError(
                f"{self.path} is not a readable backup ({error}); delete it to start "
                "again"
            ) from None
        differing = differences(state["settings"], self.settings)
        if not differing:
            self.state, self.arrays = state, arrays
            self.latest = self.epochs_done
        elif state["epochs_done"] and not overwrite:
            raise SRError(
                f"a training with other settings was interrupted after epoch "
                f"{state['epochs_done']} ({differing}): give those to go on with it, "
                "or --overwrite to begin again"
            )
        return not differing

    def restore_model(self, model: tf.keras.Model) -> None:
        """Give a compiled model the weights and the optimizer of the backup."""
        model.set_weights(self.numbered("weights"))
        variables = optimizer_variables(model)
        for variable, array in zip(variables, self.numbered("optimizer"), strict=True):
            variable.assign(array)
        log.info(
            "going on after epoch %d of an interrupted training; to begin again, "
            "delete %s", self.epochs_done, self.path,
        )  # fmt: skip

    def on_train_begin(self, logs=None):
        """Give the other callbacks back their state, which they have just reset."""
        if not self.found:
            return
        for number, callback in enumerate(self.callbacks):
            for name, value in self.state["callbacks"][number].items():
                setattr(callback, name, value)
            if hasattr(callback, WEIGHTS):
                setattr(callback, WEIGHTS, self.numbered(f"{WEIGHTS}{number}_"))

    def on_epoch_end(self, epoch, logs=None):
        """Write the file."""
        if not self.writes:
            return
        arrays = {"weights": self.model.get_weights()}
        arrays["optimizer"] = [v.numpy() for v in optimizer_variables(self.model)]
        state = []
        for number, callback in enumerate(self.callbacks):
            state.append(
                {n: getattr(callback, n) for n in STATE if hasattr(callback, n)}
            )
            if hasattr(callback, WEIGHTS):
                arrays[f"{WEIGHTS}{number}_"] = getattr(callback, WEIGHTS)
        self.write(epoch + 1, bool(self.model.stop_training), state, arrays)

    def write(
        self,
        epochs_done: int,
        stopped: bool,
        callbacks: list[dict],
        arrays: dict[str, list[np.ndarray]],
    ) -> None:
        """Write the file, completely or not at all."""
        record = {
            "settings": self.settings,
            "epochs_done": epochs_done,
            "stopped": stopped,
            "callbacks": callbacks,
        }
        flat = {
            f"{name}{index}": array
            for name, stack in arrays.items()
            for index, array in enumerate(stack)
        }
        flat["state"] = np.array(json.dumps(record, default=float))
        with files.whole_file(self.path) as partial:
            weights.save_arrays(partial, flat)
        self.latest = epochs_done

    def forget(self) -> None:
        """Delete the file: the training is over, or another one begins."""
        self.path.unlink(missing_ok=True)

    def numbered(self, name: str) -> list[np.ndarray]:
        """Give the arrays `name0`, `name1`... of the backup."""
        count = sum(key.startswith(name) and key[len(name) :].isdigit()
                    for key in self.arrays)  # fmt: skip
        return [self.arrays[f"{name}{index}"] for index in range(count)]


def differences(old: dict, new: dict) -> str:
    """List the settings that differ, as "name old, now new"."""
    names = [name for name in {**old, **new} if old.get(name) != new.get(name)]
    return ", ".join(f"{n} {old.get(n)}, now {new.get(n)}" for n in names)


def optimizer_variables(model: tf.keras.Model) -> list[tf.Variable]:
    """Give the variables of the optimizer, made now if it has not run yet."""
    optimizer = model.optimizer
    optimizer.build(model.trainable_variables)  # does nothing the second time
    variables, rate = list(optimizer.variables), optimizer.learning_rate
    # Keras 2 does not count the learning rate, which a plateau changes.
    if hasattr(rate, "assign") and not any(rate is known for known in variables):
        variables.append(rate)
    return variables


def circumstances(files: list[str]) -> dict[str, Any]:
    """Describe files, and the versions of TensorFlow and Keras, to notice a change."""
    return {
        "files": fingerprints.of_files(files),
        "versions": [tf.__version__, getattr(tf.keras, "__version__", "2")],
    }
