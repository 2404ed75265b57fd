"""The stand-in of `otbtf.TFRecords`: files that OTBTF reads, and the other way."""

import json

import numpy as np
import pytest

import otbtf
import tensorflow as tf


class Samples(otbtf.PatchesReaderBase):
    def get_sample(self, index):
        image = np.full((2, 2, 1), index, np.uint16)
        return {"image": image, "label": np.float32(index * 10)[np.newaxis]}

    def get_stats(self):
        return {}

    def get_size(self):
        return 7


def write(folder, **options):
    otbtf.Dataset(Samples()).to_tfrecords(str(folder), n_samples_per_shard=3, **options)
    return folder


@pytest.fixture
def folder(tmp_path):
    return write(tmp_path / "records", drop_remainder=False)


def pairs(dataset):
    return sorted(
        (int(image), float(label))
        for inputs, targets in dataset
        for image, label in zip(
            inputs["image"][:, 0, 0, 0], targets["label"][:, 0], strict=True
        )
    )


def test_files_are_as_otbtf_writes_them(folder):
    names = sorted(path.name for path in folder.iterdir())
    shards = [f"{i}.records" for i in range(3)]
    assert names == [*shards, "output_shapes.json", "output_types.json"]
    shapes = json.loads((folder / "output_shapes.json").read_text())
    types = json.loads((folder / "output_types.json").read_text())
    assert shapes == {"image": [2, 2, 1], "label": [1]}
    assert types == {"image": "uint16", "label": "float32"}
    counts = []
    for name in shards:
        records = list(tf.data.TFRecordDataset(str(folder / name)))
        counts.append(len(records))
        example = tf.train.Example.FromString(records[0].numpy())
        (image,) = example.features.feature["image"].bytes_list.value
        assert tf.io.parse_tensor(image, tf.uint16).shape == (2, 2, 1)
    assert counts == [3, 3, 1]


@pytest.mark.parametrize("shuffle_buffer_size", [None, 10])
def test_round_trip_keeps_every_sample(folder, shuffle_buffer_size):
    def multiply(sample, factor):
        return {**sample, "label": sample["label"] * factor}

    dataset = otbtf.TFRecords(str(folder)).read(
        2,
        ["label"],
        drop_remainder=False,
        shuffle_buffer_size=shuffle_buffer_size,
        preprocessing_fn=multiply,
        factor=2.0,
    )
    assert pairs(dataset) == [(i, i * 20.0) for i in range(7)]


def test_incomplete_files_and_batches_are_dropped_by_default(tmp_path):
    records = {path.name for path in write(tmp_path).glob("*.records")}
    assert records == {"0.records", "1.records"}
    assert len(pairs(otbtf.TFRecords(str(tmp_path)).read(4, ["label"]))) == 4


def test_files_beyond_a_multiple_of_the_workers_are_left_out(folder):
    records = otbtf.TFRecords(str(folder))
    assert len(pairs(records.read(1, ["label"], n_workers=2))) == 6
    with pytest.raises(ValueError, match="3 TFRecord files for 4 workers"):
        records.read(1, ["label"], n_workers=4)


def test_a_folder_without_types_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"output_types\.json or .* is missing"):
        otbtf.TFRecords(str(tmp_path / "new")).read(1, ["label"])
