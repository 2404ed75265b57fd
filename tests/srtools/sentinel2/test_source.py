"""Local images, a SAFE folder, or a search."""

import logging
from contextlib import nullcontext
from datetime import date
from unittest.mock import Mock

import numpy as np
import pytest

from srtools.conventions import BANDS
from srtools.errors import SRError
from srtools.options.search_options import END_DATE, START_DATE, SearchOptions
from srtools.sentinel2 import source
from srtools.sentinel2.stac_archive import Archive
from tests.stac_items import AREA, candidate


@pytest.mark.parametrize("paths", [("a.tif", "b.tif", "c.tif", "d.tif"), ("all.tif",)])
def test_image_files(paths, caplog):
    caplog.set_level(logging.INFO)
    s2 = source.local_image(paths, None)
    assert (s2.tiles, s2.scl, s2.offset) == ([list(paths)], [], 0)
    assert s2.record is None and s2.days_to(None) is None
    assert "need --offset 1000" in caplog.text
    assert source.local_image(paths, 1000).offset == 1000
    assert caplog.text.count("--offset") == 1


def test_offset_of_a_safe_folder(product):
    safe = str(product())
    s2 = source.local_image((safe,), None)
    assert len(s2.tiles[0]) == len(BANDS) and len(s2.scl) == 1
    assert s2.offset == 1000 and s2.offset_source == safe
    assert source.local_image((safe,), 0).offset == 0
    with pytest.raises(SRError, match="give --offset 0, or --offset 1000 if"):
        source.local_image((str(product("renamed")),), None)


@pytest.mark.parametrize(("offset", "subtracted"), [(None, 1000), (0, 0)])
def test_the_best_image_of_a_search_is_copied(
    tmp_path, write_raster, monkeypatch, caplog, offset, subtracted
):
    dn = np.random.default_rng(0).integers(1100, 4000, (40, 50), np.uint16)
    files = {b: write_raster(f"{b}.tif", dn, 10.0) for b in (*BANDS, "SCL")}
    scene, near = candidate("best", "SCL.tif"), date(2022, 7, 1)
    search, choose = Mock(return_value=[scene]), Mock(return_value=scene)
    copy = Mock(return_value=nullcontext([files]))
    monkeypatch.setattr(source.scenes, "search", search)
    monkeypatch.setattr(source.scenes, "choose", choose)
    monkeypatch.setattr(source, "local_copies", copy)
    options = SearchOptions(stac_url="http://unused", offset=offset)
    place = options, AREA, tmp_path
    with source.open_sentinel2(*place, margin_metres=9.0, near=near, scl=True) as s2:
        assert s2.tiles == [[files[band] for band in BANDS]]
        assert s2.scl == [files["SCL"]]
        assert s2.offset == s2.record["offset_dn"] == subtracted
        assert s2.days_to(scene.acquired.date()) == 0
    archive = Archive("http://unused")
    search.assert_called_once_with(archive, AREA, START_DATE, END_DATE, near)
    choose.assert_called_once_with([scene], AREA, options.max_bad_share)
    copy.assert_called_once_with(scene, (*BANDS, "SCL"), AREA, tmp_path, 9.0)
    warning = "offset of 0 is subtracted, the item says 1000"
    assert (warning in caplog.text) is (offset == 0)


@pytest.mark.parametrize(
    ("names", "day"),
    [
        (["S2B_MSIL2A_20210520T105629_N0500_R051_T31UDQ_20230101T000000.SAFE"], 20),
        ([f"T31UDQ_20210520T105629_{band}_10m.jp2" for band in BANDS], 20),
        (["s2.tif"], None),
        (["T31UDQ_20219920T105629_B04_10m.jp2"], None),
        (["SENTINEL2A_20210520-105629-123_L2A_T31UDQ_C_V3-0_FRE_B4.tif"], 20),
        (["S2A_USER_PRD_MSIL2A_PDMC_20210520T225644_R051_V20210519T105625.SAFE"], 19),
        (["2021-05-20_B04.tif", "my_B08.tif"], 20),
    ],
)
def test_the_day_is_in_the_names(names, day):
    assert source.day_in(names) == (day and date(2021, 5, day))


SEVERAL = r"have several days: 2021-05-20 \(.*\), 2021-05-21 \(.*\); give"


@pytest.mark.parametrize("name", ["T31UDQ_{}T105629_{}_10m.tif", "{}_{}.tif"])
def test_bands_of_two_days_are_refused(name):
    days = ["20210520"] * 3 + ["20210521"]
    names = [name.format(*pair) for pair in zip(days, BANDS, strict=True)]
    with pytest.raises(SRError, match=SEVERAL):
        source.local_image(tuple(names), 1000)


@pytest.mark.parametrize("other", ["B08", "SCL", "folder"])
def test_a_product_of_several_days_is_refused(product, other):
    with pytest.raises(SRError, match=SEVERAL):
        source.local_image((str(product(**{other: "20210521"})),), None)


def test_the_classification_of_the_user_is_of_the_same_day():
    s2 = source.local_image(("T31UDQ_20210520T105629_all_10m.tif",), 0)
    assert s2.days_to(date(2021, 6, 1)) == 12
    scl, day = "T31UDQ_20210520T105629_SCL_20m.tif", date(2021, 5, 20)
    with_scl = source.with_classification(s2, scl)
    assert (with_scl.scl, with_scl.day) == ([scl], day)
    assert source.with_classification(s2, "clouds.tif").day == day
    with pytest.raises(SRError, match=SEVERAL):
        source.with_classification(s2, scl.replace("0520", "0521"))


@pytest.mark.parametrize("level", [1, 2])
def test_level_1c_is_recognised_by_its_names(caplog, level):
    end = "" if level == 1 else "_10m"
    names = tuple(f"T31UDQ_20210520T105629_{band}{end}.jp2" for band in BANDS)
    source.local_image(names, 0)
    assert ("is named like Level-1C" in caplog.text) is (level == 1)
