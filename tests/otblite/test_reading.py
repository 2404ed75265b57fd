"""Reading files and servers: the pixels, or an error that names the file."""

import os
import types
import zipfile
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from otblite import block_cache, image_files
from otblite.image import Window

from tests.fake_stac import FakeService, serve
from tests.otblite.images import image
from tests.processes import run_python

import pyotb

SECRET = "sig=VERYSECRET&se=2030"


@pytest.fixture
def noise() -> np.ndarray:
    return np.random.default_rng(0).integers(1, 4000, (256, 256)).astype(np.uint16)


def test_threads_read_one_file_that_is_opened_once(write_raster, noise, monkeypatch):
    """GDAL's handles must not be shared; each thread sees the right pixels."""
    name = write_raster(
        "in.tif", noise, compress="deflate", tiled=True, blockxsize=16, blockysize=16
    )
    names, reopen = [], image_files._open
    monkeypatch.setattr(image_files, "_open", lambda n: names.append(n) or reopen(n))
    read = image_files.open_image(name).read
    windows = [Window(r, c, 50, 60) for r in range(0, 200, 9) for c in (0, 100, 190)]
    # Two pools, so that the threads differ.
    parts = [*image_files.in_order(read, windows), *image_files.in_order(read, windows)]
    assert [window for window, _ in parts] == 2 * windows and names == [name]
    for window, part in parts:
        np.testing.assert_array_equal(part[:, :, 0], noise[window.slices])


VRT = '<VRTDataset rasterXSize="2" rasterYSize="2">%s</VRTDataset>'
BYTE = '<VRTRasterBand dataType="Byte" band="1"/>'
MIXED = BYTE + '<VRTRasterBand dataType="Int16" band="2"/>'
COMPLEX = '<VRTRasterBand dataType="CFloat32" band="1"/>'
PLACED = f"<GeoTransform>0, %s, 0, %s</GeoTransform>{BYTE}"
NOT_AN_IMAGE = "not an image that GDAL can read"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (VRT % MIXED, "bands of one real pixel type are expected, got uint8, int16"),
        (VRT % COMPLEX, "bands of one real pixel type are expected, got complex64"),
        (VRT % (PLACED % ("0, 1", "-1, 0")), "an image turned by 90 degrees; warp it"),
        *((text, NOT_AN_IMAGE) for text in ("", "plain text", "II*\0\x08\0\0\0")),
    ],
)
def test_files_that_are_refused(content, words, tmp_path):
    path = tmp_path / "in.tif"
    path.write_text(content)
    with pytest.raises(RuntimeError, match=f"{path}: {words}"):
        image_files.open_image(str(path))


def test_a_rotation_is_ignored_with_a_warning(tmp_path, caplog):
    (tmp_path / "in.vrt").write_text(VRT % (PLACED % ("2, 0.1", "0.1, -2")))
    grid = image_files.open_image(f"{tmp_path}/in.vrt").grid
    assert (grid.origin, grid.spacing) == ((1, -1), (2, -2))
    assert f"{tmp_path}/in.vrt is rotated" in caplog.text


def test_truncated_file(tmp_path, write_raster, noise):
    path = write_raster("in.tif", noise)
    Path(path).write_bytes(Path(path).read_bytes()[:20000])
    app = pyotb.Input(path)
    for use in (app.to_numpy, lambda: app.write(str(tmp_path / "out.tif"))):
        with pytest.raises(RuntimeError, match=f"{path}: "):
            use()
    assert not (tmp_path / "out.tif").exists()


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("resol=1", "'resol' .* is not supported"),
        ("sdataidx=2", "'sdataidx' .* is not supported"),
        *((f"bands={bands}", "in.tif: .*bands") for bands in ("9", "", "a")),
    ],
)
def test_options_that_cannot_be_followed_are_refused(write_raster, option, words):
    name = write_raster("in.tif", np.ones((2, 2)))
    with pytest.raises(RuntimeError, match=words):
        image_files.open_image(f"{name}?&{option}")


def test_options_without_effect_are_logged_without_their_values(write_raster, caplog):
    name = write_raster("in.tif", np.ones((2, 2)))
    image_files.open_image(f"{name}?&skipgeom=true&geom=a.geom&resol=0")
    assert not caplog.text
    image_files.open_image(f"{name}?&sig=VERYSECRET")
    assert "'sig'" in caplog.text
    assert "VERYSECRET" not in caplog.text


@pytest.mark.parametrize(("value", "skipped"), [("true", True), ("false", False)])
def test_the_place_is_forgotten_when_reading(write_raster, value, skipped):
    name = write_raster("in.tif", np.ones((2, 2)))
    grid = image_files.open_image(f"{name}?skipcarto={value}").grid
    assert (grid.crs is None) == skipped
    if skipped:
        assert (grid.origin, grid.spacing) == ((0.5, 0.5), (1, 1))


def test_memory_file(noise):
    image_files.write(image(noise), "/vsimem/otblite_read.tif", noise.dtype, 256, False)
    app = pyotb.Input("/vsimem/otblite_read.tif")
    np.testing.assert_array_equal(app.to_numpy()[:, :, 0], noise)


