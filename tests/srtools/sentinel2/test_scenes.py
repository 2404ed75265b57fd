"""The choice of a Sentinel-2 image, whatever the server says and the clouds do."""

import copy
import json
import re
from pathlib import Path

import numpy as np
import pytest
import rasterio
import shapely
from shapely.geometry import box, mapping, shape

from srtools.errors import SRError
from srtools.sentinel2 import archive as archives
from srtools.sentinel2 import scenes
from srtools.sentinel2.archive import Archive, ServiceError
from srtools.sentinel2.items import UNUSABLE_ITEM, Tile
from srtools.sentinel2.passes import fewest, newest, passes, scene_of
from tests.fake_stac import FakeService, serve

REAL = Path(__file__).parents[2] / "data" / "stac" / "sentinel2_one_orbit.json"
UTM31 = "EPSG:32631"
# A Sentinel-2 "tile" of 150 x 150 SCL pixels (3 km), and a Spot image of 1.2 km in it,
# which covers exactly SCL rows 40-99 and columns 50-109.
TILE = rasterio.Affine(20, 0, 450_000, 0, -20, 5_412_000)
AREA_ROWS, AREA_COLUMNS = slice(40, 100), slice(50, 110)
AREA = scenes.footprint_wgs84(
    UTM31, rasterio.Affine(6, 0, 451_000, 0, -6, 5_411_200), 200, 200
)


@pytest.fixture(autouse=True)
def quick_retries(monkeypatch):
    monkeypatch.setattr(archives, "RETRY_SECONDS", 0.01)


@pytest.fixture
def service():
    with serve(FakeService()) as service:
        yield service


@pytest.fixture
def archive(service):
    return Archive(service.url, timeout=2, patience=10)


@pytest.fixture(scope="module")
def real_items():
    return json.loads(REAL.read_text())["features"]


@pytest.fixture(scope="module")
def real(real_items):
    """Real tiles by their MGRS name."""
    return {tile.mgrs: tile for tile in map(Tile.from_item, real_items)}


def footprint(polygon):
    """Give a polygon in UTM as one in degrees."""
    return shape(rasterio.warp.transform_geom(UTM31, "EPSG:4326", mapping(polygon)))


def outline_of(transform=TILE, size=150):
    return scenes.footprint_wgs84(UTM31, transform, size, size)


def item(name, day="2022-07-15", cloud=1.0, *, outline=None, href="", **facts):
    """A STAC item over AREA in the middle of the default period, clear and new."""
    return {
        "id": name,
        "collection": "sentinel-2-l2a",
        "geometry": mapping(outline or outline_of()),
        "assets": {"SCL": {"href": str(href)}, "B04": {"href": f"{name}_B04.tif"}},
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


def ids(candidates, rejected=False):
    return [
        [tile.id for tile in scene.tiles]
        for scene in candidates
        if bool(scene.rejected) is rejected
    ]


# --- one item --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("baseline", "offset"),
    [("02.12", 0), ("03.01", 0), ("04.00", 1000), ("05.09", 1000), ("05.10", 1000)],
)
def test_offset_follows_the_baseline(baseline, offset):
    tile = Tile.from_item(item("a", **{"s2:processing_baseline": baseline}))
    assert tile.baseline_text == baseline
    assert scene_of(Archive(), AREA, [tile]).offset == offset


@pytest.mark.parametrize("baseline", [None, "", "unknown"])
def test_no_baseline_no_offset(baseline):
    tile = Tile.from_item(item("a", **{"s2:processing_baseline": baseline}))
    scene = scene_of(Archive(), AREA, [tile])
    with pytest.raises(SRError, match="item a has no s2:processing_baseline.*1000 if"):
        _ = scene.offset
    with pytest.raises(SRError, match="give the offset yourself"):
        scene.record()
    assert scene.record(offset=1000)["offset_dn"] == 1000


