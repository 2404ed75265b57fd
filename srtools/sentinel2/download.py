"""Remote images over an area, read once: their blocks become small local files.

OTB opens an image again and again, and a link to it lives for less than an hour.  So
what lies over the area is read beforehand: whole blocks of the Cloud Optimized
GeoTIFF, each once, several at a time, each row of blocks with a fresh link and
retries of its own.  A connection that breaks costs a row, never wrong pixels; a first
row that cannot be read, or `PATIENCE` at its end, ends it all at once.
"""

import math
import multiprocessing.pool
import re
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import rasterio
from affine import Affine
from rasterio.errors import RasterioError
from rasterio.warp import transform_bounds
from rasterio.windows import Window
from tqdm import tqdm

from srtools.errors import SRError
from srtools.files import make_folder
from srtools.images.raster import ImageInfo
from srtools.sentinel2.archive import Archive, ServiceError
from srtools.sentinel2.passes import Scene
from srtools.urls import gdal_path, is_remote, redact

Job, Result = TypeVar("Job"), TypeVar("Result")

# Beyond the area: bicubic looks 2 pixels of 10 m further, and a shift may be corrected.
MARGIN = 100.0  # metres
WORKERS = 8  # readings at a time: the network waits more than it works
MIN_ROWS = 256  # of pixels, read together: each reading opens the image anew
PATIENCE = 3600.0  # seconds for all images, however slowly each of them comes


@dataclass(frozen=True)
class Part:
    """The whole blocks of a remote image that lie over an area."""

    href: str
    window: Window
    rows: int
    """Height of what is read together, in pixels."""
    profile: dict[str, Any]
    """Of the local file."""

    def windows(self) -> Iterator[Window]:
        """Cut the part into rows of blocks."""
        left, top, width, height = self.window.flatten()
        for row in range(top, top + height, self.rows):
            yield Window(left, row, width, min(self.rows, top + height - row))

    @property
    def nbytes(self) -> int:
        """Size of the pixels, in bytes."""
        return int(
            self.window.width
            * self.window.height
            * np.dtype(self.profile["dtype"]).itemsize
        )


@contextmanager
def local_copies(
    scene: Scene,
    bands: Sequence[str],
    area: ImageInfo,
    folder: str | Path,
    margin: float = MARGIN,
) -> Iterator[list[dict[str, str]]]:
    """Give for each tile that shows the area the local file of each of its bands.

    The files hold the pixels over the area and a little more, unchanged, on the grid
    of the original; they are deleted at the end.  What is no remote file is not
    copied.

    Arguments:
        scene: which tiles.
        bands: names such as "B04" or "SCL".
        area: the image whose place counts.
        folder: where the temporary files are put.
        margin: metres around the area.

    Raises:
        SRError: if an image cannot be read or does not lie where it should, or the
            folder is full.
        ServiceError: if its server, or the token service, does not answer, or all
            together takes longer than `PATIENCE`.
    """
    hrefs = {
        (index, band): href
        for band in bands
        for index, href in enumerate(scene.hrefs(band))
    }
    end = time.monotonic() + PATIENCE
    with tempfile.TemporaryDirectory(
        prefix=".partial-", dir=make_folder(folder), ignore_cleanup_errors=True
    ) as temporary:

        def plan(key: tuple[int, str]) -> tuple[tuple[int, str], Part | None]:
            return key, scene.archive.read(hrefs[key], _plan(hrefs[key], area, margin))

        remote = [key for key, href in hrefs.items() if is_remote(href)]
        parts = dict(_in_parallel(plan, remote, end))
        names = [re.sub(r"\W", "_", tile.id) for tile in scene.tiles]
        paths = {
            (index, band): f"{temporary}/{index}_{names[index]}_{band}.tif"
            if (index, band) in parts
            else gdal_path(href)
            for (index, band), href in hrefs.items()
        }
        tiles = []
        for index, tile in enumerate(scene.tiles):
            absent = [band for band in bands if parts.get((index, band), ...) is None]
            if not absent:
                tiles.append({band: paths[index, band] for band in bands})
            elif len(absent) < len(bands):
                raise SRError(
                    f"{', '.join(absent)} of item {tile.id} does not reach the Spot "
                    "image, its other bands do; take another item"
                )
        if not tiles:
            raise SRError(
                f"the pixels of {', '.join(tile.id for tile in scene.tiles)} do not "
                "reach the Spot image, whatever the outline says; take another item"
            )
        wanted = {paths[key]: part for key, part in parts.items() if part}
        _fetch(scene.archive, wanted, end)
        yield tiles


