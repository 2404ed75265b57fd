"""Grids of exercise 5: that of the output, the lr grid, and the crop between them."""

import logging
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from affine import Affine

from srtools.conventions import (
    FACTOR,
    INPUT,
    LR_SPACING_METRES,
    OUTPUT_DN,
    S2_SPACING_METRES,
)
from srtools.errors import SRError
from srtools.images import raster, vrt
from srtools.images.grid import EDGE, Grid
from srtools.images.raster import ImageInfo
from srtools.network.saved_model import ModelInfo, cropped

log = logging.getLogger(__name__)

KERNEL_PIXELS = 4  # Sentinel-2 pixels that the cubic kernel needs beyond the margin


@dataclass(frozen=True)
class Plan:
    """Grid of the output, and the lr grid with a margin around it."""

    grid: Grid
    """Pixels of the output."""
    crop: int
    """Output pixels that the `_crop` output cuts off on each side."""
    inside: bool
    """Whether each output pixel lies at least in part inside the image."""

    @property
    def lr_grid(self) -> Grid:
        """Pixels of the network's input, margin included."""
        corner = self.grid.transform @ Affine.translation(-self.crop, -self.crop)
        width, height = (
            math.ceil(size / FACTOR) + 2 * self.crop // FACTOR
            for size in (self.grid.width, self.grid.height)
        )
        return Grid(self.grid.crs, corner @ Affine.scale(FACTOR), width, height)


def make(image: ImageInfo, like: ImageInfo | None, model: ModelInfo, crop: int) -> Plan:
    """Choose the output grid: that of `like` if given, else the image's own.

    The output covers the area to the last pixel, if need be by a part of one more.
    """
    area = like or image
    spacing = lr_spacing(model) / FACTOR
    left, bottom, right, top = area.bounds
    width, height = (
        math.ceil(extent / spacing - EDGE) for extent in (right - left, top - bottom)
    )
    transform = Affine(spacing, 0, left, 0, -spacing, top)
    grid = Grid(area.crs, transform, width, height)
    shown = grid.clip(grid.touched(image.bounds))
    whole = slice(0, height), slice(0, width)
    return Plan(grid, crop, inside=area.crs == image.crs and shown == whole)


def lr_spacing(model: ModelInfo) -> float:
    """Return the pixel size of the network's input, metres."""
    return model.card.get("lr_spacing") or LR_SPACING_METRES


def choose_crop(model: ModelInfo, crop: int | None = None) -> int:
    """Choose the `_crop` output whose crop is at least the receptive field.

    The smallest that will do, output pixels, unless `crop` is the user's wish.
    """
    names = (re.fullmatch(rf"{OUTPUT_DN}_crop(\d+)", name) for name in model.outputs)
    crops = sorted(int(match[1]) for match in names if match)
    field = model.card.get("receptive_field", {})
    if crop is None:
        # Without a card the receptive field is unknown: the largest crop is safest.
        needed = FACTOR * field.get("margin", math.inf)
        crop = next((c for c in crops if c >= needed), crops[-1] if crops else 0)
        if math.isfinite(needed) and crop < needed:
            raise SRError(
                f"the model's largest crop ({crop} pixels) is less than its receptive "
                f"field ({needed}); train it with larger inference_cropping"
            )
    elif crop < FACTOR * field.get("margin", 0):
        log.warning("a crop of %d is less than the receptive field: seams remain", crop)
    model.require(INPUT, cropped(crop))
    if crop % (2 * FACTOR):
        raise SRError(
            f"a crop that is a multiple of {2 * FACTOR} is needed, not {crop}"
        )
    return crop


def context_metres(model: ModelInfo, crop: int) -> float:
    """Return how far beyond an area the network and the interpolation look, metres."""
    return crop / FACTOR * lr_spacing(model) + KERNEL_PIXELS * S2_SPACING_METRES


def reflect(s2: Sequence[ImageInfo], plan: Plan, folder: Path) -> list[ImageInfo]:
    """Continue images beyond their edges by reflection, as far as the network sees.

    Inside the images the context of the area is made of true pixels.  The images lie
    on one grid, and small VRT files are written to `folder`.
    """
    crop_metres = plan.crop * plan.grid.transform.a
    beyond = math.ceil(crop_metres / s2[0].spacing_in(plan.grid.crs)) + KERNEL_PIXELS
    return [
        raster.describe(
            vrt.write_reflected(folder / f"band{index}.vrt", image, beyond), image.path
        )
        for index, image in enumerate(s2)
    ]
