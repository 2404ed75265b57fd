"""One root class for mistakes of input, and the place where they become one line."""

import errno
import functools
import logging
import signal
import sys
import threading
from collections.abc import Callable

from srtools import signals
from srtools.urls import without_secrets

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class SRError(ValueError):
    """What came, what was expected and what to do, in one line for the user."""


def one_line_errors(main: Callable[..., int]) -> Callable[..., int]:
    """Turn an `SRError`, or a full disk, into one line and exit code 1.

    Programming errors keep their traceback.  An interruption from the keyboard
    ends with exit code 130 and SIGTERM with 143, as shells expect, after what was
    half-written is removed.
    """

    @functools.wraps(main)
    def wrapper(argv: list[str] | None = None) -> int:
        logging.basicConfig(format="%(message)s", stream=sys.stderr)
        logging.getLogger("srtools").setLevel(logging.INFO)
        # What it warns of when it saves a model is not for users to mend.
        logging.getLogger("tensorflow").setLevel(logging.ERROR)
        # That a request is tried again matters only if all tries fail.
        logging.getLogger("urllib3").setLevel(logging.ERROR)
        logging.getLogger("rasterio").setLevel(logging.ERROR)
        in_main_thread = threading.current_thread() is threading.main_thread()
        if in_main_thread and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
            signal.signal(signal.SIGTERM, signals.stop)
        try:
            return main(argv)
        except SRError as error:
            # What OTB says may quote a signed URL.
            line = without_secrets(" ".join(str(error).split()))
            print(f"error: {line}", file=sys.stderr)
            return 1
        except OSError as error:
            if error.errno not in FULL:
                raise
            print(
                f"error: {error.filename or 'a file'} cannot be written "
                f"({error.strerror}); make room, or choose another folder",
                file=sys.stderr,
            )
            return 1
        except KeyboardInterrupt:
            print("error: interrupted", file=sys.stderr)
            return 130

    return wrapper
