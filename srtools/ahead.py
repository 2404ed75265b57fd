"""Make the next item while the present one is used."""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any


def ahead(items: Iterable[Any]) -> Iterator[Any]:
    """Give `items` in order, each made in a thread while the one before is used.

    Never more than two exist.  What making one raises is raised here.

    >>> list(ahead(number**2 for number in range(3)))
    [0, 1, 4]
    """
    iterator, end = iter(items), object()
    with ThreadPoolExecutor(max_workers=1) as thread:
        upcoming = thread.submit(next, iterator, end)
        while (item := upcoming.result()) is not end:
            upcoming = thread.submit(next, iterator, end)
            yield item
