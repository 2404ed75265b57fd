"""Tiles of one satellite pass over an area, grouped as a `Scene`."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import shapely

from srtools.sentinel2.items import Tile, published_offset
from srtools.sentinel2.scl import BAD_CLASSES
from srtools.sentinel2.stac_archive import COLLECTION, Archive
from srtools.urls import redact

# Published outlines are straight lines in degrees, up to some 300 m off the true edge
# of a tile.  Within this distance the pixels decide.
OUTLINE_TOLERANCE_DEGREES = 0.003


@dataclass
class Scene:
    """Candidate of a search: tiles of one pass that together show the area."""

    archive: Archive
    tiles: tuple[Tile, ...]
    uncovered: float
    """Share of the area beyond the published outlines, 0-1."""
    cloud: float | None
    """Cloud cover, percent: mean over the tiles, weighted by their part of the area."""
    requested: bool = False
    """True if the user asked for these items (`--item`)."""
    rejection: str = ""
    """Reason why the scene cannot be used; "" if none is known."""
    shares: dict[str, float] | None = None
    """Share (0-1) of the area "missing" and in each bad class; None: not read yet."""

    @property
    def acquired(self) -> datetime:
        """Time of acquisition, UTC."""
        return self.tiles[0].acquired

    @property
    def bad_share(self) -> float | None:
        """Share of all `BAD_CLASSES` in the area, 0-1; None until pixels are read."""
        if self.shares is None:
            return None
        # Rounded, because errors of the last digit must not exceed a limit.
        return round(sum(self.shares[name] for name in BAD_CLASSES.values()), 9)

    @property
    def offset(self) -> int:
        """DN to subtract."""
        return published_offset(f"item {self.tiles[0].id}", self.tiles[0].offset)

    def hrefs(self, band: str) -> list[str]:
        """Return the unsigned URLs of a band ("B04"), one per tile."""
        return [tile.href(band) for tile in self.tiles]

    def record(self, offset: int | None = None) -> dict[str, Any]:
        """Return the entry for a card; `offset`, DN, replaces the one of the items."""
        return {
            "stac_url": redact(self.archive.url),
            "collection": COLLECTION,
            "items": [tile.id for tile in self.tiles],
            "mgrs_tiles": [tile.mgrs for tile in self.tiles],
            "crs": self.tiles[0].crs,
            "datetime": self.acquired.isoformat(),
            "processing_baselines": [tile.baseline for tile in self.tiles],
            "offset_dn": self.offset if offset is None else offset,
            "cloud_cover_percent": self.cloud,
            "outside_published_outline_share": self.uncovered,
            "scl_shares": self.shares,
            "scl_bad_share": self.bad_share,
        }


def pass_key(tile: Tile) -> tuple[str, str, str]:
    """Return the datatake, datastrip and CRS: tiles of a scene have them in common."""
    return tile.datatake, tile.datastrip, tile.crs


def group_tiles(tiles: Iterable[Tile], area: shapely.Polygon) -> list[list[Tile]]:
    """Group tiles by satellite pass; return for each pass few tiles that cover `area`.

    Tiles of different offsets are never mixed.  Of several processings of a tile the
    one with the highest baseline, then the latest one, is taken.  Processings without
    an offset are taken only if those with one do not cover the area.
    """
    passes: Any = defaultdict(lambda: defaultdict(dict))
    for tile in sorted(tiles, key=lambda tile: (tile.baseline, tile.generated)):
        passes[pass_key(tile)][tile.offset][tile.mgrs] = tile
    groups = []
    for offsets in passes.values():
        # A baseline introduced the offset, and all later ones have it.
        newest_first = reversed(offsets.values())
        sets = [choose_tiles(group.values(), area) for group in newest_first]
        whole = (chosen for chosen in sets if not uncovered_share(chosen, area))
        groups.append(next(whole, sets[0]))
    return groups


def choose_tiles(tiles: Iterable[Tile], area: shapely.Polygon) -> list[Tile]:
    """Choose few tiles of one pass that together cover `area`.

    The next tile adds most ground; of equal ones it has fewest clouds.  The rim of a
    tile counts as uncovered, so that a neighbour that shows it is chosen.
    """
    chosen: list[Tile] = []
    candidates = sorted(tiles, key=lambda tile: (tile.cloud or 0.0, tile.id))
    uncovered: Any = area
    while candidates and uncovered.area:
        parts = [round(t.outline.intersection(uncovered).area, 9) for t in candidates]
        if chosen and not max(parts):
            break
        chosen.append(candidates.pop(parts.index(max(parts))))
        core = chosen[-1].outline.buffer(-OUTLINE_TOLERANCE_DEGREES)
        uncovered = uncovered.difference(core)
    return chosen


def uncovered_share(tiles: Sequence[Tile], area: shapely.Polygon) -> float:
    """Return the share (0-1) of `area` beyond the published outlines of `tiles`."""
    covered = shapely.union_all([tile.outline for tile in tiles])
    return area.difference(covered.buffer(OUTLINE_TOLERANCE_DEGREES)).area / area.area


def make_scene(
    archive: Archive,
    area: shapely.Polygon,
    tiles: Sequence[Tile],
    requested: bool = False,
) -> Scene:
    """Return tiles of one pass as a scene, with cloud cover and uncovered share."""
    published = [tile for tile in tiles if tile.cloud is not None]
    weights = [tile.outline.intersection(area).area for tile in published]
    cloud = None
    if any(weights):
        cloud = float(np.average([tile.cloud for tile in published], weights=weights))
    return Scene(archive, tuple(tiles), uncovered_share(tiles, area), cloud, requested)
