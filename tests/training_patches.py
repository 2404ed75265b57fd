"""Small patches as sr_dataset.py writes them, for trainings of a few seconds."""

import csv
import json

import numpy as np
from affine import Affine

from tests.rasters import write_geotiff

import tensorflow as tf
from tensorflow.core.util.event_pb2 import Event

SMALL = ["--filters", "8", "--blocks", "1"]
# The same numbers on every machine.
TINY = [*SMALL, "--precision", "float32"]
COUNTS = {"train": 11, "valid": 5}
DATASET = {
    "bands": ["B04", "B03", "B02", "B08"],
    "factor": 4,
    "scale": 1e-4,
    "offset": 1000,
    "lr": {"patch_size": 8, "spacing": 6.0},
    "hr": {"patch_size": 32, "spacing": 1.5},
}


def make_patches(count, seed, bands=4):
    """Make smooth ground at two resolutions: lr [n, 8, 8, 4], hr [n, 32, 32, 4]."""
    coarse = np.random.default_rng(seed).uniform(500, 3500, (count, 4, 4, bands))
    hr = tf.image.resize(coarse, (32, 32), "bicubic").numpy().clip(1, 5000)
    lr = hr.reshape(count, 8, 4, 8, 4, bands).mean(axis=(2, 4))
    return lr.astype(np.uint16), hr.astype(np.uint16)


def write_pair(folder, group, lr, hr):
    """Write patches [n, size, size, bands] of a group, one below the other."""
    for kind, patches in (("lr", lr), ("hr", hr)):
        stacked = patches.reshape(-1, *patches.shape[2:])
        path = folder / f"{group}_{kind}_patches.tif"
        write_geotiff(path, stacked, Affine(1, 0, 0, 0, -1, 0), crs=None)
    return folder


def write_folder(folder, groups=tuple(COUNTS), **changed):
    """Write a folder as sr_dataset.py does; `changed` patches or card by name."""
    folder.mkdir()
    for seed, group in enumerate(groups):
        lr, hr = make_patches(COUNTS[group], seed)
        pair = changed.get(f"{group}_lr", lr), changed.get(f"{group}_hr", hr)
        write_pair(folder, group, *pair)
    card = {**DATASET, **changed.get("card", {})}
    (folder / "dataset.json").write_text(json.dumps(card))
    return folder


def read_table(logs):
    """Read the rows of training.csv."""
    with open(logs / "training.csv") as file:
        return [{k: float(v) for k, v in row.items()} for row in csv.DictReader(file)]


def read_epochs(logs):
    """Read training.csv without the columns that no two runs share."""
    timings = ("patches_per_second", "seconds")
    return [
        {name: value for name, value in row.items() if name not in timings}
        for row in read_table(logs)
    ]


def read_events(logs):
    """Read the event files below a folder: [(folder, tag, step, value), ...]."""
    return [
        (path.parent.name, value.tag, event.step, value)
        for path in sorted(logs.glob("*/events.out.tfevents.*"))
        for record in tf.data.TFRecordDataset(str(path))
        for event in [Event.FromString(record.numpy())]
        for value in event.summary.value
    ]
