"""The folders of a training: held by one training at a time, never half-written."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from srtools import files
from srtools.errors import DISK_FULL, SRError
from srtools.network import saved_model
from srtools.tf import tf
from srtools.training import tensorboard
from srtools.training.callbacks import Diverged
from srtools.training.resuming import FILE, Backup


class DiskFull(SRError):
    """There is no room left for a file of the training."""


@contextmanager
def hold(
    logs: Path, model_dir: Path, settings: dict[str, Any], overwrite: bool, chief: bool
) -> Iterator[Backup]:
    """Hold the folders of a training, and give the backup of an interrupted one.

    Arguments:
        logs: folder of the logs and of the backup.
        model_dir: SavedModel to write.
        settings: all that the training depends on.
        overwrite: whether a model, or a backup with other settings, may be replaced.
        chief: whether this process writes files; of several workers one does.

    Raises:
        SRError: if the model exists, or something else in its place, or the backup is
            one of other settings, or somebody else's logs are there.
    """
    saved_model.check_replaceable(model_dir)
    backup = Backup(logs / FILE, settings, writes=chief)
    going_on = backup.load(overwrite)
    if not going_on:
        others = [] if backup.path.exists() else tensorboard.event_files(logs)
        kept = [model_dir, logs / "training.csv", *others]
        files.refuse_existing(kept, overwrite)
    if not chief:
        yield backup
        return
    files.make_folder(model_dir.absolute().parent)
    busy = (
        f"another training is writing to {logs}; wait for it, or give another "
        "--model_dir"
    )
    with files.hold(files.make_folder(logs), busy):
        try:
            with one_line_if_full(logs):
                if not going_on:
                    backup.begin()
                yield backup
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
    """Turn an error of Python or TensorFlow about a full disk into one line.

    Raises:
        DiskFull: which leaves the backup as it is, since the training can go on.
    """
    try:
        yield
    except (OSError, tf.errors.OpError) as error:
        reasons = [os.strerror(number) for number in DISK_FULL]
        found = [reason for reason in reasons if reason in str(error)]
        if not found:
            raise
        raise DiskFull(
            f"a file of the training could not be written ({found[0]}; the logs are "
            f"in {logs}); make room and start the same command again, which goes on "
            "after the last whole epoch"
        ) from None
