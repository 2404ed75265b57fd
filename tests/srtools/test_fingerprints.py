"""Fingerprints change with what they stand for, and with nothing else."""

import json
import os

from srtools import fingerprints


def test_files_by_their_state(tmp_path):
    path = tmp_path / "a.tif"
    path.write_text("one")
    first = fingerprints.of_files([path])
    assert first == [["a.tif", 3, path.stat().st_mtime_ns]]
    assert fingerprints.of_files([str(path)]) == first
    os.utime(path, ns=(0, 0))
    assert fingerprints.of_files([path]) == [["a.tif", 3, 0]]
    remote = "/vsicurl/https://host/a.tif"
    assert fingerprints.of_files([remote]) == [[remote]]


def test_files_by_their_contents(tmp_path):
    paths = [tmp_path / name for name in ("a", "b")]
    for path in paths:
        path.write_text(path.name)
    first = fingerprints.of_contents(paths)
    os.utime(paths[0], ns=(0, 0))
    assert fingerprints.of_contents(paths) == first
    assert fingerprints.of_contents(paths[::-1]) != first
    paths[1].write_text("c")
    assert fingerprints.of_contents(paths) != first


def test_settings_in_any_order(tmp_path):
    one = {"crop": 16, "out": tmp_path, "box": (1.0, 2.5)}
    read = json.loads(json.dumps({"box": [1, 2.5], "out": str(tmp_path), "crop": 16}))
    assert fingerprints.differences(one, {**read, "mask": None}) == []
    other = {**read, "crop": 32, "mask": "SCL"}
    assert fingerprints.differences(one, other) == ["crop", "mask"]
