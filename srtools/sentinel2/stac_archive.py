"""The search of a STAC API, and the reading of its images, in bounded time.

Every call has a time-out, retries, and a bound on the whole (`within`).  URLs carry
secrets, which `redact` and `without_secrets` cut out of messages and cards.
"""

import logging
import re
import time
import warnings
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlsplit

import pystac_client
import rasterio
import rasterio.errors
import urllib3
from pystac_client.exceptions import APIError
from pystac_client.stac_api_io import StacApiIO
from requests.exceptions import ChunkedEncodingError

from srtools.errors import SRError
from srtools.images.raster import reason_of
from srtools.options.search_options import PLANETARY_COMPUTER
from srtools.sentinel2.services import (
    RETRY_ADVICE,
    ServiceError,
    keep_secrets_out_of_logs,
    shorten,
    within,
)
from srtools.urls import KEYS_FOR_S3, gdal_path, is_remote, redact, with_proxy

log = logging.getLogger(__name__)
Result = TypeVar("Result")

COLLECTION = "sentinel-2-l2a"
MAX_ITEMS = 1000  # two months over one city are about a hundred
ATTEMPTS = 3  # to read an image, each with GDAL's own retries inside
RETRY_SECONDS = 1.0  # before the first retry; doubled each time
# Tokens live 45 min or more; one with less time left is replaced before a reading.
MIN_TOKEN_SECONDS = 1800


