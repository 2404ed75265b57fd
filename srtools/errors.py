"""The root class of errors in the input, and the place where each becomes one line."""

import errno
import functools
import logging
import os
import re
import signal
import sys
import threading
from collections.abc import Callable
from typing import Any

from srtools import signals
from srtools.urls import without_secrets

DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""What the system says when there is no room left on a disk."""


PROGRAMMING = (errno.EBADF, errno.EINVAL)
"""Errors of the system that only a program can cause."""


class SRError(ValueError):
    """An input that is wrong: its message is one line for the user.

    It says the value that came, the value that was expected, and what to do.
    """


class PixelError(SRError):
    """Pixels that the engine, or GDAL, could not read or make, and its own reason."""


def one_line_errors(main: Callable[..., int]) -> Callable[..., int]:
    """Turn an `SRError`, and what a machine may do, into one line and exit code 1.

    Programming errors keep their traceback.  An interruption from the keyboard
    ends with exit code 130 and SIGTERM with 143, as shells expect; half-written files
    are removed before.
    """

    @functools.wraps(main)
    def wrapper(argv: list[str] | None = None) -> int:
        logging.basicConfig(format="%(message)s", stream=sys.stderr)
        logging.getLogger("srtools").setLevel(logging.INFO)
        # TensorFlow's warnings about saving a model are not for users to mend.
        logging.getLogger("tensorflow").setLevel(logging.ERROR)
        # A request that is tried again matters only if all tries fail.
        logging.getLogger("urllib3").setLevel(logging.ERROR)
        logging.getLogger("rasterio").setLevel(logging.ERROR)
        in_main_thread = threading.current_thread() is threading.main_thread()
        if in_main_thread and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
            signal.signal(signal.SIGTERM, signals.stop)
        try:
            return main(argv)
        except KeyboardInterrupt:
            print("error: interrupted", file=sys.stderr)
            return 130
        except BrokenPipeError:  # `| head` has read enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 141
        except Exception as error:
            line = str(error) if isinstance(error, SRError) else of_the_machine(error)
            if line is None:
                raise
            # A message of OTB or GDAL may quote a signed URL.
            line = without_secrets(" ".join(line.split()))
            print(f"error: {line}", file=sys.stderr)
            return 1

    return wrapper


def of_the_machine(error: Exception) -> str | None:
    """Say in words what a file, a disk, the memory or a network did; None if not they.

    The errors of libraries that are not loaded cannot have been raised.
    """
    if isinstance(error, OSError):
        if error.errno in DISK_FULL:
            return (
                f"{error.filename or 'a file'} cannot be written ({error.strerror}); "
                "make room, or choose another folder"
            )
        if error.errno is None or error.errno in PROGRAMMING:
            return _of_gdal(error)
        name = f"{error.filename} cannot be used" if error.filename else "the system"
        return f"{name} ({error.strerror}); check the path, and who may read or write"
    if isinstance(error, EOFError):
        return f"a file ends too early ({error or 'it is empty'}); make it again"
    if isinstance(error, MemoryError):
        return f"the memory is full ({error}); {SMALLER}"
    return _of_tensorflow(error) or _of_gdal(error)


SMALLER = "give a smaller --batch_size, --tile_size or network"


def _of_gdal(error: Exception) -> str | None:
    """Tell GDAL's errors, some of which are of no public class."""
    kinds = _classes("rasterio.errors", "RasterioError", "CRSError")
    kinds += _classes("rasterio._err", "CPLE_BaseError")
    if not isinstance(error, kinds):
        return None
    return (
        f"GDAL cannot go on ({error}); check the files it names, the room on the disk, "
        "and that PROJ_DATA, PROJ_LIB and GDAL_DATA are not those of another "
        "installation"
    )


def _of_tensorflow(error: Exception) -> str | None:
    """Tell what TensorFlow says of files and memory; wrong shapes are our mistakes."""
    inner = re.search(r"\bSRError: (.*)", str(error))  # raised in a data set of patches
    if inner and isinstance(error, _classes("tensorflow.errors", "OpError")):
        return inner[1]
    full = _classes("tensorflow.errors", "ResourceExhaustedError")
    files = _classes(
        "tensorflow.errors", "DataLossError", "NotFoundError", "PermissionDeniedError"
    )
    if isinstance(error, full):
        return f"the memory or the disk is full ({_first_line(error)}); {SMALLER}"
    if isinstance(error, files):
        return f"a file is missing or damaged ({_first_line(error)}); make it again"
    return None


def _first_line(error: Any) -> str:
    return str(getattr(error, "message", error)).strip().split("\n")[0]


def _classes(module: str, *names: str) -> tuple[type, ...]:
    """Give classes of a module, if it is loaded."""
    root, *parts = module.split(".")
    found = sys.modules.get(module) or sys.modules.get(root)
    if found is None:
        return ()
    for part in parts if found.__name__ == root else ():
        found = getattr(found, part, None)
    return tuple(getattr(found, name) for name in names if hasattr(found, name))
