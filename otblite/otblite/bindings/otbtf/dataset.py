"""Patches for TensorFlow: readers, the order of an epoch, tf.data pipelines."""

import abc
import atexit
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

import tensorflow as tf
from otbtf.tfrecords import TFRecords, split_sample
from otbtf.utils import gdal_open, number_of_patches, read_as_np_arr

log = logging.getLogger(__name__)

Sample = dict[str, np.ndarray]

# Patches read at once: enough to make the cost of calling Python per patch small.
MAX_BLOCK = 32

# When each open pass over a data set was last used, or that it is at work now; and
# when the last one ended.
_last_used = {}
ENDED = "ended"
BUSY = float("inf")
QUIET = 0.3  # seconds without a call after which a pass is taken to be at rest
MAX_WAIT = 10.0  # seconds
_exiting = threading.Event()


@atexit.register
def _end_open_passes() -> None:
    """Let tf.data's threads come to rest before Python shuts down.

    They read ahead, and one that is still waiting for Python when Python shuts down
    never gets it, and its iterator would never end.
    """
    _exiting.set()  # each pass ends when it is asked for its next block
    # A pass that is at rest now may be called once more.
    now = time.monotonic()
    passes = _last_used.copy()  # other threads add and remove some
    _last_used.update({k: max(t, now) for k, t in passes.items() if k != ENDED})
    deadline = now + MAX_WAIT
    while now < deadline and any(now - t < QUIET for t in _last_used.copy().values()):
        time.sleep(0.01)
        now = time.monotonic()


class PatchesReaderBase(abc.ABC):
    """Base class of readers of numbered samples."""

    @abc.abstractmethod
    def get_sample(self, index: int) -> Any:
        """Return the sample number `index`, for instance a dict of arrays."""

    @abc.abstractmethod
    def get_stats(self) -> dict:
        """Return `{source: {"min": [c], "max": [c], "mean": [c], "std": [c]}}`."""

    @abc.abstractmethod
    def get_size(self) -> int:
        """Count the samples."""


class PatchesImagesReader(PatchesReaderBase):
    """Read patches from rasters in which they are stacked downwards.

    Such patches images are written by the application PatchesExtraction: square
    patches, as many as the height holds the width.  There are one or several
    sources (for instance a low and a high resolution), each with one or several
    files; all sources have the same number of files and of patches.

    Arguments:
        filenames_dict: `{source: [file, ...]}`.
        use_streaming: read each patch from the disk on demand, instead of
            keeping all of them in memory.
        scalar_dict: `{name: [value, ...]}`, one value (number, text or array) per
            file, given with each patch of that file.

    Attributes:
        size: number of patches.

    Raises:
        ValueError: if a file cannot be read, the height of one is not a multiple of
            its width, or the sources do not fit together.
    """

    def __init__(
        self,
        filenames_dict: dict[str, list[str]],
        use_streaming: bool = False,
        scalar_dict: dict[str, list[Any]] | None = None,
    ):
        for key, filenames in filenames_dict.items():
            if isinstance(filenames, str | os.PathLike):
                raise ValueError(
                    f"source {key}: {filenames} is one file name, a list is expected"
                )
        self.use_streaming = use_streaming
        self.scalar_dict = {
            key: [np.asarray(value) for value in values]
            for key, values in (scalar_dict or {}).items()
        }
        _check_same(
            "number of patches images (and of scalars)",
            {key: len(v) for key, v in {**filenames_dict, **self.scalar_dict}.items()},
        )
        self.gdal_ds = {
            key: [gdal_open(filename) for filename in filenames]
            for key, filenames in filenames_dict.items()
        }
        for key, rasters in self.gdal_ds.items():
            for word, of in (("channels", "RasterCount"), ("width", "RasterXSize")):
                _check_same(
                    f"{word} in source {key}", {r.name: getattr(r, of) for r in rasters}
                )
        self.nb_of_channels = {
            key: rasters[0].RasterCount for key, rasters in self.gdal_ds.items()
        }
        self._dtypes = {
            key: np.result_type(*(raster.dtype for raster in rasters))
            for key, rasters in self.gdal_ds.items()
        }
        # Number of the first patch of each file, and after the last file the total.
        self._starts = {
            key: np.cumsum([0] + [number_of_patches(raster) for raster in rasters])
            for key, rasters in self.gdal_ds.items()
        }
        _check_same(
            "number of patches", {key: int(s[-1]) for key, s in self._starts.items()}
        )
        starts = next(iter(self._starts.values()))
        self.ds_sizes = np.diff(starts).tolist()
        self.size = int(starts[-1])
        if not use_streaming:
            self.patches_buffer = {
                key: np.concatenate([read_as_np_arr(raster) for raster in rasters])
                for key, rasters in self.gdal_ds.items()
            }

    def get_sample(self, index: int) -> Sample:
        """Read one patch of each source: `{source: [height, width, bands]}`.

        Raises:
            IndexError: if `index` is not in `[0, size)`.
        """
        return {key: values[0] for key, values in self.get_samples([index]).items()}

    def get_samples(self, indices: Sequence[int]) -> Sample:
        """Read several patches at once: `{source: [n, height, width, bands]}`.

        This is not in OTBTF.  Scalars come first, as `[n, ...]`.
        """
        for index in indices:
            if not 0 <= index < self.size:
                raise IndexError(f"patch {index} of {self.size}: there is no such one")
        first_source = next(iter(self._starts))
        samples = {
            key: np.stack([values[self._find(first_source, i)[0]] for i in indices])
            for key, values in self.scalar_dict.items()
        }
        for key in self.gdal_ds:
            samples[key] = (
                np.stack([self._read(key, index) for index in indices])
                if self.use_streaming
                else self.patches_buffer[key][np.asarray(indices)]
            )
        return samples

    def _find(self, key: str, index: int) -> tuple[int, int]:
        """Return the index of the file that holds a patch, and its position there."""
        number = int(np.searchsorted(self._starts[key], index, side="right")) - 1
        return number, index - int(self._starts[key][number])

    def _read(self, key: str, index: int) -> np.ndarray:
        """Read one patch of one source from the disk: `[height, width, bands]`."""
        number, place = self._find(key, index)
        raster = self.gdal_ds[key][number]
        width = raster.RasterXSize
        pixels = raster.ReadAsArray(0, place * width, width, width)
        pixels = pixels.reshape((raster.RasterCount, width, width))
        return np.moveaxis(pixels, 0, -1).astype(self._dtypes[key])

    def get_stats(self) -> dict[str, dict[str, np.ndarray]]:
        """Compute minimum, maximum, mean and standard deviation per source and band."""
        stats = {}
        for key in self.gdal_ds:
            parts = []
            for start in range(0, self.size, MAX_BLOCK):
                indices = range(start, min(start + MAX_BLOCK, self.size))
                block = self.get_samples(indices)[key].astype(np.float64)
                block = block.reshape(-1, self.nb_of_channels[key])
                sums = len(block), block.sum(0), np.square(block).sum(0)
                parts.append((block.min(0), block.max(0), *sums))
            least, largest, count, sums, squares = map(
                np.array, zip(*parts, strict=True)
            )
            mean = sums.sum(0) / count.sum()
            variance = np.maximum(squares.sum(0) / count.sum() - np.square(mean), 0.0)
            stats[key] = {"min": least.min(0), "max": largest.max(0), "mean": mean}
            stats[key]["std"] = np.sqrt(variance)
        log.debug("Statistics of the patches: %s", stats)
        return stats

    def get_size(self) -> int:
        """Count the patches."""
        return self.size


