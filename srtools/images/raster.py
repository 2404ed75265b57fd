"""An image as its file describes it; every script checks this before any pixel."""

import os
import re
import shutil
import ssl
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
from rasterio.enums import Interleaving, MaskFlags, Resampling
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.vrt import WarpedVRT

from srtools.conventions import BANDS, OFFSET_TAG
from srtools.errors import PixelError, SRError
from srtools.files import check_name
from srtools.images.grid import Grid, Window
from srtools.urls import (
    KEYS_FOR_S3,
    gdal_path,
    is_remote,
    redact,
    with_proxy,
    without_secrets,
)

# Patches images have no georeference.  Images that need one are checked by `describe`.
warnings.simplefilter("ignore", NotGeoreferencedWarning)


VIEWER_FILES = (".aux.xml", ".ovr")

GDAL_ERRORS = (RasterioError, CPLE_BaseError)
"""Errors of reading and writing; copying and overviews raise the second."""

ATTEMPTS = 3  # to read the pixels behind a link


@dataclass(frozen=True)
class BandInfo:
    """A band of an image, as its file declares it."""

    dtype: str
    nodata: float | None
    title: str
    """Description of the band; "" if there is none."""
    colour: str
    """Colour interpretation: "red", "alpha", "palette", "undefined"..."""
    scale: float
    """Physical value of one DN; 1 if the file does not say."""
    offset: float
    """Physical value of DN 0."""
    masked: bool
    """Whether a mask or an alpha band says which pixels have data."""


@dataclass(frozen=True)
class ImageInfo:
    """Place and pixel type of an image."""

    path: str
    width: int
    height: int
    bands: int
    dtype: str
    crs: CRS
    transform: Affine
    """From (column, row) of a pixel's upper left corner to coordinates."""
    declared: tuple[BandInfo, ...] = ()
    """Declarations of each band."""
    offset_removed: int = 0
    """DN that were subtracted from the pixels, as its tags say."""

    @property
    def grid(self) -> Grid:
        """Grid of the pixels."""
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

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """Left, bottom, right, top, in units of the CRS."""
        return self.grid.bounds

    @property
    def largest(self) -> int | None:
        """Largest DN of the pixel type, at which a sensor saturates."""
        kind = np.dtype(self.dtype)
        return int(np.iinfo(kind).max) if kind.kind == "u" else None

    def record(self) -> dict:
        """Return the entry of this image in a card."""
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
        what: the user's name for the image, for messages ("the PAN image").
        bands: number of bands that it must have.
    """
    path = str(path)
    name = redact(path)
    if not is_remote(path):
        check_name(path)
        if not os.path.exists(path):
            advice = _advice(path, "check the path")
            raise SRError(f"{what} {name} does not exist; {advice}")
    try:
        with rasterio.open(gdal_path(path)) as file:
            info = info_of(file, path)
    except IndexError:  # no band at all
        advice = _advice(path, "give one of them, as a GeoTIFF")
        raise SRError(
            f"{what} {name} is a list of images and none itself; {advice}"
        ) from None
    except (*GDAL_ERRORS, OSError) as error:
        check_certificates(path)
        reason, default = reason_of(error), "a GeoTIFF or another format that GDAL "
        advice = _advice(path, f"{default}reads is expected", reason)
        raise SRError(
            f"{what} {with_proxy(path)} cannot be read as an image ({reason}); {advice}"
        ) from None
    if bands is not None and info.bands != bands:
        alpha = any(band.colour == "alpha" for band in info.declared)
        raise SRError(
            f"{what} {name} has {info.bands} band(s), {bands} are expected"
            + (f" ({', '.join(BANDS)} in this order)" if bands == len(BANDS) else "")
            + ("; gdalwarp -dstnodata 0 turns an alpha band into 0" if alpha else "")
        )
    _check_north_up(info, f"{what} {name}")
    return info


ADVICE = {
    r"SENTINEL2_L\w+:|MTD_\w+\.xml$": "give the .SAFE folder itself",
    r"\.(zip|tgz|tar|tar\.gz|7z)$": "unpack it, and give the image or the .SAFE folder",
    r"^s3://|^/vsis3/": f"{KEYS_FOR_S3}, or fetch the file first",
    r"\b40[139]\b": "the server refuses the link, perhaps because its token has ended: "
    "take a fresh one",
    r"\b404\b": "the server has no such file: check the link",
    r"'/vsi\S+' does not exist": "links whose path ends in .tif, .tiff, .jp2 or .vrt, "
    "or without extension, are read: set CPL_VSIL_CURL_ALLOWED_EXTENSIONS to that of "
    "this link, or fetch the file",
    r"missing codec": "GDAL lacks the compression: copy it with a GDAL that has it "
    "(gdal_translate -co COMPRESS=DEFLATE)",
}
"""What to do about an image, by patterns of its path and of GDAL's reason."""


