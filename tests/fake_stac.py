"""A STAC API, a token service and a file server with faults on request."""

import json
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
from affine import Affine
from rasterio.io import MemoryFile
from shapely.geometry import shape

from srtools.sentinel2.stac_archive import Archive, token_library
from tests.rasters import UTM31, write_geotiff

CONFORMANCE = ["https://api.stacspec.org/v1.0.0/item-search"]


def geotiff(pixels: np.ndarray, grid: Affine, crs=UTM31, **options: Any) -> bytes:
    """Return pixels [h, w] as the bytes of a GeoTIFF with blocks of 128 pixels."""
    blocks = {"tiled": True, "blockxsize": 128, "blockysize": 128}
    with MemoryFile() as memory:
        options = {**blocks, "compress": "deflate", **options}
        write_geotiff(memory.name, pixels, grid, crs, **options)
        return memory.read()


def block_ranges(
    file: bytes, rows: Iterable[int], columns: Iterable[int]
) -> list[tuple[int, int]]:
    """Return the first and last byte of blocks."""

    def entry(name: str) -> int:
        return int(source.get_tag_item(name, "TIFF", bidx=1))

    with MemoryFile(file) as memory, memory.open() as source:
        places = [f"{column}_{row}" for row in rows for column in columns]
        firsts = [entry(f"BLOCK_OFFSET_{place}") for place in places]
        sizes = [entry(f"BLOCK_SIZE_{place}") for place in places]
    return [(x, x + size - 1) for x, size in zip(firsts, sizes, strict=True)]


class FakeService:
    """Content of the server, its faults, and the requests it received.

    Each request takes one of `faults`; when they are used up, `rule` returns the fault.
    A fault is one of

    - a number: an HTTP status, or (status, seconds) with a `Retry-After`;
    - "hang": no answer until the service closes;
    - "cut": half the body; "trickle": the body in small pieces, with pauses;
    - "garbage": a body that is no JSON;
    - "whole": the whole file instead of the range;
    - "elsewhere": another range than the requested one; "lie": the same with the
      header of the requested one; "short": half the range, "long": a longer range;
    - "die": this answer, and no connection afterwards.
    """

    def __init__(self) -> None:
        self.items: list[dict[str, Any]] = []
        self.files: dict[str, bytes] = {}
        self.expiries: list[str] = []  # one per token; the last one for all others
        self.honest = True  # False: a search returns all items
        self.page_items = 100
        self.loop = ""  # "same": the next page is this one; "new": new pages for ever
        self.faults: dict[str, list[Any]] = {}  # by the first part of the path
        self.rule: Callable[[str, str, Any], Any] = lambda method, part, asked: None
        self.sent: Counter[str] = Counter()  # bytes of bodies, by part
        self.requests: list[tuple[str, str, Any]] = []  # method, part, body or range
        self.paths: list[str] = []  # paths of the requests, without the query
        self.pause = 0.01  # seconds between the pieces of "trickle"
        self.void = 0  # number of the first tokens that are refused
        self.search_method = "POST"  # as the landing page states
        self.closing = threading.Event()
        self.url = ""

    def asked(self, part: str) -> list[Any]:
        """Return the bodies or ranges of the requests for `part`."""
        return [asked for _, name, asked in self.requests if name == part]

    def answer(self, part: str, asked: Any) -> Any:
        """Return JSON, bytes, or None if there is nothing at `part`."""
        if part == "":
            link = {"rel": "search", "href": f"{self.url}/search"}
            link |= {"type": "application/geo+json", "method": self.search_method}
            page = {"type": "Catalog", "id": "it", "description": "", "links": [link]}
            return {**page, "stac_version": "1.0.0", "conformsTo": CONFORMANCE}
        if part == "search":
            return self._search(asked or {})
        if part == "token":
            number = len(self.asked("token"))
            expiry = self.expiries[min(number, len(self.expiries)) - 1]
            return {"msft:expiry": expiry, "token": f"se={expiry}&sig=secret{number}"}
        return self.files.get(part)

    def _search(self, asked: dict[str, Any]) -> dict[str, Any]:
        items = self.items
        if self.honest:
            items = [item for item in items if _fits(item, asked)]
        first = asked.get("page", 0)
        last = first + self.page_items
        answer: dict[str, Any] = {"features": items[first:last], "links": []}
        if self.loop == "new":
            new = range(first, last)
            answer["features"] = [{**self.items[0], "id": f"item {i}"} for i in new]
        if self.loop or last < len(items):
            body = {**asked, "page": first if self.loop == "same" else last}
            link = {"rel": "next", "href": f"{self.url}/search", "method": "POST"}
            answer["links"] = [{**link, "body": body}]
        return answer