class IteratorBase(abc.ABC):
    """An endless iterator over the numbers of the samples; to derive from."""

    @abc.abstractmethod
    def __init__(self, patches_reader: PatchesReaderBase):
        pass


class RandomIterator(IteratorBase):
    """Yield each number once, in a random order, then again in another order.

    The chance is NumPy's global one: `np.random.seed` repeats the order.
    """

    def __init__(self, patches_reader: PatchesReaderBase):
        super().__init__(patches_reader=patches_reader)
        self.indices = np.arange(patches_reader.get_size())
        self.count = 0
        self._shuffle()

    def __iter__(self) -> "RandomIterator":
        return self

    def __next__(self) -> int:
        index = self.indices[self.count]
        self.count += 1
        if self.count == len(self.indices):
            self.count = 0
            self._shuffle()
        return index

    def _shuffle(self) -> None:
        np.random.shuffle(self.indices)


class Dataset:
    """Samples of a reader, in the order of an iterator, as a tf.data.Dataset.

    One pass over the data set is one epoch: `size` numbers drawn from the iterator
    when the pass begins.  With the default iterator each sample comes exactly once,
    even after a pass that was abandoned halfway.

    Arguments:
        patches_reader: where the samples come from.
        buffer_length: how many samples may be read ahead.
        iterator_cls: class of the iterator, built with `patches_reader=`.
        max_nb_of_samples: if given, the most samples of an epoch.

    Attributes:
        size: number of samples in an epoch.
        output_types, output_shapes: of the first sample, per key.
        tf_dataset: the samples one by one.

    Raises:
        ValueError: if the reader has no sample.
    """

    def __init__(
        self,
        patches_reader: PatchesReaderBase | None = None,
        buffer_length: int = 128,
        iterator_cls: type[IteratorBase] = RandomIterator,
        max_nb_of_samples: int | None = None,
    ):
        self.patches_reader = patches_reader
        self.size = patches_reader.get_size()
        if max_nb_of_samples:
            self.size = min(self.size, max_nb_of_samples)
        if self.size < 1:
            raise ValueError("the data set is empty: its reader has no sample")
        log.debug("Number of samples: %s", self.size)
        self.iterator = iterator_cls(patches_reader=patches_reader)
        first = patches_reader.get_sample(index=0)
        self.output_types = {k: tf.as_dtype(v.dtype) for k, v in first.items()}
        self.output_shapes = {k: v.shape for k, v in first.items()}
        self.tot_wait = 0.0
        # Two blocks exist at a time: tf.data reads one while it deals out another.
        self._block = max(1, min(self.size, MAX_BLOCK, buffer_length // 2))
        self._lock = threading.Lock()  # an iterator or a reader may not stand threads
        self.tf_dataset = tf.data.Dataset.from_generator(
            self._blocks,
            output_signature={
                key: tf.TensorSpec((None, *shape), self.output_types[key])
                for key, shape in self.output_shapes.items()
            },
        ).unbatch()

    def to_tfrecords(
        self,
        output_dir: str,
        n_samples_per_shard: int = 100,
        drop_remainder: bool = True,
    ) -> None:
        """Write the samples as TFRecord files: see `TFRecords.ds2tfrecord`."""
        TFRecords(output_dir).ds2tfrecord(
            self,
            n_samples_per_shard=n_samples_per_shard,
            drop_remainder=drop_remainder,
        )

    def get_stats(self) -> dict:
        """Return the statistics that the reader computes."""
        return self.patches_reader.get_stats()

    def read_one_sample(self) -> Sample:
        """Read the next sample; this never ends."""
        (index,) = self._draw(1)
        with self._lock:
            return self.patches_reader.get_sample(index=index)

    def get_tf_dataset(
        self,
        batch_size: int,
        drop_remainder: bool = True,
        preprocessing_fn: Callable | None = None,
        targets_keys: list[str] | None = None,
    ) -> tf.data.Dataset:
        """Return one epoch of batches.

        Arguments:
            batch_size: samples per batch.
            drop_remainder: leave out the last batch if it is not complete.
            preprocessing_fn: called with the dict of one sample (tensors without
                batch dimension), returns the dict to use instead.
            targets_keys: if given, the dicts of `[batch, ...]` become `(inputs,
                targets)`, where the targets have these keys, as `fit` expects.
        """
        dataset = self.tf_dataset
        if preprocessing_fn:
            dataset = dataset.map(preprocessing_fn)
        if targets_keys:
            dataset = dataset.map(lambda sample: split_sample(sample, targets_keys))
        return dataset.batch(batch_size, drop_remainder=drop_remainder)

    def get_total_wait_in_seconds(self) -> float:
        """Return the seconds spent waiting for patches so far."""
        return self.tot_wait

    def _draw(self, count: int) -> list[int]:
        """Draw numbers of samples from the iterator."""
        try:
            with self._lock:
                return [int(next(self.iterator)) for _ in range(count)]
        except StopIteration:
            raise ValueError(
                f"{type(self.iterator).__name__} ended within an epoch of {self.size} "
                "samples; the iterator of a data set must be endless"
            ) from None

    def _read_block(self, indices: list[int]) -> Sample:
        """Read several samples: `{key: [n, ...]}`."""
        with self._lock:
            if hasattr(self.patches_reader, "get_samples"):
                return self.patches_reader.get_samples(indices)
            samples = [self.patches_reader.get_sample(index=i) for i in indices]
        return {key: np.stack([s[key] for s in samples]) for key in samples[0]}

    def _blocks(self) -> Iterator[Sample]:
        """Return one epoch, several samples at a time: `{key: [n, ...]}`."""
        this_pass = object()
        _last_used[this_pass] = BUSY
        try:
            drawn = self._draw(self.size)
            for start in range(0, self.size, self._block):
                begin = time.monotonic()
                block = self._read_block(drawn[start : start + self._block])
                self.tot_wait += time.monotonic() - begin
                _last_used[this_pass] = time.monotonic()
                yield block
                _last_used[this_pass] = BUSY
                if _exiting.is_set():
                    return
        finally:
            _last_used[ENDED] = time.monotonic()
            del _last_used[this_pass]


class DatasetFromPatchesImages(Dataset):
    """The data set of a `PatchesImagesReader`; the arguments are of these two."""

    def __init__(
        self,
        filenames_dict: dict[str, list[str]],
        use_streaming: bool = False,
        buffer_length: int = 128,
        iterator_cls: type[IteratorBase] = RandomIterator,
    ):
        super().__init__(
            patches_reader=PatchesImagesReader(
                filenames_dict=filenames_dict, use_streaming=use_streaming
            ),
            buffer_length=buffer_length,
            iterator_cls=iterator_cls,
        )


def _check_same(quantity: str, values: dict[str, Any]) -> None:
    """Raise if `values`, given by name, are not all equal, or if there is none."""
    if len(set(values.values())) != 1:
        listing = ", ".join(f"{name}: {value}" for name, value in values.items())
        raise ValueError(f"one same {quantity} is expected, got {listing or 'nothing'}")