def test_no_offset_where_the_archive_has_subtracted_it():
    tile = Tile.from_item(item("a", **{"earthsearch:boa_offset_applied": True}))
    assert tile.offset == 0


@pytest.mark.parametrize(
    ("on_item", "on_asset"),
    [
        ({"proj:code": "EPSG:32631"}, {}),
        ({"proj:epsg": 32631}, {}),
        ({"proj:code": None, "proj:epsg": 32631}, {}),
        ({}, {"proj:code": "EPSG:32631"}),
        ({}, {"proj:epsg": 32631}),
    ],
)
def test_crs_is_found_wherever_it_stands(on_item, on_asset):
    answer = item("a")
    del answer["properties"]["proj:code"]
    answer["properties"] |= on_item
    answer["assets"]["B04"] |= on_asset
    assert Tile.from_item(answer).crs == "EPSG:32631"


def test_relative_hrefs_are_those_of_the_item():
    answer = item("a", href="/data/SCL.tif")
    answer["links"] = [{"rel": "self", "href": "https://host/stac/items/a"}]
    hrefs = Tile.from_item(answer).hrefs
    assert hrefs["B04"] == "https://host/stac/items/a_B04.tif"
    assert hrefs["SCL"] == "/data/SCL.tif"


@pytest.mark.parametrize(
    "change",
    [
        {"geometry": None},
        {"geometry": {"type": "Polygon", "coordinates": [[[1, 2]]]}},
        {"geometry": {"type": "Cube"}},
        {"properties": {}},
        {"properties": {"datetime": "yesterday"}},
        {"properties": None},
        {"assets": None},
    ],
)
def test_an_unusable_item_is_left_out(service, archive, caplog, change):
    service.items, service.honest = [item("good"), item("bad") | change], False
    with pytest.raises(UNUSABLE_ITEM):
        Tile.from_item(service.items[1])
    assert ids(scenes.search(archive, AREA)) == [["good"]]
    assert "item bad is left out" in caplog.text


# --- the tiles of one pass -------------------------------------------------------


def test_a_real_orbit_is_one_pass_in_three_zones(real):
    groups = {group[0].crs: len(group) for group in passes(real.values())}
    assert groups == {"EPSG:32660": 2, "EPSG:32659": 25, "EPSG:32658": 6}
    assert {tile.datatake for tile in real.values()} == {"GS2A_20190101T000001_018417"}
    assert {tile.datastrip for tile in real.values()} == {"20181231T235957"}
    assert len(newest(real.values())) == 33


def reprocessed(answer, baseline, generated):
    """The item that the Planetary Computer adds when a tile is processed again."""
    answer = copy.deepcopy(answer)
    facts = answer["properties"]
    facts["s2:datatake_id"] = facts["s2:datatake_id"].replace("02.12", baseline)
    facts["s2:datastrip_id"] = re.sub(
        r"_\d{8}T\d{6}_(S\w+)_N02.12", rf"_{generated}_\1_N{baseline}",
        facts["s2:datastrip_id"],
    )  # fmt: skip
    facts |= {"s2:processing_baseline": baseline, "s2:generation_time": generated}
    return answer | {"id": f"{answer['id']} {baseline} {generated}"}


def test_of_reprocessed_items_the_highest_baseline_then_the_newest_is_kept(real_items):
    original = real_items[10]
    again = [
        reprocessed(original, "05.09", "20230101T000000"),
        reprocessed(original, "05.10", "20230202T000000"),
        reprocessed(original, "05.10", "20230303T000000"),
        reprocessed(original, "03.00", "20240101T000000"),
    ]
    for order in (again, again[::-1]):
        tiles = newest(map(Tile.from_item, [*real_items, *order]))
        assert len(tiles) == 33
        (kept,) = (tile for tile in tiles if tile.id.startswith(original["id"]))
        assert kept.id.endswith("05.10 20230303T000000")


