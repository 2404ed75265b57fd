"""Links to images: their paths for GDAL, and their names without secrets."""

import re
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

KEYS_FOR_S3 = (
    "links of s3:// need keys: set AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and, for "
    "another server than Amazon's, AWS_S3_ENDPOINT"
)
"""Advice for s3:// links that cannot be read."""

NAMES: dict[str, str] = {}
"""{path of a temporary file: its name in messages}; set by the code that writes it."""


def redact(url: str) -> str:
    """Return a URL without query and password, or a path by its name in `NAMES`.

    >>> redact("https://me:secret@host/a.tif?sig=secret")
    'https://host/a.tif'
    """
    if "://" not in url:
        return NAMES.get(url, url)
    return re.sub(r"//[^/@]*@", "//", re.split(r"[?#]", url, maxsplit=1)[0])


def with_proxy(url: str) -> str:
    """Describe `url` for a message, without secrets and with the proxy, if any.

    An error of the proxy, or its login page, looks like an error of the server.
    """
    parts, proxies = urlsplit(url), getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    if not proxy or not parts.hostname or proxy_bypass(parts.hostname):
        return redact(url)
    proxy = redact(proxy if "://" in proxy else f"http://{proxy}")
    return (
        f"{redact(url)} (asked through the proxy {proxy}; "
        f"NO_PROXY={parts.hostname} would ask it directly)"
    )


def without_secrets(text: str) -> str:
    """Cut queries and passwords out of all URLs in `text`.

    >>> without_secrets("/vsicurl/https://me:secret@host/a.tif: not found")
    '/vsicurl/https://host/a.tif: not found'
    >>> without_secrets("HTTP 403 from http://host/a.tif?st=1&sig=secret, again")
    'HTTP 403 from http://host/a.tif again'
    """
    text = re.sub(r"//[^/@\s]*@", "//", text)
    return re.sub(r"\?[^\s'\"<>?]*=[^\s'\"<>]*|\bsig=[^&\s'\"]+", "", text)


def gdal_path(href: str) -> str:
    """Return GDAL's name of a URL; a path on this machine stays as it is.

    >>> gdal_path("https://host/a.tif"), gdal_path("file:///data/a.tif")
    ('/vsicurl/https://host/a.tif', '/data/a.tif')
    """
    if href.startswith(("http://", "https://")):
        return f"/vsicurl/{href}"
    if href.startswith("s3://"):
        return f"/vsis3/{href.removeprefix('s3://')}"
    return href.removeprefix("file://")


def is_remote(path: str) -> bool:
    """Check whether a path is a URL, or in one of GDAL's virtual file systems."""
    return path.startswith(("http://", "https://", "s3://", "/vsi"))
