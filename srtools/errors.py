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

PROGRAMMING = (errno.EBADF, errno.EINVAL, None)
"""Errors of the system that only a program can cause; None: not of the system."""

GDAL = {"rasterio.RasterioError", "rasterio.CRSError", "rasterio.CPLE_BaseError"}
DAMAGED = {
    f"tensorflow.{kind}Error" for kind in ("DataLoss", "NotFound", "PermissionDenied")
}

OWN = ("srtools", "sr_", "lesson", "demo", "bench")
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
    if not hasattr(sys, "ps1"):  # %run in a notebook leaves the notebook as it is
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
        # A request that is tried again matters only if all tries fail, and warnings
        # about saving a model are not for users to mend.
        for library in ("tensorflow", "urllib3", "rasterio"):
            logging.getLogger(library).setLevel(logging.ERROR)
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
    unread = isinstance(error, BrokenPipeError)  # `| head` has read enough
    line = "" if unread else line_of(error)
    if line is None:
        return None
    with contextlib.suppress(OSError):
        sys.stderr.write(line and f"error: {line}\n")
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:  # it would be tried again when the program ends
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    return 141 if unread else 130 if isinstance(error, KeyboardInterrupt) else 1


def _one_line(kind: type, error: BaseException, trace: Any) -> None:
    """Report an error that no `main` has caught, as `sys.excepthook`."""
    code = report(error)
    if code is not None:
        raise SystemExit(code)
    sys.__excepthook__(kind, error, trace)


def line_of(error: BaseException) -> str | None:
    """Return an `SRError`, or what a file, the memory or a network did, as one line.

    None for the other errors, which are mistakes of a program.
    """
    text = _text_of(error)
    # A message of OTB or GDAL may quote a signed URL.
    return text and without_secrets(" ".join(text.split()))


def _text_of(error: BaseException) -> str | None:
    # By name: no library is loaded for this, and some classes are not public.
    kinds = {f"{k.__module__.split('.')[0]}.{k.__name__}" for k in type(error).__mro__}
    text = str(getattr(error, "message", error)).strip()
    first_line = text.split("\n")[0]
    # Of an error in a data set of patches, TensorFlow makes one of its own.
    inner = re.search(r"\bSRError: (.*)", text)
    if inner and "tensorflow.OpError" in kinds:
        return inner[1]
    if isinstance(error, SRError):
        return text
    if isinstance(error, KeyboardInterrupt):
        return "interrupted"
    if isinstance(error, ImportError):
        return _of_imports(error, text)
    if kinds & GDAL:
        return (
            f"GDAL cannot go on ({error}); check the files it names, the room on the "
            "disk, and that PROJ_DATA, PROJ_LIB and GDAL_DATA are not those of "
            "another installation"
        )
    if isinstance(error, OSError) and error.errno in DISK_FULL:
        temporary = os.environ.get("TMPDIR", "/tmp")
        nameless = f"a file, the output, or something in {temporary} (TMPDIR)"
        return (
            f"{error.filename or nameless} cannot be written ({error.strerror}); make "
            "room, or choose another folder"
        )
    if isinstance(error, OSError) and error.errno not in PROGRAMMING:
        name = f"{error.filename} cannot be used" if error.filename else "the system"
        return f"{name} ({error.strerror}); check the path, and who may read or write"
    if isinstance(error, UnicodeEncodeError):
        return f"{error.object!a} is not in UTF-8; rename the file, or its folder"
    if isinstance(error, EOFError):
        return f"a file ends too early ({text or 'it is empty'}); make it again"
    if isinstance(error, MemoryError) or "tensorflow.ResourceExhaustedError" in kinds:
        full = "memory" if isinstance(error, MemoryError) else "memory or the disk"
        return (
            f"the {full} is full ({first_line}); give a smaller --batch_size, "
            "--tile_size or network"
        )
    if kinds & DAMAGED:
        return f"a file is missing or damaged ({first_line}); make it again"
    return None


def _of_imports(error: ImportError, text: str) -> str | None:
    name = error.name or "a library"
    if name.startswith(OWN):
        return None
    if isinstance(error, ModuleNotFoundError):
        return (
            f"{name} is not installed for {sys.executable}; activate the environment "
            "(. .venv/bin/activate), or make it: docs/install.md"
        )
    # Libraries quote the traceback of the first error, and much advice.
    reasons = re.findall(r"rror(?: was)?: (.+)", text) or text.split("\n")
    return f"{name} cannot be loaded ({reasons[-1]}); see docs/troubleshooting.md"