def _advice(path: str, default: str, reason: str = "") -> str:
    """Return what to do about an image that cannot be read."""
    for pattern, advice in ADVICE.items():
        if re.search(pattern, path, re.I) or re.search(pattern, reason):
            return advice
    return default


CA_BUNDLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
"""Variables that name the certificates by which servers are trusted."""


def check_certificates(url: str) -> None:
    """Check the files of `CA_BUNDLES`, after the server of an https link failed."""
    for name in CA_BUNDLES if url.startswith("https://") else ():
        path = os.environ.get(name)
        try:
            if path and not os.path.isdir(path):
                ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
        except OSError as error:
            raise SRError(
                f"{name} names {path}, from which no certificates can be read "
                f"({error.strerror or error}); name the file that your network uses, "
                "or unset it"
            ) from None


def reason_of(error: BaseException) -> str:
    """Return the first of the errors that led to this one, in one line."""
    while error.__cause__:
        error = error.__cause__
    # libtiff does not know the place, and says 4294967295.
    text = re.sub(r" at row \d+, col \d+", "", str(error))
    return without_secrets(" ".join(text.split()))


def _check_north_up(image: ImageInfo, name: str) -> None:
    """Check that an image has a place, is north up, and has columns to the east."""
    place = image.transform
    for wrong, trouble in (
        (
            place == Affine.identity(),
            "has no georeference: orthorectify it (OTB's OrthoRectification)",
        ),
        (
            not image.crs,
            "has no CRS: gdal_edit.py -a_srs EPSG:... names it, if it is known",
        ),
        (place.b or place.d, "is rotated: gdalwarp turns it north up"),
        (place.e > 0, "lies with its south up: gdalwarp turns it north up"),
        (place.a < 0, "is mirrored, its columns go west: gdalwarp turns it"),
    ):
        if wrong:
            raise SRError(f"{name} {trouble}; an image that is north up is expected")


def info_of(file: rasterio.DatasetReader, path: str) -> ImageInfo:
    """Describe an open image; `path` is its name."""
    try:
        colours = [colour.name for colour in file.colorinterp]
    except ValueError:  # GDAL knows more of them than rasterio
        colours = ["undefined"] * file.count
    masked = [
        bool({MaskFlags.per_dataset, MaskFlags.alpha} & set(flags))
        for flags in file.mask_flag_enums
    ]
    titles = [title or "" for title in file.descriptions]
    values = file.nodatavals, titles, colours, file.scales, file.offsets, masked
    bands = zip(file.dtypes, *values, strict=True)
    return ImageInfo(
        path,
        file.width,
        file.height,
        file.count,
        file.dtypes[0],
        file.crs,
        file.transform,
        tuple(BandInfo(*band) for band in bands),
        int(file.tags().get(OFFSET_TAG) or 0),
    )


@contextmanager
def reading(path: str | os.PathLike) -> Iterator[rasterio.DatasetReader]:
    """Open an image to read its pixels; raise `PixelError` if they cannot be read."""
    try:
        with rasterio.open(gdal_path(str(path))) as file:
            yield file
    except GDAL_ERRORS as error:
        reason = reason_of(error)
        raise PixelError(
            f"the pixels of {redact(str(path))} cannot all be read ({reason}); the "
            "file is damaged or not complete: fetch it again"
        ) from None


def read(
    images: Sequence[ImageInfo],
    area: Window | Grid | None = None,
    shape: tuple[int, int] | None = None,
    resampling: Resampling = Resampling.nearest,
) -> np.ndarray:
    """Read the bands of images on one grid, [h, w, bands].

    Arguments:
        area: rows and columns inside the images, or another grid, onto which pixels
            are warped and beyond the images are 0; None: everything.
        shape: height and width to which rows and columns are resampled.
    """
    bands = [_read(image, area, shape, resampling) for image in images]
    return np.moveaxis(np.concatenate(bands), 0, -1)


