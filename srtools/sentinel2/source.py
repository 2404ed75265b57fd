"""Where the pixels of Sentinel-2 are: images at hand, a SAFE folder, or a search.

Exercise 1 wants it for the ground that Spot shows, with the classification of clouds:

    area = areas.data_footprint(xs)
    with source.sentinel2(
        options, area, options.out_dir, around=xs, near=options.spot_date, scl=True
    ) as s2:
        stacked = [pyotb.ConcatenateImages(il=bands) for bands in s2.tiles]

Exercise 5 wants it for an area, and a little more for the network to see:

    area = polygon or areas.footprint(like)    # None will do for images at hand
    with source.sentinel2(
        options, area, Path(options.out).parent, margin_metres=200.0
    ) as s2:
        ...  # one tile: s2.tiles[0] are its files; several: lay them side by side

A script checks its outputs and its model before it enters the context: then nothing
is searched for in vain.  The room on the disk is checked in here, before the download.
"""

import logging
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

import shapely

from srtools.conventions import BANDS
from srtools.errors import SRError
from srtools.images.pixels import OFFSET_OPTION
from srtools.images.raster import ImageInfo
from srtools.sentinel2 import defaults, download, safe, scenes
from srtools.sentinel2.archive import Archive
from srtools.sentinel2.areas import as_image
from srtools.sentinel2.services import ServiceError

log = logging.getLogger(__name__)


LEVEL_1C = re.compile(r"T\d\d[A-Z]{3}_\d{8}T\d{6}_B\d\d\.jp2$")
"""Names of its images; those of Level-2A tell their resolution."""
DAY = re.compile(r"(?<!PDMC)_(\d{8})[T-]\d{6}[-_]")
"""The first in a name is that of acquisition, but for the creation after PDMC."""


@dataclass(frozen=True)
class Sentinel2:
    """One Sentinel-2 image: the files of its tiles, and the facts about it."""

    tiles: list[list[str]]
    """Files of each tile: B04, B03, B02, B08, or a single file with these bands."""
    scl: list[str] = field(default_factory=list)
    """Scene classification of each tile; empty if there is none."""
    offset: int = 0
    """DN to subtract."""
    said_by: str = ""
    """Who says so: an option, metadata, or "" for nobody."""
    record: dict[str, Any] | None = None
    """Facts for the card; None for images at hand."""
    day: date | None = None
    """Day of acquisition, UTC; None if not known."""

    def days_to(self, day: date | None) -> int | None:
        """Give the number of days between the image and a day, if both are known."""
        return abs(self.day - day).days if self.day and day else None

    def completed(self, scl: str | None, day: date | None) -> "Sentinel2":
        """Return the image with the classification and the day that the user gave."""
        if not (scl or day):
            return self
        scl = [scl] if scl else self.scl
        told = day_in([*self.tiles[0], *scl]) or self.day
        if day and told and day != told:
            raise SRError(
                f"the names of the Sentinel-2 files tell {told}, --s2_date {day}; "
                "leave it out, or rename the files"
            )
        return replace(self, scl=scl, day=day or told)


