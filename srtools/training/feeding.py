"""Batches for `fit`; their order, flips and light follow from seed and epoch alone.

OTBTF's `DatasetFromPatchesImages` hands over one patch at a time from a Python thread,
in an order that depends on all that was drawn before.  Here the patches stay in memory
as tensors where they fit, and chance is stateless: a training that was interrupted
after epoch 7 sees in epoch 8 what it would have seen anyway.
"""

import logging
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rasterio.errors import RasterioError

from srtools.conventions import BANDS, INPUT, KINDS, OUTPUT, SCALE
from srtools.errors import SRError
from srtools.images.raster import reason_of
from srtools.tf import tf
from srtools.training.augmenting import random_light, random_symmetry

import otbtf

log = logging.getLogger(__name__)

Sample = dict[str, tf.Tensor]

MEMORY_SHARE = 0.25  # of the machine, that patches may take before they are streamed

CHANCES = 6 + len(BANDS)
"""Random numbers per patch: three flips, two that are not used, light, and the light of
each band.  With another number the same seed would train another model."""

# Limit of the memory of a container: control groups of version 2 and 1.
LIMITS = "memory.max", "memory/memory.limit_in_bytes"


def memory_bytes(folder: str | Path = "/sys/fs/cgroup") -> int:
    """Return the memory of this machine, or of the container if that is less."""
    sizes = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for name in LIMITS:
        with suppress(OSError, ValueError):  # "max" is no limit
            sizes.append(int(Path(folder, name).read_text()))
    return min(sizes)


@dataclass(frozen=True)
class Patches:
    """Patches images as a source of samples: `read(number)` returns one."""

    size: int
    read: Callable[[tf.Tensor], Sample]
    streaming: bool


def open_patches(files: dict[str, list[str]], streaming: bool | None = None) -> Patches:
    """Open patches images with OTBTF's reader.

    Arguments:
        files: the patches images of each key, "lr" and "hr", scene after scene.
        streaming: whether each patch is read from the disk when its turn comes; None:
            only if all of them would take more than `MEMORY_SHARE`.
    """
    reader = otbtf.PatchesImagesReader(files, use_streaming=True)
    size, first = reader.get_size(), reader.get_sample(0)
    if streaming is None:
        needed = size * sum(image.nbytes for image in first.values())
        streaming = needed > MEMORY_SHARE * memory_bytes()
        if streaming:
            log.info("the patches are read from the disk as they are needed")
    if streaming:
        return Patches(size, _streaming_reader(reader, first), streaming)
    # Taken out one by one, so that the patches are held once.
    arrays = otbtf.PatchesImagesReader(files).patches_buffer
    stacks = {key: tf.constant(arrays.pop(key)) for key in list(arrays)}
    return Patches(
        size, lambda index: {k: stack[index] for k, stack in stacks.items()}, streaming
    )


def _streaming_reader(
    reader: Any, first: dict[str, np.ndarray]
) -> Callable[[tf.Tensor], Sample]:
    """Return a function for `map` that reads the sample of an index from the disk."""
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
        return [sample[key] for key in first]

    def read_as_tensors(index: tf.Tensor) -> Sample:
        images = tf.numpy_function(read, [index], [a.dtype for a in first.values()])
        return {
            key: tf.ensure_shape(image, first[key].shape)
            for key, image in zip(first, images, strict=True)
        }

    return read_as_tensors


def some_samples(
    files: dict[str, list[str]], count: int
) -> tuple[np.ndarray, np.ndarray]:
    """Read at most `count` patches, evenly spread: lr and hr `[n, h, w, bands]`, DN."""
    reader = otbtf.PatchesImagesReader(files, use_streaming=True)
    indexes = np.unique(np.linspace(0, reader.get_size() - 1, count).astype(int))
    samples = [reader.get_sample(int(index)) for index in indexes]
    lr, hr = (np.stack([sample[key] for sample in samples]) for key in KINDS)
    return lr, hr


def training_batches(
    source: Patches, batch_size: int, *, epochs: range, seed: int, augment: bool
) -> tf.data.Dataset:
    """Return the batches of all epochs, one after the other, for `fit`.

    All batches are full: the last one of an epoch takes a few patches again, so that
    each patch is seen in each epoch, and no step weighs more than another.  `fit` needs
    `steps_per_epoch`.

    Arguments:
        source: the patches.
        batch_size: patches per batch.
        epochs: numbers of the epochs, from 0.
        seed: seed of order, flips and light.
        augment: whether patches are flipped and turned, and their light is changed.

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
        if augment:
            sample = random_symmetry(sample, chances[:3])
            sample = random_light(_as_floats(sample), chances[5:])
        return _to_pair(sample)

    numbers = tf.data.Dataset.range(epochs.start, epochs.stop)
    samples = numbers.flat_map(one_epoch).map(prepare, num_parallel_calls=2)
    return _batch(samples, batch_size, drop_remainder=True)


def validation_batches(
    source: Patches, batch_size: int, fill: bool = False
) -> tf.data.Dataset:
    """Return all patches once, in order; the last batch may have less.

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
        pair = _to_pair(source.read(number % count))
        if not fill:
            return pair
        # One weight per patch, which Keras lays over its rows and columns.
        return (*pair, tf.fill([1, 1], tf.where(number < count, drawn / count, 0.0)))

    samples = tf.data.Dataset.range(drawn).map(prepare, num_parallel_calls=2)
    return _batch(samples, batch_size)


def _batch(samples: tf.data.Dataset, batch_size: int, **options) -> tf.data.Dataset:
    """Make batches, of each of which several workers take their parts."""
    sharding = tf.data.Options()
    policy = tf.data.experimental.AutoShardPolicy.DATA
    sharding.experimental_distribute.auto_shard_policy = policy
    return samples.batch(batch_size, **options).prefetch(2).with_options(sharding)


def steps_per_epoch(patches: int, batch_size: int) -> int:
    """Return the number of batches of an epoch, the last one filled up."""
    return -(-patches // batch_size)


def _to_pair(sample: Sample) -> tuple[Sample, Sample]:
    """Split a sample; the target in reflectance, the input is scaled in the model."""
    sample = _as_floats(sample)
    return {INPUT: sample["lr"]}, {OUTPUT: sample["hr"] * SCALE}


def _as_floats(sample: Sample) -> Sample:
    return {key: tf.cast(sample[key], tf.float32) for key in KINDS}
