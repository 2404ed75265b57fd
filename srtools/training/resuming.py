"""Checkpoint of a training, and the lock on its folders.

Keras' `BackupAndRestore` forgets the callbacks: early stopping would begin to count
anew and lose its best weights.  Killed between its two files, that of Keras 3 trains an
epoch twice.
"""

import json
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from srtools import cards, files
from srtools.errors import SRError
from srtools.network import saved_model, weights
from srtools.tf import tf
from srtools.training.callbacks import Diverged

log = logging.getLogger(__name__)

FILE = "interrupted.npz"  # in the folder of the logs
# Attributes of callbacks that are kept; the last one is a list of arrays.
STATE = {"best", "wait", "best_epoch", "stopped_epoch", "start", "rows"}
WEIGHTS = "best_weights"
FILES = "files"  # setting with the fingerprints of the patches


class Backup(tf.keras.callbacks.Callback):
    """Write all that the next epoch depends on after each epoch, and restore it.

    It must be the last of the callbacks, when the others have seen the epoch.

    A file with other `settings`, all that the training depends on, is refused.

    Attributes:
        batches: validation batches; the network that begins is measured on them, as
            epoch 0, so that a worse one is never the best.
        arrays: weights of the training to go on with; empty if another one begins.
        epochs_done: number of epochs in the file.
        stopped: True if the training had nothing left to learn.
    """

    def __init__(self, folder: Path, settings: dict[str, Any]):
        super().__init__()
        self.path, self.settings = Path(folder, FILE), cards.plain(settings)
        self.callbacks: Sequence[tf.keras.callbacks.Callback] = ()
        self.batches: tf.data.Dataset | None = None
        self.epochs_done, self.stopped = 0, False
        self.states: list[dict] = []
        self.arrays: dict[str, np.ndarray] = {}

    def of(self, callbacks: Sequence[tf.keras.callbacks.Callback]) -> "Backup":
        """Include the state of other callbacks; return the backup itself."""
        self.callbacks = callbacks
        return self

    def load(self, overwrite: bool) -> bool:
        """Read the file; return whether there is one with these settings.

        With other settings, the training of the file is lost only if `overwrite`.
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
            self.epochs_done, self.stopped = state["epochs_done"], state["stopped"]
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
            *(self.epochs_done, self.path),
        )

    def on_train_begin(self, logs=None):
        """Restore the other callbacks, which were just reset, or measure the start."""
        if not self.arrays:
            scores = self.model.evaluate(self.batches, verbose=0, return_dict=True)
            logs = {f"val_{name}": float(v) for name, v in scores.items()}
            for callback in self.callbacks:
                callback.on_epoch_end(-1, logs)  # Keras counts from 0
            return
        for callback, state in zip(self.callbacks, self.states, strict=True):
            vars(callback).update(state)
            if hasattr(callback, WEIGHTS):
                setattr(callback, WEIGHTS, self._stack(WEIGHTS))

    def on_epoch_end(self, epoch, logs=None):
        """Write the file."""
        self.epochs_done, self.stopped = epoch + 1, bool(self.model.stop_training)
        best = [getattr(callback, WEIGHTS, None) or [] for callback in self.callbacks]
        self.write(
            weights=self.model.get_weights(),
            optimizer=[v.numpy() for v in optimizer_variables(self.model)],
            best_weights=sum(best, []),
        )

    def write(self, **stacks: list[np.ndarray]) -> None:
        """Write the file; without arrays, that of a training that only begins."""
        arrays = {f"{k}/{i}": a for k in stacks for i, a in enumerate(stacks[k])}
        state = {
            "settings": self.settings,
            "callbacks": [
                {k: v for k, v in vars(callback).items() if k in STATE}
                for callback in self.callbacks
            ],
            "epochs_done": self.epochs_done,
            "stopped": self.stopped,
        }
        arrays["state"] = np.array(json.dumps(state, default=float))
        with files.whole_file(self.path) as partial:
            weights.save_arrays(partial, arrays)

    def _stack(self, name: str) -> list[np.ndarray]:
        return [a for key, a in self.arrays.items() if key.split("/")[0] == name]


def differences(old: dict, new: dict) -> str:
    """List the settings that differ, as "name old, now new"."""
    return ", ".join(
        "the patches have changed since"
        if name == FILES
        else f"{name} {old.get(name)}, now {new.get(name)}"
        for name in cards.differences(old, new)
    )


def optimizer_variables(model: tf.keras.Model) -> list[tf.Variable]:
    """Return the variables of the optimizer, made now if it has not run yet."""
    model.optimizer.build(model.trainable_variables)  # does nothing the second time
    return list(model.optimizer.variables)


@contextmanager
def lock(backup: Backup, model_dir: str | Path, overwrite: bool) -> Iterator[None]:
    """Read the backup, and lock the folders for one training at a time.

    `overwrite` permits to replace a model, or a backup with other settings.
    """
    logs = backup.path.parent
    saved_model.check_replaceable(model_dir)
    begun = backup.load(overwrite)
    if not begun:
        files.refuse_existing([model_dir, logs / "training.csv"], overwrite)
    files.make_folder(Path(model_dir).absolute().parent)
    busy = (
        f"another training is writing to {logs}; wait for it, or give another "
        "--model_dir"
    )
    with files.lock(files.make_folder(logs), busy):
        try:
            if not begun:
                backup.write()
            yield
        except SRError as error:
            if isinstance(error, Diverged) or not backup.epochs_done:
                backup.path.unlink(missing_ok=True)
            raise
        finally:
            with suppress(OSError):
                logs.rmdir()  # if it is still empty
