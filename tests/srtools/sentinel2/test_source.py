"""The one fork: images at hand, a SAFE folder, or a search."""

import logging
from contextlib import contextmanager

import pytest

from srtools.cli.search import SearchOptions
from srtools.conventions import BANDS
from srtools.errors import SRError
from srtools.sentinel2 import source
from srtools.sentinel2.archive import Archive
from tests.stac_items import AREA, candidate


def product(folder, name):
    """Make the skeleton of a SAFE folder, and give its path."""
    images = folder / name / "GRANULE" / "L2A_T31UDQ" / "IMG_DATA"
    for resolution, bands in (("10m", BANDS), ("20m", ("SCL",))):
        (images / f"R{resolution}").mkdir(parents=True)
        for band in bands:
            (images / f"R{resolution}" / f"T31UDQ_{band}_{resolution}.jp2").touch()
    return str(folder / name)


@pytest.mark.parametrize("paths", [("a.tif", "b.tif", "c.tif", "d.tif"), ("all.tif",)])
def test_image_files(paths, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    options = SearchOptions(s2_images=paths)
    with source.sentinel2(options, None, tmp_path) as s2:
        assert (s2.tiles, s2.scl, s2.offset) == ([list(paths)], [], 0)
        assert s2.record is None and s2.days_to(None) is None
    assert "need --offset 1000" in caplog.text
    options = SearchOptions(s2_images=paths, offset=1000)
    with source.sentinel2(options, None, tmp_path) as s2:
        assert s2.offset == 1000
    assert caplog.text.count("--offset") == 1


def test_a_safe_folder_says_its_offset(tmp_path):
    safe = product(tmp_path, "S2A_N0400_x.SAFE")
    with source.sentinel2(SearchOptions(s2_images=(safe,)), None, tmp_path) as s2:
        assert [path[-11:-8] for path in s2.tiles[0]] == list(BANDS)
        assert len(s2.scl) == 1 and s2.offset == 1000
    options = SearchOptions(s2_images=(safe,), offset=0)
    with source.sentinel2(options, None, tmp_path) as s2:
        assert s2.offset == 0


def test_a_safe_folder_that_does_not_say_its_offset(tmp_path):
    options = SearchOptions(s2_images=(product(tmp_path, "renamed"),))
    with pytest.raises(SRError, match="give --offset 0, or --offset 1000 if"):
        with source.sentinel2(options, None, tmp_path):
            pass


def test_the_bands_of_the_best_image_are_copied(tmp_path, monkeypatch, caplog):
    """What is searched, what is copied, and what the user's offset overrides."""
    scene = candidate("best", "SCL.tif")
    asked = {}

    def search(archive, area, start, end, **limits):
        asked.update(limits, archive=archive, start=start)
        return [scene]

    @contextmanager
    def copies(scene, bands, around, folder, margin_metres):
        asked.update(bands=bands, bounds=around.bounds, margin=margin_metres)
        yield [{band: f"{band}.tif" for band in bands}]

    monkeypatch.setattr(source.scenes, "search", search)
    monkeypatch.setattr(source.scenes, "choose", lambda candidates, *_, **__: scene)
    monkeypatch.setattr(source.download, "local_copies", copies)
    options = SearchOptions(
        stac_url="http://unused", assets=(("B04", "red"),), max_cloud_cover=30.0
    )
    with source.sentinel2(options, AREA, tmp_path, margin_metres=200.0) as s2:
        assert s2.tiles == [[f"{band}.tif" for band in BANDS]] and s2.scl == []
        assert s2.offset == 1000 == s2.record["offset_dn"]
        assert s2.days_to(scene.when.date()) == 0
    assert asked["archive"] == Archive("http://unused", assets={"B04": "red"})
    assert asked["bands"] == BANDS and asked["margin"] == 200.0
    assert asked["max_cloud_cover"] == 30 and asked["bounds"] == AREA.bounds
    options = SearchOptions(stac_url="http://unused", offset=0)
    with source.sentinel2(options, AREA, tmp_path, scl=True) as s2:
        assert s2.scl == ["SCL.tif"] and s2.offset == 0
    assert "offset of 0 is subtracted, the item says 1000" in caplog.text
