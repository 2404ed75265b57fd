"""Remote images over an area: links for the engine, or local copies of their blocks.

Links need no file, but live for less than an hour, and OTB has no more than GDAL's own
retries.  For long runs and bad networks the pixels over the area are read beforehand:
whole blocks of the Cloud Optimized GeoTIFF, each once, several at a time, each row of
blocks with a fresh link and retries of its own.  A broken connection costs a row, never
wrong pixels.  A row that cannot be read, or `services.PATIENCE` at its end, ends the
download at once.
"""

import functools
import math
import os
import re
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from rasterio.errors import RasterioError
from rasterio.windows import Window
from tqdm import tqdm

from srtools.errors import PixelError, SRError
from srtools.files import check_room, make_folder, partial_folder
from srtools.images.grid import Grid
from srtools.images.raster import ImageInfo
from srtools.sentinel2 import services
from srtools.sentinel2.archive import Archive
from srtools.sentinel2.items import Tile
from srtools.sentinel2.passes import Scene
from srtools.urls import NAMES, gdal_path, is_remote, redact

# Beyond the area: bicubic looks 2 pixels of 10 m further, and a shift may be corrected.
MARGIN_METRES = 100.0
LINK_RETRIES = 6  # each after twice the time: half a minute without answer
MIN_ROWS = 256  # of pixels, read together: each reading opens the image anew
Key = tuple[int, str]  # number of the tile, name of the band


@dataclass(frozen=True)
class Part:
    """The whole blocks of a remote image that lie over an area."""

    href: str
    window: Window
    rows: int
    """Height of the windows that are read together, pixels."""
    profile: dict[str, Any]
    """Profile of the local file, for rasterio."""

    def windows(self) -> Iterator[Window]:
        """Cut the part into rows of blocks."""
        left, top, width, height = self.window.flatten()
        for row in range(top, top + height, self.rows):
            yield Window(left, row, width, min(self.rows, top + height - row))

    @property
    def nbytes(self) -> int:
        """Size of the pixels, bytes."""
        itemsize = np.dtype(self.profile["dtype"]).itemsize
        return int(self.window.width * self.window.height * itemsize)


@contextmanager
def local_copies(
    scene: Scene,
    bands: Sequence[str],
    area: ImageInfo,
    folder: str | Path,
    margin_metres: float = MARGIN_METRES,
) -> Iterator[list[dict[str, str]]]:
    """Yield, for each tile that shows the area, the local file of each of its bands.

    The files hold the pixels over the area and a little more, unchanged, on the grid
    of the original; they are deleted at the end.  Files that are not remote are not
    copied.
    """
    folder = make_folder(folder)  # or say now that it cannot be written
    end = time.monotonic() + services.PATIENCE
    hrefs, parts = find_parts(scene, bands, area, margin_metres, end)
    with partial_folder(folder / "sentinel2") as temporary:
        tiles, wanted = [], {}
        for index in _tiles_that_show(scene.tiles, bands, parts):
            name = scene.tiles[index].id
            tile = {band: gdal_path(hrefs[index, band]) for band in bands}
            for band in bands:
                if (index, band) in parts:
                    file = f"{index}_{re.sub(r'[^A-Za-z0-9_]', '_', name)}_{band}.tif"
                    tile[band] = f"{temporary}/{file}"
                    wanted[tile[band]] = parts[index, band]
                    NAMES[tile[band]] = f"{band} of item {name}"
            tiles.append(tile)
        needed = sum(part.nbytes for part in wanted.values())
        check_room(folder, needed, "the temporary copies of Sentinel-2")
        try:
            _fetch(scene.archive, wanted, end)
        except RasterioError:
            raise SRError(
                f"folder {folder} does not take the {math.ceil(needed / 1e6)} MB of "
                "Sentinel-2 that are copied for a while; make room, or choose another "
                "folder"
            ) from None
        yield tiles


@contextmanager
def open_links(
    scene: Scene,
    bands: Sequence[str],
    area: ImageInfo,
    margin_metres: float = MARGIN_METRES,
) -> Iterator[list[dict[str, str]]]:
    """Yield, for each tile that shows the area, the link to read each band by now.

    GDAL, whichever the engine brings, reads over them with retries and keeps the
    blocks for as long as the process lives.
    """
    end = time.monotonic() + services.PATIENCE
    hrefs, parts = find_parts(scene, bands, area, margin_metres, end)
    shown = _tiles_that_show(scene.tiles, bands, parts)
    services.keep_secrets_out_of_logs()
    settings = {**scene.archive.settings(), "GDAL_HTTP_MAX_RETRY": LINK_RETRIES}
    with environment(settings):
        try:
            yield [
                {band: scene.archive.path(hrefs[index, band]) for band in bands}
                for index in shown
            ]
        except PixelError as error:
            raise SRError(
                f"{error}; Sentinel-2 was read over links, which OTB 8.1 cannot if "
                "they are signed, and which may die: --download copies its pixels first"
            ) from None


