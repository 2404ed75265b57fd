"""Patches as TFRecords: every one of them, unchanged, and only those."""

import json
import os
import subprocess
import sys
import threading

import numpy as np
import pytest

from srtools.errors import SRError
from srtools.training import augmenting, feeding, records

import otbtf
import tensorflow as tf

COUNTS = {"train": 11, "valid": 5}
BATCH = 4
BUFFER = 1000  # more patches than there are
STEPS = 3  # of an epoch of training, the last one filled up


@pytest.fixture(autouse=True)
def one_light(monkeypatch):
    """Patches are known by their pixels here; the light is not what is tested."""
    monkeypatch.setattr(augmenting, "LIGHT", 0.0)
    monkeypatch.setattr(augmenting, "BAND_LIGHT", 0.0)


@pytest.fixture(autouse=True)
def small_files(monkeypatch):
    """Write several files, the last of which is not full."""
    monkeypatch.setattr(records, "PER_FILE", 3)


@pytest.fixture
def files(patches):
    """Patches that can be told from each other: their number is the first pixel."""
    rng = np.random.default_rng(0)
    found = {}
    for group, count in COUNTS.items():
        lr = rng.integers(100, 200, (count, 6, 6, 4))
        lr[:] += 1000 * np.arange(count).reshape(-1, 1, 1, 1)
        folder = patches(group, lr, lr.repeat(4, axis=1).repeat(4, axis=2) + 1)
        kinds = ("lr", "hr")
        found[group] = {k: str(folder / f"{group}_{k}_patches.tif") for k in kinds}
    return found


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "records"


def stacks(source):
    """Give all samples of a source: {"lr": [n, ...], "hr": [n, ...]}."""
    samples = [source.read(key) for key in source.in_order()]
    return {key: np.stack([s[key].numpy() for s in samples]) for key in samples[0]}


