"""A pass of the satellite over an area: which tiles belong together, as a scene."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import shapely

from srtools.sentinel2.archive import Archive
from srtools.sentinel2.defaults import COLLECTION
from srtools.sentinel2.items import Tile, published_offset
from srtools.sentinel2.scl import BAD_CLASSES
from srtools.urls import redact

# Outlines are published as straight lines in degrees, up to some 300 m off the true
# edge of a tile.  Within this distance the pixels decide.
OUTLINE_TOLERANCE_DEGREES = 0.003


@dataclass
class Scene:
    """Tiles of one pass that together show the area: a candidate."""

    archive: Archive
    tiles: tuple[Tile, ...]
    outside: float
    """Share of the area beyond the published outlines, 0-1."""
    cloud: float | None
    """Cloud cover of the tiles, percent, weighted by their part of the area."""
    forced: bool = False
    """Whether its items were asked for by their ids."""
    rejected: str = ""
    """Reason why it cannot be used, once there is one."""
    shares: dict[str, float] | None = None
    """Share of the area in each class, 0-1, once its pixels were read."""

    @property
    def when(self) -> datetime:
        """Time of acquisition, UTC."""
        return self.tiles[0].when

    @property
    def bad_share(self) -> float | None:
        """Share of the area (0-1) in `BAD_CLASSES`, once its pixels were read."""
        if self.shares is None:
            return None
        # Sums of parts of a percent must not pass a limit by their last digit.
        return round(sum(self.shares[name] for name in BAD_CLASSES.values()), 9)

    @property
    def offset(self) -> int:
        """DN to subtract from every DN but 0, to have 10000 x reflectance."""
        return published_offset(f"item {self.tiles[0].id}", self.tiles[0].offset)

    def hrefs(self, band: str) -> list[str]:
        """Return the unsigned URL of `band` ("B04"), one per tile."""
        return [tile.href(band) for tile in self.tiles]

    def record(self, offset: int | None = None) -> dict[str, Any]:
        """Return the facts for the card; `offset` replaces the archive's."""
        return {
            "stac_url": redact(self.archive.url),
            "collection": COLLECTION,
            "items": [tile.id for tile in self.tiles],
            "mgrs_tiles": [tile.mgrs for tile in self.tiles],
            "crs": self.tiles[0].crs,
            "datetime": self.when.isoformat(),
            "processing_baselines": [tile.baseline for tile in self.tiles],
            "offset_dn": self.offset if offset is None else offset,
            "cloud_cover_percent": self.cloud,
            "outside_published_outline_share": self.outside,
            "scl_shares": self.shares,
            "scl_bad_share": self.bad_share,
        }


def pass_of(tile: Tile) -> tuple[str, str, str]:
    """Return what tiles that are put together have in common, beside the offset."""
    return tile.datatake, tile.datastrip, tile.crs


def choices(tiles: Iterable[Tile], area: shapely.Polygon) -> list[list[Tile]]:
    """Return for each pass the tiles to put together: the fewest that contain `area`.

    Tiles of different offsets are never mixed.  Of several processings of a tile the
    highest baseline counts, then the latest generation; older ones only where no newer
    ones contain the area.
    """
    passes: Any = defaultdict(lambda: defaultdict(dict))
    for tile in sorted(tiles, key=lambda tile: (tile.baseline, tile.generated)):
        passes[pass_of(tile)][tile.offset][tile.mgrs] = tile
    chosen = []
    for offsets in passes.values():
        # The oldest processing is first: offsets came with a baseline, and stayed.
        sets = [fewest(group.values(), area) for group in reversed(offsets.values())]
        chosen.append(next((s for s in sets if not outside(s, area)), sets[0]))
    return chosen


def outside(tiles: Sequence[Tile], area: shapely.Polygon) -> float:
    """Return the share (0-1) of `area` beyond the published outlines of `tiles`."""
    shown = shapely.union_all([tile.outline for tile in tiles])
    return area.difference(shown.buffer(OUTLINE_TOLERANCE_DEGREES)).area / area.area


def fewest(tiles: Iterable[Tile], area: shapely.Polygon) -> list[Tile]:
    """Take tiles until they contain `area`.

    The next tile is the one with the largest part of the uncovered area, the clearer
    one of two alike.  The rim of a tile along its outline counts as uncovered, so that
    a neighbour which shows it as well is taken too.
    """
    chosen: list[Tile] = []
    rest = sorted(tiles, key=lambda tile: (tile.cloud or 0.0, tile.id))
    left: Any = area
    while rest and left.area:
        parts = [round(tile.outline.intersection(left).area, 9) for tile in rest]
        if chosen and not max(parts):
            break
        chosen.append(rest.pop(parts.index(max(parts))))
        left = left.difference(chosen[-1].outline.buffer(-OUTLINE_TOLERANCE_DEGREES))
    return chosen


def scene_of(
    archive: Archive, area: shapely.Polygon, tiles: Sequence[Tile], forced: bool = False
) -> Scene:
    """Make a candidate of `tiles`: how much they leave out, how cloudy they are."""
    parts = [(tile.outline.intersection(area).area, tile.cloud) for tile in tiles]
    known = [(part, cloud) for part, cloud in parts if cloud is not None and part]
    weight = sum(part for part, _ in known)
    cloud = sum(part * cloud for part, cloud in known) / weight if known else None
    return Scene(archive, tuple(tiles), outside(tiles, area), cloud, forced)
