"""STAC items of the three archives: offset, CRS, asset names."""

import pytest

from srtools.conventions import BANDS
from srtools.errors import SRError
from srtools.sentinel2.items import Tile
from tests.stac_items import item, scene_from

BASELINE, VERSION = "s2:processing_baseline", "processing:version"
OLD = "sentinel:processing_baseline"


@pytest.mark.parametrize(
    ("facts", "offset"),
    [
        ({BASELINE: "02.12"}, 0),
        ({BASELINE: "04.00"}, 1000),
        ({BASELINE: "05.10"}, 1000),
        ({BASELINE: "05.10", "earthsearch:boa_offset_applied": True}, 0),
        ({BASELINE: "05.10", "earthsearch:boa_offset_applied": False}, 1000),
        # Earth Search v0 and Digital Earth Africa
        ({OLD: "05.10"}, 1000),
        ({OLD: "05.10", "sentinel:boa_offset_applied": True}, 0),
        ({OLD: "05.10", "sentinel:boa_offset_applied": "False"}, 1000),
        ({VERSION: "05.10"}, 1000),  # Copernicus Data Space
        ({VERSION: "1.4.2"}, None),
        ({BASELINE: "99.99"}, None),  # a user's own Sen2Cor
        ({}, None),
    ],
)
def test_the_offset_follows_the_baseline(facts, offset):
    scene = scene_from(item("a", **{BASELINE: None, **facts}))
    if offset is not None:
        assert scene.offset == scene.record()["offset_dn"] == offset
    else:
        with pytest.raises(SRError, match="item a .*or --offset 1000 if"):
            scene.record()
    assert scene.record(1000)["offset_dn"] == 1000


@pytest.mark.parametrize(
    ("on_item", "on_asset"),
    [
        ({"proj:code": "EPSG:32631"}, {}),
        ({"proj:code": None, "proj:epsg": 32631}, {}),
        ({"proj:code": None}, {"proj:code": "EPSG:32631"}),
        ({"proj:code": None}, {"proj:epsg": 32631}),
    ],
)
def test_crs_of_item_or_asset(on_item, on_asset):
    answer = item("a", **on_item)
    answer["assets"]["B04"] |= on_asset
    assert Tile.from_item(answer).crs == "EPSG:32631"


@pytest.mark.parametrize(
    "names",
    [
        (*BANDS, "SCL"),
        ("red", "green", "blue", "nir", "scl"),
        [f"{band}_10m" for band in BANDS] + ["SCL_20m"],
    ],
)
def test_assets_and_tiles_have_the_names_of_their_archive(names):
    answer = item("a", **{"s2:mgrs_tile": None, "grid:code": "MGRS-31UDQ"})
    answer["assets"] = {name: {"href": f"s3://x/{name}"} for name in ("B05", *names)}
    scene = scene_from(answer)
    assert scene.tiles[0].mgrs == "31UDQ"
    for band, name in zip((*BANDS, "SCL"), names, strict=True):
        assert scene.hrefs(band) == [f"s3://x/{name}"]
    del answer["assets"][names[1]]
    reason = r"no asset for B03 \(B03 or green or B03_10m\); it has B05, "
    with pytest.raises(SRError, match=reason):
        scene_from(answer).hrefs("B03")
