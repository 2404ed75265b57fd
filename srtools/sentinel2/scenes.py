"""The search for the best Sentinel-2 image of an area: candidates, ranking, choice.

The items of a server are checked again here.  The pixels of the best candidates are
read, because a cloud cover is a mean over 110 km, and an outline may be wrong.
"""

import logging
from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from typing import Any

import shapely
from shapely.geometry import mapping

from srtools.conventions import BANDS
from srtools.errors import SRError
from srtools.images.plausibility import HIGHEST_DN
from srtools.options.search_options import MAX_BAD_SHARE
from srtools.sentinel2.clouds import band_shares, scl_shares
from srtools.sentinel2.items import UNUSABLE_ITEM, Tile
from srtools.sentinel2.passes import Scene, group_tiles, make_scene, pass_key
from srtools.sentinel2.services import ServiceError
from srtools.sentinel2.stac_archive import COLLECTION, Archive
from srtools.urls import redact

log = logging.getLogger(__name__)

# Percent of a whole tile; a loose limit, because the pixels over the area decide.
MAX_CLOUD_COVER = 60.0
MAX_READ = 8  # candidates whose pixels are read


def search(
    archive: Archive,
    area: shapely.Polygon,
    start: date,
    end: date,
    near: date | None = None,
) -> list[Scene]:
    """Return the candidates over `area` (degrees), the best first.

    A candidate is one pass of the satellite.  The order is by cloud cover in whole
    percent, because finer differences of a mean over 110 km mean little here, then by
    the distance to the day `near`, or else to the middle of the period.  `start` and
    `end` are days (UTC), both included.  Candidates with a `rejection` come last.
    """
    if start > end:
        raise SRError(
            f"the period begins on {start}, after its end, {end}; give both days"
        )
    # The query has no limit of clouds, which would hide the newer processing of an
    # image, the other tile of a pass, or images without a published cloud cover.
    items = archive.search(
        intersects=mapping(area),
        # Midnight after the last day, because some servers read a day as its start.
        datetime=f"{start}T00:00:00Z/{end + timedelta(days=1)}T00:00:00Z",
    )
    tiles = [
        tile
        for tile in _read_items(items)
        if start <= tile.acquired.date() <= end and tile.outline.intersection(area).area
    ]
    if not tiles:
        raise SRError(
            f"no item of {COLLECTION} at {redact(archive.url)} shows the area between "
            f"{start} and {end} ({len(items)} items came back); change the period, or "
            "check where the area lies and that the archive has this collection"
        )
    scenes = [make_scene(archive, area, group) for group in group_tiles(tiles, area)]
    best_day = near or start + (end - start) / 2
    return sorted(scenes, key=lambda scene: _rank(scene, best_day))


def _rank(scene: Scene, best_day: date) -> tuple[Any, ...]:
    """Set the rejection of a scene by its metadata, and return its rank."""
    if scene.uncovered:
        scene.rejection = "its outline does not contain the area"
    elif (scene.cloud or 0.0) > MAX_CLOUD_COVER:
        scene.rejection = f"cloud cover above {MAX_CLOUD_COVER:g} %"
    cloud = 100.0 if scene.cloud is None else scene.cloud
    days = abs(scene.acquired.date() - best_day)
    return bool(scene.rejection), round(cloud), days, scene.tiles[0].id


def fetch_items(archive: Archive, area: shapely.Polygon, ids: Sequence[str]) -> Scene:
    """Return the items `ids`, of one pass, as a scene of any day and cloud cover."""
    items = {tile.id: tile for tile in _read_items(archive.search(ids=list(ids)))}
    if missing := [name for name in ids if name not in items]:
        raise SRError(
            f"{COLLECTION} at {redact(archive.url)} has no item {missing[0]}; check "
            "the id in the table of candidates"
        )
    tiles = [items[name] for name in dict.fromkeys(ids)]
    one_pass = len({(*pass_key(tile), tile.offset) for tile in tiles}) == 1
    if not one_pass or len({tile.mgrs for tile in tiles}) < len(tiles):
        raise SRError(
            f"items {', '.join(ids)} cannot be combined; expected different tiles "
            "of the same datatake, datastrip, CRS and offset"
        )
    if not any(tile.outline.intersects(area) for tile in tiles):
        raise SRError(
            f"item {tiles[0].id} does not show the Spot image's area; leave it out to "
            "see the candidates"
        )
    return make_scene(archive, area, tiles, requested=True)


