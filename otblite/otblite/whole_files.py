"""Files that get their final name only when they are complete."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import rasterio.shutil
from rasterio.errors import RasterioError


@contextmanager
def whole_file(path: str) -> Iterator[str]:
    """Return a temporary name for a file; rename it to `path` at the end.

    The side files that GDAL writes are moved with it.  A file in `/vsimem/` has its
    final name, and is deleted if it is not complete.
    """
    if path.startswith("/vsimem/"):
        try:
            yield path
        except BaseException:
            with suppress(RasterioError):
                rasterio.shutil.delete(path)
            raise
        return
    folder, base = os.path.split(path)
    with tempfile.TemporaryDirectory(prefix=".partial-", dir=folder or ".") as partial:
        yield os.path.join(partial, base)
        for written in os.listdir(partial):
            os.replace(os.path.join(partial, written), os.path.join(folder, written))