def test_two_datastrips_of_a_pass_are_not_mixed(real):
    strip = {"s2:datastrip_id": "S2A_OPER_MSI_L2A_DS_ESRI_1_S20220715T105629_N04.00"}
    other = {"s2:datastrip_id": "S2A_OPER_MSI_L2A_DS_ESRI_1_S20220715T105633_N04.00"}
    tiles = [Tile.from_item(item(n, **s)) for n, s in [("a", strip), ("b", other)]]
    assert len(newest(tiles)) == 2
    assert len(passes(tiles)) == 2


def test_tiles_with_different_offsets_are_not_mixed():
    old = {"s2:processing_baseline": "03.01", "s2:mgrs_tile": "31UDP"}
    tiles = map(Tile.from_item, [item("a"), item("b", **old)])
    assert len(passes(tiles)) == 2


@pytest.mark.parametrize(
    ("area", "needed"),
    [
        # Inside one tile; both are there, and the clearer one is taken.
        (box(169.7, 56.0, 170.4, 56.5), ["59VMC"]),
        (box(169.6, 56.76, 171.0, 56.82), ["59VMC"]),  # 38 % and 36 % clouds
        # Over the line between two tiles, and around the corner of four.
        (box(169.7, 56.5, 170.4, 57.0), ["59VMC", "59VMD"]),
        (box(170.6, 56.5, 171.6, 57.0), ["59VMC", "59VMD", "59VNC", "59VND"]),
        # Within 300 m of the edge of a tile (56.835 N) an outline proves nothing.
        (box(169.7, 56.5, 170.4, 56.834), ["59VMC", "59VMD"]),
    ],
)
def test_as_few_tiles_as_needed(real, area, needed):
    group = [tile for tile in real.values() if tile.outline.intersects(area)]
    tiles = fewest([tile for tile in group if tile.crs == "EPSG:32659"], area)
    assert sorted(tile.mgrs for tile in tiles) == needed
    assert scene_of(Archive(), area, tiles).outside == 0


def test_at_the_edge_of_the_swath_the_area_lies_outside(real):
    # Inside the square of tile 60VUJ, of which only a corner was seen, at 36 % cloud.
    area = box(173.70, 57.56, 173.80, 57.65)
    group = [tile for tile in real.values() if tile.outline.intersects(area)]
    assert "60VUJ" in [tile.mgrs for tile in group]
    for tiles in passes(group):
        assert scene_of(Archive(), area, fewest(tiles, area)).outside > 0.05


def test_cloud_of_a_scene_is_the_mean_by_part_of_the_area(real):
    area = box(169.7, 56.5, 170.4, 57.3)
    parts = {name: real[name].outline.intersection(area).area for name in real}
    north, south = parts["59VMD"], parts["59VMC"]
    scene = scene_of(Archive(), area, [real["59VMC"], real["59VMD"]])
    expected = (38.1191 * north + 36.339903 * south) / (north + south)
    assert scene.cloud == pytest.approx(expected)


# --- the footprint ---------------------------------------------------------------


def test_footprint_follows_the_curve_of_a_side():
    grid = rasterio.Affine(6, 0, 400_000, 0, -6, 5_440_000)
    outline = scenes.footprint_wgs84(UTM31, grid, 10_000, 10_000)
    # All along the sides, not only at the corners: within 1 m of the true ones.
    metres = rasterio.warp.transform_geom("EPSG:4326", UTM31, mapping(outline))
    true = box(400_000, 5_380_000, 460_000, 5_440_000)
    points = shapely.segmentize(true, 100)
    degrees = shape(rasterio.warp.transform_geom(UTM31, "EPSG:4326", mapping(points)))
    assert shape(metres).hausdorff_distance(true) < 0.01
    assert outline.hausdorff_distance(degrees) < 1e-5


def test_footprint_needs_a_crs():
    with pytest.raises(SRError, match="has no CRS"):
        scenes.footprint_wgs84(None, TILE, 3, 3)


# --- search ----------------------------------------------------------------------

