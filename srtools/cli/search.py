"""The options of a search for Sentinel-2, which two scripts share."""

import argparse
from collections.abc import Callable
from datetime import date

import shapely

from srtools.conventions import BANDS
from srtools.sentinel2 import scenes
from srtools.sentinel2.archive import PLANETARY_COMPUTER, SENTINEL2_L2A, Archive

KNOWN = (*BANDS, "SCL")


def add_search(parser: argparse.ArgumentParser) -> None:
    """Add the options to a script's parser."""
    add = parser.add_argument_group("search for Sentinel-2").add_argument
    add("--stac_url", default=PLANETARY_COMPUTER, help="(default: %(default)s)")
    add("--collection", default=SENTINEL2_L2A, help="(default: %(default)s)")
    add(
        "--assets", nargs="+", type=_renamed, default=[], metavar="BAND=NAME",
        action="extend",
        help="how this collection names the bands, for instance B04=red SCL=scl",
    )  # fmt: skip
    add("--start_date", default=scenes.START, help="first day (default: %(default)s)")
    add("--end_date", default=scenes.END, help="last day (default: %(default)s)")
    add(
        "--max_cloud_cover", type=_number(100), default=scenes.MAX_CLOUD_COVER,
        metavar="PERCENT", help="of a whole tile (default: %(default)s)",
    )  # fmt: skip
    add(
        "--max_bad_share", type=_number(1), default=scenes.MAX_BAD_SHARE,
        metavar="SHARE",
        help="cloud, shadow and cirrus over the area (default: %(default)s)",
    )  # fmt: skip
    add("--item", nargs="+", metavar="ID", help="take these items")
    add("--dry_run", action="store_true", help="print the ranking of images and stop")


def day(text: str) -> date:
    """Read an option such as 2022-07-14."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no day; YYYY-MM-DD is expected"
        ) from None


def _renamed(text: str) -> list[str]:
    """Read an option such as B04=red."""
    band, _, name = text.partition("=")
    if band not in KNOWN or not name:
        raise argparse.ArgumentTypeError(
            f"{text!r} names no band; {', '.join(KNOWN)} and a name are expected, as "
            "in B04=red"
        )
    return [band, name]


def _number(largest: float) -> Callable[[str], float]:
    """Give a reader of options from 0 to `largest`."""

    def read(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = -1.0
        if not 0 <= value <= largest:
            raise argparse.ArgumentTypeError(
                f"{text!r} is not a number from 0 to {largest:g}"
            )
        return value

    return read


def find_scene(
    params: argparse.Namespace, area: shapely.Polygon, near: date | None = None
) -> scenes.Scene:
    """Search for the best image over an area (degrees); print the ranking."""
    archive = Archive(params.stac_url, params.collection, dict(params.assets))
    candidates = scenes.search(
        archive,
        area,
        params.start_date,
        params.end_date,
        near=near,
        max_cloud_cover=params.max_cloud_cover,
        items=params.item or (),
    )
    scene = scenes.choose(candidates, area, max_bad_share=params.max_bad_share)
    print(scenes.ranking_table(candidates, scene))
    return scene
