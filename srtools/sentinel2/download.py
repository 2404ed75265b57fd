"""Local copies of remote images: the blocks over an area.

Links expire within an hour, OTB has only the retries of GDAL, and OTB 8.1 cannot read
signed links.  So whole blocks are copied, several rows of blocks in parallel, each with
a fresh link and its own retries.  A row that cannot be read ends the download.
"""

import math
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

from srtools.errors import SRError
from srtools.files import check_room, make_folder, partial_folder
from srtools.images.grid import Grid
from srtools.images.raster import check_written
from srtools.sentinel2 import areas
from srtools.sentinel2.passes import Scene
from srtools.sentinel2.services import in_parallel
from srtools.sentinel2.stac_archive import Archive
from srtools.urls import NAMES

# Around the area: bicubic reads 2 pixels of 10 m more, and a shift may be corrected.
MARGIN_METRES = 100.0
MIN_ROWS = 1024  # pixels read at once, because each reading opens the image anew


@dataclass(frozen=True)
class Copy:
    """Blocks of a remote image (`href`), and the local file (`path`) for them."""

    href: str
    path: str
    windows: Sequence[Window]
    """Rows of blocks over the area; each is read at once."""
    profile: dict[str, Any]
    """Profile of the local file, for rasterio."""
    nbytes: int
    """Size of the pixels, bytes."""


@contextmanager
def local_copies(
    scene: Scene,
    bands: Sequence[str],
    area: shapely.Polygon,
    folder: str | Path,
    margin_metres: float = MARGIN_METRES,
) -> Iterator[list[dict[str, str]]]:
    """Download a scene; yield {band: local file} for each tile over the area.

    The files have the unchanged pixels of the blocks within `margin_metres` of the area
    (degrees), on the grid of the original.  They are deleted at the end of the block.
    """
    folder = make_folder(folder)  # fails now if it cannot be written
    with partial_folder(folder / "sentinel2") as temporary:

        def plan(job: tuple[int, str]) -> tuple[tuple[int, str], Copy | None]:
            index, band = job
            tile, path = scene.tiles[index], f"{temporary}/{index}_{band}.tif"
            NAMES[path], href = f"{band} of item {tile.id}", tile.href(band)
            return job, scene.archive.read(
                href, lambda source: _plan_copy(source, href, path, area, margin_metres)
            )

        numbers = range(len(scene.tiles))
        jobs = [(index, band) for index in numbers for band in bands]
        plans = dict(in_parallel(plan, jobs))
        # A published outline may be larger than the image.
        numbers = [i for i in numbers if all(plans[i, band] for band in bands)]
        if not numbers:
            raise SRError(
                f"the images of {', '.join(tile.id for tile in scene.tiles)} do not "
                "reach the area, although their outlines do; take another item"
            )
        copies = [plans[index, band] for index in numbers for band in bands]
        needed = sum(copy.nbytes for copy in copies)
        check_room(folder, needed, "the temporary copies of Sentinel-2")
        _download(scene.archive, copies)
        yield [{band: plans[index, band].path for band in bands} for index in numbers]


def _plan_copy(
    source: Any, href: str, path: str, area: shapely.Polygon, margin: float
) -> Copy | None:
    """Plan a copy of the blocks within `margin` metres of `area`; None without any."""
    grid, sides = Grid.of(source), source.block_shapes[0]
    outline = areas.project(area, areas.DEGREES, source.crs)
    window = grid.touched(outline.buffer(margin).bounds)
    rows, cols = grid.clip(tuple(map(_whole_blocks, window, sides)))
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
        "BIGTIFF": "IF_SAFER",
    }
    step = sides[0] * math.ceil(MIN_ROWS / sides[0])
    windows = [
        Window.from_slices((top, min(top + step, rows.stop)), cols)
        for top in range(rows.start, rows.stop, step)
    ]
    nbytes = part.width * part.height * np.dtype(source.dtypes[0]).itemsize
    return Copy(href, path, windows, profile, nbytes)


def _whole_blocks(pixels: slice, block: int) -> slice:
    return slice(pixels.start // block * block, -(-pixels.stop // block) * block)


def _download(archive: Archive, copies: Sequence[Copy]) -> None:
    """Download all blocks of the copies, in parallel, and write the local files."""
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
        style = {"unit": "px", "unit_scale": True, "delay": 3, "disable": None}
        with tqdm(desc="downloading Sentinel-2", total=total, **style) as bar:
            for pixels in in_parallel(read, jobs):
                bar.update(pixels)
    finally:
        with lock:  # an abandoned reading may still finish
            for file in files.values():
                file.close()
    for path in files:
        check_written(path)
