"""Ctrl-C and SIGTERM, acted upon where nothing is lost by it.

An exception that leaves a Python signal handler while OTB reports its progress ends
the process at once (`terminate called after throwing ...`), and temporary files stay.
So the engine runs inside `held`: a signal is remembered there, and ends the script
between two pieces of work.
"""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

SIGNALS = (signal.SIGINT, signal.SIGTERM)
NOTICE = b"stopping when this step is done; a second signal stops at once\n"

stderr = 2
"""File descriptor of messages; another one while `srtools.tf` silences TensorFlow."""

_received: list[int] = []
_holding = False


@contextmanager
def held() -> Iterator[None]:
    """Remember SIGINT and SIGTERM while the block runs, and act on them at its end.

    A second signal ends the process at once.  Inside another `held` block, and in
    threads, which receive no signals, nothing changes.
    """
    global _holding
    if _holding or threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in SIGNALS}
    listened = [n for n, handler in before.items() if handler is not signal.SIG_IGN]
    for number in listened:
        signal.signal(number, _remember)
    _holding = True
    try:
        yield
    finally:
        _holding = False
        for number in listened:
            signal.signal(number, before[number])
        act()


def act() -> None:
    """End the script if a signal was remembered.

    Raises:
        KeyboardInterrupt: after SIGINT.
        SystemExit: after SIGTERM.
    """
    number = take()
    if number is not None:
        stop(number)


def take() -> int | None:
    """Return the signal that was remembered, if any, and forget it."""
    return _received.pop() if _received else None


def stop(number: int, frame: object = None) -> None:
    """Unwind the stack, so that temporary files are removed."""
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    os.write(2, b"error: terminated\n")
    raise SystemExit(128 + number)


def leave(number: int, frame: object) -> None:
    """End the process at once, while libraries are imported: nothing is lost yet.

    Of an exception, libraries may make one of their own, or nothing.
    """
    try:
        os.write(stderr, b"error: interrupted\n")
    finally:
        os._exit(128 + number)


def unwind() -> None:
    """Let Ctrl-C and SIGTERM raise from now on, unless they are handled otherwise."""
    if threading.current_thread() is threading.main_thread():
        if signal.getsignal(signal.SIGINT) is leave:
            signal.signal(signal.SIGINT, stop)
        if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
            signal.signal(signal.SIGTERM, stop)


def _remember(number: int, frame: object) -> None:
    """Note the signal, and let the next one through."""
    _received[:] = [number]
    for each in SIGNALS:
        signal.signal(each, signal.SIG_DFL)
    # Not `print`: the handler may have interrupted another one.
    os.write(2, NOTICE)
