"""Local images, a SAFE folder, or a search."""

import logging
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from srtools.conventions import BANDS
from srtools.errors import SRError
from srtools.options.search_options import END_DATE, START_DATE, SearchOptions
from srtools.sentinel2 import source
from srtools.sentinel2.archive import Archive
from tests.stac_items import AREA, candidate


def product(folder, name):
    """Make the skeleton of a SAFE folder, and return its path."""
    images = folder / name / "GRANULE" / "L2A_T31UDQ" / "IMG_DATA"
    for resolution, bands in (("10m", BANDS), ("20m", ("SCL",))):
        (images / f"R{resolution}").mkdir(parents=True)
        for band in bands:
            (images / f"R{resolution}" / f"T31UDQ_{band}_{resolution}.jp2").touch()
    return str(folder / name)


@pytest.mark.parametrize("paths", [("a.tif", "b.tif", "c.tif", "d.tif"), ("all.tif",)])
def test_image_files(paths, caplog):
    caplog.set_level(logging.INFO)
    s2 = source.local_image(paths, None)
    assert (s2.tiles, s2.scl, s2.offset) == ([list(paths)], [], 0)
    assert s2.record is None and s2.days_to(None) is None
    assert "need --offset 1000" in caplog.text
    assert source.local_image(paths, 1000).offset == 1000
    assert caplog.text.count("--offset") == 1


def test_offset_of_a_safe_folder(tmp_path):
    safe = product(tmp_path, "S2A_N0400_x.SAFE")
    s2 = source.local_image((safe,), None)
    assert [path[-11:-8] for path in s2.tiles[0]] == list(BANDS)
    assert len(s2.scl) == 1 and s2.offset == 1000
    assert source.local_image((safe,), 0).offset == 0
    with pytest.raises(SRError, match="give --offset 0, or --offset 1000 if"):
        source.local_image((product(tmp_path, "renamed"),), None)


def test_the_bands_of_the_best_image_are_copied(
    tmp_path, write_raster, monkeypatch, caplog
):
    dn = np.random.default_rng(0).integers(1100, 4000, (40, 50), np.uint16)
    files = {b: write_raster(f"{b}.tif", dn, 10.0) for b in (*BANDS, "SCL")}
    scene = candidate("best", "SCL.tif")
    asked = {}

    def search(archive, area, start, end, near):
        asked.update(archive=archive, days=(start, end, near))
        return [scene]

    @contextmanager
    def copies(scene, bands, area, folder, margin_metres):
        asked.update(bands=bands, area=area, margin=margin_metres)
        yield [{band: files[band] for band in bands}]

    monkeypatch.setattr(source.scenes, "search", search)
    monkeypatch.setattr(source.scenes, "choose", lambda candidates, *_: scene)
    monkeypatch.setattr(source.download, "local_copies", copies)
    options = SearchOptions(stac_url="http://unused")
    with source.open_sentinel2(options, AREA, tmp_path, margin_metres=200.0) as s2:
        assert s2.tiles == [[files[band] for band in BANDS]] and s2.scl == []
        assert s2.offset == 1000 == s2.record["offset_dn"]
        assert s2.days_to(scene.acquired.date()) == 0
    assert asked == {
        "archive": Archive("http://unused"),
        "days": (START_DATE, END_DATE, None),
        "bands": BANDS,
        "area": AREA,
        "margin": 200.0,
    }
    options = SearchOptions(stac_url="http://unused", offset=0)
    with source.open_sentinel2(options, AREA, tmp_path, scl=True) as s2:
        assert s2.scl == [files["SCL"]] and s2.offset == 0
    assert "offset of 0 is subtracted, the item says 1000" in caplog.text


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


@pytest.mark.parametrize("other", ["B08_10m", "SCL_20m", "folder"])
def test_a_product_of_several_days_is_refused(tmp_path, other):
    day = "20210521" if other == "folder" else "20210520"
    safe = product(tmp_path, f"S2A_MSIL2A_{day}T105629_N0400_R051_T31UDQ_x.SAFE")
    for path in Path(safe).glob("GRANULE/*/IMG_DATA/*/*.jp2"):
        day = "20210521" if path.stem.endswith(other) else "20210520"
        path.rename(path.with_name(path.name.replace("_", f"_{day}T105629_", 1)))
    with pytest.raises(SRError, match=SEVERAL):
        source.local_image((safe,), None)


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
