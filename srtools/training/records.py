"""TFRecords: OTBTF's way to train on patches that do not fit in memory.

A folder holds for each group the files of `otbtf.TFRecords`, which other programs made
for OTBTF read as well, and `tfrecords.json`, which names the patches images that they
hold.  They are about as large as the patches are in memory, and are read one after the
other, for which the slowest disk is fast enough.
"""

import itertools
import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

from srtools import cards, files
from srtools.errors import SRError
from srtools.files import partial_folder
from srtools.tf import tf
from srtools.training import feeding

import otbtf

log = logging.getLogger(__name__)

NOTE = "tfrecords.json"
PER_FILE = 100  # patches; OTBTF's default


class Records:
    """A group of TFRecords as a source of samples; its keys are serialized samples.

    Shuffling means: the files in random order, and out of the next `buffer` patches a
    random one.  The patches were mixed once more when they were written.

    Arguments:
        folder: folder of the group.
        size: number of patches.
        buffer: patches kept in memory to draw from.
    """

    def __init__(self, folder: str | Path, size: int, buffer: int):
        self.size, self.buffer = size, buffer
        self.records = otbtf.TFRecords(str(folder))
        self.files = [str(Path(folder) / name) for name in file_names(size)]

    def in_order(self) -> tf.data.Dataset:
        """Give each sample once."""
        return tf.data.TFRecordDataset(self.files)

    def shuffled(self, seeds: list, drawn: int) -> tf.data.Dataset:
        """Give `drawn` samples in an order that follows from two seeds.

        It also depends on TensorFlow's global seed at the moment of the call.
        """
        chances = tf.random.stateless_uniform([len(self.files) + 1], seeds)
        files = tf.gather(self.files, tf.argsort(chances[1:]))
        # OTBTF's own `read` forgets its seed, and leaves the files in one order.
        samples = tf.data.TFRecordDataset(files).repeat().take(drawn)
        seed = tf.cast(chances[0] * 2**24, tf.int64)
        return samples.shuffle(self.buffer, seed, reshuffle_each_iteration=False)

    def read(self, key: tf.Tensor) -> dict[str, tf.Tensor]:
        """Give the sample of a key."""
        inputs, targets = self.records.parse_tfrecord(key, target_keys=["hr"])
        return {**inputs, **targets}


def open_records(
    folder: str | Path, files: dict[str, dict[str, str]], buffer: int
) -> dict[str, Records]:
    """Open the TFRecords of patches images; write them if there are none yet.

    Arguments:
        folder: folder of the TFRecords.
        files: the patches image of each key, "lr" and "hr", of each group.
        buffer: number of patches among which the next one is drawn.

    Returns:
        One source per group.

    Raises:
        SRError: if the folder holds something else, or TFRecords of other patches, or
            cannot be written.
    """
    folder, note = Path(folder), Path(folder) / NOTE
    if not note.exists():
        with one_writer(folder):
            if not note.exists():  # another process may just have been faster
                write(folder, files)
    found = cards.read_card(note)
    if found.get("made_of") != feeding.fingerprints_of(files):
        raise SRError(
            f"{folder} holds TFRecords of other patches, or these have changed since "
            f"({note} names them); delete it to write them again, or give another "
            "--tfrecords"
        )
    for name, size in found["bytes"].items():
        path = folder / name
        if not path.exists() or path.stat().st_size != size:
            raise SRError(
                f"{path} is missing or has not {size} bytes any more; delete {folder} "
                "to write the TFRecords again"
            )
    return {
        group: Records(folder / group, size, buffer)
        for group, size in found["patches"].items()
    }


@contextmanager
def one_writer(folder: Path) -> Iterator[None]:
    """Hold an empty folder for writing; whatever ends the process sets it free.

    Another worker of the same training waits here until the first one is done.

    Raises:
        SRError: if there is something in the folder.
    """
    try:
        with files.one_at_a_time(files.make_folder(folder)):
            names = os.listdir(folder)
            if names and NOTE not in names:
                raise SRError(
                    f"{folder} is no folder of TFRecords of sr_train.py, {names[0]} is "
                    "in it; give an empty or a new one to --tfrecords"
                )
            yield
    finally:
        with suppress(OSError):
            folder.rmdir()  # if it is still empty


def write(folder: Path, files: dict[str, dict[str, str]]) -> None:
    """Write the TFRecords of all groups, completely or not at all.

    Raises:
        SRError: if there is no room for them.
    """
    folder = Path(os.path.realpath(folder))  # a link stays
    sources = {g: feeding.open_patches(files[g], streaming=True) for g in files}
    needed = sum(feeding.size_in_memory(source.reader) for source in sources.values())
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise SRError(
            f"the TFRecords take {needed / 1e9:.2g} GB, {free / 1e9:.2g} GB are free "
            f"in {folder}; give another --tfrecords"
        )
    log.info("writing %.2g GB of TFRecords to %s", needed / 1e9, folder)
    note = {"made_of": feeding.fingerprints_of(files), "patches": {}, "bytes": {}}
    try:
        with partial_folder(folder) as partial:
            whole = partial / folder.name
            for group, source in sources.items():
                write_group(whole / group, source.reader, mixed=group == "train")
                note["patches"][group] = source.size
                for name in file_names(source.size):
                    size = (whole / group / name).stat().st_size
                    note["bytes"][f"{group}/{name}"] = size
            cards.write_card(whole / NOTE, note)
            os.replace(whole, folder)  # which is empty
    except (OSError, tf.errors.OpError) as error:
        reason = getattr(error, "strerror", None) or getattr(error, "message", error)
        raise SRError(
            f"the TFRecords cannot be written to {folder} ({reason}); "
            f"{needed / 1e9:.2g} GB are needed there"
        ) from None


def write_group(folder: Path, reader: Any, mixed: bool) -> None:
    """Write each patch once, in order or mixed, and always in the same way."""

    def numbers(patches_reader: Any) -> Iterator[int]:
        order = np.arange(patches_reader.get_size())
        if mixed:
            np.random.default_rng(0).shuffle(order)
        return itertools.cycle(order.tolist())

    dataset = otbtf.Dataset(patches_reader=reader, iterator_cls=numbers)
    otbtf.TFRecords(str(folder)).ds2tfrecord(
        dataset,
        n_samples_per_shard=PER_FILE,
        drop_remainder=False,  # no patch is left out
    )


def file_names(patches: int) -> list[str]:
    """Name the files of a group as OTBTF does."""
    return [f"{number}.records" for number in range(-(-patches // PER_FILE))]