ELSEWHERE = outline_of(rasterio.Affine(20, 0, 480_000, 0, -20, 5_412_000))
PARTIAL = outline_of(rasterio.Affine(20, 0, 451_600, 0, -20, 5_412_000))
TEMPTING = [
    item("second", "2022-07-01", 2.6),
    item("first", "2022-07-16", 3.2),  # as cloudy in whole percent, nearer the middle
    item("cloudier, last day", "2022-08-15", 9),
    item("cloudier, first day", "2022-06-15", 8),
    item("day before", "2022-06-14"),
    item("day after", "2022-08-16"),
    item("year before", "2021-07-15", 0),
    item("too cloudy", "2022-07-12", 61),
    item("partial", "2022-07-17", 0, outline=PARTIAL),
    item("elsewhere", "2022-07-18", 0, outline=ELSEWHERE),
    item("other collection", "2022-07-19", 0) | {"collection": "sentinel-2-l1c"},
]
RANKED = [["first"], ["second"], ["cloudier, first day"], ["cloudier, last day"]]


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("page_items", [2, 100])
@pytest.mark.parametrize("honest", [True, False])
def test_an_unfaithful_server_changes_nothing(
    service, archive, honest, page_items, order
):
    service.items, service.honest = TEMPTING[::order], honest
    service.page_items = page_items
    candidates = scenes.search(archive, AREA)
    assert ids(candidates) == RANKED
    assert not any(scene.rejected for scene in candidates[: len(RANKED)])
    seen = {name for (name,) in ids(candidates, rejected=True)}
    assert seen == {"partial", "too cloudy"}


def test_the_last_day_is_asked_for_whole(service, archive):
    late = item("late")
    late["properties"]["datetime"] = "2022-08-15T23:59:59.900Z"
    service.items = [late]
    assert ids(scenes.search(archive, AREA)) == [["late"]]
    (asked,) = service.asked("search")
    assert asked["datetime"] == "2022-06-15T00:00:00Z/2022-08-16T00:00:00Z"
    assert asked["collections"] == ["sentinel-2-l2a"]
    # A server that leaves clouds out would hide newer processings and second tiles.
    assert "query" not in asked


def test_clouds_are_those_of_the_newest_processing(service, archive):
    take = {"s2:datatake_id": "GS2A_1_N04.00"}
    newer = {"s2:datatake_id": "GS2A_1_N05.10", "s2:processing_baseline": "05.10"}
    service.items = [
        item("old", cloud=59, **take),
        item("new", cloud=61, **newer),
        item("other", cloud=60),
    ]
    (best, cloudy) = scenes.search(archive, AREA)
    assert [tile.id for tile in best.tiles] == ["other"]
    assert [tile.id for tile in cloudy.tiles] == ["new"]
    assert cloudy.rejected == "cloud cover above 60 %"


WEST, EAST = (
    outline_of(rasterio.Affine(20, 0, x, 0, -20, 5_412_000), 120)
    for x in (449_300, 451_500)
)


def test_clouds_are_those_of_all_tiles_of_a_pass(service, archive):
    """A cloudy tile that shows little of the area does not cost the pass."""
    take = {"s2:datatake_id": "one pass"}
    parts = [WEST.intersection(AREA).area, EAST.intersection(AREA).area]
    service.items = [
        item("west", cloud=70, outline=WEST, **take, **{"s2:mgrs_tile": "31UDQ"}),
        item("east", cloud=5, outline=EAST, **take, **{"s2:mgrs_tile": "31UEQ"}),
    ]
    (scene,) = scenes.search(archive, AREA)
    assert sorted(tile.id for tile in scene.tiles) == ["east", "west"]
    assert scene.cloud == pytest.approx(np.average([70, 5], weights=parts))
    assert bool(scene.rejected) == (scene.cloud > scenes.MAX_CLOUD_COVER)


