"""Where the pixels of Sentinel-2 are: images at hand, a SAFE folder, or a search.

    with source.sentinel2(options, area, folder, xs=xs, scl=True) as s2:
        pyotb.ConcatenateImages(il=s2.tiles[0])  # OTB's pipeline takes the files
        s2.read(grid)  # pixels without the offset

A script checks its outputs and its model before it enters the context: then nothing
is searched for in vain.  The room on the disk is checked in here, before the download.
"""

import logging
import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Protocol

import shapely

from srtools.conventions import BANDS
from srtools.errors import SRError
from srtools.files import make_folder, partial_folder
from srtools.images.plausibility import OFFSET_OPTION
from srtools.images.raster import ImageInfo
from srtools.sentinel2 import defaults, download, safe, scenes
from srtools.sentinel2.archive import Archive
from srtools.sentinel2.areas import footprint
from srtools.sentinel2.image import Sentinel2
from srtools.sentinel2.items import published_offset

log = logging.getLogger(__name__)


LEVEL_1C = re.compile(r"T\d\d[A-Z]{3}_\d{8}T\d{6}_B\d\d\.jp2$")
"""Names of its images; those of Level-2A state their resolution."""
DAY = re.compile(r"(?<!\d)(?<!PDMC_)(20\d\d)-?(\d\d)-?(\d\d)(?!\d)")
"""The first in a name is that of acquisition, but for the creation after PDMC."""


class Options(Protocol):
    """Options of the command line that choose the image."""

    s2_images: tuple[str, ...] | None
    offset: int | None
    archive: str
    stac_url: str | None
    item: tuple[str, ...] | None
    max_bad_share: float

    @property
    def period(self) -> tuple[date, date]:
        """First and last day to search, both included."""


@contextmanager
def sentinel2(
    options: Options,
    area: shapely.Polygon | None,
    folder: str | Path,
    *,
    xs: ImageInfo | None = None,
    margin_metres: float = download.MARGIN_METRES,
    near: date | None = None,
    scl: bool | str = False,
    day: date | None = None,
    links: bool = False,
) -> Iterator[Sentinel2]:
    """Yield the image at hand, or the best one of a search, checked.

    The pixels of a search are copied to `folder` for as long as the context lasts, or
    read over links.  The keywords are what exercises 1 and 5 need differently.

    Arguments:
        area: ground that must be there and free of clouds, in degrees.
        xs: Spot image that must be covered, over whose rectangle pixels are copied and
            looked at; None: those around `area`, and all of them.
        near: day that the image should be close to.
        scl: file of the scene classification; True: take that of the search.
        day: day of acquisition by the user's word.
        links: whether to give links, which are secrets, instead of copies.
    """
    with ExitStack() as stack:
        if options.s2_images:
            s2 = at_hand(options.s2_images, options.offset)
        else:
            scene = find_scene(options, area, near)
            bands = (*BANDS, "SCL") if scl else BANDS
            if links:
                copies = download.open_links(scene, bands)
            else:
                place = footprint(xs) if xs else area
                copies = download.local_copies(
                    scene, bands, place, folder, margin_metres
                )
            s2 = _of_scene(scene, stack.enter_context(copies), options.offset)
        s2 = completed(s2, scl if isinstance(scl, str) else None, day)
        vrts = None
        if len(s2.tiles) > 1:
            vrts = stack.enter_context(partial_folder(make_folder(folder) / "tiles"))
        yield s2.checked(vrts, xs)


def _of_scene(
    scene: scenes.Scene, tiles: list[dict[str, str]], offset: int | None
) -> Sentinel2:
    """Describe the copies or links of a scene; the user's `offset` goes first."""
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
        day=scene.when.date(),
    )


def completed(s2: Sentinel2, scl: str | None, day: date | None) -> Sentinel2:
    """Return the image with the classification and the day that the user gave."""
    if not (scl or day):
        return s2
    paths = [scl] if scl else s2.scl
    published = day_in([*s2.tiles[0], *paths]) or s2.day
    if day and published and day != published:
        raise SRError(
            f"the names of the Sentinel-2 files tell {published}, --s2_date {day}; "
            "leave it out, or rename the files"
        )
    return replace(s2, scl=paths, day=day or published)


def day_in(paths: Sequence[str]) -> date | None:
    """Read the day of acquisition in the names of files, as ESA and MUSCATE write it.

    >>> day_in(("S2A_MSIL2A_20220714T105629_N0400_R051_T31UDQ_20220714T170000.SAFE",))
    datetime.date(2022, 7, 14)
    """
    days = {}
    for name in (Path(path).name for path in paths):
        for numbers in DAY.findall(name)[:1]:
            with suppress(ValueError):  # no day at all
                days.setdefault(date(*map(int, numbers)), name)
    if len(days) > 1:
        names = ", ".join(f"{day} ({name})" for day, name in sorted(days.items()))
        raise SRError(
            f"the files of Sentinel-2 are of several days by their names: {names}; "
            "give the bands and the classification of one product"
        )
    return next(iter(days), None)


def at_hand(paths: tuple[str, ...], offset: int | None) -> Sentinel2:
    """Describe images, or a SAFE folder, on this machine.

    Arguments:
        paths: four files, one with four bands, or a SAFE folder.
        offset: DN to subtract; None: as the product says.
    """
    offset_source = "" if offset is None else OFFSET_OPTION
    if len(paths) == 1 and safe.is_safe(paths[0]):
        bands, scl, published = safe.read_safe(paths[0])
        if offset is None:
            offset, offset_source = published_offset(paths[0], published), paths[0]
        day = day_in((*paths, *bands, *scl))
        return Sentinel2([bands], scl, offset, offset_source, day=day)
    if any(map(LEVEL_1C.search, paths)):
        log.warning(
            "%s is named like Level-1C, which still has the light of the atmosphere; "
            "Level-2A, whose names end in _10m, is what networks here are made for",
            Path(paths[0]).name,
        )
    if offset is None:
        log.info(
            "no offset is subtracted from --s2_images; ESA products of baseline 04.00 "
            "or later need --offset 1000"
        )
    return Sentinel2([list(paths)], [], offset or 0, offset_source, day=day_in(paths))


def find_scene(
    options: Options, area: shapely.Polygon, near: date | None = None
) -> scenes.Scene:
    """Search for the best image over an area (degrees); print the ranking.

    With `--dry_run` a script calls this alone.
    """
    archive = Archive(options.stac_url or defaults.ARCHIVES[options.archive])
    if options.item:
        candidates = [scenes.named(archive, area, options.item)]
    else:
        candidates = scenes.search(archive, area, *options.period, near)
    scene = scenes.choose(candidates, area, options.max_bad_share)
    print(scenes.ranking_table(candidates, scene))
    return scene
