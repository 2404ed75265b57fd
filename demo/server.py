"""One HTTP server on 127.0.0.1 for the images and the STAC API that finds them.

python -m demo.server demo_run/scene --port 8000
"""

from srtools.errors import SRError, one_line_errors, start

if __name__ == "__main__":
    start()  # answers Ctrl-C while the rest loads

import argparse
import json
import re
import sys
import threading
from collections import Counter
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from demo import stac
from srtools.options.parser import number

FILES, API = "/files", "/stac"
_RANGE = re.compile(r"bytes=(?=.*\d)(\d*)-(\d*)")


class Server:
    """Serves a scene from when it is entered as a context until it is left.

    `counters` holds the number of requests of images, and their bytes.
    """

    def __init__(self, folder: str | Path, port: int = 0):
        self.folder = Path(folder).resolve()
        self.counters: Counter[str] = Counter()
        self.lock = threading.Lock()
        self._http = ThreadingHTTPServer(("127.0.0.1", port), _Handler)
        self._http.daemon_threads = True
        self._http.owner = self
        self.url = f"http://127.0.0.1:{self._http.server_port}"
        self.stac_url = self.url + API
        try:
            self.items = stac.load_items(self.folder, self.url + FILES)
        except SRError:
            self._http.server_close()
            raise
        self._thread = threading.Thread(target=self._http.serve_forever, daemon=True)

    def __enter__(self) -> "Server":
        self._thread.start()
        return self

    def __exit__(self, *_) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def run(self) -> None:
        """Serve until interrupted."""
        self._http.serve_forever()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # keeps connections open

    def log_message(self, *_) -> None:
        """Suppress the log of each request."""

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        path = unquote(parts.path)
        if path.startswith(FILES + "/"):
            return self._file(path.removeprefix(FILES + "/"))
        query = {key: values[-1] for key, values in parse_qs(parts.query).items()}
        for key in ("collections", "ids", "bbox"):
            if key in query:
                query[key] = query[key].split(",")
        try:
            if "bbox" in query:
                query["bbox"] = [float(value) for value in query["bbox"]]
            for key in ("intersects", "query"):
                if key in query:
                    query[key] = json.loads(query[key])
        except ValueError as error:
            return self._json({"description": str(error)}, HTTPStatus.BAD_REQUEST)
        if "sortby" in query:
            query["sortby"] = [
                {
                    "field": field.lstrip("+-"),
                    "direction": "desc" if field.startswith("-") else "asc",
                }
                for field in query["sortby"].split(",")
            ]
        return self._api(path, query)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        try:
            query = json.loads(body or b"{}")
        except ValueError as error:
            return self._json({"description": str(error)}, HTTPStatus.BAD_REQUEST)
        if not isinstance(query, dict):
            problem = f"the body is a {type(query).__name__}, not an object"
            return self._json({"description": problem}, HTTPStatus.BAD_REQUEST)
        return self._api(urlsplit(self.path).path, query)

    # The STAC API.

    def _api(self, path: str, query: dict) -> None:
        owner = self.server.owner
        url, collections = owner.stac_url, f"{API}/collections"
        collection = f"{collections}/{stac.COLLECTION}"
        path = path.rstrip("/")
        if path == API:
            return self._json(stac.landing_page(url))
        if path == f"{API}/conformance":
            return self._json({"conformsTo": stac.CONFORMANCE})
        if path == collections:
            entries = [stac.collection(owner.items, url)]
            return self._json({"collections": entries, "links": []})
        if path == collection:
            return self._json(stac.collection(owner.items, url))
        if path in (f"{API}/search", f"{collection}/items"):
            return self._search(query)
        for item in owner.items:
            if path == f"{collection}/items/{item['id']}":
                return self._json(item)
        return self._json({"description": "not found"}, HTTPStatus.NOT_FOUND)

    def _search(self, query: dict) -> None:
        try:
            items, token = stac.search(self.server.owner.items, query)
        except stac.BadRequest as error:
            return self._json({"description": str(error)}, HTTPStatus.BAD_REQUEST)
        links = []
        if token is not None:
            href = self.server.owner.url + self.path
            link = {"rel": "next", "href": href, "type": "application/geo+json"}
            if self.command == "POST":
                link |= {"method": "POST", "body": {**query, "token": str(token)}}
            else:
                bare = re.sub(r"[?&]token=\d+", "", href)
                link["href"] = f"{bare}{'&' if '?' in bare else '?'}token={token}"
            links.append(link)
        self._json({"type": "FeatureCollection", "features": items, "links": links})

    def _json(self, content: dict, status: HTTPStatus = HTTPStatus.OK) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    # The images.

    def _file(self, name: str) -> None:
        owner = self.server.owner
        path = (owner.folder / name.replace("\0", "")).resolve()
        if not path.is_relative_to(owner.folder) or not path.is_file():
            return self._json({"description": "not found"}, HTTPStatus.NOT_FOUND)
        size = path.stat().st_size
        span = _span(self.headers.get("Range"), size)
        if span is None:
            self.send_response(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE)
            self.send_header("Content-Range", f"bytes */{size}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return None
        first, last = span
        partial = bool(_RANGE.fullmatch(self.headers.get("Range", "")))
        self.send_response(HTTPStatus.PARTIAL_CONTENT if partial else HTTPStatus.OK)
        if partial:
            self.send_header("Content-Range", f"bytes {first}-{last}/{size}")
        self.send_header("Content-Type", "image/tiff")
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(last + 1 - first))
        self.end_headers()
        if self.command == "HEAD":
            return None
        with owner.lock:  # each connection has its own thread
            owner.counters.update(requests=1, bytes=last + 1 - first)
        with path.open("rb") as file:
            file.seek(first)
            self.wfile.write(file.read(last + 1 - first))
        return None


def _span(header: str | None, size: int) -> tuple[int, int] | None:
    """Read `bytes=first-last`, `bytes=first-` or `bytes=-count`.

    Other ranges, such as several at once, mean the whole file, as HTTP demands.  None
    means that the file ends before the range begins.
    """
    match = _RANGE.fullmatch(header or "")
    if not match:
        return 0, size - 1
    if not match[1]:
        return (max(size - int(match[2]), 0), size - 1) if int(match[2]) else None
    first = int(match[1])
    last = min(int(match[2]), size - 1) if match[2] else size - 1
    return (first, last) if first <= last else None


@one_line_errors
def main(argv: list[str] | None = None) -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description="Serve a demo scene until Ctrl-C.")
    parser.add_argument("folder", help="of a scene, or of several scenes' folders")
    parser.add_argument("--port", type=number(0, 65535), default=8000)
    params = parser.parse_args(argv)
    try:
        server = Server(params.folder, params.port)
    except OSError as error:
        raise SRError(
            f"port {params.port} cannot be used ({error.strerror}); end the server "
            "that uses it, or give another one with --port"
        ) from None
    print(f"STAC API: {server.stac_url}  (Ctrl-C ends it)", flush=True)
    try:
        server.run()
    except KeyboardInterrupt:
        pass
    return 0


if __name__ == "__main__":
    sys.exit(main())
