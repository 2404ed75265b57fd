"""Checks of Spot's PAN and XS, and of the grids of images."""

import logging
from collections.abc import Sequence

import numpy as np
import rasterio.warp
import shapely

from srtools.conventions import BANDS, FACTOR
from srtools.errors import SRError
from srtools.images import plausibility
from srtools.images.band_checks import check_band_metadata
from srtools.images.band_names import check_order, spot_band
from srtools.images.raster import ImageInfo, describe
from srtools.urls import redact

log = logging.getLogger(__name__)

WEB_MERCATOR = 3857  # EPSG code; its metres are true only at the equator
SQUARE_TOLERANCE = 1e-6  # ratio of the sides of a pixel
FACTOR_TOLERANCE = 0.01  # ratio of the pixel sizes of XS and PAN
LARGEST_OFFSET_PAN_PIXELS = 0.05  # offset between the grids of PAN and XS
SAME_GRID_PIXELS = 1e-3  # distance of the corners of two bands


def check_spot(
    pan: str, xs: str, patch_size: int, linear: bool = False
) -> tuple[ImageInfo, ImageInfo]:
    """Check Spot's PAN and XS files; return the metadata of both.

    `patch_size` is in XS pixels.  `linear` accepts any linear coding of reflectance
    (raw counts, 8 bits), which will be harmonized.
    """
    names = "the PAN image", "the XS image"
    pair = describe(pan, names[0], bands=1), describe(xs, names[1], bands=len(BANDS))
    for image, name in zip(pair, names, strict=True):
        check_band_metadata(image, name, linear)
    check_order(pair[1:], names[1], spot_band)
    check_spot_pair(*pair)
    if min(pair[1].width, pair[1].height) < patch_size + 1:
        raise SRError(
            f"the XS image has {pair[1].width} x {pair[1].height} pixels, less than a "
            f"patch of {patch_size} and one more; take a larger image or a smaller "
            "--patch_size"
        )
    for image, name in zip(pair, names, strict=True):
        plausibility.check_plausible(plausibility.sample([image]), name, linear)
    return pair


def check_metres(image: ImageInfo) -> None:
    """Check that the units of an image's CRS are metres on the ground."""
    in_metres = image.crs.is_projected and image.crs.linear_units_factor[1] == 1
    if not in_metres or image.crs.to_epsg() == WEB_MERCATOR:
        raise SRError(
            f"{redact(image.path)} is in {image.crs.to_string()}, a CRS in metres is "
            "expected; reproject it (gdalwarp -t_srs EPSG:32631, or your UTM zone)"
        )


def check_spot_pair(pan: ImageInfo, xs: ImageInfo) -> None:
    """Check that PAN and XS overlap in one CRS, with XS pixels as wide as 4 of PAN."""
    if pan.crs != xs.crs:
        raise SRError(
            f"PAN is in {pan.crs.to_string()} and XS in {xs.crs.to_string()}; "
            "one CRS is expected: reproject one of them (gdalwarp)"
        )
    for image in (pan, xs):
        check_metres(image)
        width, height = image.transform.a, -image.transform.e
        if abs(width / height - 1) > SQUARE_TOLERANCE:
            raise SRError(
                f"{redact(image.path)} has pixels of {width:g} x {height:g} m, square "
                f"ones are expected; resample it (gdalwarp -tr {width:g} {width:g})"
            )
    ratio = xs.spacing / pan.spacing
    if abs(ratio - FACTOR) > FACTOR_TOLERANCE:
        raise SRError(
            f"the pixels of XS ({xs.spacing:g} m) are {ratio:.3g} times those of PAN "
            f"({pan.spacing:g} m), {FACTOR} times are expected"
        )
    if not pan.meets(xs.bounds):
        raise SRError(
            f"PAN and XS do not overlap: PAN covers {_place(pan)}, XS {_place(xs)}"
        )
    # hr patches begin at a whole pixel of PAN, lr patches at one of XS.
    corner = np.array(pan.position(xs.bounds[0], xs.bounds[3]))
    offset = np.abs(corner - np.rint(corner)).max()
    if offset > LARGEST_OFFSET_PAN_PIXELS:
        log.warning(
            "the grids of PAN and XS are %.2f PAN pixels apart: all hr patches will "
            "be up to %.2f m out of place; gdalwarp -tap puts PAN on a grid that fits",
            offset,
            offset * pan.spacing,
        )


def check_stack(images: Sequence[ImageInfo]) -> None:
    """Check that images have one CRS, size and transform."""
    first = images[0]
    for image in images[1:]:
        same = (image.width, image.height) == (first.width, first.height)
        tolerance = SAME_GRID_PIXELS * first.spacing
        close = image.transform.almost_equals(first.transform, tolerance)
        if not (same and close and image.crs == first.crs):
            one, other = (
                f"{redact(x.path)} ({x.width} x {x.height} px of {x.spacing:g} m from "
                f"{x.bounds[0]:.10g}, {x.bounds[3]:.10g} in {x.crs.to_string()})"
                for x in (image, first)
            )
            raise SRError(
                f"{one} does not lie on the grid of {other}; resample it (gdalwarp), "
                "or take bands of one resolution"
            )


def check_covers(
    tiles: Sequence[ImageInfo],
    area: ImageInfo,
    outline: shapely.Polygon,
    label: str = "Sentinel-2 image",
) -> None:
    """Check that tiles, in any CRS, together cover the Spot image `area`.

    `outline` surrounds the pixels of `area` with data, in its CRS; `label` names tiles.
    """
    sides = shapely.segmentize(outline.boundary, outline.length / 160)
    left, bottom, right, top = outline.bounds
    grid = np.meshgrid(np.linspace(left, right, 41), np.linspace(bottom, top, 41))
    within = shapely.contains_xy(outline, *grid)
    inside = [axis[within] for axis in grid]
    points = np.concatenate([shapely.get_coordinates(sides).T, inside], axis=1)
    covered = np.zeros(points.shape[1], bool)
    for tile in tiles:
        xs, ys = rasterio.warp.transform(area.crs, tile.crs, *points)
        bounds = shapely.box(*tile.bounds).buffer(area.spacing, join_style="mitre")
        covered |= shapely.intersects_xy(bounds, xs, ys)
    if not covered.all():
        raise SRError(
            f"the {label} covers {covered.mean():.0%} of the Spot image, all of it is "
            f"expected: it lies at {'; '.join(map(_place, tiles))}, Spot at "
            f"{_place(area)}"
        )


def check_overlaps(image: ImageInfo, area: ImageInfo) -> None:
    """Check that `image` shows at least a part of the ground of the image `area`."""
    if not image.meets(area.bounds_in(image.crs)):
        raise SRError(
            f"{redact(image.path)} does not show {redact(area.path)}: the one lies at "
            f"{_place(image)}, the other at {_place(area)}"
        )


def _place(image: ImageInfo) -> str:
    left, bottom, right, top = (f"{value:.0f}" for value in image.bounds)
    return f"x {left} to {right}, y {bottom} to {top} ({image.crs.to_string()})"
