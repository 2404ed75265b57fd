"""The Spot images and the search that the options of exercise 1 name."""

from dataclasses import replace

from srtools.images import checks, dimap
from srtools.images.raster import ImageInfo
from srtools.options.dataset_options import Options
from srtools.sentinel2 import areas, source


def with_spot_date(options: Options) -> Options:
    """Fill in `spot_date`, the day of acquisition, if the metadata of PAN state it."""
    day = options.spot_date or dimap.imaging_date(options.pan)
    return replace(options, spot_date=day)


def read_spot(options: Options) -> tuple[ImageInfo, ImageInfo]:
    """Check PAN and XS, and return their descriptions."""
    paths = options.pan, options.xs
    return checks.check_spot(*paths, options.patch_size, options.harmonize)


def search(options: Options) -> None:
    """Search Sentinel-2 images of the ground of XS, and print their ranking."""
    _, xs = read_spot(options)
    source.find_scene(options, areas.data_footprint(xs), options.spot_date)
