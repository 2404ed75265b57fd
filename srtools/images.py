"""What the scripts check of an image before any pixel is computed."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import rasterio
import rasterio.warp
from affine import Affine
from rasterio.crs import CRS
from rasterio.errors import RasterioError

from srtools.conventions import BANDS
from srtools.errors import SRError


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

    @property
    def spacing(self) -> float:
        """Pixel size, in units of the CRS (metres)."""
        return self.transform.a

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
            "path": self.path.split("?")[0],
            "size": [self.width, self.height],
            "spacing": self.spacing,
            "crs": self.crs.to_string(),
            "origin": list(self.transform @ (0, 0)),
            "dtype": self.dtype,
        }


def is_remote(path: str) -> bool:
    """Tell whether a path is a URL or one of GDAL's virtual files."""
    return path.startswith(("http://", "https://", "/vsi"))


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
    name = path.split("?")[0]
    if not is_remote(path) and not os.path.exists(path):
        raise SRError(f"{what} {name} does not exist; check the path")
    opened = f"/vsicurl/{path}" if path.startswith("http") else path
    try:
        with rasterio.open(opened) as file:
            info = ImageInfo(
                path, file.width, file.height, file.count, file.dtypes[0],
                file.crs, file.transform,
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


def check_spot_pair(pan: ImageInfo, xs: ImageInfo, factor: int) -> None:
    """Check that PAN and XS are one scene.

    Raises:
        SRError: if their CRS differ, they do not overlap, or the pixel of XS is not
            `factor` times that of PAN.
    """
    if pan.crs != xs.crs:
        raise SRError(
            f"PAN is in {pan.crs.to_string()} and XS in {xs.crs.to_string()}; "
            "one CRS is expected: reproject one of them (gdalwarp)"
        )
    ratio = xs.spacing / pan.spacing
    if abs(ratio - factor) > 0.01:
        raise SRError(
            f"the pixels of XS ({xs.spacing:g} m) are {ratio:.3g} times those of PAN "
            f"({pan.spacing:g} m), {factor} times are expected"
        )
    if not _overlap(pan.bounds, xs.bounds):
        raise SRError(
            "PAN and XS do not overlap: "
            f"PAN covers {_text(pan.bounds)}, XS {_text(xs.bounds)}"
        )


def check_stack(images: Sequence[ImageInfo]) -> None:
    """Check that single-band images lie on one grid.

    Raises:
        SRError: naming the image that differs from the first one.
    """
    first = images[0]
    for image in images[1:]:
        same = (image.width, image.height) == (first.width, first.height)
        close = image.transform.almost_equals(first.transform, 1e-3 * first.spacing)
        if not (same and close and image.crs == first.crs):
            raise SRError(
                f"{image.path.split('?')[0]} ({image.width} x {image.height} px of "
                f"{image.spacing:g} m, {image.crs.to_string()}) does not lie on the "
                f"grid of {first.path.split('?')[0]} ({first.width} x {first.height} "
                f"px of {first.spacing:g} m, {first.crs.to_string()})"
            )


def check_covers(tiles: Sequence[ImageInfo], area: ImageInfo) -> None:
    """Check that tiles together cover `area` to the last pixel of `area`.

    Raises:
        SRError: saying how much is covered.
    """
    along = np.linspace(0, 1, 41)
    cols, rows = np.meshgrid(along * area.width, along * area.height)
    places = area.transform @ (cols.ravel(), rows.ravel())
    slack = area.spacing
    covered = np.zeros(cols.size, bool)
    for tile in tiles:
        xs, ys = places
        if tile.crs != area.crs:
            xs, ys = rasterio.warp.transform(area.crs, tile.crs, xs, ys)
        xs, ys = np.asarray(xs), np.asarray(ys)
        left, bottom, right, top = tile.bounds
        inside = (xs >= left - slack) & (xs <= right + slack)
        covered |= inside & (ys >= bottom - slack) & (ys <= top + slack)
    if not covered.all():
        where = "; ".join(f"{_text(t.bounds)} ({t.crs.to_string()})" for t in tiles)
        raise SRError(
            f"the Sentinel-2 image covers {covered.mean():.0%} of the Spot image, all "
            f"of it is expected: Sentinel-2 lies at {where}, Spot at "
            f"{_text(area.bounds)} ({area.crs.to_string()})"
        )


def check_overlaps(image: ImageInfo, area: ImageInfo) -> None:
    """Check that `image` shows at least a part of `area`.

    Raises:
        SRError: saying where both lie.
    """
    bounds = area.bounds
    if image.crs != area.crs:
        bounds = rasterio.warp.transform_bounds(area.crs, image.crs, *bounds)
    if not _overlap(image.bounds, bounds):
        raise SRError(
            f"{image.path.split('?')[0]} does not show {area.path.split('?')[0]}: the "
            f"one lies at {_text(image.bounds)}, the other at {_text(bounds)} "
            f"({image.crs.to_string()})"
        )


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


def check_count(path: str | os.PathLike, expected: int) -> None:
    """Check that a patches image holds so many patches.

    Raises:
        SRError: if the engine cut more or less.
    """
    count = describe_patches(path).count
    if count != expected:
        raise SRError(
            f"{count} patches were cut at {expected} places; check that PAN and XS "
            "cover the same ground"
        )


@contextmanager
def engine_errors(doing: str) -> Iterator[None]:
    """Turn an error of OTB or otblite into one line that says what was being done."""
    try:
        yield
    except RuntimeError as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        reason = lines[-1] if lines else "no reason given"
        raise SRError(f"{doing} failed: {reason}") from None


def _overlap(one: tuple, other: tuple) -> bool:
    return (
        one[0] < other[2]
        and other[0] < one[2]
        and one[1] < other[3]
        and other[1] < one[3]
    )


def _text(bounds: tuple[float, float, float, float]) -> str:
    left, bottom, right, top = (f"{value:.0f}" for value in bounds)
    return f"x {left} to {right}, y {bottom} to {top}"
