"""Cache of remote images: each block is fetched once for all readers.

GDAL keeps blocks only as long as an image is open, and its cache of ranges is passed
over when it asks for several blocks together.  A pipeline opens an image again and
again, by several threads.
"""

import math
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from itertools import groupby, product

import numpy as np
from otblite.image import Window

# Size of the cache for all images, bytes.
LIMIT = 2**30
# Least side of a fetched block, pixels.
LEAST_SIDE = 256

Key = tuple[str, int, int]  # name of the image, row and column of the block
_kept: OrderedDict[Key, Future] = OrderedDict()
_lock = threading.Lock()


@dataclass(frozen=True)
class BlockCache:
    """Pixels of one image, in blocks of the file or groups of these."""

    name: str
    whole: Window
    """All of the image."""
    block: tuple[int, int]
    """Height and width of a block in the file."""
    fetch: Callable[[Window], np.ndarray]
    """Reads a window, [bands, h, w]."""

    def read(self, window: Window) -> np.ndarray:
        """Return the pixels of a window inside the image, [bands, h, w]."""
        height, width = (
            side * math.ceil(LEAST_SIDE / side) if side < LEAST_SIDE else side
            for side in self.block
        )
        rows = range(window.row // height, -(-(window.row + window.height) // height))
        cols = range(window.col // width, -(-(window.col + window.width) // width))
        places = {
            (self.name, row, col): Window(row * height, col * width, height, width)
            for row, col in product(rows, cols)
        }
        futures = self._futures(places)
        pixels = None
        for key, place in places.items():
            block = futures[key].result()
            if pixels is None:
                shape = len(block), window.height, window.width
                pixels = np.empty(shape, block.dtype)
            overlap = window.intersect(place.intersect(self.whole))
            target = overlap.shift(-window.row, -window.col).slices
            source = overlap.shift(-place.row, -place.col).slices
            pixels[(slice(None), *target)] = block[(slice(None), *source)]
        return pixels

    def _futures(self, places: dict[Key, Window]) -> dict[Key, Future]:
        """Return the futures of blocks; fetch those that no thread has fetched yet."""
        with _lock:
            missing = [key for key in places if key not in _kept]
            _kept.update((key, Future()) for key in missing)
            futures = {key: _kept[key] for key in places}
            for key in places:
                _kept.move_to_end(key)
        pending = set(missing)
        try:
            for run in _runs(missing):
                first, last = places[run[0]], places[run[-1]]
                together = first._replace(width=last.col + last.width - first.col)
                row = self.fetch(together.intersect(self.whole))
                for key in run:
                    start = places[key].col - first.col
                    part = row[:, :, start : start + first.width]
                    # A copy, or one block would keep all of its run in memory.
                    futures[key].set_result(part.copy())
                    pending.discard(key)
        except BaseException as error:
            with _lock:
                for key in pending:
                    _kept.pop(key, None)
            for key in pending:
                futures[key].set_exception(error)
            raise
        if missing:
            _forget_the_oldest()
        return futures


def _runs(keys: Sequence[Key]) -> Iterator[list[Key]]:
    """Group neighbours in a row: the server is asked once for a group."""

    def line(numbered: tuple[int, Key]) -> tuple[int, int]:
        number, (_, row, col) = numbered
        return row, col - number  # the same for neighbours

    for _, run in groupby(enumerate(keys), line):
        yield [key for _, key in run]


def _forget_the_oldest() -> None:
    with _lock:
        done = [key for key, future in _kept.items() if future.done()]
        size = sum(_kept[key].result().nbytes for key in done)
        for key in done:
            if size <= LIMIT:
                break
            size -= _kept.pop(key).result().nbytes