@dataclass(frozen=True)
class Archive:
    """A public archive of Sentinel-2 behind a STAC API."""

    url: str = PLANETARY_COMPUTER
    """Root of the STAC API."""
    timeout: float = 30.0
    """Longest wait for an answer or a token, seconds."""
    patience: float = 180.0
    """Longest time of a search, or of reading an image, retries included, seconds."""

    @property
    def needs_token(self) -> bool:
        """True for the Planetary Computer, whose links need a token."""
        return urlsplit(self.url).hostname == urlsplit(PLANETARY_COMPUTER).hostname

    def search(self, **parameters: Any) -> list[dict[str, Any]]:
        """Search `COLLECTION`; return the items (GeoJSON), each id once.

        The parameters are those of `pystac_client.ItemSearch`.  A server may ignore
        them, so the caller has to check the items.
        """
        name = f"the STAC service {with_proxy(self.url)}"
        try:
            return within(self.patience, name, lambda: self._retry_search(parameters))
        except SRError:
            raise
        except Exception as error:  # pystac-client passes on those of many libraries
            status = getattr(error, "status_code", None)
            kind = f"HTTP {status}" if status else type(error).__name__
            # The reason stands at the end, behind the wrappers of requests and urllib3.
            reason = re.split(r": |, '|Caused by ", str(error))[-1]
            reason = re.sub(r"[\"']\)+$", "", reason)
            raise ServiceError(
                f"{name} does not answer a search ({kind}: {shorten(reason)}); the "
                f"root of a STAC API such as {PLANETARY_COMPUTER} is expected: check "
                f"the URL and the network, {RETRY_ADVICE}"
            ) from None

    def _retry_search(self, parameters: dict[str, Any]) -> list[dict[str, Any]]:
        for _ in range(ATTEMPTS - 1):
            try:
                return self._search_once(parameters)
            except APIError as error:
                # urllib3 does not repeat a request whose answer was cut off.
                if not isinstance(error.__context__, ChunkedEncodingError):
                    raise
        return self._search_once(parameters)

    def _search_once(self, parameters: dict[str, Any]) -> list[dict[str, Any]]:
        retries = urllib3.Retry(
            total=5,
            connect=2,
            read=2,
            backoff_factor=RETRY_SECONDS / 2,
            status_forcelist=(429, 500, 502, 503, 504),
            allowed_methods=None,  # retries POST too: a search changes nothing
            raise_on_status=False,  # so that the last status reaches the message
        )
        api = StacApiIO(max_retries=retries)
        items: dict[str, dict[str, Any]] = {}
        with closing(api.session):
            client = pystac_client.Client.open(
                self.url, stac_io=api, timeout=self.timeout
            )
            links = client.get_links("search")
            post = any(link.extra_fields.get("method") == "POST" for link in links)
            search = client.search(
                method="POST" if post else "GET",  # POST has room for any outline
                collections=[COLLECTION],
                limit=100,  # items per page; a server may send fewer
                **parameters,
            )
            for page in search.pages_as_dicts():
                before = len(items)
                items |= {item.get("id"): item for item in page["features"]}
                if len(items) == before or len(items) >= MAX_ITEMS:
                    log.warning(
                        "only the first %d items of %s are looked at, its pages "
                        "repeat or are too many; a shorter period gives fewer",
                        min(len(items), MAX_ITEMS),
                        redact(self.url),
                    )
                    break
        return list(items.values())[:MAX_ITEMS]

    def path(self, href: str) -> str:
        """Return GDAL's path of the link `href`, with a token if the archive needs one.

        A path with a token is a secret, valid for at least `MIN_TOKEN_SECONDS`: keep
        `href`, and call this just before reading.
        """
        if not self.needs_token:
            return gdal_path(href)
        library = token_library()
        for key, token in list(library.sas.TOKEN_CACHE.items()):
            if token.ttl() < MIN_TOKEN_SECONDS:
                library.sas.TOKEN_CACHE.pop(key, None)
        endpoint = library.settings.Settings.get().sas_url
        name = f"the token service {with_proxy(endpoint)}"
        try:
            return gdal_path(within(self.timeout, name, lambda: library.sign(href)))
        except SRError:
            raise
        except (OSError, ValueError, TypeError) as error:  # requests' are OSErrors
            raise ServiceError(
                f"{name} sends no token ({shorten(error)}); {RETRY_ADVICE}"
            ) from None

    def read(self, href: str, reader: Callable[[Any], Result]) -> Result:
        """Open the link `href` with rasterio; return `reader(dataset)`, with retries.

        GDAL repeats a request that got 429 or 5xx.  The whole reading starts again
        after a cut connection, after damaged bytes (if checksums, as of DEFLATE,
        reveal them) or, with a new token, after a refusal.  `ServiceError` means that
        the server, or the token service, does not answer.
        """
        name = f"the server of {with_proxy(href)}"
        return within(self.patience, name, lambda: self._read(href, reader))

    def _read(self, href: str, reader: Callable[[Any], Result]) -> Result:
        options = {
            # GDAL would cache a failure, or half a file, while the process lives.
            "CPL_VSIL_CURL_NON_CACHED": "/vsicurl/http",
            # With several threads GDAL returns zeros for a block that it cannot read.
            "GDAL_NUM_THREADS": 1,
            # A slow server may take long, a silent one may not.
            "GDAL_HTTP_TIMEOUT": self.patience,
            "GDAL_HTTP_LOW_SPEED_TIME": max(round(self.timeout), 1),
            "GDAL_HTTP_LOW_SPEED_LIMIT": 1000,  # bytes per second
            "GDAL_HTTP_CONNECTTIMEOUT": self.timeout,
            "GDAL_HTTP_MAX_RETRY": ATTEMPTS,
            "GDAL_HTTP_RETRY_DELAY": RETRY_SECONDS,
            "VSI_CACHE": "TRUE",  # each open file keeps what it has read, 25 MB
        }
        keep_secrets_out_of_logs()
        for attempt in range(ATTEMPTS if is_remote(href) else 1):
            if attempt:
                time.sleep(RETRY_SECONDS * 2 ** (attempt - 1))
            path = self.path(href)  # outside `try`: it has an error of its own
            try:
                with rasterio.Env(**options), rasterio.open(path) as source:
                    if not source.crs:
                        raise SRError(f"{redact(href)} has no CRS; take another item")
                    return reader(source)
            except rasterio.errors.RasterioError as error:
                reason = shorten(reason_of(error))
            if self.needs_token:
                # The token may have expired; GDAL does not tell why a block failed.
                token_library().sas.TOKEN_CACHE.clear()
            elif re.search(r"response code: 4(?!08|29)\d\d", reason):
                break  # the server will not change its mind
        outage = re.search(r"response code: (408|429|5)|CURL error", reason)
        remedy = RETRY_ADVICE if outage else f"{RETRY_ADVICE}, or take another item"
        if href.startswith("s3://"):
            remedy = f"{KEYS_FOR_S3}, or search an archive whose links are open"
        raise (ServiceError if outage else SRError)(
            f"{with_proxy(href)} cannot be read ({reason}); {remedy}"
        )


def token_library() -> Any:
    """Import and return planetary_computer, which no other archive needs."""
    with warnings.catch_warnings():
        # Newer pydantic warns about the declaration of its models.
        warnings.simplefilter("ignore")
        import planetary_computer.sas
        import planetary_computer.settings
    return planetary_computer