def _fits(item: dict[str, Any], asked: dict[str, Any]) -> bool:
    """Check whether `item` answers a search."""
    if item["collection"] not in asked["collections"]:
        return False
    if "ids" in asked:
        return item["id"] in asked["ids"]
    times = [*asked["datetime"].split("/"), item["properties"]["datetime"]]
    first, last, when = (
        datetime.fromisoformat(text.replace("Z", "+00:00")) for text in times
    )
    overlaps = shape(item["geometry"]).intersects(shape(asked["intersects"]))
    return overlaps and first <= when <= last


def _range(body: bytes, asked: str, fault: Any) -> tuple[bytes, str]:
    """Return a part of `body`, and its Content-Range."""
    first, last = map(int, re.findall(r"\d+", asked))
    whole, last = len(body), min(last, len(body) - 1)
    shift = 1000 if fault in ("elsewhere", "lie") else 0
    end = {"short": (first + last) // 2, "long": last + 999}.get(fault, last)
    part = body[first + shift : end + shift + 1]
    shift = 0 if fault == "lie" else shift
    return part, f"bytes {first + shift}-{first + shift + len(part) - 1}/{whole}"


@contextmanager
def serve(service: FakeService) -> Iterator[FakeService]:
    """Run `service` on localhost; wait for its last answer at the end."""

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *args: Any) -> None:
            pass

        def do_HEAD(self) -> None:
            self._do(None)

        def do_GET(self) -> None:
            self._do(self.headers.get("Range"))

        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            self._do(json.loads(self.rfile.read(length)))

        def _do(self, asked: Any) -> None:
            part = self.path.split("?")[0].strip("/").split("/")[0]
            service.requests.append((self.command, part, asked))
            service.paths.append(self.path.split("?")[0])
            faults = service.faults.get(part, [])
            # A head has no body to cut: the fault waits for the next request.
            waits = self.command == "HEAD" and faults[:1] == ["cut"]
            if faults and not waits:
                fault = faults.pop(0)
            else:
                fault = service.rule(self.command, part, asked)
            token = re.search(r"sig=secret(\d+)", self.path)
            if token and int(token[1]) <= service.void:
                fault = 403
            if fault == "hang":
                service.closing.wait(30)
                return
            status, body, extra = 200, service.answer(part, asked), {}
            if isinstance(fault, tuple):
                fault, seconds = fault
                extra = {"Retry-After": str(seconds)}
            if isinstance(fault, int) or body is None:
                status, body = fault or 404, b"out of order"
            elif fault == "garbage":
                body = b"<html>sorry, not found</html>"
            elif not isinstance(body, bytes):
                body = json.dumps(body).encode()
            elif self.command == "GET" and asked and fault != "whole":
                status = 206
                body, extra["Content-Range"] = _range(body, asked, fault)
            self.send_response(status)
            extra |= {"Accept-Ranges": "bytes", "Content-Length": str(len(body))}
            for name, value in extra.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self._send(part, body, fault)
            if fault == "die":
                server.shutdown()
                server.socket.close()

        def _send(self, part: str, body: bytes, fault: Any) -> None:
            half, size = len(body) // 2, len(body)
            pieces = {"cut": [half], "trickle": [size // 9 + 1] * 9}
            for length in pieces.get(fault, [size]):
                self.wfile.write(body[:length])
                self.wfile.flush()
                body = body[length:]
                if fault == "trickle":
                    service.closing.wait(service.pause)
            service.sent[part] += size - len(body)

    class Server(ThreadingHTTPServer):
        daemon_threads = False  # so that closing waits for the last answer

        def handle_error(self, request: Any, client_address: Any) -> None:
            pass  # many tests have clients that give up

    with Server(("127.0.0.1", 0), Handler) as server:
        service.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield service
        finally:
            service.closing.set()
            server.shutdown()
            thread.join()


@contextmanager
def token_library_asks(service: FakeService, monkeypatch: Any) -> Iterator[None]:
    """Make the Planetary Computer's library request the tokens of `service`."""
    library = token_library()
    monkeypatch.setenv("PC_SDK_SAS_URL", f"{service.url}/token")
    library.settings.Settings.get.cache_clear()
    monkeypatch.setattr(library.sas, "TOKEN_CACHE", {})
    # The library signs links to Azure only; any host ends with "".
    monkeypatch.setattr(library.sas, "BLOB_STORAGE_DOMAIN", "")
    monkeypatch.setattr(Archive, "needs_token", True)
    yield
    library.settings.Settings.get.cache_clear()
