"""The Spot images and the search that the options of exercise 1 name."""

from dataclasses import replace

from srtools.images import checks, dimap
from srtools.images.raster import ImageInfo
from srtools.options.dataset_options import Options
from srtools.sentinel2 import areas, source


def completed(options: Options) -> Options:
    """Add the day of acquisition of Spot, if its metadata state it."""
    day = options.spot_date or dimap.imaging_date(options.pan)
    return replace(options, spot_date=day)


def read_spot(options: Options) -> tuple[ImageInfo, ImageInfo]:
    """Check PAN and XS, and return their descriptions."""
    return checks.check_spot(
        options.pan, options.xs, options.patch_size, options.harmonize
    )


def search(options: Options) -> None:
    """Print the ranking of Sentinel-2 images."""
    _, xs = read_spot(options)
    source.find_scene(options, areas.data_footprint(xs), options.spot_date)
