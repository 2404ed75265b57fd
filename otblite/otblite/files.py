"""Reading and writing image files through GDAL (rasterio)."""

import logging
import os
import re
import threading
import warnings
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import numpy as np
import rasterio
import rasterio.env
from rasterio.errors import NotGeoreferencedWarning, RasterioIOError
from tqdm import tqdm

from otblite import names
from otblite.image import Grid, Image, Window, tiles

WORKERS = os.cpu_count() or 1
DRIVERS = {".tif": "GTiff", ".tiff": "GTiff"}

log = logging.getLogger("otblite")

# Patches images have no georeference, and that is right.
warnings.simplefilter("ignore", NotGeoreferencedWarning)


def public(name: str) -> str:
    """Give a file name without the query of a URL, which may hold a signature."""
    return name.split("?")[0]


class _Handles(threading.local):
    """Open data sets of one thread: GDAL's are not safe to share between threads."""

    def __init__(self):
        self.open: dict[str, rasterio.DatasetReader] = {}


def open_image(name: str) -> Image:
    """Open a raster that GDAL can read: a file, `/vsimem/`, `/vsicurl/`, http(s).

    Raises:
        FileNotFoundError: if a local file does not exist.
        RuntimeError: if it is not an image that GDAL can read.
    """
    path, options = names.split(name)
    if options:
        raise RuntimeError(
            f"{public(path)}: options after '?&' are not supported when reading: "
            f"{', '.join(options)}"
        )
    remote = path.startswith(("http://", "https://", "/vsi"))
    if not remote and not os.path.exists(path):
        raise FileNotFoundError(f"{path}: no such file")
    if path.startswith(("http://", "https://")):
        path = f"/vsicurl/{path}"

    handles = _Handles()

    def dataset() -> rasterio.DatasetReader:
        if path not in handles.open:
            handles.open[path] = _open(path)
        return handles.open[path]

    def read(window: Window) -> np.ndarray:
        rows, cols = window.slices
        try:
            pixels = dataset().read(
                window=rasterio.windows.Window.from_slices(rows, cols)
            )
        except RasterioIOError as error:
            # A connection that broke leaves GDAL with errors in its cache.
            handles.open.pop(path).close()
            raise RuntimeError(f"{public(path)}: {_reason(error)}") from None
        return np.moveaxis(pixels, 0, -1)

    first = dataset()
    if first.count == 0 or len(set(first.dtypes)) > 1:
        raise RuntimeError(
            f"{public(path)}: bands of one pixel type are expected, "
            f"got {', '.join(first.dtypes) or 'none'}"
        )
    grid = Grid(first.crs, first.transform, first.width, first.height)
    return Image(grid, first.count, np.dtype(first.dtypes[0]), read)


def _open(path: str) -> rasterio.DatasetReader:
    try:
        return rasterio.open(path)
    except RasterioIOError as error:
        raise RuntimeError(
            f"{public(path)}: not an image that GDAL can read ({_reason(error)})"
        ) from None


def _reason(error: Exception) -> str:
    """Give GDAL's own words (rasterio keeps them in the cause) without signatures."""
    text = str(error.__cause__ or error)
    return re.sub(r"\?[^\s'\",)]*", "", " ".join(text.split()))


