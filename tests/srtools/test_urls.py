"""What is printed of links and temporary files."""

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


def test_temporary_files_have_names(monkeypatch):
    monkeypatch.setitem(urls.NAMES, "/tmp/x/0_a_B04.tif", "B04 of item a")
    assert urls.redact("/tmp/x/0_a_B04.tif") == "B04 of item a"
    assert urls.redact("/tmp/y/B04.tif") == "/tmp/y/B04.tif"
