"""Remote services: calls with a time limit, messages and logs without secrets."""

import logging
import multiprocessing.pool
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from srtools.errors import SRError
from srtools.urls import without_secrets

Job, Result = TypeVar("Job"), TypeVar("Result")

WORKERS = 8  # parallel requests, more than cores because they mostly wait
PATIENCE = 3600.0  # seconds, for all images of a run
RETRY_ADVICE = "try again later, or search another --archive"


class ServiceError(SRError):
    """A service does not answer at all; other requests to it would fail, too."""


def in_parallel(
    function: Callable[[Job], Result],
    jobs: Sequence[Job],
    name: str = "the download of Sentinel-2",
    seconds: float | None = None,
) -> Iterator[Result]:
    """Yield `function(job)` of each job, in any order, `WORKERS` at a time.

    After a failure, or `seconds` (default: `PATIENCE`), no job begins, and running jobs
    are abandoned, unlike those of `concurrent.futures`.  `name` is for messages.
    """
    seconds = PATIENCE if seconds is None else seconds
    end = time.monotonic() + seconds
    pool = multiprocessing.pool.ThreadPool(min(WORKERS, len(jobs)))
    try:
        results = pool.imap_unordered(function, jobs)
        for _ in jobs:
            yield results.next(max(end - time.monotonic(), 0))
    except multiprocessing.TimeoutError:
        raise ServiceError(
            f"{name} did not finish within {seconds:g} s; check the network, "
            f"{RETRY_ADVICE}"
        ) from None
    finally:
        pool.terminate()


def within(seconds: float, name: str, function: Callable[[], Result]) -> Result:
    """Return `function()`; raise a `ServiceError` if it takes longer than `seconds`.

    Time-outs of sockets do not stop a server that sends a byte now and then, or one
    that wants to be called again in an hour.
    """
    return next(in_parallel(lambda _: function(), [None], name, seconds))


def shorten(error: object) -> str:
    """Return the message of `error` on one line, up to 150 letters, without secrets."""
    text = " ".join(without_secrets(str(error)).split())
    return f"{text[:150]}..." if len(text) > 150 else text or "no message"


def keep_secrets_out_of_logs() -> None:
    """From now on, cut the queries of URLs out of all log messages.

    rasterio logs whole URLs.  Only a record factory sees the messages of all loggers.
    """
    factory = logging.getLogRecordFactory()
    if getattr(factory, "hides_secrets", False):
        return

    def make_record(*args: Any, **kwargs: Any) -> logging.LogRecord:
        record = factory(*args, **kwargs)
        text = str(record.msg) + str(record.args)
        if "?" in text and "=" in text:
            record.msg, record.args = without_secrets(record.getMessage()), ()
        return record

    make_record.hides_secrets = True  # type: ignore[attr-defined]
    logging.setLogRecordFactory(make_record)
