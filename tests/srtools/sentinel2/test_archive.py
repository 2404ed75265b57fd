"""Services that fail in every way: success after a retry, or one clear line."""

import logging
import threading
import time

import numpy as np
import pytest
import rasterio
from rasterio.io import MemoryFile

from srtools.errors import SRError
from srtools.images import raster
from srtools.sentinel2 import archive as archives
from srtools.sentinel2.archive import Archive
from srtools.sentinel2.services import ServiceError, keep_secrets_out_of_logs
from tests.fake_stac import FakeService, serve

import pyotb

BLOB = "https://account.blob.core.windows.net/container/a/B04.tif"
PIXELS = np.random.default_rng(1).integers(0, 12, (1, 600, 600), np.uint8)


@pytest.fixture(autouse=True)
def talkative_logs():
    """Nothing hides secrets in the logs but what the test itself makes do so."""
    factory = logging.getLogRecordFactory()
    library = logging.getLogger("rasterio")
    level = library.level
    library.setLevel(logging.NOTSET)
    yield
    library.setLevel(level)
    logging.setLogRecordFactory(factory)


def items(*names):
    facts = {"datetime": "2022-07-01T00:00:00Z"}
    return [
        {"id": name, "collection": "sentinel-2-l2a", "properties": facts}
        for name in names
    ]


@pytest.fixture(scope="module")
def image():
    """A tiled GeoTIFF of 600 x 600 random classes, larger than its first 16 kB."""
    with MemoryFile() as memory:
        grid = rasterio.Affine(20, 0, 4e5, 0, -20, 54e5)
        options = {"tiled": True, "blockxsize": 256, "blockysize": 256}
        with memory.open(
            driver="GTiff",
            width=600,
            height=600,
            count=1,
            dtype="uint8",
            crs="EPSG:32631",
            transform=grid,
            **options,
        ) as target:
            target.write(PIXELS)
        return memory.read()


# --- search ----------------------------------------------------------------------


def test_search_gives_all_pages_and_asks_by_post(service, archive):
    service.items, service.page_items = items(*"abcdefg"), 3
    assert [item["id"] for item in archive.search()] == list("abcdefg")
    assert [method for method, part, _ in service.requests if part == "search"] == [
        "POST"
    ] * 3


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_burst_of_failures_is_outlived_by_post_too(service, archive, status):
    service.items = items("a")
    service.faults = {"": [status], "search": [status] * 3}
    assert len(archive.search()) == 1
    assert len(service.asked("search")) == 4


def test_an_answer_that_is_cut_off_is_asked_for_again(service, archive):
    service.items, service.faults = items("a"), {"search": ["cut", "cut"]}
    assert len(archive.search()) == 1


def test_pages_without_end_are_left_after_so_many_items(service, archive, caplog):
    service.items, service.loop = items("a"), "new"
    assert len(archive.search()) == archives.MAX_ITEMS
    assert len(service.asked("search")) == archives.MAX_ITEMS / service.page_items
    assert f"only the first {archives.MAX_ITEMS} items" in caplog.text


@pytest.mark.parametrize(
    ("faults", "words"),
    [
        ({"": ["garbage"]}, "does not answer like a STAC API (JSONDecodeError"),
        ({"search": ["garbage"]}, "does not answer like a STAC API (JSONDecodeError"),
        ({"": [404]}, "answered HTTP 404 (out of order); check the URL"),
        ({"search": [400]}, "answered HTTP 400 (out of order); check the URL"),
        ({"search": [503] * 9}, "answered HTTP 503 (out of order); try again later"),
        ({"search": ["cut"] * 9}, "does not answer"),
    ],
)
def test_failures_of_the_service_are_one_line(service, archive, faults, words):
    service.faults = faults
    with pytest.raises(ServiceError) as caught:
        archive.search()
    assert words in str(caught.value)
    assert f"the STAC service {service.url} " in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "landing_page", [[], {}, {"links": []}, {"links": [{"rel": "search"}]}, 3]
)
def test_json_that_is_no_stac_api_is_told(service, archive, monkeypatch, landing_page):
    monkeypatch.setattr(service, "answer", lambda part, asked: landing_page)
    with pytest.raises(ServiceError, match="does not answer like a STAC API"):
        archive.search()


def test_a_silent_service_is_given_up_after_its_retries(service):
    service.faults = {"": ["hang"] * 9}
    begin = time.monotonic()
    with pytest.raises(ServiceError, match="does not answer .*timeout=0.1"):
        Archive(service.url, timeout=0.1, patience=20).search()
    assert time.monotonic() - begin < 10


