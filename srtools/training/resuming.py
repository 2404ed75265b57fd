"""The backup of a training: after an interruption it goes on with the next epoch.

After each epoch one file receives all that the next one depends on: weights, optimizer,
best weights so far, the state of the callbacks that decide something, the table.
Keras' `BackupAndRestore` forgets the callbacks: early stopping would begin to count
anew, and lose its best weights.
"""

import json
import logging
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from srtools import files
from srtools.errors import SRError
from srtools.network import weights
from srtools.tf import tf
from srtools.training import feeding
from srtools.training.strategies import KERAS

log = logging.getLogger(__name__)

FILE = "interrupted.npz"
"""Name of the backup, in the folder of the logs."""

STATE = tuple("best wait best_epoch stopped_epoch cooldown_counter start rows".split())
"""Attributes that callbacks must remember."""

FILES = "files"
"""Setting that tells the patches apart."""

WEIGHTS = "best_weights"
"""One more, a list of arrays."""


class Backup(tf.keras.callbacks.Callback):
    """Write the state of a training after each epoch, and take it up again.

    It must be the last of the callbacks, when the others have seen the epoch.

    Arguments:
        path: path of the file.
        settings: all that the training depends on; a backup with others is refused.
        writes: whether this process writes the file.

    Attributes:
        callbacks: those whose state belongs to the training; to be set before `fit`.
        batches: of the validation; the network that begins is measured on them, as
            epoch 0, so that a worse one is never the best.  None: it is not.
        latest: number of epochs in the file.
    """

    def __init__(self, path: Path, settings: dict[str, Any], writes: bool = True):
        super().__init__()
        self.path, self.writes = Path(path), writes
        self.settings = json.loads(json.dumps(settings, default=str))
        self.callbacks: list[tf.keras.callbacks.Callback] = []
        self.batches: tf.data.Dataset | None = None
        self.latest = 0
        self.state: dict[str, Any] = {"epochs_done": 0, "stopped": False}
        self.arrays: dict[str, np.ndarray] = {}

    @property
    def found(self) -> bool:
        """Whether there is an interrupted training to go on with."""
        return self.epochs_done > 0

    @property
    def epochs_done(self) -> int:
        """Number of epochs that the interrupted training had finished."""
        return self.state["epochs_done"]

    @property
    def stopped(self) -> bool:
        """Whether the interrupted training had nothing left to learn."""
        return self.state["stopped"]

    def load(self, overwrite: bool) -> bool:
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
        except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
            raise SRError(
                f"{self.path} is not a readable backup ({error}); delete it to begin "
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
            "delete %s",
            self.epochs_done,
            self.path,
        )

    def on_train_begin(self, logs=None):
        """Give the other callbacks their state, which they have just reset."""
        if not self.found:
            if self.batches is not None:
                found = self.model.evaluate(self.batches, verbose=0, return_dict=True)
                logs = {f"val_{name}": float(v) for name, v in found.items()}
                for callback in self.callbacks:
                    callback.on_epoch_end(-1, logs)  # Keras counts from 0
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
        arrays = {
            "weights": self.model.get_weights(),
            "optimizer": [v.numpy() for v in optimizer_variables(self.model)],
        }
        states = []
        for number, callback in enumerate(self.callbacks):
            known = [name for name in STATE if hasattr(callback, name)]
            states.append({name: getattr(callback, name) for name in known})
            if hasattr(callback, WEIGHTS):
                arrays[f"{WEIGHTS}{number}_"] = getattr(callback, WEIGHTS)
        self.write(epoch + 1, bool(self.model.stop_training), states, arrays)

    def begin(self) -> None:
        """Write the file of a training that has not finished an epoch yet."""
        self.write(0, False, [], {})

    def write(
        self,
        epochs_done: int,
        stopped: bool,
        states: list[dict],
        arrays: dict[str, list[np.ndarray]],
    ) -> None:
        """Write the file, completely or not at all."""
        state = {
            "settings": self.settings,
            "epochs_done": epochs_done,
            "stopped": stopped,
            "callbacks": states,
        }
        flat = {
            f"{name}{index}": array
            for name, stack in arrays.items()
            for index, array in enumerate(stack)
        }
        flat["state"] = np.array(json.dumps(state, default=float))
        with files.whole_file(self.path) as partial:
            weights.save_arrays(partial, flat)
        self.latest = epochs_done

    def forget(self) -> None:
        """Delete the file: the training is over, or another one begins."""
        self.path.unlink(missing_ok=True)

    def numbered(self, name: str) -> list[np.ndarray]:
        """Give the arrays `name0`, `name1`... of the backup."""
        numbers = (key.removeprefix(name) for key in self.arrays)
        count = sum(number.isdigit() for number in numbers)
        return [self.arrays[f"{name}{index}"] for index in range(count)]


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
    """Give the variables of the optimizer, made now if it has not run yet."""
    optimizer = model.optimizer
    optimizer.build(model.trainable_variables)  # does nothing the second time
    variables, rate = list(optimizer.variables), optimizer.learning_rate
    # Keras 2 does not count the learning rate, which a plateau changes.
    if hasattr(rate, "assign") and not any(rate is known for known in variables):
        variables.append(rate)
    return variables


def circumstances(patches: dict[str, dict[str, str]]) -> dict[str, Any]:
    """Describe what a training depends on besides its options.

    Arguments:
        patches: the patches image of each kind, "lr" and "hr", of each group.

    Returns:
        Fingerprints of the files, and the versions of TensorFlow and Keras.
    """
    return {
        FILES: feeding.fingerprints_of(patches),
        "versions": [tf.__version__, KERAS],
    }