def _plan(href: str, area: ImageInfo, margin: float) -> Callable[[Any], Part | None]:
    """Give a reader that finds the blocks near `area`; it reads no pixel."""

    def plan(source: Any) -> Part | None:
        if not source.crs:
            raise SRError(f"{redact(href)} has no CRS, so its place is unknown")
        bounds = transform_bounds(area.crs, source.crs, *area.bounds, densify_pts=41)
        left, bottom, right, top = bounds + margin * np.array((-1, -1, 1, 1))
        (left, top), (right, bottom) = (
            ~source.transform @ corner for corner in ((left, top), (right, bottom))
        )
        height, width = source.block_shapes[0]
        first_col, last_col = _whole(left, right, width, source.width)
        first_row, last_row = _whole(top, bottom, height, source.height)
        if first_col >= last_col or first_row >= last_row:
            return None
        window = Window(
            first_col, first_row, last_col - first_col, last_row - first_row
        )
        profile = {
            "driver": "GTiff",
            "width": window.width,
            "height": window.height,
            "count": 1,
            "dtype": source.dtypes[0],
            "crs": source.crs,
            "transform": source.transform @ Affine.translation(first_col, first_row),
            "nodata": source.nodata,
            "tiled": True,
            "blockxsize": 256,
            "blockysize": 256,
            "BIGTIFF": "IF_SAFER",
        }
        return Part(href, window, height * math.ceil(MIN_ROWS / height), profile)

    return plan


def _whole(first: float, last: float, block: int, size: int) -> tuple[int, int]:
    """Give the first and (excluded) last pixel of the blocks between two positions.

    >>> _whole(700.0, 1030.0, 512, 1098)
    (512, 1098)
    """
    end = math.ceil(last / block) * block
    return math.floor(max(first, 0) / block) * block, min(end, size)


def _fetch(archive: Archive, parts: Mapping[str, Part], end: float) -> None:
    """Read the parts into local files before the time `end`."""
    files, locks = {}, {path: threading.Lock() for path in parts}
    jobs = [(path, window) for path, part in parts.items() for window in part.windows()]

    def copy(job: tuple[str, Window]) -> int:
        path, window = job
        href, first_row = parts[path].href, parts[path].window.row_off
        pixels = archive.read(href, lambda source: source.read(1, window=window))
        there = Window(0, window.row_off - first_row, window.width, window.height)
        with locks[path]:
            files[path].write(pixels, 1, window=there)
        return pixels.size

    try:
        for path, part in parts.items():
            files[path] = rasterio.open(path, "w", **part.profile)
        total = sum(window.width * window.height for _, window in jobs)
        with tqdm(
            total=total, desc="fetching Sentinel-2", unit="px", unit_scale=True,
            delay=3, disable=None,
        ) as bar:  # fmt: skip
            for pixels in _in_parallel(copy, jobs, end):
                bar.update(pixels)
    except RasterioError:
        raise _no_room(parts) from None
    finally:
        for path, file in files.items():
            with locks[path]:  # a reading that was given up may come to its end
                file.close()
    for path, part in parts.items():
        # What GDAL writes when it closes a file may fail without a word.
        if Path(path).stat().st_size < part.nbytes:
            raise _no_room(parts)


def _no_room(parts: Mapping[str, Part]) -> SRError:
    """Say that the local files cannot be written."""
    folder = Path(next(iter(parts))).parent.parent
    megabytes = math.ceil(sum(part.nbytes for part in parts.values()) / 1e6)
    return SRError(
        f"folder {folder} does not take the {megabytes} MB of Sentinel-2 that are "
        "copied for a while; make room, or choose another folder"
    )


def _in_parallel(
    function: Callable[[Job], Result], jobs: Sequence[Job], end: float
) -> Iterator[Result]:
    """Give `function(job)` of each job, in any order, `WORKERS` at a time.

    After a failure, or at the time `end`, what has not begun is not begun any more, and
    what runs is not waited for: its thread does not keep the program from ending.
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