def test_an_older_processing_is_taken_where_the_newer_lacks_a_tile(service, archive):
    take = {"s2:datatake_id": "GS2A_1_N02.12", "s2:processing_baseline": "02.12"}
    newer = {"s2:datatake_id": "GS2A_1_N05.00", "s2:processing_baseline": "05.00"}
    west, east = {"s2:mgrs_tile": "31UDQ"}, {"s2:mgrs_tile": "31UEQ"}
    service.items = [
        item("west 02.12", outline=WEST, **take, **west),
        item("east 02.12", outline=EAST, **take, **east),
        item("west 05.00", outline=WEST, **newer, **west),
    ]
    (scene,) = scenes.search(archive, AREA)
    assert not scene.rejected
    assert sorted(t.id for t in scene.tiles) == ["east 02.12", "west 02.12"]
    assert scene.offset == 0
    service.items.append(item("east 05.00", outline=EAST, **newer, **east))
    (scene,) = scenes.search(archive, AREA)
    assert sorted(t.id for t in scene.tiles) == ["east 05.00", "west 05.00"]
    assert scene.offset == 1000


def test_unknown_clouds_come_last_but_are_not_refused(service, archive):
    service.items = [item("unknown", "2022-07-14", None), item("known", cloud=50)]
    service.honest = False
    assert ids(scenes.search(archive, AREA)) == [["known"], ["unknown"]]


def test_no_item_at_all(service, archive):
    with pytest.raises(SRError) as caught:
        scenes.search(archive, AREA, "2022-07-01", "2022-07-02")
    assert "no item of sentinel-2-l2a" in str(caught.value)
    assert "between 2022-07-01 and 2022-07-02 (0 items came back)" in str(caught.value)


@pytest.mark.parametrize(
    ("start", "end", "words"),
    [
        ("2022-13-01", "2022-08-15", "'2022-13-01' is not a day; expected YYYY-MM-DD"),
        ("2022-06-15", "tomorrow", "'tomorrow' is not a day"),
        ("2022-08-15", "2022-06-15", "begins on 2022-08-15, after its end"),
    ],
)
def test_wrong_days(archive, start, end, words):
    with pytest.raises(SRError, match=words):
        scenes.search(archive, AREA, start, end)


def test_real_items_over_two_tiles(service, archive, real_items):
    service.items, service.honest = real_items, False
    area = box(169.7, 56.5, 170.4, 57.0)
    best, *others = scenes.search(archive, area, "2018-12-31", "2019-01-01")
    assert sorted(tile.mgrs for tile in best.tiles) == ["59VMC", "59VMD"]
    assert not best.rejected
    assert not others


def test_real_swath_edge_is_rejected(service, archive, real_items):
    service.items = real_items
    area = box(173.70, 57.56, 173.80, 57.65)
    candidates = scenes.search(archive, area, "2019-01-01", "2019-01-01")
    assert candidates
    assert {scene.rejected for scene in candidates} == {
        "its outline does not contain the area"
    }


# --- one item by its name --------------------------------------------------------


def test_a_named_item_is_taken_whatever_its_day_and_clouds(service, archive, tmp_path):
    classes = np.full((150, 150), 9, np.uint8)
    href = scl(tmp_path / "SCL.tif", classes)
    service.items = [item("good"), item("old", "2020-01-01", 99, href=href)]
    (scene,) = candidates = scenes.search(archive, AREA, items=["old"])
    assert ids(candidates) == [["old"]]
    assert scenes.choose(candidates, AREA) is scene
    assert scene.bad_share == 1


@pytest.mark.parametrize("honest", [True, False])
@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["c"], "has no item c"),
        (["a", "b"], "items a, b cannot be put together"),  # the same pixels twice
        (["a", "other day"], "items a, other day cannot be put together"),
        (["elsewhere"], "does not show the Spot image's area"),
    ],
)
def test_named_items_that_cannot_be_taken(service, archive, honest, names, words):
    service.items = [item("a"), item("b"), item("other day", "2022-07-16")]
    service.items += [item("elsewhere", outline=ELSEWHERE)]
    service.honest = honest
    with pytest.raises(SRError, match=words):
        scenes.search(archive, AREA, items=names)