def choose(
    candidates: Sequence[Scene],
    area: shapely.Polygon,
    max_bad_share: float = MAX_BAD_SHARE,
) -> Scene:
    """Return the first candidate that is clear, complete and readable.

    The SCL must have all pixels over `area`.  At most the share `max_bad_share` (0-1)
    may have one of `BAD_CLASSES` (clouds of requested items are only measured), be 0
    in a band, or be brighter than any ground.  Other candidates get a `rejection`.  If
    none passes, the table is logged and an error raised.
    """
    usable = [scene for scene in candidates if not scene.rejection]
    for scene in usable[:MAX_READ]:
        log.info("reading pixels of %s", scene.tiles[0].id)
        try:
            scene.rejection = _check_pixels(scene, area, max_bad_share)
        except ServiceError:
            raise
        except SRError as error:
            scene.rejection = str(error)
        if not scene.rejection:
            return scene
    for scene in usable[MAX_READ:]:
        scene.rejection = f"not read, only the best {MAX_READ} are"
    log.warning("%s", ranking_table(candidates))
    best = candidates[0]
    raise SRError(
        f"none of {len(candidates)} Sentinel-2 candidates can be used (the best one, "
        f"{best.tiles[0].id}: {best.rejection}); see the table above, then give "
        "another --start_date and --end_date, a larger --max_bad_share, or another "
        "--item"
    )


def _check_pixels(scene: Scene, area: shapely.Polygon, max_bad_share: float) -> str:
    """Set `scene.shares`; return the reason to reject the scene, or ""."""
    scene.shares = scl_shares(scene.archive, scene.hrefs("SCL"), area)
    if scene.shares["missing"]:
        return "pixels are missing"
    if not scene.requested and scene.bad_share > max_bad_share:
        return f"more than {max_bad_share:.2%} cloud, shadow or cirrus"
    # Some items have a complete classification and incomplete bands.
    bands = [scene.hrefs(band) for band in BANDS]
    shares = band_shares(scene.archive, bands, area)
    scene.shares |= {name: max(shares[name], scene.shares[name]) for name in shares}
    if shares["missing"] > max_bad_share:
        return "pixels of its bands are missing"
    if shares["defective"] > max_bad_share:
        return f"more than {max_bad_share:.2%} of its DN are above {HIGHEST_DN}"
    return ""


def ranking_table(candidates: Sequence[Scene], chosen: Scene | None = None) -> str:
    """Return a table as text, two lines per candidate: figures and verdict; item ids.

    A dash is a figure that is not published, or was not measured.
    """
    lines = [
        "Sentinel-2 candidates, all figures in %. Of the tiles: cloud. Of the area: "
        "outside",
        "the published outline; missing, or bad (cloud, shadow, cirrus, defective) in "
        "SCL or bands.",
        " no  acquired (UTC)    baseline  cloud  outside  missing     bad  verdict",
    ]
    for place, scene in enumerate(candidates, start=1):
        verdict = "chosen" if scene is chosen else scene.rejection or "-"
        cloud = "-" if scene.cloud is None else f"{scene.cloud:.1f}"
        missing = (scene.shares or {}).get("missing")
        lines += [
            f"{place:3}  {scene.acquired:%Y-%m-%d %H:%M}  "
            f"{scene.tiles[0].baseline or '-':>8}  {cloud:>5}  "
            f"{_percent(scene.uncovered):>7}  {_percent(missing):>7}  "
            f"{_percent(scene.bad_share):>6}  {verdict}",
            f"     {' '.join(tile.id for tile in scene.tiles)}",
        ]
    return "\n".join(lines)


def _percent(share: float | None) -> str:
    if share is None:
        return "-"
    # A small share must not look like 0.
    return "<0.01" if 0 < share < 1e-4 else f"{share:.2%}".rstrip("%")


def _read_items(items: Iterable[dict[str, Any]]) -> list[Tile]:
    """Convert STAC items to tiles, without those of other collections or unreadable."""
    tiles = []
    for item in items:
        try:
            if item["collection"] == COLLECTION:
                tiles.append(Tile.from_item(item))
        except UNUSABLE_ITEM as error:
            log.warning("item %s is left out: %r", item.get("id"), error)
    return tiles