def convert(pixels: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Convert to a pixel type as OTB does: clamp to its range, then truncate.

    >>> convert(np.array([-3.0, 2.7, 70000.0]), np.dtype("uint16"))
    array([    0,     2, 65535], dtype=uint16)
    """
    if pixels.dtype == dtype or dtype.kind == "f":
        return pixels.astype(dtype, copy=False)
    limits = np.iinfo(dtype)
    if pixels.dtype.kind == "f":
        # float32 cannot hold the limits of 32-bit integers.
        wide = pixels.astype(np.float64) if dtype.itemsize > 2 else pixels
        pixels = np.nan_to_num(wide, nan=0.0, posinf=limits.max, neginf=limits.min)
    return np.clip(pixels, limits.min, limits.max).astype(dtype)


def write(image: Image, name: str, dtype: np.dtype, ram: int, progress: bool) -> None:
    """Write an image window by window as GeoTIFF, complete or not at all.

    Arguments:
        image: what to write; windows are computed by a pool of threads.
        name: file name, perhaps extended (see `names`).
        dtype: pixel type of the file (see `convert`).
        ram: megabytes that the windows in flight may take together.
        progress: whether to show a bar on a terminal when it takes long.

    Raises:
        ValueError: naming what is not supported in the file name.
        OSError: if the file cannot be written.
    """
    wanted = names.parse_output(name, image.bands)
    path = wanted.path
    suffix = os.path.splitext(path)[1].lower()
    if suffix not in DRIVERS:
        raise ValueError(f"{path}: images are written as GeoTIFF (.tif) only")
    box = wanted.box or image.grid.window
    if box.clip(image.grid.height, image.grid.width) != box or not box.height:
        raise ValueError(
            f"{path}: box {box.col}:{box.row}:{box.width}:{box.height} is not inside "
            f"the image of {image.grid.width} x {image.grid.height} pixels"
        )
    grid = image.grid.part(box)
    bands = wanted.bands or list(range(image.bands))
    profile = {
        "driver": DRIVERS[suffix],
        "width": grid.width,
        "height": grid.height,
        "count": len(bands),
        "dtype": dtype,
        "crs": grid.crs,
        "transform": grid.transform,
        "nodata": wanted.nodata,
        "BIGTIFF": "IF_SAFER",
        **wanted.creation_options,
    }
    size = _tile_size(image, grid.width, wanted.streaming, ram)

    def compute(tile: Window) -> np.ndarray:
        pixels = image.read(tile.shift(box.row, box.col))[:, :, bands]
        return np.moveaxis(convert(pixels, dtype), -1, 0)

    virtual = path.startswith("/vsimem/")
    folder, base = os.path.split(path)
    partial = path if virtual else os.path.join(folder, f".{os.getpid()}.{base}")
    log.info("Writing %s", path)
    try:
        with (
            rasterio.env.Env(GDAL_NUM_THREADS=WORKERS),
            rasterio.open(partial, "w", **profile) as file,
        ):
            todo = list(tiles(grid, *size))
            done = tqdm(
                _in_order(compute, todo), base, len(todo), unit="tile", delay=3,
                disable=None if progress else True,
            )  # fmt: skip
            for tile, pixels in done:
                span = rasterio.windows.Window.from_slices(*tile.slices)
                file.write(pixels, window=span)
        if not virtual:
            os.replace(partial, path)
    except RasterioIOError as error:
        raise OSError(f"{path}: cannot be written ({_reason(error)})") from None
    finally:
        if not virtual:
            with suppress(FileNotFoundError):
                os.remove(partial)


def _tile_size(
    image: Image, width: int, streaming: tuple[str, int] | None, ram: int
) -> tuple[int, int]:
    """Choose the (height, width) of the windows in which an image is computed.

    It is what the file name asks for, else what the image prefers, else full-width
    strips for which `ram` MB suffice.  A sample in flight costs about 24 bytes: the
    float32 result, the float64 or the neighbour images behind it, a converted copy.
    """
    if streaming:
        kind, height = streaming
        return height, height if kind == "tiled" else width
    if image.tile:
        return image.tile
    rows = int(ram * 2**20 / (WORKERS + 1) / (24 * width * image.bands))
    return max(16, rows // 16 * 16), width


def _in_order(compute, windows: list[Window]) -> Iterator[tuple[Window, np.ndarray]]:
    """Compute windows in a pool, a few ahead, and give them in order."""
    with ThreadPoolExecutor(WORKERS) as pool:
        pending: deque = deque()
        try:
            for window in windows:
                pending.append((window, pool.submit(compute, window)))
                if len(pending) > WORKERS:
                    first, future = pending.popleft()
                    yield first, future.result()
            while pending:
                first, future = pending.popleft()
                yield first, future.result()
        finally:
            for _, future in pending:
                future.cancel()
