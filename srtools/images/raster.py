"""What the scripts check of an image before any pixel is computed."""

import os
import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
import rasterio.warp
import shapely
from affine import Affine
from rasterio.crs import CRS
from rasterio.enums import Interleaving
from rasterio.errors import NotGeoreferencedWarning, RasterioError

from srtools import signals
from srtools.conventions import BANDS
from srtools.errors import SRError
from srtools.urls import gdal_path, is_remote, redact

# Patches lie nowhere, and what must lie somewhere is checked.
warnings.simplefilter("ignore", NotGeoreferencedWarning)


@dataclass(frozen=True)
class ImageInfo:
    """Where an image lies and what its pixels are."""

    path: str
    width: int
    height: int
    bands: int
    dtype: str
    crs: CRS
    transform: Affine
    """From (column, row) of a pixel's upper left corner to coordinates."""
    nodata: float | None = None
    """The value that the file declares to be no data."""

    @property
    def spacing(self) -> float:
        """Pixel size, in units of the CRS (metres)."""
        return self.transform.a

    def spacing_in(self, crs: CRS) -> float:
        """Give the smaller side of the middle pixel, in units of another CRS."""
        cols = self.width // 2 + np.array((0, 1, 0))
        rows = self.height // 2 + np.array((0, 0, 1))
        xs, ys = self.transform @ (cols, rows)
        places = rasterio.warp.transform(self.crs, crs, xs, ys)
        corner, right, below = np.transpose(places)
        return min(np.hypot(*(right - corner)), np.hypot(*(below - corner)))

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """Left, bottom, right, top, in units of the CRS."""
        left, top = self.transform @ (0, 0)
        right, bottom = self.transform @ (self.width, self.height)
        return left, bottom, right, top

    @property
    def largest(self) -> int | None:
        """The largest DN of the pixel type, at which a sensor saturates."""
        kind = np.dtype(self.dtype)
        return int(np.iinfo(kind).max) if kind.kind == "u" else None

    def record(self) -> dict:
        """Give what a card keeps of this image."""
        return {
            "path": redact(self.path),
            "size": [self.width, self.height],
            "spacing": self.spacing,
            "crs": self.crs.to_string(),
            "origin": list(self.transform @ (0, 0)),
            "dtype": self.dtype,
        }


def describe(path: str | os.PathLike, what: str, bands: int | None = None) -> ImageInfo:
    """Read the description of an image.

    Arguments:
        path: file name or URL.
        what: what the user calls the image, for messages ("the PAN image").
        bands: the number of bands it must have.

    Raises:
        SRError: if it is missing, not an image, not georeferenced, or has another
            number of bands.
    """
    path = str(path)
    name = redact(path)
    if not is_remote(path):
        check_name(path)
    if not is_remote(path) and not os.path.exists(path):
        raise SRError(f"{what} {name} does not exist; check the path")
    try:
        with rasterio.open(gdal_path(path)) as file:
            info = ImageInfo(
                path, file.width, file.height, file.count, file.dtypes[0],
                file.crs, file.transform, file.nodata,
            )  # fmt: skip
    except (RasterioError, OSError, IndexError):
        raise SRError(
            f"{what} {name} cannot be read as an image; "
            "a GeoTIFF or another format that GDAL reads is expected"
        ) from None
    if bands is not None and info.bands != bands:
        raise SRError(
            f"{what} {name} has {info.bands} band(s), {bands} are expected"
            + (f" ({', '.join(BANDS)} in this order)" if bands == len(BANDS) else "")
        )
    if not info.crs or info.transform.b or info.transform.d or info.transform.e >= 0:
        raise SRError(
            f"{what} {name} is not a north-up image with a CRS; "
            "orthorectify it first (gdalwarp, or OTB's OrthoRectification)"
        )
    return info


def check_name(path: str | os.PathLike) -> None:
    """Check that OTB takes a local path as it is.

    Raises:
        SRError: if it holds a `?`, after which OTB up to 9 expects options.
    """
    if "?" in str(path):
        raise SRError(
            f"{path} has a '?' in its name, which OTB takes for the start of options; "
            "rename the file or folder"
        )