def test_retries_do_not_outlast_patience(service):
    service.faults = {"": ["hang"] * 9}
    begin = time.monotonic()
    with pytest.raises(ServiceError, match="did not finish its answer within 0.2 s"):
        Archive(service.url, timeout=20, patience=0.2).search()
    assert time.monotonic() - begin < 10


def test_nobody_listens():
    with serve(FakeService()) as service:
        pass
    with pytest.raises(ServiceError, match="does not answer .*Connection refused"):
        Archive(service.url).search()


def test_secrets_in_the_url_of_the_service_are_not_told(service):
    service.faults = {"": [404]}
    with pytest.raises(ServiceError) as caught:
        Archive(f"{service.url}?key=secret").search()
    assert "secret" not in str(caught.value)


# --- tokens ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "sign", "signs"),
    [
        (archives.PLANETARY_COMPUTER, None, True),
        (archives.PLANETARY_COMPUTER, False, False),
        ("https://elsewhere.org/stac", None, False),
        ("https://elsewhere.org/planetarycomputer.microsoft.com", None, False),
        ("https://elsewhere.org/stac", True, True),
    ],
)
def test_only_the_planetary_computer_signs_unless_told(url, sign, signs):
    assert Archive(url, sign=sign).signs is signs


def test_a_path_is_signed_once_for_all_images_of_a_container(tokens, expiry):
    tokens.expiries = [expiry(hours=2)]
    archive = Archive()
    path = archive.path(BLOB)
    assert path == f"/vsicurl/{BLOB}?se={tokens.expiries[0]}&sig=secret1"
    assert archive.path(BLOB.replace("B04", "B03")).endswith("sig=secret1")
    assert len(tokens.asked("token")) == 1


def test_a_token_with_little_life_left_is_replaced(tokens, expiry):
    # The library itself would go on with it until its last minute.
    tokens.expiries = [expiry(minutes=10), expiry(hours=2)]
    archive = Archive()
    assert archive.path(BLOB).endswith("sig=secret1")
    assert archive.path(BLOB).endswith("sig=secret2")
    assert archive.path(BLOB).endswith("sig=secret2")


def test_no_token_is_asked_for_elsewhere(tokens):
    assert Archive("https://elsewhere.org").path(BLOB) == f"/vsicurl/{BLOB}"
    assert tokens.asked("token") == []


@pytest.mark.parametrize("fault", [401, "garbage", "hang"])
def test_an_outage_of_the_token_service_is_one_line(tokens, fault, expiry):
    tokens.expiries, tokens.faults = [expiry(hours=1)], {"token": [fault]}
    with pytest.raises(ServiceError, match=f"the token service {tokens.url}/token "):
        Archive(timeout=0.3).path(BLOB)


# --- reading ---------------------------------------------------------------------


def read_all(source):
    return source.read()


@pytest.mark.parametrize(
    "faults",
    [
        [],
        [503, 503],  # repeated by GDAL
        [503] * 8,  # more than GDAL repeats: a second attempt from the start
        ["cut"],
        ["cut", "cut"],
    ],
)
def test_reading_survives_what_can_be_survived(service, archive, image, faults):
    service.files["SCL.tif"], service.faults = image, {"SCL.tif": list(faults)}
    href = f"{service.url}/SCL.tif"
    np.testing.assert_array_equal(archive.read(href, read_all), PIXELS)
    assert service.faults["SCL.tif"] == []  # all of them were met


@pytest.mark.parametrize(
    ("name", "words"),
    [("missing.tif", "404"), ("short.tif", "cannot be read"), ("refused.tif", "403")],
)
def test_what_cannot_be_read_is_told_without_secrets(
    service, archive, image, caplog, capfd, name, words
):
    caplog.set_level(logging.DEBUG)
    keep_secrets_out_of_logs()
    service.files = {"short.tif": image[:200_000], "refused.tif": image}
    service.faults = {"refused.tif": [403] * 99}
    with pytest.raises(SRError, match=words) as caught:
        archive.read(f"{service.url}/{name}?se=1&sig=secret", read_all)
    assert f"{service.url}/{name} cannot be read" in str(caught.value)
    # One look (a HEAD, perhaps a GET) is enough where no token could be renewed.
    assert len(service.asked(name)) <= 2 or name == "short.tif"
    told = str(caught.value) + caplog.text + "".join(capfd.readouterr())
    assert "secret" not in told


def test_a_failure_is_forgotten_by_the_next_reading(service, archive, image):
    # GDAL would remember for as long as the process lives that there was no file.
    with pytest.raises(SRError):
        archive.read(f"{service.url}/late.tif", read_all)
    service.files["late.tif"] = image
    assert archive.read(f"{service.url}/late.tif", read_all).shape == PIXELS.shape


