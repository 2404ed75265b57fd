"""Sentinel-2 beside the area: context for the network, and the mask of nodata."""

import math
from collections.abc import Sequence
from pathlib import Path

from affine import Affine
from rasterio.warp import transform as transform_points

from srtools.conventions import FACTOR, LR_SPACING_METRES, S2_SPACING_METRES
from srtools.images import raster, vrt
from srtools.images.raster import ImageInfo
from srtools.inference.plans import Plan
from srtools.network.saved_model import ModelInfo

KERNEL_PIXELS = 4  # Sentinel-2 pixels that the cubic kernel needs beyond the margin


def context_metres(crop: int, model: ModelInfo) -> float:
    """Return how far beyond an area the network and the interpolation look, metres.

    Arguments:
        crop: output pixels that the network cuts off on each side.
        model: network, whose card tells the spacing of lr.
    """
    spacing = model.card.get("lr_spacing", LR_SPACING_METRES)
    return crop / FACTOR * spacing + KERNEL_PIXELS * S2_SPACING_METRES


def reflect(s2: Sequence[ImageInfo], plan: Plan, folder: Path) -> list[ImageInfo]:
    """Continue images beyond their edges by reflection, as far as the network sees.

    Inside the images the context of the area is made of true pixels.

    Arguments:
        s2: images on one grid.
        plan: grids of the output and of lr.
        folder: for small VRT files.
    """
    margin_metres = plan.margin_lr_pixels * plan.lr_grid.transform.a
    beyond = math.ceil(margin_metres / s2[0].spacing_in(plan.grid.crs)) + KERNEL_PIXELS
    written = [
        vrt.write_reflected(folder / f"band{index}.vrt", image, beyond)
        for index, image in enumerate(s2)
    ]
    return [
        raster.describe(path, image.path)
        for path, image in zip(written, s2, strict=True)
    ]


def displace(
    s2: Sequence[ImageInfo], plan: Plan, stated: Affine, folder: Path
) -> list[str]:
    """Move images as far as the engine misplaces the output; give their files.

    Arguments:
        s2: images on one grid.
        plan: true place of the output.
        stated: place of the output as the engine states it.
        folder: for small VRT files.
    """
    corners = [(place.c, place.f) for place in (stated, plan.grid.transform)]
    (x0, x1), (y0, y1) = transform_points(
        plan.grid.crs, s2[0].crs, *zip(*corners, strict=True)
    )
    return [
        str(vrt.write_displaced(folder / f"moved{index}.vrt", image, x0 - x1, y0 - y1))
        for index, image in enumerate(s2)
    ]
