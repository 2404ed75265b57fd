"""Links and temporary files in messages, and links as GDAL reads them."""

import pytest

from srtools import urls

PROXIED = (
    r"https://a.org/x (asked through the proxy http://proxy:3128; NO_PROXY=a.org would "
    "ask it directly)"
)


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, "https://a.org/x"),
        ({"https_proxy": "http://me:secret@proxy:3128"}, PROXIED),
        ({"HTTPS_PROXY": "me:secret@proxy:3128"}, PROXIED),
        ({"ALL_PROXY": "http://proxy:3128"}, PROXIED),
        ({"http_proxy": "http://proxy:3128"}, "https://a.org/x"),
        ({"https_proxy": "http://proxy:3128", "no_proxy": "a.org"}, "https://a.org/x"),
    ],
)
def test_the_proxy_of_a_link_is_named(monkeypatch, variables, expected):
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert urls.with_proxy("https://me@a.org/x?sig=secret") == expected


@pytest.mark.parametrize(
    ("href", "path"),
    [
        ("https://host/a.tif?sig=1", "/vsicurl/https://host/a.tif?sig=1"),
        ("http://host/a.tif", "/vsicurl/http://host/a.tif"),
        ("s3://bucket/a.tif", "/vsis3/bucket/a.tif"),
        ("/data/a.tif", "/data/a.tif"),
        ("/vsicurl/https://host/a.tif", "/vsicurl/https://host/a.tif"),
    ],
)
def test_gdal_path(href, path):
    assert urls.gdal_path(href) == path


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("https://h/a?sig=secret", "https://h/a"),
        ("https://h/a#secret", "https://h/a"),
        ("/tmp/x/0_a_B04.tif", "B04 of item a"),
        ("/tmp/y/B04.tif", "/tmp/y/B04.tif"),
    ],
)
def test_names_without_secrets(monkeypatch, path, name):
    monkeypatch.setitem(urls.NAMES, "/tmp/x/0_a_B04.tif", "B04 of item a")
    assert urls.redact(path) == name


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("'/vsicurl/http://h/a?sig=secret' is no", "'/vsicurl/http://h/a' is no"),
        ("token sig=secret", "token "),
        ("Really? Yes: a=1", "Really? Yes: a=1"),
    ],
)
def test_without_secrets(text, clean):
    assert urls.without_secrets(text) == clean