def test_a_refused_token_is_replaced(service, tokens, image, monkeypatch, expiry):
    tokens.expiries = [expiry(hours=2)]
    service.files["container"], service.refused = image, "secret1"
    archive = Archive(service.url, sign=True, timeout=2, patience=10)
    pixels = archive.read(f"{service.url}/container/SCL.tif", read_all)
    np.testing.assert_array_equal(pixels, PIXELS)
    assert len(service.asked("token")) == 2


def test_gdal_logs_no_secret(service, tokens, image, monkeypatch, caplog, expiry):
    # While it retries, rasterio logs the whole URL.
    caplog.set_level(logging.DEBUG)
    tokens.expiries = [expiry(hours=2)]
    service.files["container"], service.faults["container"] = image, [503, 503]
    archive = Archive(service.url, sign=True, timeout=2, patience=10)
    archive.read(f"{service.url}/container/SCL.tif", read_all)
    assert "503" in caplog.text
    assert "secret" not in caplog.text


def test_reading_does_not_outlast_patience(service, image):
    service.files["SCL.tif"], service.faults = image, {"SCL.tif": ["hang"]}
    begin = time.monotonic()
    with pytest.raises(ServiceError, match="did not finish its answer within 0.3 s"):
        Archive(service.url, timeout=20, patience=0.3).read(
            f"{service.url}/SCL.tif", read_all
        )
    assert time.monotonic() - begin < 10


def test_a_slow_answer_is_not_a_silent_one(service, image):
    """What comes steadily may take longer than what does not come at all."""
    service.files["SCL.tif"], service.pause = image, 0.06
    service.rule = lambda method, part, asked: "trickle"
    archive = Archive(service.url, timeout=0.4, patience=30)
    pixels = archive.read(f"{service.url}/SCL.tif", read_all)
    np.testing.assert_array_equal(pixels, PIXELS)
    assert all(service.requests.count(request) <= 2 for request in service.requests)


def test_an_outage_is_told_from_a_damaged_file(service, archive, image):
    service.files = {"SCL.tif": image[:200_000]}
    with pytest.raises(
        SRError, match="got .* bytes, expected .*another item"
    ) as caught:
        archive.read(f"{service.url}/SCL.tif", read_all)
    assert not isinstance(caught.value, ServiceError)
    service.faults["SCL.tif"] = [503] * 99
    with pytest.raises(ServiceError, match="503.*try again later$"):
        archive.read(f"{service.url}/SCL.tif", read_all)


def test_a_local_file_is_read_without_retries(archive, tmp_path, image):
    (tmp_path / "SCL.tif").write_bytes(image)
    assert archive.read(f"file://{tmp_path}/SCL.tif", read_all).shape == PIXELS.shape
    with pytest.raises(SRError, match="other.tif cannot be read"):
        archive.read(f"{tmp_path}/other.tif", read_all)


# --- small parts -----------------------------------------------------------------


def test_within_gives_the_answer_or_the_error_of_the_function():
    assert archives.within(5, "it", lambda: 3) == 3
    with pytest.raises(ZeroDivisionError):
        archives.within(5, "it", lambda: 1 / 0)


def test_within_names_who_did_not_answer():
    never = threading.Event()
    with pytest.raises(ServiceError, match="^it did not finish its answer within 0.01"):
        archives.within(0.01, "it", never.wait)
    never.set()


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
    archive = Archive("http://host.invalid/stac", timeout=2, patience=10)
    named = rf"asked through the proxy {NOWHERE}; NO_PROXY=host.invalid would"
    with pytest.raises(ServiceError, match=named) as caught:
        archive.search(ids=["a"])
    assert "([Errno 111] Connection refused); check the URL" in str(caught.value)
    with pytest.raises(ServiceError, match=named):
        archive.read("http://host.invalid/a.tif", lambda source: source.count)
    with pytest.raises(SRError, match=named):
        raster.describe("http://host.invalid/a.tif", "the image")


@pytest.mark.parametrize(
    "name", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"]
)
@pytest.mark.parametrize("content", [None, "no certificate"])
def test_unreadable_certificates_are_named(
    service, monkeypatch, tmp_path, name, content
):
    for other in raster.CA_BUNDLES:
        monkeypatch.delenv(other, raising=False)
    bundle = tmp_path / "bundle.pem"
    if content:
        bundle.write_text(content)
    monkeypatch.setenv(name, str(bundle))
    url = service.url.replace("http://", "https://")
    archive = Archive(url, timeout=2, patience=10)
    words = f"{name} names {bundle}, from which no certificates can be read"
    with pytest.raises(SRError, match=words):
        archive.search(ids=["a"])
    with pytest.raises(SRError, match=words):
        archive.read(f"{url}/a.tif", lambda source: source.count)
    with pytest.raises(SRError, match=words):
        raster.describe(f"{url}/a.tif", "the image")
