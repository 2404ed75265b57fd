"""Batches for `fit`; their order, flips and light follow from seed and epoch alone.

OTBTF's `DatasetFromPatchesImages` hands over one patch at a time from a Python thread,
in an order that depends on all that was drawn before.  Here the patches stay in memory
as tensors where they fit, and chance is stateless: a training that was interrupted
after epoch 7 sees in epoch 8 what it would have seen anyway.
"""

import logging
import os
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from rasterio.errors import RasterioError

from srtools import fingerprints
from srtools.conventions import BANDS, INPUT, KINDS, OUTPUT, SCALE
from srtools.errors import SRError
from srtools.images import patch_files
from srtools.images.raster import reason_of
from srtools.tf import tf
from srtools.training.augmenting import random_crop, random_light, random_symmetry

import otbtf

log = logging.getLogger(__name__)

Sample = dict[str, tf.Tensor]

MEMORY_SHARE = 0.25
"""Share of the machine's memory that patches may take before they are streamed."""

CHANCES = 6 + len(BANDS)
"""Random numbers per patch: three flips, row and column of the crop, light, and the
light of each band."""

CONTAINER_LIMITS = (
    "/sys/fs/cgroup/memory.max",
    "/sys/fs/cgroup/memory/memory.limit_in_bytes",
)
"""Where Linux tells a container its limit: control groups of version 2 and 1."""


def must_stream(reader: Any) -> bool:
    """Tell whether the patches of a reader take too much memory to be kept there."""
    sample = reader.get_sample(0)
    size = reader.get_size() * sum(array.nbytes for array in sample.values())
    return size > MEMORY_SHARE * memory_bytes()


def memory_bytes(groups: Sequence[str] = CONTAINER_LIMITS) -> int:
    """Give the memory of this machine, or of the container if it may use less.

    Arguments:
        groups: files in which a container's limit may stand.
    """
    found = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for path in groups:
        with suppress(OSError, ValueError):  # "max" is no limit
            found.append(int(Path(path).read_text()))
    return min(found)


class Patches:
    """Patches images as a source of `size` samples; `read(number)` returns one.

    Arguments:
        reader: a `PatchesImagesReader` of OTBTF with the keys "lr" and "hr".
    """

    def __init__(self, reader: Any):
        self.reader, self.size = reader, reader.get_size()
        self.read = read_function(reader)


def open_patches(
    files: dict[str, str | list[str]], streaming: bool | None = None
) -> Patches:
    """Open patches images with OTBTF's reader.

    Arguments:
        files: the patches image of each key, "lr" and "hr", or those of several scenes.
        streaming: whether each patch is read from the disk when its turn comes; None:
            only if all of them would take more than `MEMORY_SHARE`.
    """
    names = {key: patch_files.as_list(found) for key, found in files.items()}
    reader = otbtf.PatchesImagesReader(names, use_streaming=True)
    if streaming is None:
        streaming = must_stream(reader)
        if streaming:
            log.info("the patches are read from the disk as they are needed")
    if streaming:
        return Patches(reader)
    return Patches(otbtf.PatchesImagesReader(names))


def fingerprints_of(files: dict[str, dict[str, str]]) -> list:
    """Describe the patches images of each key of each group, to notice a change."""
    return fingerprints.of_files(
        path
        for kinds in files.values()
        for found in kinds.values()
        for path in patch_files.as_list(found)
    )


def some_samples(files: dict[str, str], count: int) -> tuple[np.ndarray, np.ndarray]:
    """Read a few patches, evenly spread over patches images.

    Returns:
        lr `[n, h, w, bands]` and hr `[n, f h, f w, bands]`, DN, with n at most `count`.
    """
    reader = open_patches(files, streaming=True).reader
    indexes = np.unique(np.linspace(0, reader.get_size() - 1, count).astype(int))
    samples = [reader.get_sample(int(index)) for index in indexes]
    lr, hr = (np.stack([sample[key] for sample in samples]) for key in KINDS)
    return lr, hr


