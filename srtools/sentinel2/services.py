"""Remote services: answers in time or an error, no secret in a message or log."""

import json
import logging
import multiprocessing.pool
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, wait
from typing import Any, TypeVar

from srtools.errors import SRError
from srtools.urls import without_secrets

Job, Result = TypeVar("Job"), TypeVar("Result")

WORKERS = 8  # requests at a time: the network waits more than it works
PATIENCE = 3600.0  # seconds, for all images


class ServiceError(SRError):
    """A service as a whole fails; asking it for something else is of no use."""


def within(seconds: float, name: str, function: Callable[[], Result]) -> Result:
    """Return `function()`, or raise if it takes longer than `seconds`.

    Time-outs of sockets do not bound a server that sends a byte now and then, nor
    one that asks to be called again in an hour.  The work is done by a thread, which
    is abandoned when its time is up and does not keep the program from ending.
    """
    future: Future[Result] = Future()

    def work() -> None:
        try:
            future.set_result(function())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=work, daemon=True).start()
    if not wait([future], timeout=seconds).done:
        raise ServiceError(
            f"{name} did not finish its answer within {seconds:g} s; "
            "check the network, or try again later"
        )
    return future.result()


def brief(error: object) -> str:
    """Return the message of `error` on one line, short and without secrets."""
    if isinstance(error, json.JSONDecodeError):
        return "not JSON"
    text = " ".join(without_secrets(str(error)).split())
    return f"{text[:150]}..." if len(text) > 150 else text or "no message"


def keep_secrets_out_of_logs() -> None:
    """From now on, cut the queries of URLs out of all log messages.

    rasterio logs GDAL's messages, URLs and all, and only the making of a record is
    common to all loggers.
    """
    make = logging.getLogRecordFactory()
    if getattr(make, "hides_secrets", False):
        return

    def make_record(*args: Any, **kwargs: Any) -> logging.LogRecord:
        record = make(*args, **kwargs)
        text = str(record.msg) + str(record.args)
        if "?" in text and "=" in text:
            record.msg, record.args = without_secrets(record.getMessage()), ()
        return record

    make_record.hides_secrets = True  # type: ignore[attr-defined]
    logging.setLogRecordFactory(make_record)


def in_parallel(
    function: Callable[[Job], Result], jobs: Sequence[Job], end: float
) -> Iterator[Result]:
    """Yield `function(job)` of each job, in any order, `WORKERS` at a time.

    After a failure, or at the time `end`, no job is begun any more.  Nobody waits for
    running jobs: their threads do not keep the program from ending.
    """
    pool = multiprocessing.pool.ThreadPool(WORKERS)
    try:
        results = pool.imap_unordered(function, jobs)
        for _ in jobs:
            yield results.next(max(end - time.monotonic(), 0))
    except multiprocessing.TimeoutError:
        raise ServiceError(
            f"the images did not arrive within {PATIENCE:g} s; the network or the "
            "server is slow: try again later"
        ) from None
    finally:
        pool.terminate()
