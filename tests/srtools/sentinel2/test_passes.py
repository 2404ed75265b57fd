"""Grouping of tiles by pass, choice of few tiles, entry for the card."""

import json

import pytest
from shapely.geometry import box

from srtools.options.search_options import PLANETARY_COMPUTER
from srtools.sentinel2.items import Tile
from srtools.sentinel2.passes import choose_tiles, group_tiles, make_scene
from srtools.sentinel2.stac_archive import Archive
from tests.stac_items import AREA, item

STRIPS = [f"S2A_OPER_MSI_L2A_DS_ESRI_1_S20220715T1056{s}_N04.00" for s in (29, 33)]


def processed(baseline, generated):
    """Return the tile of one processing of the same pass."""
    strip = f"S2A_OPER_MSI_L2A_DS_ESRI_{generated}_S20220715T105629_N{baseline}"
    facts = {"s2:datatake_id": f"GS2A_1_N{baseline}", "s2:datastrip_id": strip}
    facts |= {"s2:processing_baseline": baseline, "s2:generation_time": generated}
    return Tile.from_item(item(f"{baseline} {generated}", **facts))


@pytest.mark.parametrize("order", [1, -1])
def test_of_processings_the_highest_baseline_then_the_newest_is_kept(order):
    tiles = [
        processed("02.12", "20201007T000000"),
        processed("05.09", "20230101T000000"),
        processed("05.10", "20230202T000000"),
        processed("05.10", "20230303T000000"),
        processed("04.00", "20240101T000000"),
        processed("03.00", "20240101T000000"),
    ]
    ((kept,),) = group_tiles(tiles[::order], AREA)
    assert kept.id == "05.10 20230303T000000"


@pytest.mark.parametrize(
    "change",
    [
        {"s2:datastrip_id": STRIPS[1]},
        {"s2:datatake_id": "another"},
        {"proj:code": "EPSG:32630"},
    ],
)
def test_passes_are_not_mixed(change):
    facts = {"s2:datastrip_id": STRIPS[0], "s2:mgrs_tile": "31UDP"}
    tiles = [Tile.from_item(item("a")), Tile.from_item(item("b", **facts | change))]
    assert len(group_tiles(tiles, AREA)) == 2


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
    tiles = choose_tiles([tile for tile in group if tile.crs == "EPSG:32659"], area)
    assert sorted(tile.mgrs for tile in tiles) == needed
    assert make_scene(Archive(), area, tiles).uncovered == 0


def test_record_of_real_tiles_is_json_without_secrets(real):
    archive = Archive(f"{PLANETARY_COMPUTER}?key=secret")
    scene = make_scene(archive, box(169.7, 56.5, 170.4, 57.0), [real["59VMC"]])
    names = "missing defective cloud_shadow cloud_medium cloud_high thin_cirrus"
    scene.shares = dict.fromkeys(names.split(), 0.0)
    text = json.dumps(scene.record())
    assert "secret" not in text
    record = json.loads(text)
    assert record["cloud_cover_percent"] == pytest.approx(36.339903)
    assert {
        "stac_url": PLANETARY_COMPUTER,
        "items": ["S2A_MSIL2A_20190101T000001_R116_T59VMC_20201007T214703"],
        "mgrs_tiles": ["59VMC"],
        "datetime": "2019-01-01T00:00:01.024000+00:00",
        "processing_baselines": ["02.12"],
        "offset_dn": 0,
        "scl_bad_share": 0,
    }.items() <= record.items()
