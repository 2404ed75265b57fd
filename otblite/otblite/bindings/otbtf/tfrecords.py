"""TFRecord files of samples: as OTBTF writes them, and readable by it.

A folder holds `0.records`, `1.records`... in which each sample is a
`tf.train.Example` of serialized tensors, and two JSON files with
the types and the shapes of these tensors.
"""

import functools
import json
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import tensorflow as tf

log = logging.getLogger(__name__)

AUTOTUNE = tf.data.AUTOTUNE


class TFRecords:
    """A folder of TFRecord files.

    Arguments:
        path: the folder, created if need be.

    Attributes:
        output_types, output_shapes: name of the type and shape per key, or None if
            the folder holds none yet.
    """

    def __init__(self, path: str):
        self.dirpath = os.fspath(path)
        os.makedirs(self.dirpath, exist_ok=True)
        self.output_types_file = os.path.join(self.dirpath, "output_types.json")
        self.output_shapes_file = os.path.join(self.dirpath, "output_shapes.json")
        self.output_types = self.load(self.output_types_file)
        self.output_shapes = self.load(self.output_shapes_file)

    def ds2tfrecord(
        self,
        dataset: Any,
        n_samples_per_shard: int = 100,
        drop_remainder: bool = True,
    ) -> None:
        """Write one epoch of a data set.

        Arguments:
            dataset: a `Dataset` (its `size`, `output_types`, `output_shapes` and
                `read_one_sample()` are used).
            n_samples_per_shard: samples per file.
            drop_remainder: leave out the samples that do not fill a file, so that
                all files have the same length, as training on several workers wants.
        """
        self.output_shapes = {k: list(v) for k, v in dataset.output_shapes.items()}
        self.output_types = {k: v.name for k, v in dataset.output_types.items()}
        self.save(self.output_shapes, self.output_shapes_file)
        self.save(self.output_types, self.output_types_file)
        rounded = dataset.size - dataset.size % n_samples_per_shard
        total = rounded if drop_remainder else dataset.size
        log.debug("Writing %s of %s samples", total, dataset.size)
        for shard, start in enumerate(range(0, total, n_samples_per_shard)):
            filename = os.path.join(self.dirpath, f"{shard}.records")
            with tf.io.TFRecordWriter(filename) as writer:
                for _ in range(start, min(start + n_samples_per_shard, total)):
                    writer.write(_serialize(dataset.read_one_sample()))

    @staticmethod
    def save(data: dict[str, Any], filepath: str) -> None:
        """Write a dict as JSON."""
        Path(filepath).write_text(json.dumps(data, indent=4))

    @staticmethod
    def load(filepath: str) -> dict[str, Any] | None:
        """Read a dict from JSON; None if there is no such file."""
        path = Path(filepath)
        return json.loads(path.read_text()) if path.exists() else None

    def parse_tfrecord(
        self,
        example: tf.Tensor,
        target_keys: list[str],
        preprocessing_fn: Callable | None = None,
        **kwargs,
    ) -> tuple[dict, dict]:
        """Turn a serialized example into a dict of inputs and a dict of targets.

        Arguments:
            example: scalar string tensor.
            preprocessing_fn: called with the sample and `kwargs`, returns the sample
                to use instead.
        """
        features = {key: tf.io.FixedLenFeature([], tf.string) for key in self.types()}
        sample = tf.io.parse_single_example(example, features)
        for key, out_type in self.types().items():
            sample[key] = tf.ensure_shape(
                tf.io.parse_tensor(sample[key], out_type=out_type),
                self.output_shapes[key],
            )
        if preprocessing_fn:
            sample = preprocessing_fn(sample, **kwargs)
        return split_sample(sample, target_keys)

    def types(self) -> dict[str, tf.DType]:
        """Return the TensorFlow type per key."""
        return {key: tf.as_dtype(name) for key, name in self.output_types.items()}

    def read(
        self,
        batch_size: int,
        target_keys: list[str],
        n_workers: int = 1,
        drop_remainder: bool = True,
        shuffle_buffer_size: int | None = None,
        preprocessing_fn: Callable | None = None,
        shard_policy: Any = tf.data.experimental.AutoShardPolicy.AUTO,
        prefetch_buffer_size: int = AUTOTUNE,
        num_parallel_calls: int = AUTOTUNE,
        **kwargs,
    ) -> tf.data.Dataset:
        """Read all files of the folder as batches of `(inputs, targets)`.

        Arguments:
            n_workers: number of workers; files beyond the last multiple of it are
                left out.
            drop_remainder: leave out the last batch if it is not complete.
            shuffle_buffer_size: if given, shuffle within this many samples.
            preprocessing_fn: see `parse_tfrecord`; it gets `kwargs`.
            shard_policy: how the data set is shared among workers.
            prefetch_buffer_size: batches prepared ahead.
            num_parallel_calls: samples parsed at a time.

        Raises:
            ValueError: if the folder lacks its JSON files, or has fewer TFRecord
                files than workers.
        """
        if not (self.output_types and self.output_shapes):
            names = f"{self.output_types_file} or {self.output_shapes_file}"
            raise ValueError(f"{names} is missing; ds2tfrecord writes them")
        files = sorted(map(str, Path(self.dirpath).glob("*.records")))
        if len(files) < max(n_workers, 1):
            raise ValueError(
                f"{self.dirpath} holds {len(files)} TFRecord files for {n_workers} "
                "workers; at least one file per worker is needed"
            )
        files = files[: len(files) - len(files) % n_workers]
        options = tf.data.Options()
        options.deterministic = not shuffle_buffer_size  # a free order is faster
        options.experimental_distribute.auto_shard_policy = shard_policy
        parse = functools.partial(
            self.parse_tfrecord,
            target_keys=target_keys,
            preprocessing_fn=preprocessing_fn,
            **kwargs,
        )
        dataset = tf.data.TFRecordDataset(files).with_options(options)
        dataset = dataset.map(parse, num_parallel_calls=num_parallel_calls)
        if shuffle_buffer_size:
            dataset = dataset.shuffle(shuffle_buffer_size)
        dataset = dataset.batch(batch_size, drop_remainder=drop_remainder)
        return dataset.prefetch(prefetch_buffer_size)


def split_sample(sample: dict[str, Any], targets_keys: list[str]) -> tuple[dict, dict]:
    """Split a sample into the dict of inputs and the dict of targets."""
    inputs = {k: value for k, value in sample.items() if k not in targets_keys}
    targets = {k: value for k, value in sample.items() if k in targets_keys}
    return inputs, targets


def _serialize(sample: dict[str, Any]) -> bytes:
    """Write a sample as a serialized `tf.train.Example`."""
    features = {}
    for key, value in sample.items():
        values = tf.train.BytesList(value=[tf.io.serialize_tensor(value).numpy()])
        features[key] = tf.train.Feature(bytes_list=values)
    example = tf.train.Example(features=tf.train.Features(feature=features))
    return example.SerializeToString()
