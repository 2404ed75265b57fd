"""Do images that belong together fit together?  Asked before anything is computed."""

import logging
import os
from collections.abc import Sequence

import numpy as np
import rasterio.warp
import shapely

from srtools.conventions import BANDS, FACTOR
from srtools.errors import SRError
from srtools.images.raster import ImageInfo, data_outline, describe, describe_patches
from srtools.urls import redact

log = logging.getLogger(__name__)

DN_TYPES = ("uint16", "int16", "uint32", "int32")
WEB_MERCATOR = 3857  # whose metres are some only at the equator
MOST_OFF = 0.05  # pixels of PAN, between the grids of PAN and XS


def check_spot(pan: str, xs: str, patch_size: int) -> tuple[ImageInfo, ImageInfo]:
    """Check the Spot images, before anything is fetched for them.

    Raises:
        SRError: if they are not what they should be, or smaller than a patch.
    """
    pan_info = describe(pan, "the PAN image", bands=1)
    xs_info = describe(xs, "the XS image", bands=len(BANDS))
    check_dn(pan_info, "the PAN image")
    check_dn(xs_info, "the XS image")
    check_spot_pair(pan_info, xs_info, FACTOR)
    if min(xs_info.width, xs_info.height) < patch_size + 1:
        raise SRError(
            f"the XS image has {xs_info.width} x {xs_info.height} pixels, less than a "
            f"patch of {patch_size} and one more; take a larger image or a smaller "
            "--patch_size"
        )
    return pan_info, xs_info


def check_sentinel2(
    tiles: list[list[str]], xs: ImageInfo, scl: Sequence[str] = ()
) -> None:
    """Check the tiles, their four bands each, and that they show what XS shows."""
    firsts = []
    for bands in tiles:
        infos = [
            describe(path, f"the Sentinel-2 image {band}", bands=1)
            for path, band in zip(bands, BANDS, strict=True)
        ]
        check_stack(infos)
        check_metres(infos[0])
        for info in infos:
            check_dn(info, "the Sentinel-2 image")
        firsts.append(infos[0])
    outline = data_outline(xs)
    check_covers(firsts, xs, outline)
    if scl:
        classes = [describe(path, "the scene classification", 1) for path in scl]
        check_covers(classes, xs, outline, "scene classification")


def check_dn(image: ImageInfo, what: str) -> None:
    """Check that the pixels are DN, reflectance x 10000, and 0 where there are none.

    Raises:
        SRError: if they are reflectances or 8-bit colours, or no data is not 0.
    """
    name = redact(image.path)
    if image.dtype not in DN_TYPES:
        raise SRError(
            f"the pixels of {what} {name} are {image.dtype}, DN (reflectance x 10000) "
            "as whole numbers of 16 bit are expected: gdal_translate -ot UInt16, and "
            "for reflectances also -scale 0 1 0 10000"
        )
    if image.nodata not in (None, 0):
        raise SRError(
            f"{what} {name} declares {image.nodata:g} to be no data, 0 is expected; "
            "make it so with gdalwarp -dstnodata 0"
        )


def check_metres(image: ImageInfo) -> None:
    """Check that the CRS of an image has metres, as long as they are on the ground.

    Raises:
        SRError: if it has degrees, feet, or the metres of Web Mercator.
    """
    in_metres = image.crs.is_projected and image.crs.linear_units_factor[1] == 1
    if not in_metres or image.crs.to_epsg() == WEB_MERCATOR:
        raise SRError(
            f"{redact(image.path)} is in {image.crs.to_string()}, a CRS in metres is "
            "expected; reproject it (gdalwarp -t_srs EPSG:32631, or your UTM zone)"
        )


def check_spot_pair(pan: ImageInfo, xs: ImageInfo, factor: int) -> None:
    """Check that PAN and XS are one scene.

    Raises:
        SRError: if their CRS differ or is not in metres, they do not overlap, or the
            pixel of XS is not `factor` times that of PAN.
    """
    if pan.crs != xs.crs:
        raise SRError(
            f"PAN is in {pan.crs.to_string()} and XS in {xs.crs.to_string()}; "
            "one CRS is expected: reproject one of them (gdalwarp)"
        )
    for image in (pan, xs):
        check_metres(image)
        width, height = image.transform.a, -image.transform.e
        if abs(width / height - 1) > 1e-6:
            raise SRError(
                f"{redact(image.path)} has pixels of {width:g} x {height:g} m, square "
                f"ones are expected; resample it (gdalwarp -tr {width:g} {width:g})"
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
    # hr patches begin at a whole pixel of PAN, lr patches at one of XS.
    place = np.array(~pan.transform @ xs.bounds[::3])
    off = np.abs(place - np.rint(place)).max()
    if off > MOST_OFF:
        log.warning(
            "the grids of PAN and XS are %.2f PAN pixels apart: all hr patches will "
            "be up to %.2f m out of place; gdalwarp -tap puts PAN on a grid that fits",
            off, off * pan.spacing,
        )  # fmt: skip


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
                f"{_grid(image)} does not lie on the grid of {_grid(first)}; "
                "resample it (gdalwarp), or take bands of one resolution"
            )


def check_covers(
    tiles: Sequence[ImageInfo],
    area: ImageInfo,
    outline: shapely.Polygon,
    what: str = "Sentinel-2 image",
) -> None:
    """Check that tiles together cover the `outline` (in the CRS) of an image.

    Raises:
        SRError: saying how much is covered.
    """
    sides = shapely.segmentize(outline.boundary, outline.length / 160)
    left, bottom, right, top = outline.bounds
    grid = np.meshgrid(np.linspace(left, right, 41), np.linspace(bottom, top, 41))
    within = shapely.contains_xy(outline, *grid)
    places = np.concatenate(
        [shapely.get_coordinates(sides).T, [axis[within] for axis in grid]], axis=1
    )
    slack = area.spacing
    covered = np.zeros(places.shape[1], bool)
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
            f"the {what} covers {covered.mean():.0%} of the Spot image, all of it is "
            f"expected: it lies at {where}, Spot at {_text(area.bounds)} "
            f"({area.crs.to_string()})"
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
            f"{redact(image.path)} does not show {redact(area.path)}: the "
            f"one lies at {_text(image.bounds)}, the other at {_text(bounds)} "
            f"({image.crs.to_string()})"
        )


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


def _grid(image: ImageInfo) -> str:
    left, top = image.transform @ (0, 0)
    return (
        f"{redact(image.path)} ({image.width} x {image.height} px of "
        f"{image.spacing:g} m from {left:.10g}, {top:.10g} in {image.crs.to_string()})"
    )


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