def test_named_tiles_of_one_pass(service, archive):
    service.items = [item("a"), item("b", **{"s2:mgrs_tile": "31UDP"})]
    assert ids(scenes.search(archive, AREA, items=["b", "a"])) == [["b", "a"]]


# --- the pixels ------------------------------------------------------------------


def scl(path, classes, transform=TILE, crs=UTM31):
    """Write a scene classification and give its path."""
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        height=classes.shape[0],
        width=classes.shape[1],
        count=1,
        dtype="uint8",
        crs=crs,
        transform=transform,
    ) as target:
        target.write(classes, 1)
    return path


def candidate(name, href, cloud=1.0, **options):
    tile = Tile.from_item(item(name, cloud=cloud, href=href, **options))
    return scene_of(Archive("http://unused"), AREA, [tile])


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
    area = footprint(box(451_000, 5_410_000, 452_200 + reach, 5_411_200))
    classes = np.full((150, 150), 4, np.uint8)
    classes[:, 110] = 9
    scene = candidate("a", scl(tmp_path / "SCL.tif", classes))
    scenes.choose([scene], area, max_bad_share=1)
    assert scene.bad_share == (pytest.approx(1 / 61) if counts else 0)


def test_pixels_beside_a_slanting_area_do_not_count(tmp_path):
    corners = [(451_000, 5_411_200), (452_200, 5_411_200), (451_000, 5_410_000)]
    area = footprint(shapely.Polygon(corners))
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


def test_the_first_clear_candidate_is_chosen_and_no_more_are_read(tmp_path):
    clear = scl(tmp_path / "clear.tif", np.full((150, 150), 4, np.uint8))
    cloudy = scl(tmp_path / "cloudy.tif", np.full((150, 150), 8, np.uint8))
    candidates = [
        candidate("not there", tmp_path / "nothing.tif"),
        candidate("cloudy", cloudy),
        candidate("clear", clear),
        candidate("not read", tmp_path / "nothing.tif"),
    ]
    assert scenes.choose(candidates, AREA) is candidates[2]
    assert "nothing.tif cannot be read" in candidates[0].rejected
    assert candidates[3].shares is None
    table = scenes.ranking_table(candidates, candidates[2])
    verdicts = {
        line.split()[0]: line for line in table.splitlines() if "2022-07-15" in line
    }
    assert (
        verdicts["2"].split()[1:]
        == (
            "2022-07-15 10:56 04.00 1.0 0.00 0.00 100.00 "
            "more than 0.50% cloud, shadow or cirrus"
        ).split()
    )
    assert verdicts["3"].endswith("0.00    0.00  chosen")
    assert verdicts["4"].split()[4:] == ["1.0", "0.00", "-", "-", "-"]


def test_when_none_passes_every_reason_is_told(service, archive, tmp_path, caplog):
    classes = np.full((150, 150), 4, np.uint8)
    classes[50, 50] = 0
    gap = scl(tmp_path / "gap.tif", classes)
    cloudy = scl(tmp_path / "cloudy.tif", np.full((150, 150), 8, np.uint8))
    service.honest = False
    service.items = [
        item("gap", "2022-07-10", 1, href=gap),
        item("cloudy", "2022-07-11", 2, href=cloudy),
        item("unreadable", "2022-07-12", 3, href=f"{service.url}/SCL.tif?sig=secret"),
        item("no SCL", "2022-07-13", 4),
        item("fifth", "2022-07-14", 5, href=gap),
        item("partial", "2022-07-15", 0, outline=PARTIAL),
        item("too cloudy", "2022-07-16", 80),
    ]
    del service.items[3]["assets"]["SCL"]
    candidates = scenes.search(archive, AREA)
    with pytest.raises(SRError) as caught:
        scenes.choose(candidates, AREA, looks=4)
    assert "none of 7 Sentinel-2 candidates can be used" in str(caught.value)
    assert "\n" not in str(caught.value)
    lines = caplog.text.splitlines()
    for name, words in {
        "gap": "0.03    0.00  pixels are missing",
        "cloudy": "100.00  more than 0.50% cloud, shadow or cirrus",
        "unreadable": f"{service.url}/SCL.tif cannot be read (HTTP response code: 404",
        "no SCL": "item no SCL has no asset 'SCL' for SCL; it has B04",
        "fifth": "not looked at, only the best 4 are",
        "partial": "its outline does not contain the area",
        "too cloudy": "cloud cover above 60 %",
    }.items():
        place = lines.index(f"     {name}")
        assert words in lines[place - 1]
    assert "secret" not in caplog.text + str(caught.value)


