"""The tiles of one pass: which belong together, and what a card keeps of them."""

import copy
import json
import re

import pytest
from shapely.geometry import box

from srtools.sentinel2.archive import Archive
from srtools.sentinel2.defaults import PLANETARY_COMPUTER
from srtools.sentinel2.items import Tile
from srtools.sentinel2.passes import fewest, newest, passes, scene_of
from tests.stac_items import item


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
        r"_\d{8}T\d{6}_(S\w+)_N02.12",
        rf"_{generated}_\1_N{baseline}",
        facts["s2:datastrip_id"],
    )
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
    assert record["stac_url"] == PLANETARY_COMPUTER
    assert record["items"] == ["S2A_MSIL2A_20190101T000001_R116_T59VMC_20201007T214703"]
    assert record["mgrs_tiles"] == ["59VMC"]
    assert record["datetime"] == "2019-01-01T00:00:01.024000+00:00"
    assert record["processing_baselines"] == ["02.12"]
    assert record["offset_dn"] == 0
    assert record["cloud_cover_percent"] == pytest.approx(36.339903)
    assert record["sun_zenith_degrees"] == pytest.approx(real["59VMC"].sun_zenith)
    assert record["scl_bad_share"] == 0
