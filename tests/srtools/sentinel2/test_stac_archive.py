"""Faults of services: success after a retry, or an error of one line."""

import logging
import time

import numpy as np
import pytest
import rasterio

from srtools.errors import SRError
from srtools.images import raster
from srtools.sentinel2 import stac_archive
from srtools.sentinel2.services import ServiceError
from srtools.sentinel2.stac_archive import Archive
from tests.fake_stac import geotiff

import pyotb

BLOB = "https://account.blob.core.windows.net/container/a/B04.tif"
PIXELS = np.random.default_rng(1).integers(0, 12, (600, 600), np.uint8)


@pytest.fixture(scope="module")
def image():
    """A tiled GeoTIFF of random classes, larger than its first 16 kB."""
    grid = rasterio.Affine(20, 0, 4e5, 0, -20, 54e5)
    return geotiff(PIXELS, grid, compress=None)


def read_all(source):
    return source.read(1)


@pytest.mark.parametrize(
    ("faults", "searches"),
    [
        ({}, 3),
        ({"": [503], "search": [429, 500, 502]}, 6),  # POST is repeated, too
        ({"": [502], "search": [503, "cut"]}, 5),
    ],
)
def test_search_returns_all_pages_after_failures(service, archive, faults, searches):
    service.items = [{"id": name} for name in "abcdefg"]
    service.page_items, service.honest, service.faults = 3, False, faults
    assert [item["id"] for item in archive.search()] == list("abcdefg")
    methods = [method for method, part, _ in service.requests if part == "search"]
    assert methods == ["POST"] * searches


def test_a_service_without_post_is_asked_by_get(service, archive):
    service.items, service.honest, service.search_method = [{"id": "a"}], False, "GET"
    assert archive.search() == [{"id": "a"}]
    assert [m for m, part, _ in service.requests if part == "search"] == ["GET"]


@pytest.mark.parametrize(
    ("loop", "count", "searches"), [("new", stac_archive.MAX_ITEMS, 10), ("same", 1, 2)]
)
def test_pages_without_end_are_left(service, archive, caplog, loop, count, searches):
    service.items, service.loop, service.honest = [{"id": "a"}], loop, False
    assert len(archive.search()) == count
    assert len(service.asked("search")) == searches
    assert f"only the first {count} items" in caplog.text


@pytest.mark.parametrize(
    ("faults", "words"),
    [
        ({"": ["garbage"]}, "(JSONDecodeError: line 1 column 1 (char 0)); the root"),
        ({"search": ["garbage"]}, "(JSONDecodeError: line 1 column 1 (char 0)); the"),
        ({"": [404]}, "(HTTP 404: out of order); the root of"),
        ({"search": [400]}, "(HTTP 400: out of order); the root of"),
        ({"search": [503] * 9}, "(HTTP 503: out of order); the root of"),
        ({"search": ["cut"] * 9}, "(APIError: "),
    ],
)
def test_failures_of_the_service_are_one_line_without_secrets(service, faults, words):
    service.faults = faults
    with pytest.raises(ServiceError) as caught:
        Archive(f"{service.url}?key=secret", timeout=2).search()
    assert words in str(caught.value)
    assert f"the STAC service {service.url} does not answer a" in str(caught.value)
    assert "\n" not in str(caught.value) and "secret" not in str(caught.value)


@pytest.mark.parametrize("page", [[], {}, {"links": []}, {"type": "Catalog"}, 3])
def test_json_that_is_no_stac_api_is_refused(service, archive, monkeypatch, page):
    monkeypatch.setattr(service, "answer", lambda part, asked: page)
    with pytest.raises(ServiceError, match="does not answer a search"):
        archive.search()


@pytest.mark.parametrize(
    ("timeout", "patience", "words"),
    [(0.1, 20, "does not answer .*timeout=0.1"), (20, 0.2, "not finish within 0.2")],
)
def test_a_silent_service_is_given_up(service, timeout, patience, words):
    service.faults, begin = {"": ["hang"] * 9}, time.monotonic()
    with pytest.raises(ServiceError, match=words):
        Archive(service.url, timeout=timeout, patience=patience).search()
    assert time.monotonic() - begin < 10


@pytest.mark.parametrize(
    ("url", "signs"),
    [
        (stac_archive.PLANETARY_COMPUTER, True),
        ("https://elsewhere.org/stac", False),
        ("https://elsewhere.org/planetarycomputer.microsoft.com", False),
    ],
)
def test_only_the_planetary_computer_signs(url, signs):
    assert Archive(url).needs_token is signs
    if not signs:
        assert Archive(url).path(BLOB) == f"/vsicurl/{BLOB}"


