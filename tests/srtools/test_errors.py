"""Errors: one line for the user, or a traceback for the programmer."""

import errno
import os

import pytest
from rasterio._err import CPLE_AppDefinedError
from rasterio.errors import CRSError, RasterioIOError

from srtools import errors

import tensorflow as tf


def run(error, capsys):
    """Raise an error in a script; return its exit code and last line."""

    @errors.one_line_errors
    def main(argv):
        raise error

    return main([]), capsys.readouterr().err.splitlines()[-1]


MACHINE = {
    "no such file": (FileNotFoundError(2, "No such file", "a"), "a cannot be used (No"),
    "disk full": (
        OSError(errno.ENOSPC, "No space left", "out/pair.png"),
        "error: out/pair.png cannot be used (No space left); make room, or choose",
    ),
    "input/output": (OSError(errno.EIO, "I/O error"), "cannot be used (I/O error)"),
    "memory": (MemoryError("9 GiB"), "is full (9 GiB); give a smaller --batch_size"),
    "name": (
        UnicodeEncodeError("utf-8", "p\udce9.tif", 1, 2, "surrogates not allowed"),
        "error: 'p\\udce9.tif' is not in UTF-8; rename the file, or its folder",
    ),
    "empty": (EOFError("No data left"), "a file is missing or damaged (No data left)"),
    "GDAL": (RasterioIOError("http://h/a.tif?sig=SECRET 404"), "GDAL cannot go on"),
    "GDAL's own": (CPLE_AppDefinedError(3, 1, "full"), "GDAL cannot go on (full)"),
    "CRS": (CRSError("PROJ: wrong layout"), "PROJ_LIB and GDAL_DATA are not those"),
    "damaged": (
        tf.errors.DataLossError(None, None, "truncated record at 7\nmore"),
        "a file is missing or damaged (truncated record at 7); make it again",
    ),
    "GPU memory": (
        tf.errors.ResourceExhaustedError(None, None, "OOM when allocating"),
        "the memory or the disk is full (OOM when allocating); give a smaller",
    ),
    "in a data set": (
        tf.errors.UnknownError(None, None, "{{f}} SRError: patch 3 is damaged\nTrace"),
        "error: patch 3 is damaged",
    ),
}


@pytest.mark.parametrize("name", MACHINE)
def test_an_error_of_the_machine_is_one_line(capsys, name):
    error, words = MACHINE[name]
    code, line = run(error, capsys)
    assert code == 1 and line.startswith("error: ") and words in line
    assert "SECRET" not in line


@pytest.mark.parametrize(
    "error",
    [
        ValueError("x"),
        OSError(errno.EBADF, os.strerror(errno.EBADF)),
        tf.errors.InvalidArgumentError(None, None, "Incompatible shapes"),
    ],
)
def test_a_programming_error_keeps_its_traceback(capsys, error):
    with pytest.raises(type(error)):
        run(error, capsys)
