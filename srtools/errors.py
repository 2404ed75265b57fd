"""The root class of errors in the input, and the place where each becomes one line."""

import contextlib
import errno
import functools
import importlib
import logging
import os
import re
import signal
import sys
from collections.abc import Callable
from typing import Any

from srtools import signals
from srtools.urls import without_secrets

DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""What the system says when there is no room left on a disk."""


PROGRAMMING = (errno.EBADF, errno.EINVAL)
"""Errors of the system that only a program can cause."""


OWN = ("srtools", "sr_", "lesson", "demo", "bench", "otblite")
"""Modules of the project: if one cannot be imported, that is a programming error."""


class SRError(ValueError):
    """An input that is wrong: its message is one line for the user.

    It says the value that came, the value that was expected, and what to do.
    """


class PixelError(SRError):
    """Pixels that the engine, or GDAL, could not read or make, and its own reason."""


def start(command_line: str | None = None) -> None:
    """Begin a program, before its libraries are imported, which takes seconds.

    From here on each error is one line, Ctrl-C ends the program, no letter is too much
    for the terminal, and the backend that a notebook wants for figures does not count.

    Arguments:
        command_line: module whose `parse` answers --help and misuse at once.
    """
    sys.excepthook = _one_line
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signals.leave)
    for name in ("stdout", "stderr"):  # None if closed
        setattr(sys, name, getattr(sys, name) or open(os.devnull, "w"))
        getattr(sys, name).reconfigure(errors="replace")
    os.environ["MPLBACKEND"] = "agg"  # pictures are files, no window is opened
    if command_line:
        try:
            importlib.import_module(command_line).parse()
        finally:
            sys.stdout.flush()


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
        signals.unwind()
        try:
            try:
                return main(argv)
            finally:
                sys.stdout.flush()
        except (Exception, KeyboardInterrupt) as error:
            code = report(error)
            if code is None:
                raise
            return code

    return wrapper


def report(error: BaseException) -> int | None:
    """Print an error of the input or of the machine as one line.

    Returns:
        The exit code; None for a programming error, which is not printed.
    """
    if isinstance(error, BrokenPipeError):  # `| head` has read enough
        code, line = 141, ""
    elif isinstance(error, KeyboardInterrupt):
        code, line = 130, "interrupted"
    else:
        code = 1
        line = str(error) if isinstance(error, SRError) else of_the_machine(error)
    if line is None:
        return None
    # A message of OTB or GDAL may quote a signed URL.
    line = without_secrets(" ".join(line.split()))
    with contextlib.suppress(OSError):
        sys.stderr.write(line and f"error: {line}\n")
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:  # it would be tried again when the program ends
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    return code


def _one_line(kind: type, error: BaseException, trace: Any) -> None:
    """Report an error that no `main` has caught, as `sys.excepthook`."""
    code = report(error)
    if code is not None:
        raise SystemExit(code)
    sys.__excepthook__(kind, error, trace)


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
    if isinstance(error, ImportError):
        name = (error.name or "a library").split(".")[0]
        if name.startswith(OWN):
            return None
        # Libraries quote the traceback of the first error, and much advice.
        reasons = re.findall(r"rror(?: was)?: (.+)", str(error)) or [_first_line(error)]
        return (
            f"{name} cannot be loaded ({reasons[-1]}); is the environment active (. "
            ".venv/bin/activate)?  If it is, install it again: docs/install.md"
        )
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
        "and that PROJ_LIB and GDAL_DATA are not those of another installation"
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
