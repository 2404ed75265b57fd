"""Which pixels sr_infer.py makes: the grid of the output, and that of the input."""

import logging
import math
from dataclasses import dataclass

from affine import Affine
from rasterio.crs import CRS

from srtools.conventions import BANDS, FACTOR
from srtools.errors import SRError
from srtools.images.raster import ImageInfo
from srtools.inference.pieces import Piece
from srtools.network.saved_model import ModelInfo

log = logging.getLogger(__name__)

LR_SPACING = 6.0  # metres, unless the model's card says otherwise


@dataclass(frozen=True)
class Plan:
    """Which pixels are made: the output, and the lr grid with its margin around it."""

    crs_wkt: str
    transform: Affine
    """Of the output."""
    width: int
    height: int
    """Of the output."""
    crop: int
    """Output pixels that the `_crop` output cuts off on each side."""
    inside: bool
    """Whether the image shows at least a part of each pixel."""

    @property
    def margin(self) -> int:
        """Lr pixels around the area, as many as the crop takes away."""
        return self.crop // FACTOR

    @property
    def lr_size(self) -> tuple[int, int]:
        """Width and height in lr pixels, margins included."""
        return tuple(
            math.ceil(size / FACTOR) + 2 * self.margin
            for size in (self.width, self.height)
        )

    @property
    def lr_transform(self) -> Affine:
        """Of the lr grid, margins included."""
        corner = self.transform @ Affine.translation(-self.crop, -self.crop)
        return corner @ Affine.scale(FACTOR)

    def place_of(self, piece: Piece) -> ImageInfo:
        """Describe a piece of the output as an image."""
        return ImageInfo(
            piece.name, piece.width, piece.height, len(BANDS), "uint16",
            CRS.from_wkt(self.crs_wkt),
            self.transform @ Affine.translation(piece.col, piece.row),
        )  # fmt: skip


def make(image: ImageInfo, like: ImageInfo | None, model: ModelInfo, crop: int) -> Plan:
    """Choose the output grid: that of `like` if given, else the image's own.

    The output covers the area to the last pixel, if need be by a part of one more.
    """
    area = like or image
    spacing = model.card.get("lr_spacing", LR_SPACING) / FACTOR
    left, bottom, right, top = area.bounds
    # A hair less than a pixel too much is rounding, not a pixel.
    width, height = (
        math.ceil(extent / spacing - 1e-6) for extent in (right - left, top - bottom)
    )
    transform = Affine(spacing, 0, left, 0, -spacing, top)
    ends = left, top - height * spacing, left + width * spacing, top
    beyond = [
        (there - here) * sign
        for there, here, sign in zip(ends, image.bounds, (-1, -1, 1, 1), strict=True)
    ]
    inside = area.crs == image.crs and max(beyond) < (1 - 1e-6) * spacing
    return Plan(area.crs.to_wkt(), transform, width, height, crop, inside)


def choose_crop(
    model: ModelInfo, input_name: str, output: str, crop: int | None
) -> int:
    """Choose the `_crop` output whose crop is at least the receptive field.

    Arguments:
        model: with its card, which tells the receptive field.
        input_name, output: of the model, without `_crop`.
        crop: what the user wants, if anything, in output pixels.

    Raises:
        SRError: if the model has none.
    """
    prefix = f"{output}_crop"
    crops = sorted(int(n.removeprefix(prefix)) for n in model.outputs if prefix in n)
    if crop is None:
        # Without a card the receptive field is unknown: the largest crop is safest.
        needed = FACTOR * model.card.get("receptive_field", {}).get("margin", math.inf)
        crop = next((c for c in crops if c >= needed), crops[-1] if crops else 0)
        if math.isfinite(needed) and crop < needed:
            raise SRError(
                f"the model's largest crop ({crop} pixels) is less than its receptive "
                f"field ({needed}); train it with larger inference_cropping"
            )
    elif crop < FACTOR * model.card.get("receptive_field", {}).get("margin", 0):
        log.warning("a crop of %d is less than the receptive field: seams remain", crop)
    model.need(input_name, f"{prefix}{crop}")
    if crop % (2 * FACTOR):
        raise SRError(
            f"a crop that is a multiple of {2 * FACTOR} is needed, not {crop}"
        )
    return crop
