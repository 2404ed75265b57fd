"""The scene classification over an area: which of its pixels count."""

import numpy as np
import pytest
import rasterio
import rasterio.shutil
import shapely
from affine import Affine
from rasterio.io import MemoryFile
from shapely.geometry import box

from srtools.conventions import BANDS
from srtools.errors import SRError
from srtools.sentinel2 import scenes
from srtools.sentinel2.archive import Archive
from srtools.sentinel2.items import Tile
from srtools.sentinel2.passes import scene_of
from tests.fake_stac import geotiff
from tests.stac_items import (
    AREA,
    AREA_COLUMNS,
    AREA_ROWS,
    TILE,
    candidate,
    in_degrees,
    item,
    scl,
)


def test_only_the_pixels_over_the_area_count(tmp_path):
    classes = np.full((150, 150), 9, np.uint8)  # clouds and gaps everywhere else
    classes[:20] = 0
    classes[AREA_ROWS, AREA_COLUMNS] = 4
    scene = candidate("a", scl(tmp_path / "SCL.tif", classes))
    assert scenes.choose([scene], AREA) is scene
    assert scene.shares["missing"] == scene.bad_share == 0


@pytest.mark.parametrize("corner", [(40, 50), (40, 109), (99, 50), (99, 109)])
def test_every_pixel_of_the_area_counts(tmp_path, corner):
    classes = np.full((150, 150), 4, np.uint8)
    classes[corner] = 0
    scene = candidate("a", scl(tmp_path / "SCL.tif", classes))
    with pytest.raises(SRError, match="none of 1 .*pixels are missing"):
        scenes.choose([scene], AREA)
    assert scene.shares["missing"] == 1 / 3600


@pytest.mark.parametrize(("reach", "counts"), [(0.6, False), (6, True), (19, True)])
def test_a_pixel_counts_when_the_area_reaches_into_it(tmp_path, reach, counts):
    # The area's east side lies `reach` metres inside column 110.
    area = in_degrees(box(451_000, 5_410_000, 452_200 + reach, 5_411_200))
    classes = np.full((150, 150), 4, np.uint8)
    classes[:, 110] = 9
    scene = candidate("a", scl(tmp_path / "SCL.tif", classes))
    scenes.choose([scene], area, max_bad_share=1)
    assert scene.bad_share == (pytest.approx(1 / 61) if counts else 0)


def test_pixels_beside_a_slanting_area_do_not_count(tmp_path):
    corners = [(451_000, 5_411_200), (452_200, 5_411_200), (451_000, 5_410_000)]
    area = in_degrees(shapely.Polygon(corners))
    classes = np.full((150, 150), 4, np.uint8)
    rows, columns = np.indices(classes.shape)
    classes[(rows - 40) + (columns - 50) > 62] = 9  # south-east of the long side
    scene = candidate("a", scl(tmp_path / "SCL.tif", classes))
    assert scenes.choose([scene], area, max_bad_share=0).bad_share == 0


@pytest.mark.parametrize(
    ("code", "name"),
    [
        (1, "defective"),
        (3, "cloud_shadow"),
        (8, "cloud_medium"),
        (9, "cloud_high"),
        (10, "thin_cirrus"),
    ],
)
def test_bad_classes_above_the_limit_reject(tmp_path, code, name):
    classes = np.full((150, 150), 5, np.uint8)
    classes[40, 50:68] = code  # 18 of 3600 pixels: 0.5 %
    scene = candidate("a", scl(tmp_path / "SCL.tif", classes))
    assert scenes.choose([scene], AREA) is scene
    assert scene.shares[name] == scene.bad_share == 0.005
    classes[41, 50] = code
    scene = candidate("a", scl(tmp_path / "SCL.tif", classes))
    with pytest.raises(SRError, match="more than 0.50% cloud, shadow or cirrus"):
        scenes.choose([scene], AREA)
    assert scenes.choose([candidate("a", tmp_path / "SCL.tif")], AREA, max_bad_share=1)


@pytest.mark.parametrize("code", [2, 4, 5, 6, 7, 11])
def test_other_classes_are_ground(tmp_path, code):
    classes = np.full((150, 150), code, np.uint8)
    scene = candidate("a", scl(tmp_path / "SCL.tif", classes))
    assert scenes.choose([scene], AREA).bad_share == 0