@contextmanager
def environment(settings: Mapping[str, Any]) -> Iterator[None]:
    """Set variables of the environment for a while: OTB's GDAL listens to no other."""
    before = {name: os.environ.get(name) for name in settings}
    os.environ.update({name: str(value) for name, value in settings.items()})
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def find_parts(
    scene: Scene, bands: Sequence[str], area: ImageInfo, margin: float, end: float
) -> tuple[dict[Key, str], dict[Key, Part | None]]:
    """Open every image, and find its blocks near the area before the time `end`.

    Returns:
        The href of each image, and, of those that are remote, the blocks; None if the
        image does not reach the area.
    """
    hrefs = {
        (index, band): href
        for band in bands
        for index, href in enumerate(scene.hrefs(band))
    }

    def plan(key: Key) -> tuple[Key, Part | None]:
        read = functools.partial(_plan, href=hrefs[key], area=area, margin=margin)
        return key, scene.archive.read(hrefs[key], read)

    remote = [key for key, href in hrefs.items() if is_remote(href)]
    return hrefs, dict(services.in_parallel(plan, remote, end))


def _tiles_that_show(
    tiles: Sequence[Tile], bands: Sequence[str], parts: Mapping[Key, Part | None]
) -> list[int]:
    """Return the numbers of the tiles whose bands all reach the area."""
    shown = []
    for index, tile in enumerate(tiles):
        absent = [band for band in bands if parts.get((index, band), ...) is None]
        if not absent:
            shown.append(index)
        elif len(absent) < len(bands):
            raise SRError(
                f"{', '.join(absent)} of item {tile.id} does not reach the area, its "
                "other bands do; take another item"
            )
    if not shown:
        raise SRError(
            f"the pixels of {', '.join(tile.id for tile in tiles)} do not reach the "
            "area, whatever the outline says; take another item"
        )
    return shown


def _plan(source: Any, href: str, area: ImageInfo, margin: float) -> Part | None:
    """Find the blocks of an open image near `area`, without reading a pixel."""
    if not source.crs:
        raise SRError(f"{redact(href)} has no CRS, so its place is unknown")
    grid, sides = Grid.of(source), source.block_shapes[0]
    near = grid.touched(Grid.of(area).bounds_in(source.crs, margin))
    window = grid.clip(tuple(map(_whole_blocks, near, sides)))
    part = grid.part(window)
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
    rows = sides[0] * math.ceil(MIN_ROWS / sides[0])
    return Part(href, Window.from_slices(*window), rows, profile)


def _whole_blocks(pixels: slice, block: int) -> slice:
    """Return the pixels of all blocks that some pixels lie in.

    >>> _whole_blocks(slice(700, 1030), 512)
    slice(512, 1536, None)
    """
    return slice(pixels.start // block * block, -(-pixels.stop // block) * block)


def _fetch(archive: Archive, parts: Mapping[str, Part], end: float) -> None:
    """Read the parts into local files before the time `end`.

    Raises:
        RasterioError: if the files cannot be written.
    """
    files, locks = {}, {path: threading.Lock() for path in parts}
    jobs = [(path, window) for path, part in parts.items() for window in part.windows()]

    def copy(job: tuple[str, Window]) -> int:
        path, window = job
        href, first_row = parts[path].href, parts[path].window.row_off
        pixels = archive.read(href, lambda source: source.read(1, window=window))
        place = Window(0, window.row_off - first_row, window.width, window.height)
        with locks[path]:
            files[path].write(pixels, 1, window=place)
        return pixels.size

    try:
        for path, part in parts.items():
            files[path] = rasterio.open(path, "w", **part.profile)
        total = sum(window.width * window.height for _, window in jobs)
        shown = {"unit": "px", "unit_scale": True, "delay": 3, "disable": None}
        with tqdm(desc="fetching Sentinel-2", total=total, **shown) as bar:
            for pixels in services.in_parallel(copy, jobs, end):
                bar.update(pixels)
    finally:
        for path, file in files.items():
            with locks[path]:  # a reading that was given up may come to its end
                file.close()
    for path, part in parts.items():
        # Blocks that GDAL writes when it closes a file may get lost without an error.
        if Path(path).stat().st_size < part.nbytes:
            raise RasterioError(f"{path} is not complete")
