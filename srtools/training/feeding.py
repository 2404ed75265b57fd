"""Batches for `fit`; their order, flips and light follow from seed and epoch alone.

The order of OTBTF's `DatasetFromPatchesImages` depends on all that was drawn before.
Here chance is stateless: a training that was interrupted after epoch 7 sees in epoch 8
the batches that it would have seen without a pause.
"""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from rasterio.errors import RasterioError

from srtools.conventions import BANDS, INPUT, KINDS, OUTPUT, SCALE
from srtools.errors import SRError
from srtools.images.raster import reason_of
from srtools.tf import tf

import otbtf

log = logging.getLogger(__name__)

Sample = dict[str, tf.Tensor]

LARGEST_IN_MEMORY = 2 * 10**9
"""Bytes of patches that are kept in memory: a quarter of a laptop with 8 GB, which
TensorFlow and the system need as well.  Streaming costs the processor twice as much."""

CHANCES = 6 + len(BANDS)
"""Random numbers per patch: three flips, two that are not used, light, and the light of
each band.  With another number the same seed would train another model."""

LIGHT, BAND_LIGHT = 0.3, 0.15
"""Largest change of the light of all bands together, and of each band, as logarithms:
a factor of exp(-0.3) = 0.74 to exp(0.3) = 1.35."""


@dataclass(frozen=True)
class Patches:
    """Patches images as a source of samples: `read(number)` returns one."""

    size: int
    read: Callable[[tf.Tensor], Sample]


def open_patches(files: dict[str, list[str]], streaming: bool | None = None) -> Patches:
    """Open patches images with OTBTF's reader.

    With `streaming` each patch is read from the disk when its turn comes; with None
    only if all of them take more than `LARGEST_IN_MEMORY`.
    """
    reader = otbtf.PatchesImagesReader(files, use_streaming=True)
    size, first = reader.get_size(), reader.get_sample(0)
    if streaming is None:
        streaming = size * sum(a.nbytes for a in first.values()) > LARGEST_IN_MEMORY
        if streaming:
            log.info("the patches are read from the disk as they are needed")
    if streaming:
        return Patches(size, _streaming_reader(reader, first))
    # Each array is removed from the reader when it is copied, to hold the patches once.
    arrays = otbtf.PatchesImagesReader(files).patches_buffer
    stacks = {key: tf.constant(arrays.pop(key)) for key in list(arrays)}
    return Patches(size, lambda index: {k: stack[index] for k, stack in stacks.items()})


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
    each patch is seen in each epoch, and all steps weigh the same.  `fit` needs
    `steps_per_epoch`.

    Arguments:
        epochs: numbers of the epochs, from 0.
        augment: True to flip and turn patches, and to change their light.

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
    return samples.batch(batch_size, drop_remainder=True).prefetch(2)


def validation_batches(source: Patches, batch_size: int) -> tf.data.Dataset:
    """Return all patches once, in order, in full batches.

    The last batch is filled up with patches of weight 0, because each of several GPUs
    needs a part of it.  The others weigh a little more than 1, so that the mean over
    all batches is the mean over the patches.

    Returns:
        Batches of `({"lr": DN}, {"hr": reflectance}, weights [batch_size, 1, 1])`.
    """
    count = source.size
    drawn = steps_per_epoch(count, batch_size) * batch_size

    def prepare(number: tf.Tensor) -> tuple[Sample, Sample, tf.Tensor]:
        weight = tf.where(number < count, drawn / count, 0.0)
        # One weight per patch, which Keras lays over its rows and columns.
        return *_to_pair(source.read(number % count)), tf.fill([1, 1], weight)

    samples = tf.data.Dataset.range(drawn).map(prepare, num_parallel_calls=2)
    return samples.batch(batch_size, drop_remainder=True).prefetch(2)


def steps_per_epoch(patches: int, batch_size: int) -> int:
    """Return the number of batches of an epoch, the last one filled up."""
    return -(-patches // batch_size)


def random_symmetry(sample: Sample, chances: Any) -> Sample:
    """Flip and turn a patch in one of the eight ways that keep a square a square.

    Three flips, along rows, columns and the diagonal, each by the toss of a coin:
    `chances` are three random numbers from 0 to 1, and 0, 1, 0 turn by a quarter.
    """
    coins = tf.convert_to_tensor(chances) < 0.5
    # A step of -1 mirrors.  One operation for both axes: it is run for each patch.
    rows, columns = (tf.where(coins[axis], -1, 1) for axis in (0, 1))

    def flip(image: Any) -> tf.Tensor:
        mirrored = tf.ensure_shape(image[::rows, ::columns], image.shape)
        return tf.cond(
            coins[2], lambda: tf.transpose(mirrored, [1, 0, 2]), lambda: mirrored
        )

    return {name: flip(image) for name, image in sample.items()}


def random_light(sample: Sample, chances: Any) -> Sample:
    """Multiply lr and hr by one factor for all bands, and by one more for each.

    Another season or another place has other colours.  A network that has seen only
    those of one scene turns them into the colours that it knows.

    The images are floating-point; `chances` are 1 + bands random numbers from 0 to 1.
    """
    way = 2 * tf.convert_to_tensor(chances) - 1  # from -1 to 1: darker to brighter
    factors = tf.exp(LIGHT * way[0] + BAND_LIGHT * way[1:])
    return {name: image * factors for name, image in sample.items()}


def _to_pair(sample: Sample) -> tuple[Sample, Sample]:
    """Split a sample; the target in reflectance, the input is scaled in the model."""
    sample = _as_floats(sample)
    return {INPUT: sample["lr"]}, {OUTPUT: sample["hr"] * SCALE}


def _as_floats(sample: Sample) -> Sample:
    return {key: tf.cast(sample[key], tf.float32) for key in KINDS}
