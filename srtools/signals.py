"""Ctrl-C and SIGTERM, deferred to a moment when nothing is lost.

An exception that leaves a Python signal handler while OTB reports its progress ends
the process at once (`terminate called after throwing ...`), and temporary files stay.
So the engine runs inside `deferred`: a signal ends the script after a piece of work.
"""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from select import select

SIGNALS = (signal.SIGINT, signal.SIGTERM)
NOTICE = b"stopping when this step is done; a second signal stops at once\n"

stderr = 2
"""File descriptor of messages; another one while `srtools.tf` silences TensorFlow."""

_received: list[int] = []


@contextmanager
def deferred() -> Iterator[None]:
    """Remember SIGINT and SIGTERM while the block runs, and act on them at its end.

    A second signal ends the process at once.  Inside another `deferred` block, and in
    threads, which receive no signals, nothing changes.
    """
    before = {number: signal.getsignal(number) for number in SIGNALS}
    in_thread = threading.current_thread() is not threading.main_thread()
    if in_thread or _remember in before.values():
        yield
        return
    handled = [n for n, handler in before.items() if handler is not signal.SIG_IGN]
    # While the engine computes, no handler of Python runs, but a thread does.
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    watcher = threading.Thread(target=_watch, args=(reading,), daemon=True)
    watcher.start()
    for number in handled:
        signal.signal(number, _remember)
    wakeup = signal.set_wakeup_fd(writing)
    try:
        yield
    finally:
        signal.set_wakeup_fd(wakeup)
        for number in handled:
            signal.signal(number, before[number])
        os.close(writing)
        watcher.join()
        if (received := take()) is not None:
            stop(received)


def _watch(reading: int) -> None:
    """Report the first signal whose number arrives, and end the process at a second."""
    with open(reading, "rb", buffering=0) as file:
        arriving = (byte[0] for byte in iter(lambda: file.read(1), b""))
        numbers = filter(SIGNALS.count, arriving)  # other programs handle others
        if next(numbers, None):
            # The command `timeout` sends each signal twice, within 0.1 s.
            while select([file], [], [], 0.1)[0] and file.read(64):
                pass
            with suppress(OSError):  # nobody may read it any more
                os.write(2, NOTICE)
            for second in numbers:
                leave(second)


def take() -> int | None:
    """Return the number of the remembered signal, and forget it; None without one."""
    return _received.pop() if _received else None


def stop(number: int, frame: object = None) -> None:
    """Handle a signal: raise an exception, so that temporary files are removed."""
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    os.write(2, b"error: terminated\n")
    raise SystemExit(128 + number)


def leave(number: int, frame: object = None) -> None:
    """Handle a signal while libraries are imported: end the process at once.

    Libraries may replace an exception by one of their own, or ignore it.
    """
    try:
        os.write(stderr, b"error: interrupted\n")
    finally:
        os._exit(128 + number)


def unwind() -> None:
    """Make `stop` the handler of SIGINT and SIGTERM, unless others are installed."""
    if threading.current_thread() is threading.main_thread():
        for number, replaced in zip(SIGNALS, (leave, signal.SIG_DFL), strict=True):
            if signal.getsignal(number) is replaced:
                signal.signal(number, stop)


def _remember(number: int, frame: object) -> None:
    """Handle a signal: remember it."""
    _received[:] = [number]