def numbers(lr):
    return [int(patch.flat[0]) // 1000 for patch in lr]


def batches(source, first=0, last=2, **options):
    """Give the batches of some epochs as [(lr, hr), ...] of NumPy arrays."""
    # As sr_train.py does it.
    tf.keras.utils.set_random_seed(options.get("seed", 1))
    options = {"seed": 1, "augment": True, **options}
    made = feeding.training_batches(source, BATCH, epochs=range(first, last), **options)
    return [(inputs["lr"].numpy(), targets["hr"].numpy()) for inputs, targets in made]


def assert_same(one, other):
    assert len(one) == len(other)
    for (lr, hr), (other_lr, other_hr) in zip(one, other, strict=True):
        np.testing.assert_array_equal(lr, other_lr)
        np.testing.assert_array_equal(hr, other_hr)


@pytest.mark.parametrize("group", COUNTS)
def test_what_goes_in_comes_out(files, folder, group):
    """To the bit, and of the same type; validation patches in their order."""
    found = stacks(records.open_records(folder, files, BUFFER)[group])
    names = {kind: [file] for kind, file in files[group].items()}
    expected = otbtf.PatchesImagesReader(names).patches_buffer
    order = numbers(found["lr"])
    assert sorted(order) == list(range(COUNTS[group]))
    assert (order == sorted(order)) is (group == "valid")
    for kind in ("lr", "hr"):
        assert found[kind].dtype == np.uint16
        np.testing.assert_array_equal(found[kind], expected[kind][order])


def test_a_link_to_an_empty_folder_stays(files, folder, tmp_path):
    (tmp_path / "far").mkdir()
    folder.symlink_to(tmp_path / "far")
    records.open_records(folder, files, BUFFER)
    assert folder.is_symlink() and (tmp_path / "far" / records.NOTE).exists()


def test_otbtf_reads_them(files, folder):
    """With its own function, which knows nothing of this module."""
    records.open_records(folder, files, BUFFER)
    made = otbtf.TFRecords(str(folder / "train")).read(
        2, target_keys=["hr"], drop_remainder=False
    )
    pairs = [(inputs["lr"].numpy(), targets["hr"].numpy()) for inputs, targets in made]
    lr, hr = (np.concatenate(arrays) for arrays in zip(*pairs, strict=True))
    assert sorted(numbers(lr)) == list(range(COUNTS["train"]))
    np.testing.assert_array_equal(lr + 1, hr[:, ::4, ::4])


def test_validation_is_that_of_patches_in_memory(files, folder):
    in_memory = feeding.open_patches(files["valid"])
    streamed = records.open_records(folder, files, BUFFER)["valid"]
    for fill in (False, True):
        one, other = (
            list(feeding.validation_batches(source, BATCH, fill=fill))
            for source in (in_memory, streamed)
        )
        assert len(one) == len(other) == 2
        for parts, others in zip(one, other, strict=True):
            assert len(parts) == (3 if fill else 2)
            tf.nest.map_structure(np.testing.assert_array_equal, parts, others)


@pytest.mark.parametrize("buffer", [1, 4, 100])
def test_each_epoch_has_full_batches_every_patch_and_another_order(
    files, folder, buffer
):
    found = batches(records.open_records(folder, files, buffer)["train"], last=4)
    assert len(found) == 4 * STEPS
    lr = np.concatenate([lr for lr, _ in found]).reshape(4, STEPS * BATCH, 6, 6, 4)
    orders = [numbers(epoch) for epoch in lr]
    for order in orders:
        assert set(order) == set(range(COUNTS["train"]))
    # Even without a buffer the files come in another order.
    assert len({tuple(order) for order in orders}) >= 3


def test_a_single_file_is_shuffled_anew_in_each_epoch(files, folder, monkeypatch):
    """Here only the buffer can do it, not the order of the files."""
    monkeypatch.setattr(records, "PER_FILE", 100)
    found = batches(records.open_records(folder, files, BUFFER)["train"], last=4)
    lr = np.concatenate([lr for lr, _ in found]).reshape(4, STEPS * BATCH, 6, 6, 4)
    assert len({tuple(numbers(epoch)) for epoch in lr}) == 4


@pytest.mark.parametrize("buffer", [1, 4, 100])
@pytest.mark.parametrize("options", [{}, {"train_size": 3}])
def test_an_epoch_is_the_same_whatever_came_before(files, folder, buffer, options):
    """A training that goes on with epoch 2 sees what it would have seen anyway."""
    source = records.open_records(folder, files, buffer)["train"]
    at_once = batches(source, 0, 4, **options)
    assert_same(at_once[2 * STEPS :], batches(source, 2, 4, **options))


def test_another_seed_is_another_order(files, folder):
    source = records.open_records(folder, files, BUFFER)["train"]
    one, other = (batches(source, seed=seed, last=1) for seed in (1, 2))
    assert numbers(one[0][0]) != numbers(other[0][0])


def test_lr_and_hr_are_flipped_and_cropped_alike(files, folder):
    source = records.open_records(folder, files, BUFFER)["train"]
    for lr, hr in batches(source, train_size=3):
        assert lr.shape == (BATCH, 3, 3, 4) and hr.shape == (BATCH, 12, 12, 4)
        np.testing.assert_allclose((lr + 1) * 1e-4, hr[:, ::4, ::4], rtol=1e-6)
    shapes = batches(source, last=1, augment=False)
    assert shapes[0][0].shape == (BATCH, 6, 6, 4)


def test_they_are_written_once_and_in_the_same_order(
    files, folder, tmp_path, monkeypatch
):
    """A seed gives the same training wherever the TFRecords were written."""
    first = stacks(records.open_records(folder, files, BUFFER)["train"])
    monkeypatch.setattr(otbtf.TFRecords, "ds2tfrecord", None)
    assert records.open_records(folder, files, BUFFER)["train"].size == COUNTS["train"]
    monkeypatch.undo()
    monkeypatch.setattr(records, "PER_FILE", 3)
    other = stacks(records.open_records(tmp_path / "other", files, BUFFER)["train"])
    np.testing.assert_array_equal(first["lr"], other["lr"])
    np.testing.assert_array_equal(first["hr"], other["hr"])


def test_changed_patches_are_noticed(files, folder):
    records.open_records(folder, files, BUFFER)
    path = files["valid"]["hr"]
    stat = os.stat(path)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1))
    with pytest.raises(SRError, match="of other patches, or these have changed since"):
        records.open_records(folder, files, BUFFER)


