"""Reading files and servers: what came, or an error that names it; never zeros."""

import os
import subprocess
import sys
import types
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from otblite import files
from otblite.image import Window

from tests.fake_stac import FakeService, serve

import pyotb

SECRET = "sig=VERYSECRET&se=2030"


@pytest.fixture
def noise() -> np.ndarray:
    return np.random.default_rng(0).integers(1, 4000, (256, 256)).astype(np.uint16)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "float32", "float64"])
def test_windows_are_parts_of_the_file(dtype, write_raster):
    array = np.random.default_rng(0).integers(0, 200, (9, 7, 3)).astype(dtype)
    image = files.open_image(write_raster("in.tif", array))
    assert (image.bands, image.dtype) == (3, np.dtype(dtype))
    np.testing.assert_array_equal(image.read_all(), array)
    np.testing.assert_array_equal(image.read(Window(2, 3, 4, 2)), array[2:6, 3:5])
    part = image.grid.part(Window(2, 3, 4, 2))
    assert part.transform @ (0, 0) == image.grid.transform @ (3, 2)


def test_nodata_tag_hides_nothing(write_raster):
    array = np.array([[7, 1], [7, 2]], np.uint8)
    image = files.open_image(write_raster("in.tif", array, nodata=7))
    np.testing.assert_array_equal(image.read_all()[:, :, 0], array)
    assert image.nodata == 7


def test_many_threads_read_one_file_that_is_opened_once(
    write_raster, noise, monkeypatch
):
    """GDAL's handles must not be shared; each thread sees the right pixels."""
    name = write_raster(
        "in.tif", noise, compress="deflate", tiled=True, blockxsize=16, blockysize=16
    )
    opened, really_open = [], files._open
    monkeypatch.setattr(files, "_open", lambda n: opened.append(n) or really_open(n))
    image = files.open_image(name)
    windows = [Window(r, c, 50, 60) for r in range(0, 200, 9) for c in (0, 100, 190)]
    # Twice through two pools, because each has threads of its own.
    for _ in range(2):
        for window, pixels_read in files.in_order(image.read, windows):
            np.testing.assert_array_equal(pixels_read[:, :, 0], noise[window.slices])
    assert opened == [name]


@pytest.mark.parametrize(
    ("given", "kept"), [({}, "128"), ({"GDAL_CACHEMAX": "7"}, "7")]
)
def test_gdal_keeps_as_much_as_the_user_says(given, kept):
    code = "import os; from otblite import files; print(os.environ['GDAL_CACHEMAX'])"
    others = {k: v for k, v in os.environ.items() if k != "GDAL_CACHEMAX"}
    command = [sys.executable, "-c", code]
    assert (
        subprocess.check_output(command, env=others | given, text=True) == f"{kept}\n"
    )


def vrt(folder: Path, bands: str) -> str:
    path = folder / "in.vrt"
    path.write_text(f'<VRTDataset rasterXSize="2" rasterYSize="2">{bands}</VRTDataset>')
    return str(path)


BYTE = '<VRTRasterBand dataType="Byte" band="1"/>'
MIXED = BYTE + '<VRTRasterBand dataType="Int16" band="2"/>'
COMPLEX = '<VRTRasterBand dataType="CFloat32" band="1"/>'
ROTATED = "<GeoTransform>0, 1, 0.1, 0, 0.1, -1</GeoTransform>" + BYTE


@pytest.mark.parametrize(
    ("bands", "words"),
    [
        (MIXED, "bands of one real pixel type are expected, got uint8, int16"),
        (COMPLEX, "bands of one real pixel type are expected, got complex64"),
        (ROTATED, "a rotated image is not supported; warp it first"),
    ],
)
def test_images_that_are_refused(bands, words, tmp_path):
    path = vrt(tmp_path, bands)
    with pytest.raises(RuntimeError, match=f"{path}: {words}"):
        files.open_image(path)


def test_container_without_bands_of_its_own(write_raster, monkeypatch):
    """Like a netCDF file, whose variables are data sets of their own."""
    path = write_raster("in.tif", np.ones((2, 2)))
    empty = types.SimpleNamespace(dtypes=(), count=0)
    monkeypatch.setattr(files, "_open", lambda _: empty)
    with pytest.raises(RuntimeError, match="bands of one .* expected, got none"):
        files.open_image(path)


def test_missing_file():
    with pytest.raises(RuntimeError, match="/nowhere/in.tif: no such file"):
        pyotb.ConcatenateImages(il=["/nowhere/in.tif"])


@pytest.mark.parametrize("content", [b"", b"plain text", b"II*\0\x08\0\0\0"])
def test_not_an_image(content, tmp_path):
    path = tmp_path / "in.tif"
    path.write_bytes(content)
    with pytest.raises(RuntimeError, match=f"{path}: not an image that GDAL can read"):
        files.open_image(str(path))


def test_truncated_file(tmp_path, write_raster, noise):
    """The header is whole, most pixels are missing."""
    path = write_raster("in.tif", noise)
    Path(path).write_bytes(Path(path).read_bytes()[:20000])
    app = pyotb.Input(path)
    for use in (app.to_numpy, lambda: app.write(str(tmp_path / "out.tif"))):
        with pytest.raises(RuntimeError, match=f"{path}: "):
            use()
    assert not (tmp_path / "out.tif").exists()


