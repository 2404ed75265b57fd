"""Remote images over an area, read once: their blocks become small local files.

OTB opens an image again and again, and a link to it lives for less than an hour.  So
what lies over the area is read beforehand: whole blocks of the Cloud Optimized
GeoTIFF, each once, several at a time, each rows of blocks with a fresh link and
retries of its own.  A connection that breaks costs one row, never wrong pixels.
"""

import math
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from affine import Affine
from rasterio.warp import transform_bounds
from rasterio.windows import Window
from tqdm import tqdm

from srtools.cards import make_folder
from srtools.errors import SRError
from srtools.images import ImageInfo, is_remote
from srtools.passes import Scene
from srtools.remote import Archive, gdal_path

# Beyond the area: bicubic looks 2 pixels of 10 m further, and a shift may be corrected.
MARGIN = 100.0  # metres
WORKERS = 8  # readings at a time: the network waits more than it works


@dataclass(frozen=True)
class Part:
    """The whole blocks of a remote image that lie over an area."""

    href: str
    window: Window
    rows: int
    """Height of a block, in pixels."""
    profile: dict[str, Any]
    """Of the local file."""

    def windows(self) -> Iterator[Window]:
        """Cut the part into rows of blocks."""
        left, top, width, height = self.window.flatten()
        for row in range(top, top + height, self.rows):
            yield Window(left, row, width, min(self.rows, top + height - row))


@contextmanager
def local_copies(
    scene: Scene, bands: Sequence[str], area: ImageInfo, folder: str | Path
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

    Raises:
        SRError: if an image cannot be read.
        ServiceError: if its server, or the token service, does not answer.
    """
    hrefs = {band: scene.hrefs(band) for band in bands}
    with tempfile.TemporaryDirectory(
        prefix=".partial-", dir=make_folder(folder), ignore_cleanup_errors=True
    ) as temporary:
        parts, tiles = {}, []
        for index in range(len(scene.tiles)):
            tile = {band: hrefs[band][index] for band in bands}
            paths = {b: str(Path(temporary) / f"{index}_{b}.tif") for b in bands}
            for band, href in tile.items():
                if not is_remote(href):
                    paths[band] = gdal_path(href)
                    continue
                part = scene.archive.read(href, _plan(href, area))
                if part is None:  # the tile does not reach the area
                    break
                parts[paths[band]] = part
            else:
                tiles.append(paths)
        _fetch(scene.archive, parts)
        yield tiles


def _plan(href: str, area: ImageInfo) -> Callable[[Any], Part | None]:
    """Give a reader that finds the blocks over `area`; it reads no pixel."""

    def plan(source: Any) -> Part | None:
        if not source.crs:
            raise SRError(f"{href.split('?')[0]} has no CRS, so its place is unknown")
        bounds = transform_bounds(area.crs, source.crs, *area.bounds, densify_pts=41)
        left, bottom, right, top = bounds + MARGIN * np.array((-1, -1, 1, 1))
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
        return Part(href, window, height, profile)

    return plan


def _whole(first: float, last: float, block: int, size: int) -> tuple[int, int]:
    """Give the first and (excluded) last pixel of the blocks between two positions.

    >>> _whole(700.0, 1030.0, 512, 1098)
    (512, 1098)
    """
    end = math.ceil(last / block) * block
    return math.floor(max(first, 0) / block) * block, min(end, size)


def _fetch(archive: Archive, parts: Mapping[str, Part]) -> None:
    """Read the parts into local files, `WORKERS` rows of blocks at a time."""
    files, locks = {}, {path: threading.Lock() for path in parts}
    try:
        for path, part in parts.items():
            files[path] = rasterio.open(path, "w", **part.profile)
        jobs = [(p, w) for p, part in parts.items() for w in part.windows()]

        def copy(path: str, window: Window) -> int:
            href, first_row = parts[path].href, parts[path].window.row_off
            pixels = archive.read(href, lambda source: source.read(1, window=window))
            there = Window(0, window.row_off - first_row, window.width, window.height)
            with locks[path]:
                files[path].write(pixels, 1, window=there)
            return pixels.size

        pool = ThreadPoolExecutor(WORKERS)
        try:
            running = [pool.submit(copy, *job) for job in jobs]
            total = sum(window.width * window.height for _, window in jobs)
            with tqdm(
                total=total, desc="fetching Sentinel-2", unit="px", unit_scale=True,
                delay=3, disable=None,
            ) as bar:  # fmt: skip
                for done in as_completed(running):
                    bar.update(done.result())
        finally:
            # After a failure what has not begun is not begun any more.
            pool.shutdown(cancel_futures=True)
    finally:
        for file in files.values():
            file.close()
