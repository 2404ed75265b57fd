"""The root class of errors in the input, and the place where each becomes one line."""

import errno
import functools
import logging
import signal
import sys
import threading
from collections.abc import Callable

from srtools import signals
from srtools.urls import without_secrets

DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""What the system says when there is no room left on a disk."""


class SRError(ValueError):
    """An input that is wrong: its message is one line for the user.

    It says the value that came, the value that was expected, and what to do.
    """


def one_line_errors(main: Callable[..., int]) -> Callable[..., int]:
    """Turn an `SRError`, or a full disk, into one line and exit code 1.

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
        except SRError as error:
            # A message of OTB may quote a signed URL.
            line = without_secrets(" ".join(str(error).split()))
            print(f"error: {line}", file=sys.stderr)
            return 1
        except OSError as error:
            if error.errno not in DISK_FULL:
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
