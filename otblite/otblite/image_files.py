"""Reading and writing image files through GDAL (rasterio)."""

import logging
import os
import re
import threading
import time
import warnings
from contextlib import suppress
from pathlib import Path

import numpy as np

# Megabytes of decoded blocks that GDAL keeps.  GDAL's default is a share of
# the machine's memory, so that the memory of a program would depend on the machine.
os.environ.setdefault("GDAL_CACHEMAX", "64")

import rasterio
import rasterio.env
import rasterio.shutil
from affine import Affine
from otblite import file_names
from otblite.block_cache import BlockCache
from otblite.file_names import REMOTE
from otblite.image import (
    LARGEST,
    WORKERS,
    Grid,
    Image,
    Window,
    in_order,
    strip_height,
    tiles,
)
from otblite.whole_files import reason_of, whole_file
from rasterio.errors import NotGeoreferencedWarning, RasterioIOError
from tqdm import tqdm

DRIVERS = {".tif": "GTiff", ".tiff": "GTiff", ".png": "PNG", ".jp2": "JP2OpenJPEG"}
# Those that GDAL only copies from another file, and of these pixel types only.
COPIED = {"PNG": ("uint8", "uint16"), "JP2OpenJPEG": ("uint8", "int16", "uint16")}
# Bytes of a strip in a file.
LARGEST_STRIP = 2**22

log = logging.getLogger("otblite")

# Patches images have no georeference, and that is right.
warnings.simplefilter("ignore", NotGeoreferencedWarning)


# Files in memory and in archives on the disk, which may be written anew: their blocks
# are not kept.
LOCAL = re.compile(r"/vsimem/|(/vsi(zip|tar|gzip|7z|rar)/)+(?!/?vsi|\{?/vsi)")

# Seconds before a remote window is read again, beside GDAL's own retries, which know
# nothing of connections that break off.
PAUSES = (0.5, 2.0, 4.0)


def public(name: str) -> str:
    """Return a file name without the query of a URL, which may hold a signature."""
    return name.split("?")[0] if name.startswith(REMOTE) else name


class _Handle:
    """An open data set, which one thread at a time may use: GDAL demands it."""

    def __init__(self, path: str):
        self.path = path
        self.lock = threading.Lock()
        self.file: rasterio.DatasetReader | None = None
        self.settings: dict[str, str] = {}

    def read(self, window: Window) -> np.ndarray:
        """Read a window [bands, h, w]; after a failure open the file anew."""
        pauses = list(PAUSES if self.path.startswith(REMOTE) else ())
        with self.lock:
            while True:
                try:
                    span = rasterio.windows.Window.from_slices(*window.slices)
                    return self.open().read(window=span)
                except RasterioIOError as error:
                    reason = f"{public(self.path)}: {reason_of(error)}"
                except RuntimeError as error:  # it could be opened before
                    reason = str(error)
                self.forget()
                if not pauses:
                    raise RuntimeError(reason)
                time.sleep(pauses.pop(0))

    def forget(self) -> None:
        """Close the data set, and drop the rest of a broken connection from the cache.

        Half a block there would be taken for the end of the file.
        """
        if self.file is not None:
            self.file.close()
        self.file = None
        if self.path.startswith(REMOTE):
            self.settings = {"CPL_VSIL_CURL_NON_CACHED": "/vsicurl/http"}
            with suppress(RuntimeError):
                _open(self.path, **self.settings).close()  # which forgets the file

    def open(self) -> rasterio.DatasetReader:
        """Return the data set, opened at the first time."""
        if self.file is None:
            self.file = _open(self.path, **self.settings)
        return self.file


class _HandlePerThread(threading.local):
    """One handle for each thread, so that a slow server is asked several things."""

    def __init__(self, path: str):
        self.handle = _Handle(path)


def open_image(name: str) -> Image:
    """Open a raster that GDAL can read: a file, `/vsimem/`, `/vsicurl/`, http(s).

    Raises:
        FileNotFoundError: if a local file does not exist.
        RuntimeError: if it is not an image that GDAL can read.
    """
    try:
        return _open_image(file_names.parse_input(name))
    except ValueError as error:
        raise RuntimeError(f"{public(file_names.split(name)[0])}: {error}") from None