def test_a_path_is_signed_once_for_all_images_of_a_container(tokens, expiry):
    # The library itself would go on with an old token until its last minute.
    tokens.expiries = [expiry(minutes=10), expiry(hours=2)]
    first = Archive().path(BLOB)
    assert first == f"/vsicurl/{BLOB}?se={tokens.expiries[0]}&sig=secret1"
    assert Archive().path(BLOB).endswith("sig=secret2")
    assert Archive().path(BLOB.replace("B04", "B03")).endswith("sig=secret2")


@pytest.mark.parametrize("fault", [401, "garbage", "hang"])
def test_an_outage_of_the_token_service_is_one_line(tokens, fault, expiry):
    tokens.expiries, tokens.faults = [expiry(hours=1)], {"token": [fault]}
    with pytest.raises(ServiceError, match=f"the token service {tokens.url}/token "):
        Archive(timeout=0.3).path(BLOB)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("missing.tif", "404.*; try again later, .*, or take another item"),
        ("short.tif", "got .* bytes, expected .*, or take another item"),
        ("refused.tif", "403"),
        ("down.tif", "503.*; try again later, or search another --archive$"),
    ],
)
def test_an_unreadable_image_is_named_without_secrets(
    service, archive, image, caplog, capfd, name, words
):
    caplog.set_level(logging.DEBUG)  # rasterio logs whole URLs
    service.files = {"short.tif": image[:200_000], "refused.tif": image}
    service.faults = {"refused.tif": [403] * 99, "down.tif": [503] * 99}
    with pytest.raises(SRError, match=words) as caught:
        archive.read(f"{service.url}/{name}?se=1&sig=secret", read_all)
    assert f"{service.url}/{name} cannot be read" in str(caught.value)
    assert isinstance(caught.value, ServiceError) is (name == "down.tif")
    # One look (a HEAD, perhaps a GET) is enough where no token could be renewed.
    if name in ("missing.tif", "refused.tif"):
        assert len(service.asked(name)) <= 2
    output = str(caught.value) + caplog.text + "".join(capfd.readouterr())
    assert "secret" not in output


def test_a_failure_is_forgotten_by_the_next_reading(service, archive, image):
    # GDAL would remember for as long as the process lives that there was no file.
    with pytest.raises(SRError):
        archive.read(f"{service.url}/late.tif", read_all)
    service.files["late.tif"] = image
    assert archive.read(f"{service.url}/late.tif", read_all).shape == PIXELS.shape


def test_an_image_without_a_place_is_refused(service, archive):
    service.files["SCL.tif"] = geotiff(PIXELS, rasterio.Affine.scale(20), crs=None)
    with pytest.raises(SRError, match="SCL.tif has no CRS; take another item"):
        archive.read(f"{service.url}/SCL.tif", read_all)


def test_a_slow_answer_is_not_a_silent_one(service, image):
    """The time-out is for silence, not for a steady download."""
    service.files["SCL.tif"], service.pause = image, 0.06
    service.rule = lambda method, part, asked: "trickle"
    archive = Archive(service.url, timeout=0.4, patience=30)
    pixels = archive.read(f"{service.url}/SCL.tif", read_all)
    np.testing.assert_array_equal(pixels, PIXELS)
    assert all(service.requests.count(request) <= 2 for request in service.requests)


NOWHERE = "http://127.0.0.1:9"  # where no proxy listens


@pytest.fixture
def proxied(monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, NOWHERE)
        monkeypatch.setenv(name.upper(), NOWHERE)


def test_this_machine_is_asked_without_the_proxy(service, archive, proxied, image):
    service.files["a.tif"] = image
    assert archive.search(ids=["a"]) == []
    href = f"{service.url}/a.tif"
    assert archive.read(href, lambda source: source.count) == 1
    assert raster.describe(href, "the image").bands == 1
    assert pyotb.Input(href).shape[2] == 1


def test_the_proxy_that_fails_is_named(proxied):
    named = rf"asked through the proxy {NOWHERE}; NO_PROXY=host.invalid would"
    archive = Archive("http://host.invalid", timeout=2, patience=10)
    href = f"{archive.url}/a.tif"
    with pytest.raises(SRError, match=named):
        archive.read(href, read_all)
    with pytest.raises(SRError, match=named):
        raster.describe(href, "the image")
    refused = r".*: \[Errno 111\] Connection refused\); th"
    with pytest.raises(ServiceError, match=named + refused):
        archive.search()
