"""A STAC API and the images behind it: time-bounded, retried, no secret told.

Three things go wrong with remote services.  A service does not answer: every call has
a time-out, retries, and a bound on the whole (`within`).  A service answers nonsense:
the error is one line that names the service.  URLs carry secrets: `redact` and
`without_secrets` cut them out of everything that a person or a file may see.
"""

import logging
import os
import re
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urljoin, urlparse

import pystac_client
import rasterio
import rasterio.errors
import requests
import urllib3
from pystac_client.exceptions import APIError
from pystac_client.stac_api_io import StacApiIO

from srtools.errors import SRError
from srtools.images.raster import check_certificates, reason_of
from srtools.sentinel2 import tokens
from srtools.sentinel2.defaults import COLLECTION, PLANETARY_COMPUTER
from srtools.sentinel2.services import (
    ServiceError,
    brief,
    keep_secrets_out_of_logs,
    within,
)
from srtools.urls import KEYS_FOR_S3, gdal_path, is_remote, redact, with_proxy

log = logging.getLogger(__name__)
Result = TypeVar("Result")

PAGE_ITEMS = 100  # asked for; a server may give fewer
MAX_ITEMS = 1000  # two months over one city are about a hundred
ATTEMPTS = 3  # to read an image, each with GDAL's own retries inside
RETRY_SECONDS = 1.0  # before the first retry; doubled each time
NONSENSE = (ValueError, KeyError, TypeError, AttributeError, OSError)
NO_POST = (403, 405, 501)  # HTTP status of servers that have a search with GET only
# GDAL's cache of remote files, so that a pipeline that passes several times fetches
# each block once.  The five bands over a whole scene of Spot (60 km) are 300 MB.
os.environ.setdefault("CPL_VSIL_CURL_CACHE_SIZE", str(2**30))
LEAST_SPEED = 1000  # bytes per second; slower than that is no answer


