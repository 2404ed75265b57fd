"""One STAC item: its offset, CRS and links, wherever they stand."""

import pytest

from srtools.errors import SRError
from srtools.sentinel2.archive import Archive
from srtools.sentinel2.items import Tile
from srtools.sentinel2.passes import scene_of
from tests.stac_items import AREA, item


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
    with pytest.raises(SRError, match="give it yourself: --offset 1000 if"):
        scene.record()
    assert scene.record(offset=1000)["offset_dn"] == 1000


@pytest.mark.parametrize(
    ("facts", "offset"),
    [
        ({"earthsearch:boa_offset_applied": True}, 0),
        ({"sentinel:boa_offset_applied": True}, 0),
        ({"sentinel:boa_offset_applied": "true"}, 0),
        ({"earthsearch:boa_offset_applied": False}, 1000),
        ({"s2:processing_baseline": None, "processing:version": "05.10"}, 1000),
        ({"s2:processing_baseline": None, "processing:version": "02.14"}, 0),
        ({"s2:processing_baseline": None, "processing:version": "1.4.2"}, None),
        (
            {"s2:processing_baseline": None, "sentinel:processing_baseline": "04.00"},
            1000,
        ),
        ({"s2:processing_baseline": "99.99"}, None),
        ({"s2:processing_baseline": "99.33"}, None),
    ],
)
def test_the_words_of_other_archives(facts, offset):
    """Earth Search, its elder version, Digital Earth Africa, Copernicus Data Space."""
    answer = item("a", **{"s2:processing_baseline": "04.00", **facts})
    assert Tile.from_item(answer).offset == offset


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
    answer["assets"]["B04"]["href"] = "a_B04.tif"
    answer["links"] = [{"rel": "self", "href": "https://host/stac/items/a"}]
    hrefs = Tile.from_item(answer).hrefs
    assert hrefs["B04"] == "https://host/stac/items/a_B04.tif"
    assert hrefs["SCL"] == "/data/SCL.tif"
