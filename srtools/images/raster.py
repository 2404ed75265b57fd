"""The metadata and the pixels of an image file."""

import os
import re
import shutil
import struct
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
import rasterio.warp
import rasterio.windows
import shapely
from affine import Affine
from rasterio._err import CPLE_BaseError
from rasterio.crs import CRS
from rasterio.enums import MaskFlags, Resampling
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.vrt import WarpedVRT
from tifffile import TiffFile, TiffFileError

from srtools import urls
from srtools.conventions import BANDS, OFFSET_TAG
from srtools.errors import PixelError, SRError
from srtools.files import VIEWER_FILES, check_name
from srtools.images.grid import Grid, Window

# Patches images have no georeference.  Images that need one are checked by `describe`.
warnings.simplefilter("ignore", NotGeoreferencedWarning)

GDAL_ERRORS = (RasterioError, CPLE_BaseError)
"""Errors of reading and writing; copying and overviews raise the second."""

COMPRESSED = {"COMPRESS": "DEFLATE", "ZLEVEL": 1, "PREDICTOR": 2, "BIGTIFF": "IF_SAFER"}
"""GDAL's creation options of an image: small, and quick to write."""


@dataclass(frozen=True)
class BandInfo:
    """Metadata of one band."""

    dtype: str
    nodata: float | None
    title: str  # description of the band; "" if there is none
    colour: str  # colour interpretation: "red", "alpha", "palette", "undefined"...
    scale: float  # physical value of one DN
    offset: float  # physical value of DN 0
    masked: bool  # a mask or an alpha band marks the pixels with data


@dataclass(frozen=True)
class ImageInfo(Grid):
    """Grid, bands and pixel type of an image."""

    path: str
    bands: int
    dtype: str
    band_infos: tuple[BandInfo, ...] = ()
    offset_removed: int = 0
    """DN that were already subtracted, by `OFFSET_TAG`."""

    @property
    def grid(self) -> Grid:
        """Grid of the pixels, without their metadata."""
        return Grid.of(self)

    @property
    def spacing(self) -> float:
        """Pixel size, in units of the CRS (metres)."""
        return self.transform.a

    def spacing_in(self, crs: CRS) -> float:
        """Return the smaller side of the middle pixel, in units of another CRS."""
        cols = self.width // 2 + np.array((0, 1, 0))
        rows = self.height // 2 + np.array((0, 0, 1))
        xs, ys = self.transform @ (cols, rows)
        places = rasterio.warp.transform(self.crs, crs, xs, ys)
        corner, right, below = np.transpose(places)
        return min(np.hypot(*(right - corner)), np.hypot(*(below - corner)))

    def record(self) -> dict:
        """Return the entry of this image in a card."""
        return {
            "path": urls.redact(self.path),
            "size": [self.width, self.height],
            "spacing": self.spacing,
            "crs": self.crs.to_string(),
            "origin": list(self.transform @ (0, 0)),
            "dtype": self.dtype,
        }


def describe(
    path: str | os.PathLike, label: str, bands: int | None = None
) -> ImageInfo:
    """Read the metadata of an image, which must be north up and have `bands` bands.

    `label` names the image in messages ("the PAN image").
    """
    path = str(path)
    name = f"{label} {urls.redact(path)}"
    if not urls.is_remote(path):
        check_name(path)
        if not os.path.exists(path):
            raise SRError(f"{name} does not exist; {_advice(path, 'check the path')}")
    try:
        with rasterio.open(urls.gdal_path(path)) as file:
            info = _info_of(file, path)
    except (*GDAL_ERRORS, OSError) as error:
        reason = reason_of(error)
        default = "a GeoTIFF or another format that GDAL reads is expected"
        advice = _advice(f"{path}\n{reason}", default)
        raise SRError(
            f"{label} {urls.with_proxy(path)} cannot be read as an image ({reason}); "
            f"{advice}"
        ) from None
    if bands is not None and info.bands != bands:
        order = f" ({', '.join(BANDS)} in this order)" if bands == len(BANDS) else ""
        alpha = any(band.colour == "alpha" for band in info.band_infos)
        advice = "; gdalwarp -dstnodata 0 turns an alpha band into 0" if alpha else ""
        raise SRError(
            f"{name} has {info.bands} band(s), {bands} are expected{order}{advice}"
        )
    _check_north_up(info, name)
    return info


