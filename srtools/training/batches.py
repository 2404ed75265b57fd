"""Batches of patches for `fit`; seed and epoch alone determine order and augmentation.

A resumed training sees the batches that it would have seen without the interruption;
the order of OTBTF's `DatasetFromPatchesImages` depends on all patches drawn before.
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

MAX_BYTES_IN_MEMORY = 2 * 10**9
"""Larger sets of patches are streamed, which doubles the processor time of a batch."""

RANDOM_NUMBERS = 6 + len(BANDS)
"""Random numbers per patch: three flips, two without use, brightness of all bands and
of each band.  With another number the same seed would train another model."""

BRIGHTNESS_RANGE, BAND_BRIGHTNESS_RANGE = 0.3, 0.15
"""Largest logarithm of the factors of all bands together, and of each band: 0.3 is a
factor of 0.74 to 1.35."""


@dataclass(frozen=True)
class Patches:
    """Patches; `read(index)` returns {"lr": image, "hr": image}, [h, w, bands] DN."""

    size: int
    read: Callable[[tf.Tensor], Sample]


def open_patches(files: dict[str, list[str]], streaming: bool | None = None) -> Patches:
    """Open the patches images of each kind, "lr" and "hr", with OTBTF's reader.

    `streaming` reads each patch when it is needed; None decides by the size.
    """
    reader = otbtf.PatchesImagesReader(files, use_streaming=True)
    size, first = reader.get_size(), reader.get_sample(0)
    if streaming is None:
        streaming = size * sum(a.nbytes for a in first.values()) > MAX_BYTES_IN_MEMORY
        if streaming:
            log.info("the patches are read from the disk as they are needed")
    if streaming:
        return Patches(size, _streaming_reader(reader, first))
    # Each array leaves the reader when it is copied, so that memory holds one copy.
    arrays = otbtf.PatchesImagesReader(files).patches_buffer
    stacks = {key: tf.constant(arrays.pop(key)) for key in list(arrays)}
    return Patches(size, lambda index: {k: stack[index] for k, stack in stacks.items()})


def _streaming_reader(
    reader: Any, first: dict[str, np.ndarray]
) -> Callable[[tf.Tensor], Sample]:
    """Return a function that reads one patch from disk; `first` has its types."""
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


def read_evenly_spaced(
    files: dict[str, list[str]], count: int
) -> tuple[np.ndarray, np.ndarray]:
    """Read at most `count` evenly spaced patches: lr and hr, [n, h, w, bands] DN."""
    reader = otbtf.PatchesImagesReader(files, use_streaming=True)
    indexes = np.unique(np.linspace(0, reader.get_size() - 1, count).astype(int))
    samples = [reader.get_sample(int(index)) for index in indexes]
    lr, hr = (np.stack([sample[key] for sample in samples]) for key in KINDS)
    return lr, hr


def training_batches(
    patches: Patches, batch_size: int, *, epochs: range, seed: int, augment: bool
) -> tf.data.Dataset:
    """Return the batches of all epochs, one after the other, for `fit`.

    All batches are full: the last one of an epoch repeats a few patches, so that each
    epoch has each patch, and all steps weigh the same.  `epochs` count from 0.
    A batch is `({"lr": [batch_size, h, w, bands] DN}, {"hr": reflectance})`.
    """
    count = steps_per_epoch(patches.size, batch_size) * batch_size

    def one_epoch(epoch: tf.Tensor) -> tf.data.Dataset:
        order = tf.random.stateless_uniform([patches.size], [seed, 2 * epoch])
        order = tf.argsort(order, stable=True)
        order = tf.gather(order, tf.range(count) % patches.size)
        shape = [count, RANDOM_NUMBERS]
        numbers = tf.random.stateless_uniform(shape, [seed, 2 * epoch + 1])
        return tf.data.Dataset.from_tensor_slices((order, numbers))

    def prepare(index: tf.Tensor, numbers: tf.Tensor) -> tuple[Sample, Sample]:
        sample = patches.read(index)
        if augment:
            sample = random_symmetry(sample, numbers[:3])
            sample = random_brightness(_as_floats(sample), numbers[5:])
        return _to_pair(sample)

    numbers = tf.data.Dataset.range(epochs.start, epochs.stop)
    samples = numbers.flat_map(one_epoch).map(prepare, num_parallel_calls=2)
    return samples.batch(batch_size, drop_remainder=True).prefetch(2)


def validation_batches(patches: Patches, batch_size: int) -> tf.data.Dataset:
    """Return all patches once, in order, in full batches.

    Patches of weight 0 fill the last batch, because each of several GPUs needs a part
    of it.  The other weights make the mean over batches equal to that over patches.
    A batch is `({"lr": DN}, {"hr": reflectance}, weights [batch_size, 1, 1])`.
    """
    count = steps_per_epoch(patches.size, batch_size) * batch_size

    def prepare(index: tf.Tensor) -> tuple[Sample, Sample, tf.Tensor]:
        weight = tf.where(index < patches.size, count / patches.size, 0.0)
        # Keras broadcasts the weight of a patch over its rows and columns.
        pair = _to_pair(patches.read(index % patches.size))
        return *pair, tf.fill([1, 1], weight)

    samples = tf.data.Dataset.range(count).map(prepare, num_parallel_calls=2)
    return samples.batch(batch_size, drop_remainder=True).prefetch(2)


def steps_per_epoch(patches: int, batch_size: int) -> int:
    """Return the number of batches of an epoch; the last one is filled up."""
    return -(-patches // batch_size)


def random_symmetry(sample: Sample, numbers: Any) -> Sample:
    """Flip and turn square images in one of the eight symmetries of a square.

    Three `numbers` from 0 to 1 decide on flips along rows, columns and the diagonal.
    """
    flips = tf.convert_to_tensor(numbers) < 0.5
    # A step of -1 mirrors.  One operation for both axes, because each patch runs it.
    rows, columns = (tf.where(flips[axis], -1, 1) for axis in (0, 1))

    def flip(image: Any) -> tf.Tensor:
        mirrored = tf.ensure_shape(image[::rows, ::columns], image.shape)
        return tf.cond(
            flips[2], lambda: tf.transpose(mirrored, [1, 0, 2]), lambda: mirrored
        )

    return {name: flip(image) for name, image in sample.items()}


def random_brightness(sample: Sample, numbers: Any) -> Sample:
    """Multiply lr and hr by one factor for all bands, and by one more for each band.

    A network that saw the colours of one scene would change other colours into them.
    The images [h, w, bands] are floats; `numbers` [1 + bands] are from 0 to 1.
    """
    centred = 2 * tf.convert_to_tensor(numbers) - 1  # -1 is darkest, 1 is brightest
    factors = tf.exp(
        BRIGHTNESS_RANGE * centred[0] + BAND_BRIGHTNESS_RANGE * centred[1:]
    )
    return {name: image * factors for name, image in sample.items()}


def _to_pair(sample: Sample) -> tuple[Sample, Sample]:
    """Split a sample into lr in DN, which the model scales, and hr in reflectance."""
    sample = _as_floats(sample)
    return {INPUT: sample["lr"]}, {OUTPUT: sample["hr"] * SCALE}


def _as_floats(sample: Sample) -> Sample:
    return {key: tf.cast(sample[key], tf.float32) for key in KINDS}
