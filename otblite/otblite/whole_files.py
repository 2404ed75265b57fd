"""Files that get their final name only when they are complete."""

import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import rasterio.shutil
from rasterio.errors import RasterioError


def reason_of(error: Exception) -> str:
    """Return GDAL's own message (rasterio keeps it in the cause) without signatures."""
    text = getattr(error, "strerror", None) or str(error.__cause__ or error)
    return re.sub(r"\?[^\s'\",)]*", "", " ".join(text.split()))


@contextmanager
def whole_file(path: str) -> Iterator[str]:
    """Return a temporary name for a file; rename it to `path` at the end.

    The side files that GDAL writes are moved with it.  A file in `/vsimem/` has its
    final name, and is deleted if it is not complete.

    Raises:
        OSError: naming `path`, for errors of GDAL and of the system.
    """
    try:
        with _partial(path) as partial:
            yield partial
    except (RasterioError, OSError) as error:
        raise OSError(f"{path}: cannot be written ({reason_of(error)})") from None


@contextmanager
def _partial(path: str) -> Iterator[str]:
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