def data_outline(image: ImageInfo, samples: int = 512) -> shapely.Polygon:
    """Give a convex outline of the pixels that have data, in the CRS of the image.

    Orthorectified images are slanted, with wedges of 0 beside them.

    Arguments:
        image: whose pixels are 0 where there is no data.
        samples: rows and columns that are looked at, at most.

    Raises:
        SRError: if no pixel has data.
    """
    height, width = min(image.height, samples), min(image.width, samples)
    with rasterio.open(gdal_path(image.path)) as file:
        there = (file.read(out_shape=(image.bands, height, width)) > 0).all(axis=0)
    rows = np.flatnonzero(there.any(axis=1))
    if not rows.size:
        raise SRError(f"{redact(image.path)} holds no data, all its pixels are 0")
    cols = np.array([np.flatnonzero(there[row])[[0, -1]] + (0, 1) for row in rows])
    # The four corners of what each row has.
    corners = [(col, row + down) for row, ends in zip(rows, cols, strict=True)
               for col in ends for down in (0, 1)]  # fmt: skip
    scaled = np.array(corners) * (image.width / width, image.height / height)
    x, y = image.transform @ scaled.T
    return shapely.convex_hull(shapely.MultiPoint(np.stack([x, y], axis=1)))


@dataclass(frozen=True)
class PatchesInfo:
    """How many patches are stacked downwards in a patches image, and of what size."""

    count: int
    size: int
    bands: int


def describe_patches(path: str | os.PathLike) -> PatchesInfo:
    """Read the description of a patches image.

    Raises:
        SRError: if it is missing, or not a stack of square patches.
    """
    try:
        with rasterio.open(path) as file:
            width, height, bands = file.width, file.height, file.count
    except RasterioError:
        raise SRError(
            f"{path} is missing or not an image; sr_dataset.py writes it"
        ) from None
    if height % width:
        raise SRError(
            f"{path} has {width} x {height} pixels, a stack of square patches is "
            "expected; make it again with sr_dataset.py"
        )
    return PatchesInfo(height // width, width, bands)


def check_written(path: str | os.PathLike) -> None:
    """Check that a GeoTIFF which the engine wrote is complete.

    On a full disk OTB's writer returns without an error; the file is short, empty, or
    lacks blocks.  The places of the blocks tell, without reading their pixels.

    Raises:
        SRError: if a block is missing, cut off, or lies over another one.
    """
    try:
        with rasterio.open(path) as file:
            blocks = [
                tuple(
                    int(
                        file.get_tag_item(f"BLOCK_{item}_{col}_{row}", "TIFF", band)
                        or 0
                    )
                    for item in ("OFFSET", "SIZE")
                )
                for band in (
                    file.indexes if file.interleaving is Interleaving.band else (1,)
                )
                for (row, col), _ in file.block_windows(band)
            ]
        size = os.path.getsize(path)
        first, length = np.array(sorted(blocks), np.int64).T
        whole = length.all() and (first + length <= np.append(first[1:], size)).all()
    except (RasterioError, OSError):
        whole = False
    if not whole:
        free = shutil.disk_usage(Path(path).parent).free
        raise SRError(
            f"{Path(path).name} was not written completely; the disk is probably full "
            f"({free / 1e6:.0f} MB are free): make room, or choose another folder"
        )


@contextmanager
def reading(path: str | os.PathLike) -> Iterator[None]:
    """Turn pixels that cannot be read into one line."""
    try:
        yield
    except RasterioError:
        raise SRError(
            f"the pixels of {redact(str(path))} cannot all be read; the file is "
            "damaged or not complete: fetch it again"
        ) from None


@contextmanager
def engine_errors(doing: str) -> Iterator[None]:
    """Run OTB or otblite: errors become one line, signals wait for the end.

    Arguments:
        doing: the work, for messages ("extracting patches").

    Raises:
        SRError: saying what was being done, and the engine's reason.
    """
    try:
        with signals.held():
            yield
    except RuntimeError as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        # TensorFlow ends its errors with the names of nodes: `[[{{node ...`.
        reasons = [line for line in lines if not line.startswith("[[")]
        reason = reasons[-1] if reasons else "no reason given"
        raise SRError(f"{doing} failed: {reason}") from None
