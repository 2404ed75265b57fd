"""Calls with a time limit."""

import threading
import time

import pytest

from srtools.sentinel2 import services
from srtools.sentinel2.services import ServiceError, in_parallel, within


def test_within_returns_the_answer_or_raises_the_error_of_the_function():
    assert within(5, "it", lambda: 3) == 3
    with pytest.raises(ZeroDivisionError):
        within(5, "it", lambda: 1 / 0)
    with pytest.raises(ServiceError, match="^it did not finish within 0.01 s; check"):
        within(0.01, "it", threading.Event().wait)


def test_jobs_run_side_by_side_until_one_fails(monkeypatch):
    """After a failure no job begins, and running jobs are abandoned."""
    monkeypatch.setattr(services, "WORKERS", 2)
    begun, begin = [], time.monotonic()

    def work(job):
        begun.append(job)
        return 1 / 0 if job == 1 else time.sleep(30)

    with pytest.raises(ZeroDivisionError):
        list(in_parallel(work, range(9)))
    assert time.monotonic() - begin < 10
    assert sorted(begun)[:2] == [0, 1] and len(begun) <= 3
    assert sorted(in_parallel(lambda job: job**2, range(4))) == [0, 1, 4, 9]


def test_all_jobs_together_have_an_end(monkeypatch):
    """Each job alone would be in time."""
    monkeypatch.setattr(services, "WORKERS", 1)
    monkeypatch.setattr(services, "PATIENCE", 0.3)
    with pytest.raises(ServiceError, match="of Sentinel-2 did not finish within 0.3 s"):
        list(in_parallel(lambda job: time.sleep(0.1), range(9)))