def test_a_wrong_outline_is_found_out_by_the_pixels(tmp_path):
    # The image ends 10 pixels inside the area, whatever its item says.
    classes = np.full((90, 150), 4, np.uint8)
    scene = candidate("a", scl(tmp_path / "SCL.tif", classes))
    assert scene.outside == 0
    with pytest.raises(SRError, match="pixels are missing"):
        scenes.choose([scene], AREA)
    assert scene.shares["missing"] == pytest.approx(1 / 6)


def test_an_image_elsewhere_has_no_pixel_of_the_area(tmp_path):
    classes = np.full((150, 150), 4, np.uint8)
    far = rasterio.Affine(20, 0, 500_000, 0, -20, 5_412_000)
    scene = candidate("a", scl(tmp_path / "SCL.tif", classes, far))
    with pytest.raises(SRError, match="pixels are missing"):
        scenes.choose([scene], AREA)
    assert scene.shares["missing"] == 1


def test_two_tiles_complete_each_other(tmp_path):
    # The second tile begins 30 rows further south; in the overlap each has a gap.
    south = rasterio.Affine(20, 0, 450_000, 0, -20, 5_412_000 - 30 * 20)
    first, second = np.full((2, 150, 150), 4, np.uint8)
    first[70:] = 0
    second[:30] = 0
    second[40:, :] = 9  # rows 70 and beyond of the first tile
    one = item("a", href=scl(tmp_path / "a.tif", first))
    other = item("b", href=scl(tmp_path / "b.tif", second, south))
    other["properties"]["s2:mgrs_tile"] = "31UDP"
    tiles = [Tile.from_item(one), Tile.from_item(other)]
    scene = scene_of(Archive("http://unused"), AREA, tiles)
    assert scenes.choose([scene], AREA, max_bad_share=0.5) is scene
    assert scene.shares["missing"] == 0
    assert scene.bad_share == 0.5


@pytest.mark.parametrize("change", ["crs", "grid"])
def test_tiles_that_do_not_fit_together(tmp_path, change):
    classes = np.full((150, 150), 4, np.uint8)
    grid = rasterio.Affine(60, 0, 449_000, 0, -60, 5_413_000)
    options = {"crs": {"crs": "EPSG:32632"}, "grid": {"transform": grid}}[change]
    one = item("a", href=scl(tmp_path / "a.tif", classes))
    other = item("b", href=scl(tmp_path / "b.tif", classes, **options))
    tiles = [Tile.from_item(one), Tile.from_item(other)]
    scene = scene_of(Archive("http://unused"), AREA, tiles)
    with pytest.raises(SRError, match="lie on different grids"):
        scenes.choose([scene], AREA)


def bands(folder, name, transform=TILE, **changed):
    """Write B04, B03, B02, B08 of 10 m and an SCL; return an item of them."""
    answer = item(name, href=scl(folder / f"{name}_SCL.tif", CLEAR))
    place = transform @ Affine.scale(0.5)
    for band in BANDS:
        dn = np.random.default_rng(0).integers(1100, 3000, (300, 300), np.uint16)
        if band in changed:
            changed[band](dn)
        path = folder / f"{name}_{band}.tif"
        path.write_bytes(geotiff(dn, place))
        answer["assets"][band] = {"href": str(path)}
    return answer


CLEAR = np.full((150, 150), 4, np.uint8)
# The area covers rows 80-199 and columns 100-219 of the bands; this is a sixth of it.
HOLE = slice(80, 120), slice(120, 180)


def put(value, place=HOLE):
    return lambda dn: dn.__setitem__(place, value)


def scenes_of(*items):
    tiles = map(Tile.from_item, items)
    return [scene_of(Archive("http://unused"), AREA, [tile]) for tile in tiles]


@pytest.mark.parametrize("band", ["B04", "B08"])
@pytest.mark.parametrize(
    ("value", "name", "words"),
    [
        (0, "missing", "pixels of its bands are missing"),
        (64000, "defective", "more than 0.50% of its DN are above 30000"),
    ],
)
def test_a_candidate_with_a_broken_band_is_passed_over(
    tmp_path, band, value, name, words
):
    best = bands(tmp_path, "best", **{band: put(value)})
    candidates = scenes_of(best, bands(tmp_path, "second"))
    assert scenes.choose(candidates, AREA) is candidates[1]
    assert candidates[0].rejected == words
    assert candidates[0].shares[name] == pytest.approx(1 / 6, abs=0.05)
    assert candidates[1].shares["missing"] == candidates[1].bad_share == 0
    with pytest.raises(SRError, match=rf"\(the best one, best: {words}\)"):
        scenes.choose(scenes_of(best), AREA)