@dataclass(frozen=True)
class Archive:
    """STAC API of an archive of Sentinel-2; times are in seconds."""

    url: str = PLANETARY_COMPUTER
    """Root of the STAC API."""
    sign: bool | None = None
    """True if URLs need a token; None: those of the Planetary Computer do."""
    timeout: float = 30.0
    """Longest wait for an answer or a token."""
    patience: float = 180.0
    """Longest time of a search, or of reading an image, with all retries."""

    @property
    def signs(self) -> bool:
        """True if URLs need a token."""
        if self.sign is None:
            return urlparse(self.url).hostname == urlparse(PLANETARY_COMPUTER).hostname
        return self.sign

    def search(self, **parameters: Any) -> list[dict[str, Any]]:
        """Return the items (GeoJSON) that answer a STAC search, unsigned.

        `parameters` are those of `pystac_client.ItemSearch`.  A server may ignore
        them, so the answer has to be checked.  Items with the same id come once; a
        server whose pages repeat, or never end, is left after the first page without
        news or after `MAX_ITEMS`.
        """
        name = f"the STAC service {with_proxy(self.url)}"
        try:
            return within(self.patience, name, lambda: self._search(parameters))
        except SRError:
            raise
        except APIError as error:
            check_certificates(self.url)
            raise ServiceError(_api_trouble(name, error)) from None
        except NONSENSE as error:
            raise ServiceError(
                f"{name} does not answer like a STAC API "
                f"({type(error).__name__}: {brief(error)}); expected the root of one "
                f"that can be searched, such as {PLANETARY_COMPUTER}"
            ) from None

    def _search(self, parameters: dict[str, Any]) -> list[dict[str, Any]]:
        """Search again after an answer that was cut off, or by GET if POST is refused.

        urllib3 repeats neither, and the standard lets a server have GET alone.
        """
        get, cut = False, requests.exceptions.ChunkedEncodingError
        for _ in range(ATTEMPTS - 1):
            try:
                return self._pages(parameters, get)
            except APIError as error:
                refused = getattr(error, "status_code", None) in NO_POST and not get
                if not refused and not isinstance(error.__context__, cut):
                    raise
                get = get or refused
            time.sleep(RETRY_SECONDS)
        return self._pages(parameters, get)

    def _pages(self, parameters: dict[str, Any], get: bool) -> list[dict[str, Any]]:
        """Ask page after page, with GET or as the landing page says; see `search`."""
        retries = urllib3.Retry(
            total=5,
            connect=2,
            read=2,
            backoff_factor=RETRY_SECONDS / 2,
            status_forcelist=(429, 500, 502, 503, 504),
            allowed_methods=None,  # retries POST too: a search changes nothing
            raise_on_status=False,  # so that the last status reaches the message
        )
        stac_io = StacApiIO(max_retries=retries, timeout=self.timeout)
        with closing(stac_io.session):
            links = stac_io.read_json(self.url)["links"]
            links = [link for link in links if link["rel"] == "search"]
            if not links:
                raise KeyError("no link to a search")
            # POST has room for any outline; a few servers have GET only.
            posts = [link for link in links if link.get("method", "POST") == "POST"]
            pages = pystac_client.ItemSearch(
                # A root URL may come with or without its last slash.
                urljoin(f"{self.url.rstrip('/')}/", (posts or links)[0]["href"]),
                stac_io=stac_io,
                method="GET" if get or not posts else "POST",
                collections=[COLLECTION],
                limit=PAGE_ITEMS,
                **parameters,
            ).pages_as_dicts()
            items: dict[str, dict[str, Any]] = {}
            for page in pages:
                before = len(items)
                for item in page["features"]:
                    items.setdefault(item.get("id"), item)
                if len(items) == before:
                    log.warning(
                        "%s repeats its pages; asking no more", redact(self.url)
                    )
                    break
                if len(items) >= MAX_ITEMS:
                    log.warning(
                        "only the first %d items of %s were looked at; a shorter "
                        "period gives fewer",
                        MAX_ITEMS,
                        redact(self.url),
                    )
                    break
        return list(items.values())[:MAX_ITEMS]

    def other_collections(self) -> str:
        """Name the collections, as part of a message, if that of Sentinel-2 is missing.

        The list is asked for once, when nothing was found; "" if there is none.
        """
        stac_io = StacApiIO(timeout=self.timeout)
        url = f"{self.url.rstrip('/')}/collections"
        try:
            with closing(stac_io.session):
                answer = within(self.patience, url, lambda: stac_io.read_json(url))
            names = [str(collection["id"]) for collection in answer["collections"]]
        except (SRError, APIError, *NONSENSE):
            return ""
        if COLLECTION in names:
            return ""
        return f"; its collections are {', '.join(names) or 'none'}: another is needed"

    def path(self, href: str) -> str:
        """Return the path by which GDAL reads `href` now: signed if this archive signs.

        It is a secret then, and ages: ask for it just before reading, keep `href`.
        """
        return gdal_path(tokens.sign(href, self.timeout) if self.signs else href)

    def settings(self) -> dict[str, Any]:
        """Return GDAL's options for reading the archive's images."""
        return {
            # With several threads GDAL gives zeros for a block that it cannot read.
            "GDAL_NUM_THREADS": 1,
            # A slow answer may take long, a silent one may not.
            "GDAL_HTTP_TIMEOUT": self.patience,
            "GDAL_HTTP_LOW_SPEED_TIME": max(round(self.timeout), 1),
            "GDAL_HTTP_LOW_SPEED_LIMIT": LEAST_SPEED,
            "GDAL_HTTP_CONNECTTIMEOUT": self.timeout,
            "GDAL_HTTP_MAX_RETRY": ATTEMPTS,
            "GDAL_HTTP_RETRY_DELAY": RETRY_SECONDS,
        }

    def read(self, href: str, reader: Callable[[Any], Result]) -> Result:
        """Open `href` and return the answer of `reader` to the open rasterio dataset.

        GDAL repeats a request that got 429 or 5xx.  The whole reading starts again
        after a cut connection, after bytes that are not those of an image or, with a
        new token, after a refusal.

        Wrong bytes under the right name are found out by the checksums of DEFLATE, in
        which the Planetary Computer's images are compressed; not without compression.

        Raises:
            SRError: if the image cannot be read.
            ServiceError: if its server, or the token service, does not answer.
        """
        name = f"the server of {with_proxy(href)}"
        return within(self.patience, name, lambda: self._read(href, reader))

    def _read(self, href: str, reader: Callable[[Any], Result]) -> Result:
        # GDAL remembers a failure, or half a file, for as long as the process lives,
        # unless told not to: a second attempt would never be made.
        settings = {"CPL_VSIL_CURL_NON_CACHED": "/vsicurl/http", **self.settings()}
        keep_secrets_out_of_logs()
        for attempt in range(ATTEMPTS if is_remote(href) else 1):
            if attempt:
                time.sleep(RETRY_SECONDS * 2 ** (attempt - 1))
            path = self.path(href)  # outside `try`: a token outage is its own error
            try:
                with rasterio.Env(**settings), rasterio.open(path) as source:
                    return reader(source)
            except rasterio.errors.RasterioError as error:
                trouble = brief(reason_of(error))
            if self.signs:
                # Perhaps the token ended early; GDAL does not say why a block failed.
                tokens.forget()
            elif re.search(r"response code: 4(?!08|29)\d\d", trouble):
                break  # the server will not change its mind
        if href.startswith("s3://"):
            raise SRError(
                f"{redact(href)} cannot be read ({trouble}); {KEYS_FOR_S3}, or search "
                "an archive whose links are open"
            )
        check_certificates(href)
        outage = re.search(r"response code: (408|429|5)|CURL error", trouble)
        raise (ServiceError if outage else SRError)(
            f"{with_proxy(href)} cannot be read ({trouble}); try again later"
            + ("" if outage else " or take another item")
            + (" (403 and 409 mean that the token was refused)" if self.signs else "")
        )


def _api_trouble(name: str, error: APIError) -> str:
    """Describe a failed request to a STAC API in one line."""
    status = getattr(error, "status_code", None)
    if status is not None:
        later = status in (408, 429) or status >= 500
        remedy = "try again later" if later else "check the URL and the collection"
        return f"{name} answered HTTP {status} ({brief(error)}); {remedy}"
    cause: Any = error.__context__ or error
    # requests wraps urllib3's MaxRetryError, which wraps the true reason.
    for inner in getattr(cause, "args", ()):
        cause = getattr(inner, "reason", None) or cause
    reason = str(cause).rsplit(": ", 1)[-1].rstrip("\"')")  # of their brackets
    return (
        f"{name} does not answer ({brief(reason)}); check the URL and the network, or "
        "try again later"
    )
