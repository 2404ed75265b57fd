"""STAC items and scene classifications for the tests of Sentinel-2."""

from pathlib import Path

import rasterio
from rasterio.warp import transform_geom
from shapely.geometry import box, mapping, shape

from srtools.conventions import BANDS
from srtools.sentinel2.items import Tile
from srtools.sentinel2.passes import make_scene
from srtools.sentinel2.stac_archive import Archive
from tests.rasters import UTM31, write_geotiff

REAL_ITEMS = Path(__file__).parent / "data" / "stac" / "sentinel2_one_orbit.json"
# A Sentinel-2 "tile" of 150 x 150 SCL pixels (3 km), and a Spot image of 1.2 km in it,
# which covers exactly SCL rows 40-99 and columns 50-109.
TILE = rasterio.Affine(20, 0, 450_000, 0, -20, 5_412_000)
AREA_ROWS, AREA_COLUMNS = slice(40, 100), slice(50, 110)


def in_degrees(polygon):
    """Return a polygon in UTM as one in degrees."""
    return shape(transform_geom(UTM31, "EPSG:4326", mapping(polygon)))


def outline_of(transform=TILE, size=150):
    """Return the outline of a square image, in degrees."""
    left, top = transform @ (0, 0)
    right, bottom = transform @ (size, size)
    return in_degrees(box(left, bottom, right, top))


AREA = in_degrees(box(451_000, 5_410_000, 452_200, 5_411_200))


def item(name, day="2022-07-15", cloud=1.0, *, outline=None, href="", **facts):
    """Return a STAC item over AREA, clear, in the middle of the default period."""
    return {
        "id": name,
        "collection": "sentinel-2-l2a",
        "geometry": mapping(outline or outline_of()),
        # The bands only have to be readable.
        "assets": {key: {"href": str(href)} for key in ("SCL", *BANDS)},
        "properties": {
            "datetime": f"{day}T10:56:31.024Z",
            "eo:cloud_cover": cloud,
            "proj:code": UTM31,
            "s2:mgrs_tile": "31UDQ",
            "s2:datatake_id": f"GS2A_{day}_N04.00",
            "s2:processing_baseline": "04.00",
        }
        | facts,
    }


def scl(path, classes, transform=TILE, crs=UTM31):
    """Write a scene classification and return its path."""
    write_geotiff(path, classes, transform, crs)
    return path


def scene_from(*items, archive=None, area=AREA):
    """Return items as one candidate."""
    tiles = [Tile.from_item(item) for item in items]
    return make_scene(archive or Archive("http://unused"), area, tiles)


def candidate(name, href, **options):
    return scene_from(item(name, href=href, **options))
