"""The search: checks of the server's answer, ranking, choice by the pixels."""

from datetime import date

import numpy as np
import pytest
import rasterio

from srtools.errors import SRError
from srtools.options.search_options import END_DATE, START_DATE
from srtools.sentinel2 import scenes
from srtools.sentinel2.items import UNUSABLE_ITEM, Tile
from tests.stac_items import AREA, candidate, item, outline_of, scl

CLEAR = np.full((150, 150), 4, np.uint8)


def ids(candidates, rejected=False):
    return [
        [tile.id for tile in scene.tiles]
        for scene in candidates
        if bool(scene.rejection) is rejected
    ]


@pytest.fixture
def search(service, archive):
    """Publish items on a server that ignores the query, and search them."""

    def search(*items, start=START_DATE, end=END_DATE, near=None):
        service.items, service.honest = items, False
        return scenes.search(archive, AREA, start, end, near)

    return search


@pytest.mark.parametrize(
    "change",
    [
        {"geometry": None},
        {"geometry": {"type": "Polygon", "coordinates": [[[1, 2]]]}},
        {"properties": {"datetime": "yesterday"}},
        {"assets": None},
    ],
)
def test_an_unusable_item_is_left_out(search, caplog, change):
    bad = item("bad") | change
    with pytest.raises(UNUSABLE_ITEM):
        Tile.from_item(bad)
    assert ids(search(item("good"), bad)) == [["good"]]
    assert "item bad is left out" in caplog.text


ELSEWHERE = outline_of(rasterio.Affine(20, 0, 480_000, 0, -20, 5_412_000))
PARTIAL = outline_of(rasterio.Affine(20, 0, 451_600, 0, -20, 5_412_000))
TEMPTING = [
    item("second", "2022-07-01", 2.6),
    item("first", "2022-07-16", 3.2),  # as cloudy in whole percent, nearer the middle
    item("cloudier, last day", "2022-08-15", 9),
    item("cloudier, first day", "2022-06-15", 8),
    item("unknown", "2022-07-14", None),
    item("day before", "2022-06-14"),
    item("day after", "2022-08-16"),
    item("too cloudy", "2022-07-12", 61),
    item("partial", "2022-07-17", 0, outline=PARTIAL),
    item("elsewhere", "2022-07-18", 0, outline=ELSEWHERE),
    item("other collection", "2022-07-19", 0) | {"collection": "sentinel-2-l1c"},
]
RANKED = ["first", "second", "cloudier, first day", "cloudier, last day", "unknown"]


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("page_items", [2, 100])
def test_an_unfaithful_server_changes_nothing(service, search, page_items, order):
    service.page_items = page_items
    candidates = search(*TEMPTING[::order])
    assert ids(candidates) == [[name] for name in RANKED]
    assert not any(scene.rejection for scene in candidates[: len(RANKED)])
    seen = {name for (name,) in ids(candidates, rejected=True)}
    assert seen == {"partial", "too cloudy"}
    near_the_other = search(*TEMPTING[:2], near=date(2022, 7, 2))
    assert ids(near_the_other) == [["second"], ["first"]]


def test_the_last_day_is_asked_for_whole(service, search):
    late = item("late")
    late["properties"]["datetime"] = "2022-08-15T23:59:59.900Z"
    assert ids(search(late)) == [["late"]]
    (asked,) = service.asked("search")
    assert asked["datetime"] == "2022-06-15T00:00:00Z/2022-08-16T00:00:00Z"
    assert asked["collections"] == ["sentinel-2-l2a"]
    # A server that leaves clouds out would hide newer processings and second tiles.
    assert "query" not in asked


def test_clouds_are_those_of_the_newest_processing(search):
    take = {"s2:datatake_id": "GS2A_1_N04.00"}
    newer = {"s2:datatake_id": "GS2A_1_N05.10", "s2:processing_baseline": "05.10"}
    (best, cloudy) = search(
        item("old", cloud=59, **take),
        item("new", cloud=61, **newer),
        item("other", cloud=60),
    )
    assert [tile.id for tile in best.tiles] == ["other"]
    assert [tile.id for tile in cloudy.tiles] == ["new"]
    assert cloudy.rejection == "cloud cover above 60 %"


WEST, EAST = (
    outline_of(rasterio.Affine(20, 0, x, 0, -20, 5_412_000), 120)
    for x in (449_300, 451_500)
)


def side(name, baseline, outline, **facts):
    """Return the item of the west or the east of a pass over the area."""
    facts |= {"s2:mgrs_tile": name[:4], "s2:processing_baseline": baseline}
    facts["s2:datatake_id"] = f"GS2A_1_N{baseline}"
    return item(f"{name} {baseline}", outline=outline, **facts)


def test_clouds_are_those_of_all_tiles_of_a_pass(search):
    """A cloudy tile with a small part of the area does not reject the pass."""
    west = side("west", "04.00", WEST, **{"eo:cloud_cover": 70})
    (scene,) = search(west, side("east", "04.00", EAST, **{"eo:cloud_cover": 5}))
    assert sorted(tile.id for tile in scene.tiles) == ["east 04.00", "west 04.00"]
    parts = [WEST.intersection(AREA).area, EAST.intersection(AREA).area]
    assert scene.cloud == pytest.approx(np.average([70, 5], weights=parts))
    assert bool(scene.rejection) == (scene.cloud > scenes.MAX_CLOUD_COVER)