def test_broken_bands_of_a_named_item_are_refused_unless_allowed(tmp_path):
    (scene,) = scenes_of(bands(tmp_path, "asked", B08=put(0)))
    scene.forced = True
    with pytest.raises(SRError, match="asked for cannot be used .pixels of its bands"):
        scenes.choose([scene], AREA)
    scene.rejected = ""
    assert scenes.choose([scene], AREA, max_bad_share=0.3) is scene


def test_what_lies_beside_the_area_does_not_count(tmp_path):
    """Although pixels of the overview reach over its edge."""
    answer = item("a", href=scl(tmp_path / "SCL.tif", CLEAR))
    dn = np.zeros((2400, 2400), np.uint16)
    dn[880:1000, 1100:1220] = 2000  # the area
    (tmp_path / "band.tif").write_bytes(with_overviews(dn, tmp_path / "band.tif"))
    for band in BANDS:
        answer["assets"][band] = {"href": str(tmp_path / "band.tif")}
    (scene,) = scenes_of(answer)
    assert scenes.choose([scene], AREA) is scene
    assert scene.shares["missing"] == 0


def test_a_hole_is_filled_by_the_other_tile(tmp_path):
    hole, rest = put(0), put(0, (slice(150, 300), slice(0, 300)))
    moved = TILE @ Affine.translation(0, -7)  # another origin, no multiple of 8 pixels
    parts = [
        bands(tmp_path, "a", B04=hole),
        bands(tmp_path, "b", moved, **dict.fromkeys(BANDS, rest)),
    ]
    parts[1]["assets"]["SCL"] = parts[0]["assets"]["SCL"]
    tiles = [Tile.from_item(part) for part in parts]
    scene = scene_of(Archive("http://unused"), AREA, tiles)
    assert scenes.choose([scene], AREA) is scene
    assert scene.shares["missing"] == 0


def test_overviews_are_enough(service, archive, tmp_path):
    """Of each band the head and one overview are asked for, not the pixels."""
    answer = item("a", href=scl(tmp_path / "SCL.tif", CLEAR))
    dn = np.random.default_rng(0).integers(1100, 3000, (2400, 2400), np.uint16)
    for band in BANDS:
        service.files[f"{band}.tif"] = with_overviews(dn, tmp_path / f"{band}.tif")
        answer["assets"][band] = {"href": f"{service.url}/{band}.tif"}
    scene = scene_of(archive, AREA, [Tile.from_item(answer)])
    assert scenes.choose([scene], AREA) is scene
    for band in BANDS:
        gets = [x for x in service.requests if x[:2] == ("GET", f"{band}.tif")]
        assert len(gets) <= 2
        assert service.sent[f"{band}.tif"] < len(service.files[f"{band}.tif"]) / 40


def with_overviews(dn, path):
    """Return an image as the bytes of a Cloud Optimized GeoTIFF."""
    place = Affine(10, 0, 440_000, 0, -10, 5_420_000)
    with MemoryFile(geotiff(dn, place)) as memory, memory.open() as source:
        nearest = {"overviews": "IGNORE_EXISTING", "overview_resampling": "NEAREST"}
        rasterio.shutil.copy(source, path, driver="COG", **nearest)
    return path.read_bytes()


def test_a_narrow_area_and_bands_of_any_type(tmp_path):
    """What is no DN is refused later, with its reason; no share is nan."""
    answer = item("a", href=scl(tmp_path / "SCL.tif", CLEAR))
    path = tmp_path / "reflectance.tif"
    path.write_bytes(geotiff(np.full((300, 300), 0.3, np.float32), TILE))
    for band in BANDS:
        answer["assets"][band] = {"href": str(path)}
    (scene,) = scenes_of(answer)
    corners = [(451_000, 5_410_000), (452_200, 5_411_200), (452_200, 5_411_170)]
    for area in (AREA, in_degrees(shapely.Polygon(corners))):
        scene.rejected, scene.shares = "", None
        assert scenes.choose([scene], area) is scene
        assert scene.shares["missing"] == scene.bad_share == 0
