"""Grids of exercise 5: that of the output, and the lr grid that the network sees."""

import logging
import math
import re
from dataclasses import dataclass

from affine import Affine

from srtools.conventions import FACTOR, LR_SPACING_METRES
from srtools.errors import SRError
from srtools.images.grid import EDGE, Grid
from srtools.images.raster import ImageInfo
from srtools.inference.pieces import Piece
from srtools.network.saved_model import ModelInfo

log = logging.getLogger(__name__)


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
    def margin_lr_pixels(self) -> int:
        """Margin around the area, which the crop takes away."""
        return self.crop // FACTOR

    @property
    def lr_grid(self) -> Grid:
        """Pixels of the network's input, margin included."""
        corner = self.grid.transform @ Affine.translation(-self.crop, -self.crop)
        width, height = (
            math.ceil(size / FACTOR) + 2 * self.margin_lr_pixels
            for size in (self.grid.width, self.grid.height)
        )
        return Grid(self.grid.crs, corner @ Affine.scale(FACTOR), width, height)

    def grid_of(self, piece: Piece) -> Grid:
        """Give the grid of a piece of the output."""
        return self.grid.part(piece.window)


def make(image: ImageInfo, like: ImageInfo | None, model: ModelInfo, crop: int) -> Plan:
    """Choose the output grid: that of `like` if given, else the image's own.

    The output covers the area to the last pixel, if need be by a part of one more.

    Arguments:
        image: Sentinel-2.
        like: image whose area and corner the output takes.
        model: network, whose card tells the spacing of lr.
        crop: output pixels that the network cuts off on each side.
    """
    area = like or image
    spacing = (model.card.get("lr_spacing") or LR_SPACING_METRES) / FACTOR
    left, bottom, right, top = area.bounds
    width, height = (
        math.ceil(extent / spacing - EDGE) for extent in (right - left, top - bottom)
    )
    transform = Affine(spacing, 0, left, 0, -spacing, top)
    ends = left, top - height * spacing, left + width * spacing, top
    beyond = [
        (end - edge) * sign
        for end, edge, sign in zip(ends, image.bounds, (-1, -1, 1, 1), strict=True)
    ]
    inside = area.crs == image.crs and max(beyond) < (1 - EDGE) * spacing
    return Plan(Grid(area.crs, transform, width, height), crop, inside)


def check_own_crs(plan: Plan, image: ImageInfo) -> None:
    """Check that the output lies in the CRS of Sentinel-2, for `--consistent`.

    Raises:
        SRError: if not: between its pixels there would be an interpolation.
    """
    if plan.grid.crs != image.crs:
        raise SRError(
            "--consistent compares with Sentinel-2's own pixels, which are in "
            f"{image.crs}; the output would be in {plan.grid.crs}: give --like an "
            "image in the CRS of Sentinel-2, or leave --consistent out"
        )


def choose_crop(
    model: ModelInfo, input_name: str, output: str, crop: int | None
) -> int:
    """Choose the `_crop` output whose crop is at least the receptive field.

    Arguments:
        model: network, whose card tells the receptive field.
        input_name, output: names of its input, and of its output without `_crop`.
        crop: wish of the user in output pixels; None: the smallest that will do.

    Raises:
        SRError: if the model has none.
    """
    prefix = f"{output}_crop"
    found = (re.fullmatch(rf"{re.escape(prefix)}(\d+)", name) for name in model.outputs)
    crops = sorted(int(match[1]) for match in found if match)
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
    model.need(input_name, f"{prefix}{crop}")
    if crop % (2 * FACTOR):
        raise SRError(
            f"a crop that is a multiple of {2 * FACTOR} is needed, not {crop}"
        )
    return crop