def _open_image(parsed: file_names.InputName) -> Image:
    path = parsed.path
    remote = path.startswith(REMOTE)
    if not remote and not os.path.exists(path):
        raise FileNotFoundError(f"{path}: no such file")
    if path.startswith(("http://", "https://")):
        path = f"/vsicurl/{path}"

    # A file on the disk is decoded once, in a cache that all threads share.
    shared = None if remote or path.lower().endswith(".vrt") else _Handle(path)
    per_thread = _HandlePerThread(path)

    first = (shared or per_thread.handle).open()

    def fetch(window: Window) -> np.ndarray:
        return (shared or per_thread.handle).read(window)

    if remote and not LOCAL.match(path):
        whole = Window(0, 0, first.height, first.width)
        fetch = BlockCache(path, whole, first.block_shapes[0], fetch).read

    def read(window: Window) -> np.ndarray:
        return np.moveaxis(fetch(window), 0, -1)

    dtypes = set(first.dtypes)
    if len(dtypes) != 1 or any(dtype.startswith("complex") for dtype in dtypes):
        names = ", ".join(first.dtypes) or "none"
        raise ValueError(f"bands of one real pixel type are expected, got {names}")
    crs, place = first.crs, first.transform
    if parsed.skip_carto:
        crs, place = None, Affine.identity()
    elif place.b or place.d:
        # OTB drops the rotation without a word.
        place = Affine(place.a, 0, place.c, 0, place.e, place.f)
        log.warning(
            "%s is rotated, which OTB and otblite ignore: its pixels are not where "
            "they belong; warp it first",
            public(path),
        )
    if not (place.a and place.e):
        raise ValueError("an image turned by 90 degrees; warp it")
    grid = Grid(crs, place, first.width, first.height)
    dtype = np.dtype(dtypes.pop())
    image = Image(grid, first.count, dtype, read, nodata=first.nodata)
    if not parsed.bands:
        return image
    return image.part(grid.window, file_names.read_bands(parsed.bands, first.count))


def _open(path: str, **settings: str) -> rasterio.DatasetReader:
    try:
        # With several threads GDAL returns zeros, and no error, where a server fails.
        with rasterio.env.Env(GDAL_NUM_THREADS=1, **settings):
            return rasterio.open(path)
    except RasterioIOError as error:
        raise RuntimeError(
            f"{public(path)}: not an image that GDAL can read ({reason_of(error)})"
        ) from None