@pytest.mark.parametrize("damage", ["cut", "gone"])
def test_damaged_files_are_noticed(files, folder, damage):
    records.open_records(folder, files, BUFFER)
    path = folder / "train" / "1.records"
    if damage == "gone":
        path.unlink()
    else:
        os.truncate(path, path.stat().st_size - 1)
    with pytest.raises(SRError, match=r"train/1\.records is missing or has not"):
        records.open_records(folder, files, BUFFER)


def test_what_is_already_in_the_folder_is_left_alone(files, folder):
    (folder / "train").mkdir(parents=True)
    (folder / "train" / "0.records").write_text("somebody's")
    with pytest.raises(SRError, match="no folder of TFRecords .* train is in it"):
        records.open_records(folder, files, BUFFER)
    assert (folder / "train" / "0.records").read_text() == "somebody's"


class Enough(Exception):
    """Something other than a full disk."""


@pytest.mark.parametrize(
    "error",
    [
        OSError(28, "No space left on device"),
        tf.errors.ResourceExhaustedError(None, None, "full"),
        KeyboardInterrupt(),
        Enough(),
    ],
)
def test_interrupted_writing_leaves_nothing(files, folder, error, monkeypatch):
    """It stops in the second file of the second group."""
    write, calls = tf.io.TFRecordWriter.write, []

    def write_a_little(self, record):
        calls.append(None)
        if len(calls) > COUNTS["train"] + 3:
            raise error
        write(self, record)

    monkeypatch.setattr(tf.io.TFRecordWriter, "write", write_a_little)
    before = sorted(folder.parent.iterdir())
    full = isinstance(error, OSError | tf.errors.OpError)
    with pytest.raises(SRError if full else type(error)) as raised:
        records.open_records(folder, files, BUFFER)
    if full:
        assert "cannot be written to" in str(raised.value)
        assert ("No space left" in str(raised.value)) or ("full" in str(raised.value))
    assert sorted(folder.parent.iterdir()) == before
    monkeypatch.undo()
    monkeypatch.setattr(records, "PER_FILE", 3)
    assert len(stacks(records.open_records(folder, files, BUFFER)["valid"])["lr"]) == 5


def test_too_small_a_disk_is_told_before_anything_is_written(
    files, folder, monkeypatch
):
    usage = type("usage", (), {"free": 1000})
    monkeypatch.setattr(records.shutil, "disk_usage", lambda folder: usage)
    with pytest.raises(SRError, match="the TFRecords take .* GB are free"):
        records.open_records(folder, files, BUFFER)
    assert not folder.exists()


KILLED = """
import json, os, signal, sys
from srtools.training import records
records.PER_FILE = 3
replace = os.replace
def last_words(source, target):
    if str(target).endswith("records"):
        os.kill(os.getpid(), signal.SIGKILL)
    replace(source, target)
records.os.replace = last_words
records.open_records(sys.argv[1], json.loads(sys.argv[2]), 1000)
"""


@pytest.mark.slow
def test_a_killed_writer_leaves_no_records_and_its_rubbish_is_cleared(files, folder):
    """Killed when all is written, but not in place."""
    command = [sys.executable, "-c", KILLED, str(folder), json.dumps(files)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == -9, done.stderr
    assert list(folder.iterdir()) == []
    (left,) = folder.parent.glob(".partial-*")
    assert (left / "records" / records.NOTE).exists()
    kept = folder.parent / ".partial-records-2-abcdefgh"  # of a folder "records-2"
    kept.mkdir()
    assert len(stacks(records.open_records(folder, files, BUFFER)["train"])["lr"]) == 11
    assert not left.exists() and kept.exists()


def test_two_workers_at_a_time_write_once(files, folder, monkeypatch):
    """The second one waits for the first, and takes what it has written."""
    write, written, inside = records.write, [], threading.Event()

    def slowly(*arguments):
        inside.set()
        second.start()
        written.append(None)
        write(*arguments)

    found = []

    def other():
        found.append(records.open_records(folder, files, BUFFER)["train"].size)

    second = threading.Thread(target=other)
    monkeypatch.setattr(records, "write", slowly)
    records.open_records(folder, files, BUFFER)
    second.join(timeout=60)
    assert found == [COUNTS["train"]] and len(written) == 1