ADVICE = {
    r"SENTINEL2_L\w+:|MTD_\w+\.xml$": "give the .SAFE folder itself",
    r"\.(zip|tgz|tar|tar\.gz|7z)$": "unpack it, and give the image or the .SAFE folder",
    r"^s3://|^/vsis3/": f"{urls.KEYS_FOR_S3}, or fetch the file first",
    r"\b40[139]\b": "the server refuses the link, perhaps because its token has ended: "
    "take a fresh one",
    r"\b404\b": "the server has no such file: check the link",
    r"'/vsi\S+' does not exist": "links whose path ends in .tif, .tiff, .jp2 or .vrt, "
    "or without extension, are read: set CPL_VSIL_CURL_ALLOWED_EXTENSIONS to that of "
    "this link, or fetch the file",
    r"certificate": "see that REQUESTS_CA_BUNDLE, CURL_CA_BUNDLE and SSL_CERT_FILE are "
    "unset, or name the file of your network",
    r"missing codec": "GDAL lacks the compression: copy it with a GDAL that has it "
    "(gdal_translate -co COMPRESS=DEFLATE)",
}
"""Remedies for unreadable images, by patterns of their path and of GDAL's reason."""


def _advice(text: str, default: str) -> str:
    advice = (x for pattern, x in ADVICE.items() if re.search(f"(?im){pattern}", text))
    return next(advice, default)


def reason_of(error: BaseException) -> str:
    """Return the root cause of an error, in one line and without secrets."""
    while error.__cause__:
        error = error.__cause__
    # libtiff reports row and column 4294967295.
    text = re.sub(r" at row \d+, col \d+", "", str(error))
    return urls.without_secrets(" ".join(text.split()))


def _check_north_up(image: ImageInfo, name: str) -> None:
    """Check that an image is georeferenced, north up, with columns to the east."""
    place = image.transform
    for wrong, fault in (
        (place == Affine.identity(), "has no georeference: orthorectify it"),
        (not image.crs, "has no CRS: gdal_edit.py -a_srs EPSG:... sets it"),
        (place.b or place.d, "is rotated: gdalwarp turns it north up"),
        (place.e > 0, "lies with its south up: gdalwarp turns it north up"),
        (place.a < 0, "is mirrored, its columns go west: gdalwarp turns it"),
    ):
        if wrong:
            raise SRError(f"{name} {fault}; an image that is north up is expected")


def _info_of(file: rasterio.DatasetReader, path: str) -> ImageInfo:
    """Return the metadata of an open image; raise for a mere list of images."""
    if not file.count:
        raise RasterioError("it is a list of images and none itself")
    try:
        colours = [colour.name for colour in file.colorinterp]
    except ValueError:  # rasterio does not know all colours of GDAL
        colours = ["undefined"] * file.count
    masked = [
        bool({MaskFlags.per_dataset, MaskFlags.alpha} & set(flags))
        for flags in file.mask_flag_enums
    ]
    titles = [title or "" for title in file.descriptions]
    values = file.nodatavals, titles, colours, file.scales, file.offsets, masked
    bands = [BandInfo(*band) for band in zip(file.dtypes, *values, strict=True)]
    removed = int(file.tags().get(OFFSET_TAG) or 0)
    grid, pixels = vars(Grid.of(file)), (path, file.count, file.dtypes[0])
    return ImageInfo(*grid.values(), *pixels, tuple(bands), removed)


