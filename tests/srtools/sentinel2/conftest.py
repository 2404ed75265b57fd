"""Services and items that the tests of Sentinel-2 share."""

import json
from datetime import datetime, timedelta, timezone

import pytest

from srtools.sentinel2 import archive as archives
from srtools.sentinel2.archive import Archive
from srtools.sentinel2.items import Tile
from tests.fake_stac import FakeService, serve, token_library_asks
from tests.stac_items import REAL_ITEMS


@pytest.fixture(autouse=True)
def quick_retries(monkeypatch):
    monkeypatch.setattr(archives, "RETRY_SECONDS", 0.01)


@pytest.fixture
def service():
    with serve(FakeService()) as service:
        yield service


@pytest.fixture
def archive(service):
    return Archive(service.url, timeout=2, patience=20)


@pytest.fixture(scope="module")
def real_items():
    return json.loads(REAL_ITEMS.read_text())["features"]


@pytest.fixture(scope="module")
def real(real_items):
    """Real tiles by their MGRS name."""
    return {tile.mgrs: tile for tile in map(Tile.from_item, real_items)}


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