def _read(
    image: ImageInfo,
    area: Window | Grid | None,
    shape: tuple[int, int] | None,
    resampling: Resampling,
) -> np.ndarray:
    """Read one image, [bands, h, w]; up to `ATTEMPTS` times if it is behind a link."""
    remote = is_remote(image.path)
    # GDAL would remember what a broken connection left.
    settings = {"CPL_VSIL_CURL_NON_CACHED": "/vsicurl/http"} if remote else {}
    for attempts_left in reversed(range(ATTEMPTS if remote else 1)):
        try:
            with rasterio.Env(**settings), reading(image.path) as file:
                if isinstance(area, Grid):
                    place = dict(vars(area), src_nodata=0, nodata=0)
                    with WarpedVRT(file, resampling=resampling, **place) as warped:
                        return warped.read()
                window = area and rasterio.windows.Window.from_slices(*area)
                size = shape and (file.count, *shape)
                return file.read(window=window, out_shape=size, resampling=resampling)
        except PixelError:
            if not attempts_left:
                raise


def data_outline(image: ImageInfo, samples: int = 512) -> shapely.Polygon:
    """Return a convex outline of the pixels that are not 0, in the CRS of the image.

    Orthorectified images are slanted, with wedges of nodata beside them.  At most
    `samples` rows and columns are read.
    """
    height, width = min(image.height, samples), min(image.width, samples)
    with reading(image.path) as file:
        has_data = file.read(out_shape=(image.bands, height, width)).all(axis=0)
    rows = np.flatnonzero(has_data.any(axis=1))
    if not rows.size:
        raise SRError(f"{redact(image.path)} holds no data, all its pixels are 0")
    # First and last pixel with data in each row; their four corners.
    cols = np.array([np.flatnonzero(has_data[row])[[0, -1]] + (0, 1) for row in rows])
    corners = [np.stack([cols, rows[:, None] + down + 0 * cols], -1) for down in (0, 1)]
    scale = image.width / width, image.height / height
    x, y = image.transform @ (np.concatenate(corners).reshape(-1, 2) * scale).T
    return shapely.convex_hull(shapely.MultiPoint(np.stack([x, y], axis=1)))


def sources(path: str) -> list[str]:
    """Return the files that an image is made of: it, those of a VRT, and side files.

    Statistics and overviews, which a viewer may leave beside it, do not count.
    """
    if is_remote(path):
        return [path]
    try:
        with rasterio.open(gdal_path(path)) as file:
            names = [name for name in file.files if not name.endswith(VIEWER_FILES)]
    except GDAL_ERRORS:  # whoever reads the pixels says what is wrong
        names = []
    return names or [path]


def is_whole(path: str | os.PathLike) -> bool:
    """Check by their places that a GeoTIFF has all its blocks, and none is cut off."""
    try:
        with rasterio.open(path) as file:
            blocks = np.array(sorted(_blocks(file)), np.int64)
        first, length = blocks.T
        ends = np.append(first[1:], os.path.getsize(path))
        return bool(length.all() and (first + length <= ends).all())
    except (RasterioError, OSError):
        return False


def check_written(path: str | os.PathLike) -> None:
    """Check that a GeoTIFF which the engine wrote is complete.

    On a full disk OTB's writer returns without an error; the file is short, empty, or
    lacks blocks.
    """
    if not is_whole(path):
        free = shutil.disk_usage(Path(path).parent).free
        raise SRError(
            f"{Path(path).name} was not written completely; the disk is probably full "
            f"({free / 1e6:.0f} MB are free): make room, or choose another folder"
        )


def _blocks(file: rasterio.DatasetReader) -> Iterator[tuple[int, int]]:
    """Yield the offset and the size of each block of a GeoTIFF, bytes; 0 is none."""
    for band in file.indexes if file.interleaving is Interleaving.band else (1,):
        for (row, col), _ in file.block_windows(band):
            names = (f"BLOCK_{item}_{col}_{row}" for item in ("OFFSET", "SIZE"))
            yield tuple(int(file.get_tag_item(n, "TIFF", band) or 0) for n in names)