def training_batches(
    source: Patches,
    batch_size: int,
    *,
    epochs: range,
    seed: int,
    augment: bool,
    train_size: int | None = None,
) -> tf.data.Dataset:
    """Give the batches of all epochs, one after the other, for `fit`.

    All batches are full: the last one of an epoch takes a few patches again, so that
    each patch is seen in each epoch, and no step weighs more than another.  Give
    `steps_per_epoch` to `fit`.

    Arguments:
        source: the patches.
        batch_size: patches per batch.
        epochs: numbers of the epochs, from 0.
        seed: seed of order, flips, crops and light.
        augment: whether patches are flipped and turned, and their light is changed.
        train_size: lr pixels a side; larger patches are cropped at random.

    Returns:
        Batches of `({"lr": [batch_size, h, w, bands] DN}, {"hr": reflectance})`.
    """
    drawn = steps_per_epoch(source.size, batch_size) * batch_size

    def one_epoch(epoch: tf.Tensor) -> tf.data.Dataset:
        order = tf.random.stateless_uniform([source.size], [seed, 2 * epoch])
        order = tf.gather(tf.argsort(order, stable=True), tf.range(drawn) % source.size)
        chances = tf.random.stateless_uniform([drawn, CHANCES], [seed, 2 * epoch + 1])
        return tf.data.Dataset.from_tensor_slices((order, chances))

    def prepare(number: tf.Tensor, chances: tf.Tensor) -> tuple[Sample, Sample]:
        sample = source.read(number)
        if train_size:
            sample = random_crop(sample, train_size, chances[3:5])
        if augment:
            sample = random_symmetry(sample, chances[:3])
            sample = random_light(as_floats(sample), chances[5:])
        return to_pair(sample)

    numbers = tf.data.Dataset.range(epochs.start, epochs.stop)
    samples = numbers.flat_map(one_epoch).map(prepare, num_parallel_calls=2)
    batches = samples.batch(batch_size, drop_remainder=True).prefetch(2)
    return batches.with_options(shard_batches())


def validation_batches(
    source: Patches, batch_size: int, fill: bool = False
) -> tf.data.Dataset:
    """Give all patches once, in order; the last batch may have less.

    Arguments:
        source: the patches.
        batch_size: patches per batch.
        fill: fill the last batch up with patches of weight 0, so that each of several
            devices gets a part of it.  The others then weigh a little more than 1, such
            that the mean over all batches is the mean over the patches.

    Returns:
        Batches of `({"lr": DN}, {"hr": reflectance})`, with `fill` and the weights.
    """
    count = source.size
    drawn = steps_per_epoch(count, batch_size) * batch_size if fill else count

    def prepare(number: tf.Tensor) -> tuple:
        pair = to_pair(source.read(number % count))
        if not fill:
            return pair
        # One weight per patch, which Keras lays over its rows and columns.
        return (*pair, tf.fill([1, 1], tf.where(number < count, drawn / count, 0.0)))

    samples = tf.data.Dataset.range(drawn).map(prepare, num_parallel_calls=2)
    return samples.batch(batch_size).prefetch(2).with_options(shard_batches())


def shard_batches() -> tf.data.Options:
    """Let each of several workers take its part of each batch."""
    options = tf.data.Options()
    policy = tf.data.experimental.AutoShardPolicy.DATA
    options.experimental_distribute.auto_shard_policy = policy
    return options


def steps_per_epoch(patches: int, batch_size: int) -> int:
    """Count the batches of an epoch, the last one filled up."""
    return -(-patches // batch_size)


def to_pair(sample: Sample) -> tuple[Sample, Sample]:
    """Split a sample; the target in reflectance, the input is scaled in the model."""
    sample = as_floats(sample)
    return {INPUT: sample["lr"]}, {OUTPUT: sample["hr"] * SCALE}


def as_floats(sample: Sample) -> Sample:
    """Give the images of a sample as float32."""
    return {key: tf.cast(sample[key], tf.float32) for key in KINDS}


def read_function(reader: Any) -> Callable[[tf.Tensor], Sample]:
    """Give a function for `map` that reads the sample of an index."""
    if not reader.use_streaming:
        # Taken out one by one, so that the patches are held once.
        kept = reader.patches_buffer
        stacks = {key: tf.constant(kept.pop(key)) for key in list(kept)}
        return lambda index: {key: stack[index] for key, stack in stacks.items()}
    first = reader.get_sample(0)
    keys = list(first)
    lock = threading.Lock()  # a data set of GDAL serves one thread at a time

    def read(index: np.ndarray) -> list[np.ndarray]:
        try:
            with lock:
                sample = reader.get_sample(int(index))
        except (RasterioError, OSError) as error:
            raise SRError(
                f"patch {index} cannot be read ({reason_of(error)}); copy the patches "
                "again, or make them again with sr_dataset.py"
            ) from None
        return [sample[key] for key in keys]

    def read_as_tensors(index: tf.Tensor) -> Sample:
        images = tf.numpy_function(read, [index], [first[key].dtype for key in keys])
        return {
            key: tf.ensure_shape(image, first[key].shape)
            for key, image in zip(keys, images, strict=True)
        }

    return read_as_tensors
