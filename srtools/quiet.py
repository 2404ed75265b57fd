"""Silence for the notices that TensorFlow prints while it is imported."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def silent_stderr() -> Iterator[None]:
    """Send file descriptor 2 to nowhere, for `import tensorflow` alone.

    Its C++ libraries print notices before they read TF_CPP_MIN_LOG_LEVEL.  Errors are
    not lost: they are raised as exceptions.
    """
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
