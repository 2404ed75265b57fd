"""Checkpoint of a training, and the lock on its folders.

Keras' `BackupAndRestore` does not save the state of early stopping, and in Keras 3 a
process that is killed between its two files trains an epoch twice.
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
# Attributes of callbacks in the file.
STATE = {"best", "wait", "best_epoch", "stopped_epoch", "start", "rows"}
BEST_WEIGHTS = "best_weights"  # an attribute with a list of arrays
PATCH_FILES = "files"  # setting with names, sizes and times of the patches images


class Checkpoint(tf.keras.callbacks.Callback):
    """Save the state of a training after each epoch, and restore it.

    It must be the last callback, so that the others have finished the epoch.

    Attributes:
        settings: everything that the weights depend on; other settings are refused.
        batches: validation batches, on which the initial network is evaluated.
        arrays: content of the file by name; empty if the training starts anew.
        epochs_done: number of epochs after which the state was saved.
        stopped: True if early stopping has ended the training.
    """

    def __init__(self, folder: Path, settings: dict[str, Any]):
        super().__init__()
        self.path, self.settings = Path(folder, FILE), cards.plain(settings)
        self.callbacks: Sequence[tf.keras.callbacks.Callback] = ()
        self.batches: tf.data.Dataset | None = None
        self.epochs_done, self.stopped = 0, False
        self.states: list[dict] = []
        self.arrays: dict[str, np.ndarray] = {}

    def with_states_of(
        self, callbacks: Sequence[tf.keras.callbacks.Callback]
    ) -> "Checkpoint":
        """Include the state of other callbacks; return the checkpoint itself."""
        self.callbacks = callbacks
        return self

    def load(self, overwrite: bool) -> bool:
        """Read the state; return True if a file exists and has the same settings.

        Other settings after a finished epoch are an error, unless `overwrite` is True.
        """
        if not self.path.exists():
            return False
        try:
            with self.path.open("rb") as file, np.load(file) as archive:
                arrays = dict(archive)
            state = json.loads(str(arrays.pop("state")))
        except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
            raise SRError(
                f"{self.path} is not a readable checkpoint ({error}); delete it to "
                "start from the beginning"
            ) from None
        changes = differences(state["settings"], self.settings)
        if not changes:
            self.arrays, self.states = arrays, state["callbacks"]
            self.epochs_done, self.stopped = state["epochs_done"], state["stopped"]
        elif state["epochs_done"] and not overwrite:
            raise SRError(
                "a training with other settings was interrupted after epoch "
                f"{state['epochs_done']} ({changes}): give its settings to resume it, "
                "or --overwrite to start from the beginning"
            )
        return not changes

    def restore_model(self, model: tf.keras.Model) -> None:
        """Restore weights and optimizer of a compiled model."""
        model.set_weights(self._stack("weights"))
        variables = optimizer_variables(model)
        for variable, array in zip(variables, self._stack("optimizer"), strict=True):
            variable.assign(array)
        log.info(
            f"resuming an interrupted training after epoch {self.epochs_done}; delete "
            f"{self.path} to start from the beginning"
        )

    def on_train_begin(self, logs=None):
        """Restore the callbacks, which Keras reset, or evaluate the initial network."""
        if not self.arrays:
            scores = self.model.evaluate(self.batches, verbose=0, return_dict=True)
            logs = {f"val_{name}": float(v) for name, v in scores.items()}
            for callback in self.callbacks:
                callback.on_epoch_end(-1, logs)  # Keras counts from 0
            return
        for callback, state in zip(self.callbacks, self.states, strict=True):
            vars(callback).update(state)
            if hasattr(callback, BEST_WEIGHTS):
                setattr(callback, BEST_WEIGHTS, self._stack(BEST_WEIGHTS))

    def on_epoch_end(self, epoch, logs=None):
        """Save weights, optimizer and callbacks."""
        self.epochs_done, self.stopped = epoch + 1, bool(self.model.stop_training)
        best = [getattr(each, BEST_WEIGHTS, None) or [] for each in self.callbacks]
        self.write(
            weights=self.model.get_weights(),
            optimizer=[v.numpy() for v in optimizer_variables(self.model)],
            best_weights=sum(best, []),
        )

    def write(self, **stacks: list[np.ndarray]) -> None:
        """Write the state with lists of arrays by name, none before the first epoch."""
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
        """Return a list of arrays as it was written, by name."""
        return [a for key, a in self.arrays.items() if key.split("/")[0] == name]


def differences(old: dict, new: dict) -> str:
    """List the settings that differ, as "name old, now new"."""
    return ", ".join(
        "the patches have changed since"
        if name == PATCH_FILES
        else f"{name} {old.get(name)}, now {new.get(name)}"
        for name in cards.differences(old, new)
    )


def optimizer_variables(model: tf.keras.Model) -> list[tf.Variable]:
    """Return the variables of the optimizer; create them if it has not run yet."""
    model.optimizer.build(model.trainable_variables)  # does nothing the second time
    return list(model.optimizer.variables)


@contextmanager
def locked(checkpoint: Checkpoint, model_dir: str, overwrite: bool) -> Iterator[None]:
    """Load the checkpoint, and lock its folder for one training at a time.

    With `overwrite` a model, or a checkpoint with other settings, may be replaced.
    """
    logs = checkpoint.path.parent
    saved_model.check_replaceable(model_dir)
    resumable = checkpoint.load(overwrite)
    if not resumable:
        files.refuse_existing([model_dir, logs / "training.csv"], overwrite)
    files.make_folder(Path(model_dir).absolute().parent)
    busy = (
        f"another training is writing to {logs}; wait until it ends, or give another "
        "--model_dir"
    )
    with files.lock(files.make_folder(logs), busy):
        try:
            if not resumable:
                checkpoint.write()
            yield
        except SRError as error:
            if isinstance(error, Diverged) or not checkpoint.epochs_done:
                checkpoint.path.unlink(missing_ok=True)
            raise
        finally:
            with suppress(OSError):
                logs.rmdir()  # if it is still empty