@pytest.mark.parametrize("option", ["resol=1", "sdataidx=2"])
def test_options_that_cannot_be_followed_are_refused(write_raster, option):
    name = write_raster("in.tif", np.ones((2, 2)))
    with pytest.raises(RuntimeError, match=f"'{option[:-2]}' .* is not supported"):
        files.open_image(f"{name}?&{option}")


def test_options_without_effect_are_told_without_their_values(write_raster, caplog):
    name = write_raster("in.tif", np.ones((2, 2)))
    files.open_image(f"{name}?&skipgeom=true&geom=a.geom&resol=0")
    assert not caplog.text
    files.open_image(f"{name}?&sig=VERYSECRET")
    assert "'sig'" in caplog.text
    assert "VERYSECRET" not in caplog.text


@pytest.mark.parametrize("bands", ["9", "", "a"])
def test_bands_that_are_not_there_are_refused(write_raster, bands):
    name = write_raster("in.tif", np.ones((2, 2)))
    with pytest.raises(RuntimeError, match="in.tif: .*bands"):
        files.open_image(f"{name}?&bands={bands}")


@pytest.mark.parametrize(("value", "skipped"), [("true", True), ("false", False)])
def test_the_place_is_forgotten_when_reading(write_raster, value, skipped):
    name = write_raster("in.tif", np.ones((2, 2)))
    grid = files.open_image(f"{name}?&skipcarto={value}").grid
    assert (grid.crs is None) == skipped
    if skipped:
        assert (grid.origin, grid.spacing) == ((0.5, 0.5), (1, 1))


def test_memory_file(tmp_path, write_raster, noise):
    source = files.open_image(write_raster("in.tif", noise))
    files.write(source, "/vsimem/otblite_read.tif", np.dtype("uint16"), 256, False)
    app = pyotb.Input("/vsimem/otblite_read.tif")
    np.testing.assert_array_equal(app.to_numpy()[:, :, 0], noise)


@pytest.fixture
def server(write_raster, noise, monkeypatch) -> Iterator[FakeService]:
    # No side files are looked for; what is tried again is tried soon.
    monkeypatch.setenv("GDAL_DISABLE_READDIR_ON_OPEN", "EMPTY_DIR")
    monkeypatch.setenv("GDAL_HTTP_MAX_RETRY", "0")
    monkeypatch.setattr(files, "PAUSES", (0.01, 0.01, 0.01))
    path = write_raster("remote.tif", noise, tiled=True, blockxsize=64, blockysize=64)
    with serve(FakeService()) as running:
        running.files["image"] = Path(path).read_bytes()
        yield running


def url_of(server: FakeService, name: str) -> str:
    """Return an address of the image that GDAL has not seen before."""
    return f"{server.url}/image/{name}.tif"


@pytest.mark.parametrize("prefix", ["", "/vsicurl/"])
def test_server(server, prefix, noise):
    """Only parts of the file are asked for."""
    image = files.open_image(f"{prefix}{url_of(server, 'good')}?{SECRET}")
    np.testing.assert_array_equal(image.read_all()[:, :, 0], noise)
    assert any(server.asked("image"))


def test_server_through_pyotb(server, noise, tmp_path, pixels):
    """The URL's own query stays part of it; ours begins at the last `?&`."""
    app = pyotb.Input(f"{url_of(server, 'pyotb')}?{SECRET}")
    app.write(str(tmp_path / "out.tif?&gdal:co:COMPRESS=LZW"), pixel_type="uint16")
    np.testing.assert_array_equal(pixels(tmp_path / "out.tif")[:, :, 0], noise)


def check_message(error: Exception, url: str) -> None:
    assert url in str(error)
    assert "SECRET" not in str(error)
    assert "\n" not in str(error)


@pytest.mark.parametrize("fault", [404, 403, 409, 500, "gone"])
def test_server_that_fails_at_once(server, fault):
    server.rule = lambda *_: fault
    url = url_of(server, fault) if fault != "gone" else "http://127.0.0.1:1/gone.tif"
    with pytest.raises(RuntimeError, match="not an image that GDAL can read") as caught:
        files.open_image(f"{url}?{SECRET}")
    check_message(caught.value, url)


@pytest.mark.parametrize("threads", ["1", "ALL_CPUS"])
@pytest.mark.parametrize("fault", [404, 403, 500, "cut", "truncated"])
def test_server_that_fails_later(server, fault, threads, tmp_path, monkeypatch):
    """A token that expires or a line that breaks while pixels are read.

    GDAL's own threads would keep quiet about it and leave zeros.
    """
    monkeypatch.setenv("GDAL_NUM_THREADS", threads)
    url = url_of(server, f"later_{fault}_{threads}")
    if fault == "truncated":
        server.files["image"] = server.files["image"][:50000]
    image = files.open_image(f"{url}?{SECRET}")
    server.rule = lambda *_: fault
    with pytest.raises(RuntimeError) as caught:
        files.write(image, str(tmp_path / "out.tif"), image.dtype, 256, False)
    check_message(caught.value, url)
    assert not (tmp_path / "out.tif").exists()


def test_server_that_comes_back(server, noise):
    """One window fails; the next attempt gets pixels."""
    image = files.open_image(url_of(server, "comes_back"))
    server.rule = lambda *_: 500
    with pytest.raises(RuntimeError):
        image.read(Window(192, 0, 10, 10))
    server.rule = lambda *_: None
    pixels_read = image.read(Window(64, 64, 20, 30))
    np.testing.assert_array_equal(pixels_read[:, :, 0], noise[64:84, 64:94])