def convert(pixels: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Convert to a pixel type as OTB does: clamp to its range, then truncate.

    float64 is clamped to the range of float32, in which OTB computes.

    >>> convert(np.array([-3.0, 2.7, 70000.0]), np.dtype("uint16"))
    array([    0,     2, 65535], dtype=uint16)
    """
    if dtype == np.float64 and pixels.dtype.kind == "f":
        return np.clip(pixels, -LARGEST, LARGEST).astype(dtype, copy=False)
    if pixels.dtype == dtype or dtype.kind == "f":
        return pixels.astype(dtype, copy=False)
    limits = np.iinfo(dtype)
    if pixels.dtype.kind == "f":
        if dtype.itemsize > 2:
            # float32 cannot hold the limits of 32-bit integers.
            pixels = pixels.astype(np.float64)
        if limits.min <= pixels.min() and pixels.max() <= limits.max:  # and no NaN
            return pixels.astype(dtype)
        # NaN, and in 32 bits infinity, become what the processor makes of them.
        wide = dtype.itemsize > 2
        valid = np.abs(pixels) < LARGEST if wide else ~np.isnan(pixels)
        pixels = np.where(valid, pixels, limits.min if wide else 0)
    return np.clip(pixels, limits.min, limits.max).astype(dtype)


def write(image: Image, name: str, dtype: np.dtype, ram: int, progress: bool) -> None:
    """Write an image window by window, by several threads, complete or not at all.

    It is a GeoTIFF, or by its ending a PNG or a JPEG 2000, which is lossy unless
    creation options say otherwise.

    Arguments:
        name: file name, perhaps extended (see `file_names`).
        dtype: pixel type of the file (see `convert`).
        ram: megabytes that the windows in flight may take together.
        progress: whether to show a bar on a terminal when it takes long.

    Raises:
        ValueError: naming the option of the file name that is not supported.
        OSError: if the file cannot be written.
    """
    parsed = file_names.parse_output(name, image.bands)
    path = parsed.path
    suffix = os.path.splitext(path)[1].lower()
    if suffix not in DRIVERS:
        raise ValueError(
            f"{path}: images are written as GeoTIFF (.tif), PNG (.png) and JPEG 2000 "
            "(.jp2) only"
        )
    driver = DRIVERS[suffix]
    types = COPIED.get(driver, (dtype.name,))
    if dtype.name not in types:
        raise ValueError(
            f"{path}: a {driver} has pixels of {' or '.join(types)}, not {dtype.name}; "
            f"give a pixel type, like {types[0]}"
        )
    box = parsed.box or image.grid.window
    if box.intersect(image.grid.window) != box or 0 in box[2:]:
        raise ValueError(
            f"{path}: box {box.col}:{box.row}:{box.width}:{box.height} is not inside "
            f"the image of {image.grid.width} x {image.grid.height} pixels"
        )
    part = image.part(box, parsed.bands)
    grid, bands = part.grid, part.bands
    options = {key.upper(): value for key, value in parsed.creation_options.items()}
    profile = {
        "driver": "GTiff",
        "width": grid.width,
        "height": grid.height,
        "count": bands,
        "dtype": dtype,
        "crs": rasterio.crs.CRS.from_epsg(parsed.epsg) if parsed.epsg else grid.crs,
        "transform": grid.transform,
        "nodata": _nodata(image, dtype) if parsed.nodata is None else parsed.nodata,
        "BIGTIFF": "IF_SAFER",
        "NUM_THREADS": WORKERS,
        **_strips(image, grid.width, bands, dtype),
        **({} if driver in COPIED else options),
    }

    def compute(tile: Window) -> np.ndarray:
        return np.moveaxis(convert(part.read(tile), dtype), -1, 0)

    log.info("Writing %s", path)
    size = _tile_size(image, grid.width, parsed.streaming, ram)
    todo = tiles(grid.window, *size)
    with whole_file(path) as partial:
        tiff = f"{partial}.tif" if driver in COPIED else partial
        with rasterio.open(tiff, "w", **profile) as file:
            done = tqdm(
                in_order(compute, todo),
                Path(path).name,
                len(todo),
                unit="tile",
                delay=3,
                disable=None if progress else True,
            )
            for tile, pixels in done:
                span = rasterio.windows.Window.from_slices(*tile.slices)
                file.write(pixels, window=span)
        if partial != path and "SPARSE_OK" not in profile:
            _check_complete(tiff)
        if driver in COPIED:
            rasterio.shutil.copy(tiff, partial, driver=driver, **options)
            rasterio.shutil.delete(tiff)


def _strips(image: Image, width: int, bands: int, dtype: np.dtype) -> dict[str, int]:
    """Return the creation option that makes full-width tiles, as patches, strips.

    GDAL's own strips of 8 KB take twice as long to compress and to read.
    """
    if not image.tile or image.tile[1] != width:
        return {}
    size = image.tile[0] * width * bands * dtype.itemsize
    return {"BLOCKYSIZE": image.tile[0]} if size <= LARGEST_STRIP else {}


def _nodata(image: Image, dtype: np.dtype) -> float | None:
    """Return the image's label for pixels without data if `dtype` can hold it."""
    if image.nodata is None or not rasterio.dtypes.in_dtype_range(image.nodata, dtype):
        return None
    return image.nodata


def _check_complete(path: str) -> None:
    """Check that all blocks are in a GeoTIFF that was just written.

    GDAL reports no error if it cannot write while it closes a file, on a full disk.

    Raises:
        OSError: if a block is missing or lies beyond the end.
    """
    size = os.path.getsize(path)
    with rasterio.open(path) as file:
        together = file.interleaving == rasterio.enums.Interleaving.pixel
        for band in (1,) if together else file.indexes:
            for (row, col), _ in file.block_windows(band):
                start, length = (
                    file.get_tag_item(f"BLOCK_{item}_{col}_{row}", "TIFF", band)
                    for item in ("OFFSET", "SIZE")
                )
                if start is None or int(start) + int(length) > size:
                    raise OSError("it is not complete, perhaps the disk is full")


def _tile_size(
    image: Image, width: int, streaming: tuple[str, int] | None, ram: int
) -> tuple[int, int]:
    """Choose the (height, width) of the windows in which an image is computed.

    They are given in the file name, or the image's own tiles, or else
    full-width strips for which `ram` MB suffice.
    """
    if streaming:
        kind, height = streaming
        if kind == "stripped" and image.tile and image.tile[0] == height:
            # The same pixels, tile by tile: threads share the work to the last tile.
            return image.tile[0], min(image.tile[1], width)
        return height, height if kind == "tiled" else width
    if image.tile and image.tile[1] < width:
        return image.tile
    return strip_height(image, ram, width), width
