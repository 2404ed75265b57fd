"""Command line of exercise 5, sr_infer.py."""

import argparse
import re
from dataclasses import dataclass
from functools import partial

from srtools.options import parser
from srtools.options.parser import PRECISIONS, MisuseError, number, option
from srtools.options.search_options import SearchOptions

AREA = "area"


def share(text: str) -> tuple[int, int]:
    """Convert a text such as "2/8" to (2, 8)."""
    numbers = re.fullmatch(r"(\d+)/(\d+)", text)
    if not numbers or not 1 <= int(numbers[1]) <= int(numbers[2]):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a share; I/N is expected, such as 1/8 for the first of 8"
        )
    return int(numbers[1]), int(numbers[2])


@dataclass(frozen=True, kw_only=True)
class Options(SearchOptions):
    """Super-resolve a Sentinel-2 image to 1.5 m with a trained model."""

    model_dir: str = option(help="SavedModel of sr_train.py")
    out: str = option(
        help="GeoTIFF to write: uint16, reflectance x 10000, nodata 0", metavar="TIF"
    )
    preview: str | None = option(
        None,
        "PNG to write, input and output side by side (default: none)",
        metavar="PNG",
    )
    overwrite: bool = option(False, "replace existing files (default: refuse)")

    like: str | None = option(
        None,
        "image whose area and corner the output takes (default: those of Sentinel-2)",
        metavar="FILE",
        group=AREA,
    )
    bbox: tuple[float, ...] | None = option(
        None,
        "area to make, degrees (default: all of the image)",
        kind=float,
        nargs=4,
        metavar=("WEST", "SOUTH", "EAST", "NORTH"),
        group=AREA,
    )
    mask: str | None = option(
        None,
        "set to nodata: clouds and shadows in the scene classification of a search or "
        "a SAFE folder (SCL), or pixels that are 0 in a file (default: no mask)",
        metavar="SCL|FILE",
        group=AREA,
    )
    consistent: bool = option(
        False,
        "correct the image until it agrees with Sentinel-2 at the resolution of "
        "Sentinel-2; finer detail stays (default: the output of the network)",
    )
    uncertainty: bool = option(
        False,
        "write a second image, *_interval.tif: half the width of an interval, DN, that "
        "holds 90 % of the pixels, measured on the validation patches (default: no)",
        group="advanced",
    )
    precision: str = option(
        "auto",
        "arithmetic of the network; auto is bfloat16 on processors and GPUs where that "
        "is faster, if it changes pixels by less than a tenth of their error",
        choices=PRECISIONS,
        group="advanced",
    )
    crop: int | None = option(
        None,
        "_crop output to use, output pixels (default: the smallest that covers the "
        "receptive field)",
        metavar="PIXELS",
        group="advanced",
    )
    tile_size: int = option(
        512,
        "side of a tile, output pixels; memory grows with its square",
        kind=number(1),
        metavar="PIXELS",
        group="advanced",
    )
    part: tuple[int, int] | None = option(
        None,
        "make share I of N; the same command without --part joins them (default: all)",
        kind=share,
        metavar="I/N",
        group="advanced",
    )

    def __post_init__(self) -> None:
        """Refuse options that contradict each other."""
        super().__post_init__()
        if self.like and self.bbox:
            raise MisuseError("--like and --bbox are areas to make; give one")
        if not (self.s2_images or self.like or self.bbox):
            raise MisuseError("--s2_images, or an area to search, is needed")
        if self.uncertainty and self.consistent:
            raise MisuseError(
                "--uncertainty is calibrated for the output of the network, and "
                "--consistent changes it; leave one of them out"
            )


parse = partial(parser.parse, Options)
