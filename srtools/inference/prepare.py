"""What exercise 5 checks and chooses before the network runs: area, model, pieces."""

import math
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import shapely

from srtools import cards, fingerprints
from srtools.conventions import FACTOR
from srtools.errors import SRError
from srtools.images import checks, raster
from srtools.images.raster import ImageInfo
from srtools.inference import mask, pieces, plans, samples, surroundings
from srtools.inference.pieces import Piece
from srtools.inference.plans import Plan
from srtools.network import model_card, saved_model
from srtools.network.saved_model import ModelInfo
from srtools.sentinel2 import areas, safe
from srtools.sentinel2.image import Content
from srtools.sentinel2.source import Sentinel2
from srtools.urls import redact


@dataclass(frozen=True)
class Area:
    """The area that was asked for: an outline, an image, or all of Sentinel-2."""

    outline: shapely.Polygon | None
    """Outline in degrees."""
    like: ImageInfo | None
    """Image whose grid the output takes."""

    @property
    def in_degrees(self) -> shapely.Polygon | None:
        """Outline of the area; None for all of Sentinel-2."""
        return self.outline or (areas.footprint(self.like) if self.like else None)

    def as_image(self, image: ImageInfo) -> ImageInfo | None:
        """Give the image whose area and corner the output takes, if not `image`."""
        return areas.part_of(image, self.outline) if self.outline else self.like


def read_area(options: Any) -> Area:
    """Read the options `bbox`, `aoi` and `like`.

    Raises:
        SRError: if they are no area, or the image has no grid in metres.
    """
    like = None
    if options.like:
        like = raster.describe(options.like, "the reference image")
        checks.check_metres(like)
    return Area(areas.read_area(options.bbox, options.aoi), like)


def files_read(options: Any) -> list[str]:
    """List the files that the run reads, and must not replace."""
    found = (*(options.s2_images or ()), options.like, options.aoi, options.mask)
    return [path for path in found if path]


PIXEL_OPTIONS = (
    "offset bbox crop precision self_ensemble uncertainty consistent".split()
)
"""Options that change pixels, beside the files and the model."""


def made_of(options: Any) -> dict:
    """Return what the pixels of an image depend on: its model, files and options."""
    images = options.s2_images or ()
    if len(images) == 1 and safe.is_safe(images[0]):
        product = safe.read_safe(images[0])
        images = [*product.bands, *product.scl]
    read = {name: getattr(options, name) for name in ("like", "aoi", "mask")}
    return {
        "model": saved_model.fingerprint(options.model_dir),
        **{name: getattr(options, name) for name in PIXEL_OPTIONS},
        "s2_images": fingerprints.of_files(images),
        **{name: fingerprints.of_files([path]) for name, path in read.items() if path},
    }


def check_model(model_dir: str) -> ModelInfo:
    """Check that a SavedModel is complete, and made for the bands of Sentinel-2.

    Raises:
        SRError: if not.
    """
    model = saved_model.describe(model_dir)
    saved_model.check_weights(model_dir)
    cards.check_conventions(
        model.card, f"the card of {model_dir}", "train a model with sr_train.py"
    )
    return model


@dataclass(frozen=True)
class Job:
    """One image to make: its input, its grid, and its pieces."""

    s2: Sentinel2
    context: list[ImageInfo]
    """Its images with reflections around them, as the network sees them."""
    masking: Sentinel2
    """Sentinel-2 whose 0 is nodata in the output."""
    plan: Plan
    tile_size: int
    """Side of a tile, output pixels; whole lr pixels."""
    pieces: list[Piece]
    folder: Path
    """Folder of the pieces."""
    card: dict
    """Contents of the card so far."""
    contents: dict[Piece, Content] = field(default_factory=dict)
    """What is known of the pixels of each piece."""

    def content(self, piece: Piece) -> Content:
        """Tell how many pixels of a piece have data; asked twice, read once."""
        if piece not in self.contents:
            grid = self.plan.grid_of(piece)
            self.contents[piece] = self.masking.content(grid)
        return self.contents[piece]

    def check_data(self) -> None:
        """Check that there is something to see.

        Raises:
            SRError: if no pixel has data.
        """
        if all(self.content(piece) == Content.NONE for piece in self.pieces):
            raise SRError(
                f"{redact(self.s2.images[0].path)} has no data in the area that was "
                "asked for, all pixels there are 0; take another image or another area"
            )


def job(
    options: Any,
    found: Sentinel2,
    area: Area,
    model: ModelInfo,
    arithmetic: str,
    crop: int,
    temporary: Path,
) -> Job:
    """Check Sentinel-2, choose the grid, and prepare the folder of the pieces.

    Arguments:
        options: `srtools.cli.inference.Options`.
        found: Sentinel-2.
        area: area to make.
        model: network.
        arithmetic: "float32" or "bfloat16".
        crop: output pixels that the network cuts off on each side.
        temporary: folder for small VRT files.

    Raises:
        SRError: if the images do not fit, or the folder holds pieces of another image.
    """
    s2 = found.images
    like = area.as_image(s2[0])
    found.check_area(like)
    found.check_training(model.card.get("offset_removed"))
    plan = plans.make(s2[0], like, model, crop)
    samples.warn_if_unlike(model.card, found, plan.grid)
    if options.consistent:
        plans.check_own_crs(plan, s2[0])
    tile_size = math.ceil(options.tile_size / FACTOR) * FACTOR
    # Pieces of whole tiles, so that no tile is computed twice.
    piece_size = max(options.piece_size // tile_size, 1) * tile_size
    width, height = plan.grid.width, plan.grid.height
    card = {
        "sentinel2": found.record or {"files": [image.record() for image in s2]},
        "offset": found.offset,
        "model_dir": str(options.model_dir),
        "model_card": model_card.brief(model.card),
        "crop": crop,
        "tile_size": tile_size,
        "mask": options.mask and redact(options.mask),
        "precision": arithmetic,
        "self_ensemble": options.self_ensemble,
        "grid": {"transform": plan.grid.transform[:6], "size": [width, height]},
        "versions": cards.versions(),
    }
    folder = pieces.folder_of(options.out)
    card["made_of"] = made_of(options)
    as_chosen = ("sentinel2", "offset", "crop", "precision", "grid", "tile_size")
    depends_on = {
        **card["made_of"],
        **{name: card[name] for name in (*as_chosen, "versions")},
        "piece_size": piece_size,
    }
    context = surroundings.reflect(s2, plan, temporary)
    kept, around = s2, context
    if options.mask:
        folder_of_mask = temporary / "mask"
        folder_of_mask.mkdir()
        kept = mask.lay_over(s2, options.mask, found, folder_of_mask)
        around = surroundings.reflect(kept, plan, folder_of_mask)
    # An output pixel at the edge that lies partly in the image has data.
    masking = replace(found, images=around if plan.inside else kept)
    cut = pieces.cut(width, height, piece_size)
    made = Job(found, context, masking, plan, tile_size, cut, folder, card)
    made.check_data()
    pieces.prepare(folder, depends_on, options.overwrite)
    return made