@contextmanager
def sentinel2(
    options: Any,
    area: shapely.Polygon | None,
    folder: str | Path,
    *,
    around: ImageInfo | None = None,
    margin_metres: float = download.MARGIN_METRES,
    near: date | None = None,
    scl: bool = False,
    links: bool = False,
) -> Iterator[Sentinel2]:
    """Give the image at hand, or search for the best one.

    Its pixels are copied, and the copies deleted at the end, or read over links.

    Arguments:
        options: `srtools.cli.search.SearchOptions`.
        area: ground that must be there and free of clouds, in degrees.
        around: the image over whose rectangle pixels are copied, by default that
            around `area`.
        near: day that the image should be close to.
        links: whether to give links, which are secrets, instead of copies.
    """
    if options.s2_images:
        yield at_hand(options.s2_images, options.offset)
        return
    scene = find_scene(options, area, near)
    offset = scene.offset if options.offset is None else options.offset
    if offset != scene.tiles[0].offset:
        log.warning(
            "an offset of %d is subtracted, the item says %s",
            offset,
            scene.tiles[0].offset,
        )
    bands = (*BANDS, "SCL") if scl else BANDS
    place = around or as_image(area)
    if links:
        images = download.open_links(scene, bands, place, margin_metres)
    else:
        images = download.local_copies(scene, bands, place, folder, margin_metres)
    with outages_told(options), images as tiles:
        yield Sentinel2(
            tiles=[[tile[band] for band in BANDS] for tile in tiles],
            scl=[tile["SCL"] for tile in tiles] if scl else [],
            offset=offset,
            said_by=scene.tiles[0].id if options.offset is None else OFFSET_OPTION,
            record=scene.record(offset),
            day=scene.when.date(),
        )


def day_in(paths: Sequence[str]) -> date | None:
    """Read the day of acquisition in the names of files, as ESA and MUSCATE write it.

    >>> day_in(("S2A_MSIL2A_20220714T105629_N0400_R051_T31UDQ_20220714T170000.SAFE",))
    datetime.date(2022, 7, 14)
    """
    days = {}
    for name in (Path(path).name for path in paths):
        for digits in DAY.findall(name)[:1]:
            with suppress(ValueError):  # no day at all
                days.setdefault(datetime.strptime(digits, "%Y%m%d").date(), name)
    if len(days) > 1:
        found = ", ".join(f"{day} ({name})" for day, name in sorted(days.items()))
        raise SRError(
            f"the files of Sentinel-2 are of several days by their names: {found}; "
            "give the bands and the classification of one product"
        )
    return next(iter(days), None)


def at_hand(paths: tuple[str, ...], offset: int | None) -> Sentinel2:
    """Describe images, or a SAFE folder, on this machine.

    Arguments:
        paths: four files, one with four bands, or a SAFE folder.
        offset: DN to subtract; None: as the product says.
    """
    if len(paths) == 1 and safe.is_safe(paths[0]):
        product = safe.read_safe(paths[0])
        said_by = str(paths[0]) if offset is None else OFFSET_OPTION
        offset = product.known_offset() if offset is None else offset
        day = day_in((*paths, *product.bands, *product.scl))
        return Sentinel2([product.bands], product.scl, offset, said_by, day=day)
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
    said_by = "" if offset is None else OFFSET_OPTION
    return Sentinel2([list(paths)], [], offset or 0, said_by, day=day_in(paths))


def archive_of(options: Any) -> Archive:
    """Give the archive that was named, or another STAC API."""
    known = defaults.ARCHIVES[options.archive]
    if options.stac_url:
        known = defaults.KnownArchive(options.stac_url)
    assets = {**known.assets, **dict(options.assets or ())}
    return Archive(known.url, options.collection or known.collection, assets)


@contextmanager
def outages_told(options: Any) -> Iterator[None]:
    """Name another archive where a known one does not answer."""
    try:
        yield
    except ServiceError as error:
        if options.stac_url:
            raise
        other = next(name for name in defaults.ARCHIVES if name != options.archive)
        raise ServiceError(
            f"{error}; --archive {other} searches another archive"
        ) from None


def find_scene(
    options: Any, area: shapely.Polygon, near: date | None = None
) -> scenes.Scene:
    """Search for the best image over an area (degrees); print the ranking.

    With `--dry_run` a script calls this alone.
    """
    with outages_told(options):
        candidates = scenes.search(
            archive_of(options),
            area,
            *options.period,
            near=near,
            max_cloud_cover=options.max_cloud_cover,
            items=options.item or (),
        )
        scene = scenes.choose(candidates, area, max_bad_share=options.max_bad_share)
    print(scenes.ranking_table(candidates, scene))
    return scene
