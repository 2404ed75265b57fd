"""Services and items that the tests of Sentinel-2 share."""

import json
import logging
from datetime import datetime, timedelta, timezone

import pytest

from srtools.conventions import BANDS
from srtools.sentinel2 import stac_archive
from srtools.sentinel2.items import Tile
from srtools.sentinel2.stac_archive import Archive
from tests.fake_stac import FakeService, serve, token_library_asks
from tests.stac_items import REAL_ITEMS

SIDE_FILES = ("{}.ovr", "._{}", "{}.aux.xml", "{}.msk", ".{}.swp", "{}.tmp", "{}~")


@pytest.fixture(autouse=True)
def quick_retries(monkeypatch):
    monkeypatch.setattr(stac_archive, "RETRY_SECONDS", 0.01)


@pytest.fixture(autouse=True)
def talkative_logs(monkeypatch):
    """Log all that rasterio says, without the filter of secrets of earlier tests."""
    factory = logging.getLogRecordFactory()
    logging.setLogRecordFactory(logging.LogRecord)
    monkeypatch.setattr(logging.getLogger("rasterio"), "level", logging.NOTSET)
    yield
    logging.setLogRecordFactory(factory)


@pytest.fixture
def service():
    with serve(FakeService()) as service:
        yield service


@pytest.fixture
def archive(service):
    return Archive(service.url, timeout=2, patience=20)


@pytest.fixture(scope="module")
def real():
    """Real tiles by their MGRS name."""
    items = json.loads(REAL_ITEMS.read_text())["features"]
    return {tile.mgrs: tile for tile in map(Tile.from_item, items)}


@pytest.fixture
def product(tmp_path):
    """Write the skeleton of a SAFE folder, with side files of other programs.

    `days` are those of bands, or of the folder, that differ from the others.
    """

    def write(name="S2A_MSIL2A_{}T105631_N0400_R051_T31UDQ_x.SAFE", xml="", **days):
        folder = tmp_path / name.format(days.get("folder", "20210520"))
        for resolution, bands in (("10m", (*BANDS, "TCI")), ("20m", ("SCL",))):
            images = folder / f"GRANULE/L2A_T31UDQ/IMG_DATA/R{resolution}"
            images.mkdir(parents=True)
            for band in bands:
                day = days.get(band, "20210520")
                file = f"T31UDQ_{day}T105631_{band}_{resolution}.jp2"
                for side_file in ("{}", *SIDE_FILES):
                    (images / side_file.format(file)).touch()
        if xml:
            (folder / "MTD_MSIL2A.xml").write_text(xml)
        return folder

    return write


@pytest.fixture
def tokens(service, monkeypatch):
    """The token service of the Planetary Computer and its images on localhost."""
    with token_library_asks(service, monkeypatch):
        yield service


@pytest.fixture
def expiry():
    """Return the time after some minutes, in the format of tokens."""

    def after(**left):
        return (datetime.now(timezone.utc) + timedelta(**left)).strftime("%FT%TZ")

    return after