def test_an_outage_is_not_taken_for_a_bad_candidate(service, tmp_path):
    service.files, service.faults = {"a.tif": b"x"}, {"a.tif": ["hang"] * 9}
    archive = Archive(service.url, timeout=9, patience=0.2)
    tile = Tile.from_item(item("a", href=f"{service.url}/a.tif"))
    with pytest.raises(ServiceError, match="did not finish"):
        scenes.choose([scene_of(archive, AREA, [tile])] * 3, AREA)


def test_small_shares_do_not_look_like_none(tmp_path):
    classes = np.full((150, 150), 4, np.uint8)
    scene = candidate("a", scl(tmp_path / "a.tif", classes))
    scenes.choose([scene], AREA)
    scene.shares["missing"] = 1e-6
    assert "<0.01" in scenes.ranking_table([scene])


# --- what is handed on -----------------------------------------------------------


def test_assets_may_have_other_names(tmp_path):
    href = scl(tmp_path / "SCL.tif", np.full((150, 150), 4, np.uint8))
    answer = item("a")
    answer["assets"] = {"scl": {"href": str(href)}, "red": {"href": "https://h/r.tif"}}
    archive = Archive("http://unused", assets={"SCL": "scl", "B04": "red"})
    scene = scene_of(archive, AREA, [Tile.from_item(answer)])
    assert scenes.choose([scene], AREA) is scene
    assert scene.paths("B04") == ["/vsicurl/https://h/r.tif"]
    with pytest.raises(SRError, match="no asset 'B03' for B03; it has scl, red"):
        scene.hrefs("B03")


def test_record_of_real_tiles_is_json_without_secrets(real):
    archive = Archive("https://planetarycomputer.microsoft.com/api/stac/v1?key=secret")
    scene = scene_of(archive, box(169.7, 56.5, 170.4, 57.0), [real["59VMC"]])
    scene.shares = dict.fromkeys(
        "missing defective cloud_shadow cloud_medium cloud_high thin_cirrus".split(),
        0.0,
    )
    text = json.dumps(scene.record())
    record = json.loads(text)
    assert "secret" not in text
    assert record["stac_url"] == archives.PLANETARY_COMPUTER
    assert record["items"] == ["S2A_MSIL2A_20190101T000001_R116_T59VMC_20201007T214703"]
    assert record["mgrs_tiles"] == ["59VMC"]
    assert record["datetime"] == "2019-01-01T00:00:01.024000+00:00"
    assert record["processing_baselines"] == ["02.12"]
    assert record["offset_dn"] == 0
    assert record["cloud_cover_percent"] == pytest.approx(36.339903)
    assert record["sun_zenith_degrees"] == pytest.approx(real["59VMC"].sun_zenith)
    assert record["scl_bad_share"] == 0


def test_the_demo_period_and_archive_are_the_defaults():
    archive = Archive()
    assert archive.url == "https://planetarycomputer.microsoft.com/api/stac/v1"
    assert archive.collection == "sentinel-2-l2a"
    assert (scenes.START, scenes.END) == ("2022-06-15", "2022-08-15")
