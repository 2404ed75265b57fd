"""Errors of the input and of the machine, printed as one line without a traceback."""

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

PROGRAMMING = (errno.EBADF, errno.EINVAL, None)
"""Errors of the system that only a program can cause; None: not of the system."""

GDAL = (
    "GDAL cannot go on ({}); check the files it names, the room on the disk, and that "
    "PROJ_DATA, PROJ_LIB and GDAL_DATA are not those of another installation"
)
DAMAGED = "a file is missing or damaged ({}); make it again"
FULL = "the memory or the disk is full ({}); give a smaller --batch_size or --tile_size"
MESSAGES = {
    "rasterio.RasterioError": GDAL,
    "rasterio.CRSError": GDAL,
    "rasterio.CPLE_BaseError": GDAL,
    "tensorflow.DataLossError": DAMAGED,
    "tensorflow.NotFoundError": DAMAGED,
    "tensorflow.PermissionDeniedError": DAMAGED,
    "builtins.EOFError": DAMAGED,
    "tensorflow.ResourceExhaustedError": FULL,
    "builtins.MemoryError": FULL,
}
"""Messages for errors of libraries, by the names of classes: no library is loaded for
this, and some classes are not public."""

OWN = ("srtools", "sr_", "lesson", "demo", "bench")
"""Modules of the project: if one cannot be imported, that is a programming error."""


class SRError(ValueError):
    """A wrong input; its message has the value, the expected value and the remedy."""


class PixelError(SRError):
    """The engine or GDAL could not read or compute pixels; the message has a reason."""


def start(command_line: str | None = None) -> None:
    """Prepare a program before its libraries are imported, which takes seconds.

    From here on each error is one line and Ctrl-C ends the program.  `command_line` is
    the name of a module; its `parse()` answers --help and wrong options.
    """
    if not hasattr(sys, "ps1"):  # %run in a notebook leaves the notebook as it is
        sys.excepthook = _one_line
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, signals.leave)
        for stream in (sys.stdout, sys.stderr):
            stream.reconfigure(errors="replace")
        os.environ["MPLBACKEND"] = "agg"  # a notebook passes on its own backend
    if command_line:
        try:
            importlib.import_module(command_line).parse()
        finally:
            sys.stdout.flush()
    if sys.stderr.isatty():
        print("loading the libraries", file=sys.stderr)


def one_line_errors(main: Callable[..., int]) -> Callable[..., int]:
    """Decorate `main`: errors of the input or machine are one line and exit code 1.

    Programming errors keep their traceback.  SIGINT ends with exit code 130 and SIGTERM
    with 143, as shells expect.  Log messages go to stderr.
    """

    @functools.wraps(main)
    def wrapper(argv: list[str] | None = None) -> int:
        logging.basicConfig(format="%(message)s", stream=sys.stderr)
        logging.getLogger("srtools").setLevel(logging.INFO)
        # A request that is tried again matters only if all tries fail, and users cannot
        # mend warnings about saving a model.
        for library in ("tensorflow", "urllib3", "rasterio"):
            logging.getLogger(library).setLevel(logging.ERROR)
        signals.unwind()
        try:
            try:
                return main(argv)
            finally:
                sys.stdout.flush()
        except (Exception, KeyboardInterrupt) as error:
            if (code := report(error)) is None:
                raise
            return code

    return wrapper


def report(error: BaseException) -> int | None:
    """Print an error of the input or of the machine as one line; return the exit code.

    A programming error is not printed, and returns None.
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
    if (code := report(error)) is not None:
        raise SystemExit(code)
    sys.__excepthook__(kind, error, trace)


def line_of(error: BaseException) -> str | None:
    """Return an error of the input or of the machine as one line, without secrets.

    The result is None for programming errors.
    """
    text = _text_of(error)
    # A message of OTB or GDAL may quote a signed URL.
    return text and without_secrets(" ".join(text.split()))


def _text_of(error: BaseException) -> str | None:
    text = str(getattr(error, "message", error)).strip()
    kinds = {f"{k.__module__.split('.')[0]}.{k.__name__}" for k in type(error).__mro__}
    # TensorFlow wraps the error of a data set of patches in one of its own.
    inner = re.search(r"\bSRError: (.*)", text)
    if inner and "tensorflow.OpError" in kinds:
        return inner[1]
    if isinstance(error, SRError):
        return text
    if isinstance(error, KeyboardInterrupt):
        return "interrupted"
    if isinstance(error, ImportError):
        return _text_of_import(error, text)
    # A clone of OTBTF beside the scripts is a folder `otbtf`, but not the package.
    path = getattr(getattr(error, "obj", None), "__path__", None)
    if type(path).__name__ == "_NamespacePath":
        return f"the folder {path[0]} hides the package of its name; rename it"
    if names := kinds & MESSAGES.keys():
        return MESSAGES[names.pop()].format(text.split("\n")[0] or type(error).__name__)
    if isinstance(error, UnicodeEncodeError):
        return f"{error.object!a} is not in UTF-8; rename the file, or its folder"
    if isinstance(error, OSError) and error.errno not in PROGRAMMING:
        temporary = os.environ.get("TMPDIR", "/tmp")
        name = error.filename or f"a file, or a folder such as {temporary} (TMPDIR),"
        full = error.errno in DISK_FULL
        advice = "make room, or choose another folder" if full else "check the path"
        return f"{name} cannot be used ({error.strerror}); {advice}"
    return None


def _text_of_import(error: ImportError, text: str) -> str | None:
    name = error.name or "a library"
    if name.startswith(OWN):
        return None
    if isinstance(error, ModuleNotFoundError):
        advice = "activate the environment (. .venv/bin/activate), see docs/install.md"
        if name == "otbtf":
            advice = "OTB is here without it: pip install the folder of OTBTF's "
            advice += "source, or set OTBLITE=1 for the embedded engine"
        return f"{name} is not installed for {sys.executable}; {advice}"
    # Libraries quote the traceback of the first error, and much advice.
    reasons = re.findall(r"rror(?: was)?: (.+)", text) or text.split("\n")
    return f"{name} cannot be loaded ({reasons[-1]}); see docs/troubleshooting.md"
