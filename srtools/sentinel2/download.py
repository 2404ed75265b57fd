"""Remote images over an area: links for the engine, or local copies of their blocks.

Links need no file, but live for less than an hour, and OTB has no more than GDAL's own
retries.  For long runs and bad networks the pixels over the area are copied beforehand:
whole blocks of the Cloud Optimized GeoTIFF, each once, several at a time, each row of
blocks with a fresh link and retries of its own.  A broken connection costs a row, never
wrong pixels.  A row that cannot be read ends the download at once.
"""

import math
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import shapely
from rasterio.windows import Window
from tqdm import tqdm

from srtools.errors import PixelError, SRError
from srtools.files import check_room, make_folder, partial_folder
from srtools.images.grid import Grid
from srtools.images.raster import check_written
from srtools.sentinel2 import areas
from srtools.sentinel2.archive import Archive
from srtools.sentinel2.passes import Scene
from srtools.sentinel2.services import in_parallel, keep_secrets_out_of_logs
from srtools.urls import NAMES

# Beyond the area: bicubic looks 2 pixels of 10 m further, and a shift may be corrected.
MARGIN_METRES = 100.0
LINK_RETRIES = 6  # each after twice the time: half a minute without answer
MIN_ROWS = 256  # of pixels, read together: each reading opens the image anew


@dataclass(frozen=True)
class Copy:
    """Blocks of a remote image that lie over an area, and the local file for them."""

    href: str
    path: str
    windows: Sequence[Window]
    """Rows of blocks, each of which is read at once."""
    profile: dict[str, Any]
    """Profile of the local file, for rasterio."""

    @property
    def nbytes(self) -> int:
        """Size of the pixels, bytes."""
        itemsize = np.dtype(self.profile["dtype"]).itemsize
        return self.profile["width"] * self.profile["height"] * itemsize


@contextmanager
def local_copies(
    scene: Scene,
    bands: Sequence[str],
    area: shapely.Polygon,
    folder: str | Path,
    margin_metres: float = MARGIN_METRES,
) -> Iterator[list[dict[str, str]]]:
    """Yield, for each tile that shows the area, the local file of each of its bands.

    The files hold the pixels over the area (degrees) and a little more, unchanged, on
    the grid of the original; they are deleted at the end.
    """
    folder = make_folder(folder)  # or say now that it cannot be written
    with partial_folder(folder / "sentinel2") as temporary:

        def plan(job: tuple[int, str]) -> tuple[tuple[int, str], Copy | None]:
            index, band = job
            tile, path = scene.tiles[index], f"{temporary}/{index}_{band}.tif"
            NAMES[path], href = f"{band} of item {tile.id}", tile.href(band)
            return job, scene.archive.read(
                href, lambda source: _plan(source, href, path, area, margin_metres)
            )

        numbers = range(len(scene.tiles))
        jobs = [(index, band) for index in numbers for band in bands]
        plans = dict(in_parallel(plan, jobs))
        # An outline may promise what the pixels of a tile do not hold.
        shown = [i for i in numbers if all(plans[i, band] for band in bands)]
        if not shown:
            raise SRError(
                f"the pixels of {', '.join(tile.id for tile in scene.tiles)} do not "
                "reach the area, whatever the outline says; take another item"
            )
        copies = [plans[index, band] for index in shown for band in bands]
        needed = sum(copy.nbytes for copy in copies)
        check_room(folder, needed, "the temporary copies of Sentinel-2")
        _fetch(scene.archive, copies)
        yield [{band: plans[index, band].path for band in bands} for index in shown]


@contextmanager
def open_links(scene: Scene, bands: Sequence[str]) -> Iterator[list[dict[str, str]]]:
    """Yield, for each tile, the link to read each of its bands by now.

    GDAL, whichever the engine brings, reads over them with retries and keeps the
    blocks for as long as the process lives.  OTB's listens to the environment only.
    """
    keep_secrets_out_of_logs()
    settings = {**scene.archive.settings(), "GDAL_HTTP_MAX_RETRY": LINK_RETRIES}
    before = {name: os.environ[name] for name in settings if name in os.environ}
    os.environ.update({name: str(value) for name, value in settings.items()})
    try:
        path = scene.archive.path
        yield [{band: path(tile.href(band)) for band in bands} for tile in scene.tiles]
    except PixelError as error:
        raise SRError(
            f"{error}; Sentinel-2 was read over links, which OTB 8.1 cannot if "
            "they are signed, and which may die: --download copies its pixels first"
        ) from None
    finally:
        for name in settings:
            del os.environ[name]
        os.environ.update(before)


def _plan(
    source: Any, href: str, path: str, area: shapely.Polygon, margin: float
) -> Copy | None:
    """Find the blocks of an open image near `area`; None if there are none."""
    grid, (height, width) = Grid.of(source), source.block_shapes[0]
    outline = areas.project(area, areas.DEGREES, source.crs)
    near = grid.touched(outline.buffer(margin).bounds)
    rows, cols = grid.clip(tuple(map(_whole_blocks, near, (height, width))))
    part = grid.part((rows, cols))
    if not part.width or not part.height:
        return None
    profile = {
        **vars(part),
        "driver": "GTiff",
        "count": 1,
        "dtype": source.dtypes[0],
        "nodata": source.nodata,
        "tiled": True,
        "blockxsize": 256,
        "blockysize": 256,
        "BIGTIFF": "IF_SAFER",
    }
    step = height * math.ceil(MIN_ROWS / height)
    tops = range(rows.start, rows.stop, step)
    cuts = [slice(top, min(top + step, rows.stop)) for top in tops]
    windows = [Window.from_slices(cut, cols) for cut in cuts]
    return Copy(href, path, windows, profile)


def _whole_blocks(pixels: slice, block: int) -> slice:
    """Return the pixels of all blocks that some pixels lie in.

    >>> _whole_blocks(slice(700, 1030), 512)
    slice(512, 1536, None)
    """
    return slice(pixels.start // block * block, -(-pixels.stop // block) * block)


def _fetch(archive: Archive, copies: Sequence[Copy]) -> None:
    """Read all blocks into the local files."""
    files, lock = {}, threading.Lock()

    def read(job: tuple[Copy, Window]) -> int:
        copy, window = job
        pixels = archive.read(copy.href, lambda source: source.read(1, window=window))
        top = window.row_off - copy.windows[0].row_off
        with lock:
            files[copy.path].write(
                pixels, 1, window=Window(0, top, window.width, window.height)
            )
        return pixels.size

    try:
        for copy in copies:
            files[copy.path] = rasterio.open(copy.path, "w", **copy.profile)
        jobs = [(copy, window) for copy in copies for window in copy.windows]
        total = sum(window.width * window.height for _, window in jobs)
        shown = {"unit": "px", "unit_scale": True, "delay": 3, "disable": None}
        with tqdm(desc="fetching Sentinel-2", total=total, **shown) as bar:
            for pixels in in_parallel(read, jobs):
                bar.update(pixels)
    finally:
        with lock:  # a reading that was abandoned may come to its end
            for file in files.values():
                file.close()
    for path in files:
        check_written(path)