@contextmanager
def reading(path: str | os.PathLike) -> Iterator[rasterio.DatasetReader]:
    """Open an image to read pixels; errors inside the block become `PixelError`."""
    try:
        with rasterio.open(urls.gdal_path(str(path))) as file:
            yield file
    except GDAL_ERRORS as error:
        reason = reason_of(error)
        raise PixelError(
            f"the pixels of {urls.redact(str(path))} cannot all be read ({reason}); "
            "the file is damaged or not complete: fetch it again"
        ) from None


def read(
    images: Sequence[ImageInfo],
    area: Window | Grid | None = None,
    shape: tuple[int, int] | None = None,
    resampling: Resampling = Resampling.nearest,
) -> np.ndarray:
    """Read the bands of images on one grid, [h, w, bands].

    Arguments:
        area: rows and columns inside the images, or a grid to warp to, with 0 beyond
            the images; None: everything.
        shape: height and width to resample rows and columns to; None: as they are.
    """
    bands = [_read(image, area, shape, resampling) for image in images]
    return np.moveaxis(np.concatenate(bands), 0, -1)


def _read(
    image: ImageInfo,
    area: Window | Grid | None,
    shape: tuple[int, int] | None,
    resampling: Resampling,
) -> np.ndarray:
    """Read one image, [bands, h, w]."""
    with reading(image.path) as file:
        if isinstance(area, Grid):
            place = dict(vars(area), src_nodata=0, nodata=0)
            with WarpedVRT(file, resampling=resampling, **place) as warped:
                return warped.read()
        window = area and rasterio.windows.Window.from_slices(*area)
        size = shape and (file.count, *shape)
        return file.read(window=window, out_shape=size, resampling=resampling)


def data_outline(image: ImageInfo) -> shapely.Polygon:
    """Return the convex outline of pixels with data (no band is 0), in the image's CRS.

    Orthorectified images are slanted, with wedges of nodata beside them.
    """
    height, width = min(image.height, 512), min(image.width, 512)
    with reading(image.path) as file:
        has_data = file.read(out_shape=(image.bands, height, width)).all(axis=0)
    if not has_data.any():
        raise SRError(f"{urls.redact(image.path)} holds no data, all its pixels are 0")
    rows, cols = has_data.nonzero()
    corners = [(cols + right, rows + down) for right in (0, 1) for down in (0, 1)]
    scale = Affine.scale(image.width / width, image.height / height)
    points = image.transform @ scale @ np.concatenate(corners, axis=1)
    return shapely.LineString(np.transpose(points)).convex_hull


def sources(path: str) -> list[str]:
    """Return the paths that an image consists of: itself, a VRT's files, side files.

    Statistics and overviews, which a viewer may write, are left out.
    """
    if urls.is_remote(path):
        return [path]
    try:
        with rasterio.open(urls.gdal_path(path)) as file:
            names = [name for name in file.files if not name.endswith(VIEWER_FILES)]
    except GDAL_ERRORS:  # `describe` reports it
        names = []
    return names or [path]


def is_whole(path: str | os.PathLike) -> bool:
    """Return True if no block of a GeoTIFF is missing, overwritten, or cut off."""
    try:
        with TiffFile(path) as file:
            page = file.pages.first
            blocks = sorted(zip(page.dataoffsets, page.databytecounts, strict=True))
        first, length = np.transpose(blocks)
        ends = np.append(first[1:], os.path.getsize(path))
        return bool(length.all() and (first + length <= ends).all())
    except (OSError, TiffFileError, ValueError, LookupError, struct.error):
        return False


def check_written(path: str | os.PathLike) -> None:
    """Raise if a GeoTIFF is not whole: on a full disk OTB returns without an error."""
    if not is_whole(path):
        free = shutil.disk_usage(Path(path).parent).free
        raise SRError(
            f"{Path(path).name} was not written completely; the disk is probably full "
            f"({free / 1e6:.0f} MB are free): make room, or choose another folder"
        )
