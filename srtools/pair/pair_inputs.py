"""Options of exercise 1, and the images that they name."""

from dataclasses import replace
from datetime import date
from typing import Protocol

from srtools.images import checks, dimap
from srtools.images.raster import ImageInfo
from srtools.sentinel2 import areas, source


class DatasetOptions(source.Options, Protocol):
    """Options of exercise 1 and of the search for Sentinel-2."""

    pan: str
    xs: str
    scl: str | None
    spot_date: date | None
    download: bool
    out_dir: str
    overwrite: bool
    harmonize: bool
    per_patch: bool
    accept_pair: bool
    patch_size: int
    split: str
    margin: int
    proportions: tuple[float, float, float]
    seed: int
    groups: list[str]
    """Groups with a proportion above 0."""
    inputs: list[str]
    """Input files, which no output may replace."""
    command: str
    """Command that makes the same patches."""


def completed(options: DatasetOptions) -> DatasetOptions:
    """Add the day of acquisition of Spot, if its metadata state it."""
    if not options.spot_date:
        options = replace(options, spot_date=dimap.imaging_date(options.pan))
    return options


def read_spot(options: DatasetOptions) -> tuple[ImageInfo, ImageInfo]:
    """Check PAN and XS, and return their descriptions."""
    size, harmonize = options.patch_size, options.harmonize
    return checks.check_spot(options.pan, options.xs, size, harmonize)


def search(options: DatasetOptions) -> None:
    """Print the ranking of Sentinel-2 images."""
    _, xs = read_spot(options)
    source.find_scene(options, areas.data_footprint(xs), options.spot_date)
