"""The inputs of exercise 1, and the options that the room looks at."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from typing import Protocol

from srtools import engine
from srtools.images import checks, dimap
from srtools.images.raster import ImageInfo
from srtools.sentinel2 import areas, source
from srtools.sentinel2.source import Sentinel2


class Settings(source.Options, Protocol):
    """Options of exercise 1, and those that choose the image of Sentinel-2."""

    pan: str
    xs: str
    coregister: bool
    scl: str | None
    s2_date: date | None
    spot_date: date | None
    download: bool
    out_dir: str
    overwrite: bool
    harmonize: bool
    patch_size: int
    split: str
    margin: int
    proportions: tuple[float, float, float]
    seed: int
    groups: list[str]
    """Groups that have patches."""
    inputs: list[str]
    """Files that are read, and never replaced."""
    command: str
    """Command that makes the same patches."""


def completed(options: Settings) -> Settings:
    """Return the options with the day of a Spot product."""
    if not options.spot_date:
        options = replace(options, spot_date=dimap.imaging_date(options.pan))
    return options


def search(options: Settings) -> None:
    """Print the ranking of Sentinel-2 images, and do no more."""
    _, xs = _spot(options)
    source.find_scene(options, areas.data_footprint(xs), options.spot_date)


def _spot(options: Settings) -> tuple[ImageInfo, ImageInfo]:
    size, harmonize = options.patch_size, options.harmonize
    return checks.check_spot(options.pan, options.xs, size, harmonize)


@contextmanager
def opened(
    options: Settings,
) -> Iterator[tuple[tuple[ImageInfo, ImageInfo], Sentinel2]]:
    """Yield PAN and XS, and Sentinel-2 over their ground, all of them checked.

    Copies of Sentinel-2's pixels are deleted at the end.
    """
    engine.require("PatchesSelection", "PatchesExtraction")
    pan, xs = _spot(options)
    search = {"xs": xs, "near": options.spot_date, "links": not options.download}
    search |= {"scl": options.scl or True, "day": options.s2_date}
    area, folder = areas.data_footprint(xs), options.out_dir
    with source.sentinel2(options, area, folder, **search) as s2:
        yield (pan, xs), s2
