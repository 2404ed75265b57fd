"""Grids of the output and of the network's input in exercise 5, and the crop."""

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
class OutputGrid:
    """Grid of the output, and grid of the network's input, which is larger."""

    grid: Grid
    crop: int  # output pixels that the network cuts off on each side
    covered: bool  # True if each pixel lies at least partly inside Sentinel-2

    @property
    def lr_grid(self) -> Grid:
        """Grid of the network's input: the output, enlarged by `crop` on each side."""
        corner = self.grid.transform @ Affine.translation(-self.crop, -self.crop)
        width, height = (
            math.ceil(size / FACTOR) + 2 * self.crop // FACTOR
            for size in (self.grid.width, self.grid.height)
        )
        return Grid(self.grid.crs, corner @ Affine.scale(FACTOR), width, height)

    def reflect(self, s2: Sequence[ImageInfo], folder: Path) -> list[ImageInfo]:
        """Pad Sentinel-2 by reflection, as VRT files in `folder`, over `lr_grid`."""
        crop_metres = self.crop * self.grid.transform.a
        margin = math.ceil(crop_metres / s2[0].spacing_in(self.grid.crs))
        reflected = [
            vrt.write_reflected(folder / f"band{n}.vrt", image, margin + KERNEL_PIXELS)
            for n, image in enumerate(s2)
        ]
        return [raster.describe(path, "the image") for path in reflected]


def choose(s2: ImageInfo, area: ImageInfo, model: ModelInfo, crop: int) -> OutputGrid:
    """Return an output grid that covers `area`, from its upper left corner.

    `crop` is the number of output pixels that the network cuts off on each side.
    """
    spacing = lr_spacing(model) / FACTOR
    left, bottom, right, top = area.bounds
    width, height = (
        math.ceil(extent / spacing - EDGE) for extent in (right - left, top - bottom)
    )
    grid = Grid(area.crs, Affine(spacing, 0, left, 0, -spacing, top), width, height)
    inside = grid.clip(grid.touched(s2.bounds))
    covered = area.crs == s2.crs and inside == (slice(0, height), slice(0, width))
    return OutputGrid(grid, crop, covered)


def lr_spacing(model: ModelInfo) -> float:
    """Return the pixel size of the network's input, metres."""
    return model.card.get("lr_spacing") or LR_SPACING_METRES


def context_metres(model: ModelInfo, crop: int) -> float:
    """Return how far network and interpolation look beyond the output, metres."""
    return crop / FACTOR * lr_spacing(model) + KERNEL_PIXELS * S2_SPACING_METRES


def choose_crop(model: ModelInfo, crop: int | None = None) -> int:
    """Return the user's `crop`, or the smallest that covers the receptive field.

    Crops are in output pixels.
    """
    names = (re.fullmatch(rf"{OUTPUT_DN}_crop(\d+)", name) for name in model.outputs)
    crops = sorted(int(match[1]) for match in names if match)
    field = model.card.get("receptive_field")
    needed = FACTOR * field["margin"] if field else None
    if crop is not None:
        if crop < (needed or 0):
            log.warning("crop %d is less than the receptive field: seams remain", crop)
    elif needed is None:  # a model without a card: the largest crop is safest
        crop = max(crops, default=0)
    elif (crop := next((c for c in crops if c >= needed), None)) is None:
        raise SRError(
            f"the model's crops {crops} are less than its receptive field ({needed} "
            "pixels); train it with larger inference_cropping"
        )
    model.require(INPUT, cropped(crop))
    if crop % (2 * FACTOR):
        raise SRError(f"crop {crop} is no multiple of {2 * FACTOR}: choose another one")
    return crop
