"""The demo's server: searches of a stock client, and files read in parts."""

import http.client
import urllib.error
import urllib.request

import numpy as np
import pystac_client
import pytest
import rasterio

from demo.scene import make_scene
from demo.server import Server, main
from demo.stac import COLLECTION

POINT = {"type": "Point", "coordinates": [2.2778, 48.8657]}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scene")
    make_scene(folder, size=128)
    with Server(folder) as running:
        yield running


@pytest.fixture(scope="module")
def client(server) -> pystac_client.Client:
    return pystac_client.Client.open(server.stac_url)


def dates(client, **options) -> list[str]:
    method = options.pop("method", "POST")
    search = client.search(collections=[COLLECTION], method=method, **options)
    return [item.datetime.date().isoformat() for item in search.items()]


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_stock_client_searches(client, method):
    everything = dates(client, method=method, intersects=POINT)
    assert sorted(everything) == ["2022-07-04", "2022-07-14", "2022-08-08"]
    some = dates(client, method=method, datetime="2022-07-01/2022-07-31")
    assert sorted(some) == ["2022-07-04", "2022-07-14"]
    assert dates(client, method=method, bbox=[10, 10, 11, 11]) == []
    ordered = dates(client, method=method, sortby=["+properties.eo:cloud_cover"])
    assert ordered == ["2022-08-08", "2022-07-14", "2022-07-04"]
    paged = dates(client, method=method, limit=1, sortby=["-properties.datetime"])
    assert paged == ["2022-08-08", "2022-07-14", "2022-07-04"]


def test_query_open_intervals_and_ids(client):
    assert dates(client, query={"eo:cloud_cover": {"lt": 1}}) == ["2022-08-08"]
    assert sorted(dates(client, datetime="../2022-07-10")) == ["2022-07-04"]
    assert dates(client, datetime="2022-08-01/..") == ["2022-08-08"]
    item = next(client.search(collections=[COLLECTION]).items())
    assert [other.id for other in client.search(ids=[item.id]).items()] == [item.id]
    assert client.get_collection(COLLECTION).get_item(item.id).id == item.id
    assert list(client.search(collections=["landsat"]).items()) == []


def test_items_are_like_the_planetary_computer(client):
    item = next(client.search(collections=[COLLECTION]).items())
    assert {"B02", "B03", "B04", "B08", "SCL"} <= set(item.assets)
    assert item.properties["s2:processing_baseline"] == "04.00"
    assert item.properties["s2:mgrs_tile"] == "31UDQ"
    band = item.assets["B04"]
    with rasterio.open(band.href) as file:
        assert list(file.shape) == band.extra_fields["proj:shape"]
        assert list(file.transform)[:6] == band.extra_fields["proj:transform"]


def test_scenes_of_one_folder_have_places_and_identifiers_of_their_own(tmp_path):
    for seed in (1, 2):
        make_scene(tmp_path / f"scene{seed}", size=128, seed=seed)
    with Server(tmp_path) as server:
        client = pystac_client.Client.open(server.stac_url)
        items = list(client.search(collections=[COLLECTION]).items())
        assert len({item.id for item in items}) == 6
        assert len(dates(client, intersects=POINT)) == 3
        for item in items:
            with rasterio.open(item.assets["B04"].href) as file:
                assert (
                    list(file.transform)[:6]
                    == (item.assets["B04"].extra_fields["proj:transform"])
                )


def test_files_are_read_in_parts(server, client):
    item = next(client.search(collections=[COLLECTION]).items())
    href = item.assets["B04"].href
    local = server.folder / href.split("/files/")[1]
    whole = local.read_bytes()

    def get(method="GET", **headers: str) -> tuple[int, dict, bytes]:
        request = urllib.request.Request(href, headers=headers, method=method)
        with urllib.request.urlopen(request) as answer:
            return answer.status, answer.headers, answer.read()

    spans = {"0-99": whole[:100], "100-": whole[100:], "-9": whole[-9:]}
    for span, part in spans.items():
        status, _, content = get(Range=f"bytes={span}")
        assert (status, content) == (206, part)
    # Several parts at once: that may be ignored.
    for headers in ({}, {"Range": "bytes=0-9,20-29"}):
        assert get(**headers)[::2] == (200, whole)
    _, headers, content = get("HEAD")
    assert headers["Content-Length"] == str(len(whole)) and content == b""
    assert headers["Accept-Ranges"] == "bytes"
    with rasterio.open(f"/vsicurl/{href}") as remote, rasterio.open(local) as file:
        np.testing.assert_array_equal(remote.read(), file.read())


@pytest.mark.parametrize(
    ("path", "options", "status"),
    [
        ("/files/scene.json", {"headers": {"Range": "bytes=99999999-"}}, 416),
        ("/files/../../../../etc/passwd", {}, 404),
        ("/files/%2e%2e/%2e%2e/etc/passwd", {}, 404),
        ("/files/none.tif", {}, 404),
        ("/files/%00", {}, 404),
        ("/stac/nothing", {}, 404),
        ("/stac/search?filter=x", {}, 400),
        ("/stac/search?bbox=a,b", {}, 400),
        ("/stac/search?datetime=yesterday", {}, 400),
        ("/stac/search", {"data": b"[]"}, 400),
        ("/stac/search", {"data": b"{"}, 400),
        ("/stac/search", {"data": b'{"query": {"x": {"like": 1}}}'}, 400),
    ],
)
def test_wrong_requests_are_refused(server, path, options, status):
    request = urllib.request.Request(server.url + path, **options)
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request)
    assert refused.value.code == status
    refused.value.close()


def test_a_connection_is_kept_and_counted(server):
    """GDAL asks for many parts of a file: it must not connect anew for each."""
    connection = http.client.HTTPConnection(server.url.removeprefix("http://"))
    before = server.counters["bytes"], server.counters["requests"]
    sockets = set()
    for span in ("0-9", "10-19", "99999999-", "20-29"):
        headers = {"Range": f"bytes={span}"}
        connection.request("GET", "/files/scene.json", headers=headers)
        connection.getresponse().read()
        sockets.add(connection.sock)
    assert None not in sockets and len(sockets) == 1
    connection.close()
    assert server.counters["bytes"] == before[0] + 30
    assert server.counters["requests"] == before[1] + 3  # a refused part does not count


def test_what_cannot_be_served_is_one_line(server, tmp_path, capsys):
    port = server.url.split(":")[-1]
    assert main([str(server.folder), "--port", port]) == 1
    assert capsys.readouterr().err == (
        f"error: port {port} cannot be used (Address already in use); end the server "
        "that uses it, or give another one with --port\n"
    )
    for content in (None, "[", "\0"):
        if content:
            (tmp_path / "scene.json").write_text(content)
        assert main([str(tmp_path), "--port", "0"]) == 1
        assert capsys.readouterr().err.endswith("make the scene first: make scene\n")
    for port in ("-1", "65536", "x"):
        with pytest.raises(SystemExit, match="2"):
            main([str(tmp_path), "--port", port])