def test_tiles_of_two_offsets_are_not_put_together(search):
    for scene in search(side("west", "04.00", WEST), side("east", "02.12", EAST)):
        assert scene.rejection == "its outline does not contain the area"


def test_an_older_processing_is_taken_where_the_newer_lacks_a_tile(search):
    old = [side("west", "02.12", WEST), side("east", "02.12", EAST)]
    west, east = (side("west", "05.00", WEST), side("east", "05.00", EAST))
    (scene,) = search(*old, west)
    assert not scene.rejection
    assert sorted(tile.id for tile in scene.tiles) == ["east 02.12", "west 02.12"]
    assert scene.offset == 0
    (scene,) = search(*old, west, east)
    assert sorted(tile.id for tile in scene.tiles) == ["east 05.00", "west 05.00"]
    assert scene.offset == 1000


def test_no_item_at_all(search):
    words = r"no item of sentinel-2-l2a .* 2022-07-01 and 2022-07-02 \(1 items came ba"
    with pytest.raises(SRError, match=words):
        search(item("a"), start=date(2022, 7, 1), end=date(2022, 7, 2))
    with pytest.raises(SRError, match="begins on 2022-08-15, after its end"):
        search(start=date(2022, 8, 15), end=date(2022, 6, 15))


@pytest.mark.parametrize("honest", [True, False])
@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["b", "old"], ""),
        (["c"], "has no item c"),
        (["a", "old"], "items a, old cannot be combined"),  # the same pixels twice
        (["a", "day"], "items a, day cannot be combined"),
        (["elsewhere"], "does not show the Spot image's area"),
    ],
)
def test_named_items_may_have_clouds(service, archive, honest, names, words):
    service.items = [item("a", "2020-01-01"), item("old", "2020-01-01", 99)]
    service.items += [item("b", "2020-01-01", **{"s2:mgrs_tile": "31UDP"})]
    service.items += [item("day"), item("elsewhere", outline=ELSEWHERE)]
    service.honest = honest
    if words:
        with pytest.raises(SRError, match=words):
            scenes.fetch_items(archive, AREA, names)
    else:
        scene = scenes.fetch_items(archive, AREA, names)
        assert [tile.id for tile in scene.tiles] == names


def test_the_first_clear_candidate_is_chosen_and_no_more_are_read(tmp_path):
    clear = scl(tmp_path / "clear.tif", CLEAR)
    cloudy = scl(tmp_path / "cloudy.tif", 2 * CLEAR)
    candidates = [
        candidate("not there", tmp_path / "nothing.tif"),
        candidate("cloudy", cloudy),
        candidate("clear", clear),
        candidate("not read", tmp_path / "nothing.tif"),
    ]
    assert scenes.choose(candidates, AREA) is candidates[2]
    assert "nothing.tif cannot be read" in candidates[0].rejection
    assert candidates[3].shares is None
    candidates[2].shares["missing"] = 1e-6  # must not look like none
    table = scenes.ranking_table(candidates, candidates[2])
    rows = {line.split()[0]: line for line in table.splitlines() if "10:56" in line}
    assert rows["2"].endswith(
        "10:56     04.00    1.0     0.00     0.00  100.00  "
        "more than 0.50% cloud, shadow or cirrus"
    )
    assert rows["3"].endswith("<0.01    0.00  chosen")
    assert rows["4"].split()[4:] == ["1.0", "0.00", "-", "-", "-"]


def test_a_named_scene_may_have_clouds(tmp_path):
    scene = candidate("a", scl(tmp_path / "SCL.tif", 2 * CLEAR))
    scene.requested = True
    assert scenes.choose([scene], AREA) is scene
    assert scene.bad_share == 1


def test_when_none_passes_the_table_has_every_reason(
    service, search, tmp_path, caplog, monkeypatch
):
    monkeypatch.setattr(scenes, "MAX_READ", 4)
    classes = CLEAR.copy()
    classes[50, 50] = 0
    gap = scl(tmp_path / "gap.tif", classes)
    cloudy = scl(tmp_path / "cloudy.tif", 2 * CLEAR)
    remote = f"{service.url}/SCL.tif?sig=secret"
    without = item("no SCL", "2022-07-13", 4)
    del without["assets"]["SCL"]
    candidates = search(
        item("gap", "2022-07-10", 1, href=gap),
        item("cloudy", "2022-07-11", 2, href=cloudy),
        item("unreadable", "2022-07-12", 3, href=remote),
        without,
        item("fifth", "2022-07-14", 5, href=gap),
        item("partial", "2022-07-15", 0, outline=PARTIAL),
        item("too cloudy", "2022-07-16", 80),
    )
    with pytest.raises(SRError) as caught:
        scenes.choose(candidates, AREA)
    assert "none of 7 Sentinel-2 candidates can be used" in str(caught.value)
    assert "\n" not in str(caught.value)
    lines = caplog.text.splitlines()
    for name, words in {
        "gap": "0.03    0.00  pixels are missing",
        "cloudy": "100.00  more than 0.50% cloud, shadow or cirrus",
        "unreadable": f"{service.url}/SCL.tif cannot be read (HTTP response code: 404",
        "no SCL": "item no SCL has no asset for SCL (SCL or scl",
        "fifth": "not read, only the best 4 are",
        "partial": "its outline does not contain the area",
        "too cloudy": "cloud cover above 60 %",
    }.items():
        place = lines.index(f"     {name}")
        assert words in lines[place - 1]
    assert "secret" not in caplog.text + str(caught.value)
