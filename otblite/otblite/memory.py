"""Freed memory is kept for the next window, not given back to the system."""

import ctypes
from contextlib import suppress
from functools import cache

# Names of glibc's malloc.h, and bytes.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
KEPT, LARGEST_BLOCK = 2**27, 2**25


@cache
def keep_freed_memory() -> None:
    """Ask glibc's `malloc` to keep up to 128 MB of freed blocks of up to 32 MB.

    Every window needs arrays of some MB for an instant.  By default their pages come
    from the system and go back to it each time, which takes as long as the arithmetic.
    Other C libraries are left as they are.
    """
    # TypeError: Windows has no C library without a name.
    with suppress(OSError, AttributeError, TypeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(M_TRIM_THRESHOLD, KEPT)
        mallopt(M_MMAP_THRESHOLD, LARGEST_BLOCK)