@pytest.fixture
def server(write_raster, noise, monkeypatch) -> Iterator[FakeService]:
    # No requests for side files, and short pauses before another attempt.
    monkeypatch.setenv("GDAL_DISABLE_READDIR_ON_OPEN", "EMPTY_DIR")
    monkeypatch.setenv("GDAL_HTTP_MAX_RETRY", "0")
    monkeypatch.setattr(image_files, "PAUSES", (0.01, 0.01, 0.01))
    path = write_raster("remote.tif", noise, tiled=True, blockxsize=64, blockysize=64)
    with serve(FakeService()) as running:
        running.files["image"] = Path(path).read_bytes()
        yield running


def url_of(server: FakeService, name: str) -> str:
    """Return an address of the image that GDAL has not seen before."""
    return f"{server.url}/image/{name}.tif"


def test_server(server, noise, tmp_path, pixels):
    """Parts of the file are requested; options of a name begin at the last `?&`."""
    app = pyotb.Input(f"/vsicurl/{url_of(server, 'pyotb')}?{SECRET}")
    app.write(str(tmp_path / "out.tif?&gdal:co:COMPRESS=LZW"), pixel_type="uint16")
    np.testing.assert_array_equal(pixels(tmp_path / "out.tif")[:, :, 0], noise)
    ranges = [asked for method, _, asked in server.requests if method == "GET"]
    assert ranges and all(ranges)


def check_message(error: Exception, url: str) -> None:
    assert url in str(error)
    assert "SECRET" not in str(error)
    assert "\n" not in str(error)


@pytest.mark.parametrize("fault", [404, 403, 409, 500, "gone"])
def test_server_that_fails_at_once(server, fault):
    server.rule = lambda *_: fault
    url = url_of(server, fault) if fault != "gone" else "http://127.0.0.1:1/gone.tif"
    with pytest.raises(RuntimeError, match=NOT_AN_IMAGE) as caught:
        image_files.open_image(f"{url}?{SECRET}")
    check_message(caught.value, url)


@pytest.mark.parametrize("threads", ["1", "ALL_CPUS"])
@pytest.mark.parametrize("fault", [404, 403, 500, "cut", "truncated"])
def test_server_that_fails_later(server, fault, threads, tmp_path, monkeypatch):
    """A token that expires or a line that breaks while pixels are read.

    GDAL's threads would report no error and leave zeros.
    """
    monkeypatch.setenv("GDAL_NUM_THREADS", threads)
    url = url_of(server, f"later_{fault}_{threads}")
    if fault == "truncated":
        server.files["image"] = server.files["image"][:50000]
    opened = image_files.open_image(f"{url}?{SECRET}")
    server.rule = lambda *_: fault
    with pytest.raises(RuntimeError) as caught:
        image_files.write(opened, str(tmp_path / "out.tif"), opened.dtype, 256, False)
    check_message(caught.value, url)
    assert not (tmp_path / "out.tif").exists()


def test_server_that_comes_back(server, noise):
    opened = image_files.open_image(url_of(server, "comes_back"))
    server.rule = lambda *_: 500
    with pytest.raises(RuntimeError):
        opened.read(Window(192, 0, 10, 10))
    server.rule = lambda *_: None
    part = opened.read(Window(64, 64, 20, 30))
    np.testing.assert_array_equal(part[:, :, 0], noise[64:84, 64:94])


def test_blocks_of_the_longest_ago_are_forgotten(monkeypatch):
    fetched = []

    def fetch(window):
        fetched.append(window.col // 256)
        return np.zeros((1, window.height, window.width), np.uint8)

    block = 256 * 256
    monkeypatch.setattr(block_cache, "LIMIT", 3 * block)
    monkeypatch.setattr(block_cache, "_kept", OrderedDict())
    cache = block_cache.BlockCache("image", Window(0, 0, 256, 2048), (256, 256), fetch)
    for col in (0, 1, 2, 0, 3, 0, 2, 1):
        cache.read(Window(0, 256 * col, 9, 9))
    # Each new one takes the place of the one that was used the longest ago.
    assert fetched == [0, 1, 2, 3, 1]
    sizes = [future.result().nbytes for future in block_cache._kept.values()]
    assert sizes == 3 * [block]


def test_an_archive_that_is_written_anew_is_read_anew(tmp_path, write_raster):
    path = f"/vsizip/{tmp_path}/a.zip/in.tif"
    for value in (1, 2):
        image_file = write_raster("in.tif", np.full((300, 300), value, np.uint8))
        with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
            archive.write(image_file, "in.tif")
            archive.writestr("other", "x" * value)  # GDAL looks at the size
        opened = image_files.open_image(path)
        assert (opened.read(Window(0, 0, 300, 300)) == value).all()


@pytest.mark.parametrize(
    ("variables", "expected"), [({}, "64"), ({"GDAL_CACHEMAX": "7"}, "7")]
)
def test_the_user_sets_the_cache_of_gdal(variables, expected):
    code = (
        "import os; from otblite import image_files; print(os.environ['GDAL_CACHEMAX'])"
    )
    others = {k: v for k, v in os.environ.items() if k != "GDAL_CACHEMAX"}
    done = run_python("-c", code, env=others | variables)
    assert done.stdout == f"{expected}\n", done.stderr


def test_container_without_bands_of_its_own(write_raster, monkeypatch):
    """A netCDF file, for instance: each variable is another data set."""
    path = write_raster("in.tif", np.ones((2, 2)))
    empty = types.SimpleNamespace(dtypes=(), count=0)
    monkeypatch.setattr(image_files, "_open", lambda _: empty)
    with pytest.raises(RuntimeError, match="bands of one .* expected, got none"):
        image_files.open_image(path)
