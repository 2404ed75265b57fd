"""Options of exercise 5 that the room reads, and what follows from them alone."""

from typing import Protocol

import shapely

from srtools import files
from srtools.images import checks, raster
from srtools.images.raster import ImageInfo
from srtools.network import saved_model
from srtools.sentinel2 import areas, safe, source

PIXEL_OPTIONS = (
    "offset bbox crop precision self_ensemble uncertainty consistent".split()
)
"""Options that change pixels, beside the model and the files."""
FILE_OPTIONS = ("like", "mask")


class Options(source.Options, Protocol):
    """Options of the exercise, beside those of the search for Sentinel-2."""

    model_dir: str
    out: str
    out_dir: str | None
    preview: str | None
    overwrite: bool
    like: str | None
    bbox: tuple[float, ...] | None
    mask: str | None
    consistent: bool
    self_ensemble: bool
    uncertainty: bool
    precision: str
    crop: int | None
    tile_size: int
    part: tuple[int, int] | None
    dry_run: bool


def read_area(options: Options) -> tuple[shapely.Polygon | None, ImageInfo | None]:
    """Return the area to make, degrees, and the image of `--like`; None for all."""
    if not options.like:
        return areas.from_bbox(options.bbox) if options.bbox else None, None
    like = raster.describe(options.like, "the reference image")
    checks.check_metres(like)
    return areas.footprint(like), like


def made_of(options: Options) -> dict:
    """Return what the pixels of an image depend on: its model, files and options."""
    images = options.s2_images or ()
    if len(images) == 1 and safe.is_safe(images[0]):
        product = safe.read_safe(images[0])
        images = [*product.bands, *product.scl]
    images = [file for image in images for file in raster.sources(image)]
    read = {name: getattr(options, name) for name in FILE_OPTIONS}
    return {
        "model": saved_model.fingerprint(options.model_dir),
        **{name: getattr(options, name) for name in PIXEL_OPTIONS},
        "s2_images": files.states(images),
        **{name: files.states([path]) for name, path in read.items() if path},
    }
