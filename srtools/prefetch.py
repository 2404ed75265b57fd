"""Compute the next item while the present one is used."""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any


def prefetch(items: Iterable[Any]) -> Iterator[Any]:
    """Yield `items` in order; a thread computes the next one while one is used.

    At most two items exist at a time.  An error in the thread is raised here.

    >>> list(prefetch(number**2 for number in range(3)))
    [0, 1, 4]
    """
    iterator, end = iter(items), object()
    with ThreadPoolExecutor(max_workers=1) as thread:
        upcoming = thread.submit(next, iterator, end)
        while (item := upcoming.result()) is not end:
            upcoming = thread.submit(next, iterator, end)
            yield item
