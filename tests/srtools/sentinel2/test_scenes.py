"""The choice of an image: what the server says is checked, the pixels decide."""

from datetime import date

import numpy as np
import pytest
import rasterio
from shapely.geometry import box

from srtools.errors import SRError
from srtools.sentinel2 import defaults, scenes
from srtools.sentinel2.archive import Archive
from srtools.sentinel2.items import UNUSABLE_ITEM, Tile
from srtools.sentinel2.passes import scene_of
from srtools.sentinel2.services import ServiceError
from tests.stac_items import AREA, candidate, ids, item, outline_of, scl


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
    assert bool(scene.rejected) == (scene.cloud > defaults.MAX_CLOUD_COVER)


def test_an_area_over_two_utm_zones_is_named_as_the_reason(service, archive):
    """The tiles of a pass show all of it, those of no zone do."""
    take = {"s2:datatake_id": "one pass"}
    service.items = [
        item("west", outline=WEST, **take, **{"proj:code": "EPSG:32630"}),
        item("east", outline=EAST, **take),
    ]
    candidates = scenes.search(archive, AREA)
    assert ids(candidates) == [] and len(candidates) == 2
    words = r"does not contain the area, which lies over two UTM zones \(EPSG:32630, EP"
    with pytest.raises(SRError, match=words):
        scenes.choose(candidates, AREA)
    facts = service.items[1]["properties"]
    for other in (
        {"s2:datatake_id": "another pass"},
        {"proj:code": "EPSG:32630", "s2:processing_baseline": "02.12"},
    ):
        service.items[1]["properties"] = facts | other
        for scene in scenes.search(archive, AREA):
            assert scene.rejected == "its outline does not contain the area"


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
        scenes.search(archive, AREA, date(2022, 7, 1), date(2022, 7, 2))
    assert "no item of sentinel-2-l2a" in str(caught.value)
    assert "between 2022-07-01 and 2022-07-02 (0 items came back)" in str(caught.value)


@pytest.mark.parametrize(
    ("collections", "words"),
    [
        (
            {"collections": [{"id": "s2_l2a"}, {"id": "ls9"}]},
            "are s2_l2a, ls9: another",
        ),
        ({"collections": [{"id": "sentinel-2-l2a"}]}, "came back); change the period"),
        ({"collections": 3}, "came back); change the period"),
        (None, "came back); change the period"),
    ],
)
def test_the_collections_of_another_archive_are_named(
    service, archive, monkeypatch, collections, words
):
    answer = service.answer
    monkeypatch.setattr(
        service,
        "answer",
        lambda p, a: collections if p == "collections" else answer(p, a),
    )
    with pytest.raises(SRError) as caught:
        scenes.search(archive, AREA)
    assert words in str(caught.value)


def test_a_period_that_ends_before_it_begins(archive):
    with pytest.raises(SRError, match="begins on 2022-08-15, after its end"):
        scenes.search(archive, AREA, date(2022, 8, 15), date(2022, 6, 15))


def test_real_items_over_two_tiles(service, archive, real_items):
    service.items, service.honest = real_items, False
    area = box(169.7, 56.5, 170.4, 57.0)
    best, *others = scenes.search(archive, area, date(2018, 12, 31), date(2019, 1, 1))
    assert sorted(tile.mgrs for tile in best.tiles) == ["59VMC", "59VMD"]
    assert not best.rejected
    assert not others


def test_real_swath_edge_is_rejected(service, archive, real_items):
    service.items = real_items
    area = box(173.70, 57.56, 173.80, 57.65)
    candidates = scenes.search(archive, area, date(2019, 1, 1), date(2019, 1, 1))
    assert candidates
    assert {scene.rejected for scene in candidates} == {
        "its outline does not contain the area"
    }


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
        "no SCL": "item no SCL has no asset for SCL (SCL or scl",
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


def test_assets_may_have_other_names(tmp_path):
    href = scl(tmp_path / "SCL.tif", np.full((150, 150), 4, np.uint8))
    answer = item("a")
    names = ("scl", "red", "green", "blue", "nir")
    answer["assets"] = {name: {"href": str(href)} for name in names}
    scene = scene_of(Archive("http://unused"), AREA, [Tile.from_item(answer)])
    assert scenes.choose([scene], AREA) is scene
    assert scene.hrefs("B04") == [str(href)]
    del answer["assets"]["green"]
    scene = scene_of(Archive("http://unused"), AREA, [Tile.from_item(answer)])
    reason = r"no asset for B03 \(B03 or green or B03_10m\); it has scl, red"
    with pytest.raises(SRError, match=reason):
        scenes.choose([scene], AREA)


@pytest.mark.parametrize("band", ["B04", "B03", "B02", "B08"])
def test_a_candidate_whose_bands_cannot_be_read_is_passed_over(tmp_path, band):
    """Items exist whose classification is fine and whose bands answer 404."""
    href = scl(tmp_path / "SCL.tif", np.full((150, 150), 4, np.uint8))
    candidates = []
    for name in ("best", "second"):
        answer = item(name, href=href)
        if name == "best":
            answer["assets"][band]["href"] = str(tmp_path / f"{band}_gone.tif")
        tile = Tile.from_item(answer)
        candidates.append(scene_of(Archive("http://unused"), AREA, [tile]))
    chosen = scenes.choose(candidates, AREA)
    assert chosen is candidates[1]
    assert f"{band}_gone.tif cannot be read" in candidates[0].rejected
    table = scenes.ranking_table(candidates, chosen)
    assert f"{band}_gone.tif" in table


def test_the_demo_period_and_archive_are_the_defaults():
    archive = Archive()
    assert archive.url == "https://planetarycomputer.microsoft.com/api/stac/v1"
    assert defaults.COLLECTION == "sentinel-2-l2a"
    days = defaults.START_DATE, defaults.END_DATE
    assert days == (date(2022, 6, 15), date(2022, 8, 15))
