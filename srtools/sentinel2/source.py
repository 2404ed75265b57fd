"""The Sentinel-2 image of a run: files on this machine, a SAFE folder, or a search."""

import logging
import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from datetime import date
from pathlib import Path

import shapely

from srtools.conventions import BANDS
from srtools.errors import SRError
from srtools.files import make_folder, partial_folder
from srtools.images.plausibility import OFFSET_OPTION
from srtools.images.raster import ImageInfo
from srtools.options.search_options import ARCHIVES, SearchOptions
from srtools.sentinel2 import safe, scenes
from srtools.sentinel2.areas import footprint
from srtools.sentinel2.download import MARGIN_METRES, local_copies
from srtools.sentinel2.items import published_offset
from srtools.sentinel2.sentinel2_image import Sentinel2
from srtools.sentinel2.stac_archive import Archive

log = logging.getLogger(__name__)

LEVEL_1C = re.compile(r"T\d\d[A-Z]{3}_\d{8}T\d{6}_B\d\d\.jp2$")
"""File names of Level-1C; those of Level-2A state their resolution."""
DAY = re.compile(r"(?<!\d)(?<!PDMC_)(20\d\d)-?(\d\d)-?(\d\d)(?!\d)")
"""The first date in a name is that of acquisition; PDMC precedes that of creation."""


@contextmanager
def open_sentinel2(
    options: SearchOptions,
    area: shapely.Polygon | None,
    folder: str | Path,
    *,
    xs: ImageInfo | None = None,
    margin_metres: float = MARGIN_METRES,
    near: date | None = None,
    scl: bool | str = False,
) -> Iterator[Sentinel2]:
    """Yield the user's files as a checked image, or the best image of a search.

    Arguments:
        area: ground that must have clear pixels, in degrees; None without a search.
        folder: folder of temporary copies and mosaics.
        xs: Spot image that Sentinel-2 must cover; pixels are copied and sampled over
            its rectangle.  None: pixels are copied over `area`, and all are sampled.
        margin_metres: distance from that ground within which pixels are copied, too.
        near: day to which the acquisition should be close.
        scl: file of the scene classification; True: take that of the search.
    """
    with ExitStack() as stack:
        if options.s2_images:
            s2 = local_image(options.s2_images, options.offset)
        else:
            scene = find_scene(options, area, near)
            bands = (*BANDS, "SCL") if scl else BANDS
            ground = footprint(xs) if xs else area
            copies = local_copies(scene, bands, ground, folder, margin_metres)
            s2 = _describe(scene, stack.enter_context(copies), options.offset)
        if isinstance(scl, str):
            s2 = with_classification(s2, scl)
        vrts = None
        if len(s2.tiles) > 1:
            vrts = stack.enter_context(partial_folder(make_folder(folder) / "tiles"))
        yield s2.checked(vrts, xs)


def find_scene(
    options: SearchOptions, area: shapely.Polygon, near: date | None = None
) -> scenes.Scene:
    """Return the best image of a search over `area` (degrees); print the ranking."""
    archive = Archive(options.stac_url or ARCHIVES[options.archive])
    if options.item:
        candidates = [scenes.fetch_items(archive, area, options.item)]
    else:
        candidates = scenes.search(archive, area, *options.period, near)
    scene = scenes.choose(candidates, area, options.max_bad_share)
    print(scenes.ranking_table(candidates, scene))
    return scene


def _describe(
    scene: scenes.Scene, tiles: list[dict[str, str]], offset: int | None
) -> Sentinel2:
    """Describe a scene, {band: file} per tile; `offset` overrides its own."""
    first = scene.tiles[0]
    if offset not in (None, first.offset):
        log.warning(
            "an offset of %d is subtracted, the item says %s", offset, first.offset
        )
    record = scene.record(offset)
    return Sentinel2(
        tiles=[[tile[band] for band in BANDS] for tile in tiles],
        scl=[tile["SCL"] for tile in tiles if "SCL" in tile],
        offset=record["offset_dn"],
        offset_source=first.id if offset is None else OFFSET_OPTION,
        record=record,
        day=scene.acquired.date(),
    )


def local_image(paths: tuple[str, ...], offset: int | None) -> Sentinel2:
    """Describe the user's files or SAFE folder; `offset` None: the folder's, or 0."""
    offset_source = "" if offset is None else OFFSET_OPTION
    if len(paths) == 1 and Path(paths[0]).is_dir():
        bands, scl, published = safe.read_safe(paths[0])
        if offset is None:
            offset, offset_source = published_offset(paths[0], published), paths[0]
        day = day_in((*paths, *bands, *scl))
        return Sentinel2([bands], scl, offset, offset_source, day=day)
    if any(map(LEVEL_1C.search, paths)):
        log.warning(
            "%s is named like Level-1C, which still has the light of the atmosphere; "
            "networks here are made for Level-2A, whose names end in _10m",
            Path(paths[0]).name,
        )
    if offset is None:
        log.info(
            "no offset is subtracted from --s2_images; ESA products of baseline 04.00 "
            "or later need --offset 1000"
        )
    return Sentinel2([list(paths)], [], offset or 0, offset_source, day=day_in(paths))


def with_classification(s2: Sentinel2, path: str) -> Sentinel2:
    """Return `s2` with the file of a scene classification; raise if the days differ."""
    return replace(s2, scl=[path], day=day_in([*s2.tiles[0], path]) or s2.day)


def day_in(paths: Sequence[str]) -> date | None:
    """Read the day of acquisition in file names of ESA or MUSCATE; None without one.

    >>> day_in(("S2A_MSIL2A_20220714T105629_N0400_R051_T31UDQ_20220714T170000.SAFE",))
    datetime.date(2022, 7, 14)
    """
    days = {}
    for name in (Path(path).name for path in paths):
        for numbers in DAY.findall(name)[:1]:
            with suppress(ValueError):  # numbers that are no date
                days.setdefault(date(*map(int, numbers)), name)
    if len(days) > 1:
        names = ", ".join(f"{day} ({name})" for day, name in sorted(days.items()))
        raise SRError(
            f"the file names of Sentinel-2 have several days: {names}; give the bands "
            "and the classification of one product"
        )
    return next(iter(days), None)
