"""Writing files: pixel types, extended file names, and never a half-written file."""

import itertools
import os
import signal
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from otblite import image_files
from otblite.applications.patches import stack
from otblite.image import WORKERS, Image, Window, tiles

from tests.otblite.images import image, samples, watched
from tests.processes import ROOT, run_python

import pyotb

HEIGHT = "streaming:sizemode=height&streaming:sizevalue="


def write(picture: Image, name, dtype="float32", ram=256) -> None:
    image_files.write(picture, str(name), np.dtype(dtype), ram, progress=False)


@pytest.fixture
def ramp() -> Image:
    """Three bands of 6 x 8 pixels: 100 * band + 10 * row + column."""
    rows, cols = np.mgrid[:6, :8]
    bands = [100 * band + 10 * rows + cols for band in (1, 2, 3)]
    return image(np.stack(bands, axis=-1).astype(np.float32))


def test_clamped_to_32_bits_then_truncated():
    values = np.array([-3e9, -3.7, 2.999, 3e9, 5e9, np.nan, np.inf])
    expected = [-(2**31), -3, 2, 2**31 - 1, 2**31 - 1, -(2**31), -(2**31)]
    assert image_files.convert(values, np.dtype("int32")).tolist() == expected


def test_place_options_and_permissions(ramp, tmp_path):
    """Temporary files are private; the final file is not."""
    name = f"{tmp_path}/out.tif?&gdal:co:COMPRESS=DEFLATE&gdal:co:tiled=yes"
    write(ramp, f"{name}&gdal:co:BLOCKXSIZE=16&gdal:co:BLOCKYSIZE=16&epsg=32632")
    with rasterio.open(tmp_path / "out.tif") as file:
        assert file.crs.to_epsg() == 32632 and file.transform == ramp.grid.transform
        assert file.profile["compress"] == "deflate"
        assert file.block_shapes[0] == (16, 16)
        assert file.nodata is None
    (tmp_path / "plain").touch()
    assert len({path.stat().st_mode for path in tmp_path.iterdir()}) == 1


@pytest.mark.parametrize("folder", ["{}", "/vsimem/otblite_test"])
def test_box_lies_where_it_belongs(folder, ramp, tmp_path, pixels):
    path = f"{folder.format(tmp_path)}/out.tif"
    write(ramp, f"{path}?&box=2:1:4:3")
    np.testing.assert_array_equal(pixels(path), ramp.read_all()[1:4, 2:6])
    with rasterio.open(path) as file:
        assert file.transform == Affine(6, 0, 452312, 0, -6, 5411194)


@pytest.mark.parametrize(
    ("bands", "expected"),
    [
        ("2", [2]),
        ("3,1", [3, 1]),
        ("2:3", [2, 3]),
        ("-1", [3]),
        (":2", [1, 2]),
        ("2:", [2, 3]),
        ("1,-2:", [1, 2, 3]),
    ],
)
def test_bands(ramp, bands, expected, tmp_path, pixels):
    write(ramp, tmp_path / "all.tif")
    lazy = image_files.open_image(f"{tmp_path}/all.tif?&bands={bands}")
    write(ramp, f"{tmp_path}/out.tif?&bands={bands}")
    for result in (pixels(tmp_path / "out.tif"), lazy.read_all()):
        np.testing.assert_array_equal(result[0, 0], [100 * band for band in expected])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("box=1:2:3", "'box=1:2:3' is not box=startx:starty:sizex:sizey"),
        ("box=5:1:4:3", "box 5:1:4:3 is not inside the image of 8 x 6 pixels"),
        ("box=0:0:0:3", "box 0:0:0:3 is not inside"),
        ("nodata=none", "'nodata=none' needs one number|'nodata' needs one number"),
        ("bands=4", "the image has bands 1 to 3, not 4"),
        ("bands=0", "the image has bands 1 to 3, not 0"),
        ("bands=-4", "the image has bands 1 to 3, not -4"),
        ("bands=a", "'bands=a' is not a list of bands like 1,3:4"),
        (f"{HEIGHT}x", "needs one number"),
        ("streaming:sizemode=height", "needs one number"),
        ("gdal:co:PREDICTOR=9&gdal:co:COMPRESS=LZW", "cannot be written"),
        ("out.png", "has pixels of uint8 .*, not float32"),
        ("out.jp2", "has pixels of uint8 .*, not float32"),
        ("out.jpg", "out.jpg: images are written as GeoTIFF"),
        ("out", "out: images are written as GeoTIFF"),
        ("out.vrt", "out.vrt: images are written as GeoTIFF"),
        ("out.tif.gz", "out.tif.gz: images are written as GeoTIFF"),
    ],
)
def test_file_names_that_are_refused(ramp, options, words, tmp_path):
    name = f"out.tif?&{options}" if "=" in options else options
    with pytest.raises((ValueError, OSError), match=words):
        write(ramp, tmp_path / name)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("options", "warning"),
    [
        ("geom=a.geom&sig=SECRET", "option 'geom' of a file name is not known"),
        ("skipcarto=true", "option 'skipcarto' of a file name is not known"),
        ("epsg=abc", "'epsg=abc' of a file name is no EPSG code"),
        ("writegeom=false&writerpctags=true&multiwrite=true", None),
        (f"streaming:type=tiled&{HEIGHT}3", None),
        (f"streaming:type=stripped&{HEIGHT}1", None),
        ("streaming:type=auto&streaming:sizemode=auto&streaming:sizevalue=0", None),
        ("streaming:type=none", None),
        ("streaming:sizemode=nbsplits&streaming:sizevalue=4", None),
    ],
)
def test_what_has_no_effect(ramp, options, warning, tmp_path, pixels, caplog):
    """No other pixels; where OTB warns and goes on so does otblite."""
    write(ramp, f"{tmp_path}/out.tif?&{options}")
    np.testing.assert_array_equal(pixels(tmp_path / "out.tif"), ramp.read_all())
    assert warning in caplog.text if warning else not caplog.text
    assert "SECRET" not in caplog.text


@pytest.mark.parametrize(
    ("option", "dtype", "expected", "warns"),
    [
        ("", "float32", -999, False),
        # A label that the type cannot hold is left out: it would fit no pixel.
        ("", "uint16", None, False),
        ("nodata=-9.5", "float32", -9.5, False),
        ("-nodata=-9.5", "float32", -9.5, False),  # without the &, as OTB 8 takes it
        # Of a GeoTIFF all bands have the last one, as with OTB.
        ("nodata=2:5", "uint16", 5, False),
        ("nodata=1:0,2:0", "uint16", 0, False),
        ("nodata=1:0,2:7", "uint16", 7, True),
    ],
)
def test_nodata_label(ramp, option, dtype, expected, warns, tmp_path, caplog):
    options = f"&{option}" if option[:1] != "-" else option[1:]
    write(replace(ramp, nodata=-999), f"{tmp_path}/out.tif?{options}", dtype)
    with rasterio.open(tmp_path / "out.tif") as file:
        assert file.nodatavals == (expected,) * 3
    assert ("one no-data value" in caplog.text) == warns


@pytest.mark.parametrize(
    ("name", "dtype", "exact"),
    [
        ("out.png", "uint8", True),
        ("out.png", "uint16", True),
        ("out.jp2", "uint16", False),
        ("out.jp2?&gdal:co:QUALITY=100&gdal:co:REVERSIBLE=YES", "uint16", True),
    ],
)
def test_png_and_jpeg_2000(name, dtype, exact, ramp, tmp_path, pixels):
    ramp = image(np.tile(ramp.read_all(), (10, 10, 1)))
    write(ramp, tmp_path / name, dtype)
    path = tmp_path / name.split("?")[0]
    expected = image_files.convert(ramp.read_all(), np.dtype(dtype))
    np.testing.assert_allclose(pixels(path), expected, atol=0 if exact else 40)
    # A PNG's place is in a file beside it.
    with rasterio.Env(GDAL_DISABLE_READDIR_ON_OPEN="FALSE"):
        with rasterio.open(path) as file:
            assert (file.crs, file.transform) == (ramp.grid.crs, ramp.grid.transform)


@pytest.mark.parametrize("folder", ["missing/folder", "file.txt"])
def test_folder_that_cannot_be_written_to(ramp, folder, tmp_path):
    """One error that names the file; a folder's permissions do not stop root."""
    (tmp_path / "file.txt").touch()
    path = tmp_path / folder / "out.tif"
    with pytest.raises(OSError, match=f"{path}: cannot be written") as caught:
        write(ramp, path)
    assert ".partial" not in str(caught.value)
    assert os.listdir(tmp_path) == ["file.txt"]


def lazily(read: Callable[[int], None], height=200) -> Image:
    """Return an image of many windows; `read` receives the number of each."""
    fine, count = image(np.ones((height, 5))), itertools.count(1)

    def look(window):
        read(next(count))
        return fine.read(window)

    return replace(fine, read=look, tile=(16, 2))


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, OSError])
@pytest.mark.parametrize("after", [0, 10])
def test_failure_on_the_way_leaves_all_as_it_was(after, error, tmp_path):
    def read(number):
        if number > after:
            raise error

    (tmp_path / "old.tif").write_text("old")
    memory = "/vsimem/otblite_failing.tif"
    for path in (tmp_path / "new.tif", tmp_path / "old.tif", memory):
        with pytest.raises(error):
            write(lazily(read), path)
    assert os.listdir(tmp_path) == ["old.tif"]
    assert (tmp_path / "old.tif").read_text() == "old"
    assert not rasterio.shutil.exists(memory)


def test_ctrl_c_ends_all_threads_and_leaves_nothing(tmp_path):
    """The signal comes while windows are computed; the handler runs in the main thread.

    `in_order` computes only a few windows ahead, so the writing cannot be over by then.
    """
    asked = []

    def read(number):
        asked.append(number)
        if number == 20:
            os.kill(os.getpid(), signal.SIGINT)

    before = set(threading.enumerate())
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            write(lazily(read, height=2000), tmp_path / "out.tif")
    finally:
        signal.signal(signal.SIGINT, handler)
    assert os.listdir(tmp_path) == []
    left = {thread.name for thread in set(threading.enumerate()) - before}
    assert not [name for name in left if name.startswith("ThreadPoolExecutor")]
    assert len(asked) < 2000 // 16 * 3


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("a?b.tif", "a?b.tif"),
        ("a?b=1&c.tif?&nodata=3", "a?b=1&c.tif"),
        ("a?&b.tif?&nodata=3", "a?&b.tif"),
    ],
)
def test_the_file_name_ends_at_the_last_mark(name, path, ramp, tmp_path):
    """As in OTB 9; OTB 8.1 ends it at the first question mark."""
    write(ramp, tmp_path / name)
    assert os.listdir(tmp_path) == [path]
    if "?&" not in path:
        result = image_files.open_image(str(tmp_path / path))
        np.testing.assert_array_equal(result.read_all(), ramp.read_all())


FULL_DISK = """
import resource, signal, sys
import numpy as np
from otblite import image_files
from tests.otblite.images import image
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
size, name = int(sys.argv[1]), sys.argv[2]
resource.setrlimit(resource.RLIMIT_FSIZE, (2 * size**2, 2 * size**2))
noise = np.random.default_rng(0).normal(size=(size, size, 1)).astype(np.float32)
image_files.write(image(noise), name, np.dtype("float32"), 256, False)
"""


@pytest.mark.parametrize("size", [64, 600])
@pytest.mark.parametrize("option", ["NBITS=32", "COMPRESS=DEFLATE", "TILED=YES"])
def test_full_disk(size, option, tmp_path):
    """GDAL reports no error if it cannot write while it closes a small file."""
    (tmp_path / "out.tif").write_text("as it was")
    name = f"{tmp_path}/out.tif?&gdal:co:{option}"
    done = run_python("-W", "ignore", "-c", FULL_DISK, size, name, cwd=ROOT)
    assert f"OSError: {tmp_path}/out.tif: cannot be written" in done.stderr
    assert os.listdir(tmp_path) == ["out.tif"]
    assert (tmp_path / "out.tif").read_text() == "as it was"


def test_sparse_file_is_complete(tmp_path, pixels):
    write(image(np.zeros((64, 64))), f"{tmp_path}/out.tif?&gdal:co:SPARSE_OK=TRUE")
    assert (tmp_path / "out.tif").stat().st_size < 64 * 64 * 4
    assert (pixels(tmp_path / "out.tif") == 0).all()


def test_side_files_move_along(ramp, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(ramp, "out.tif?&gdal:co:TFW=YES")
    assert sorted(os.listdir(tmp_path)) == ["out.tfw", "out.tif"]


def empty(*shape: int) -> Image:
    """Return a large image [h, w, bands] that takes no memory."""
    return image(np.broadcast_to(np.float32(0), shape))


def test_tiles_of_the_image_are_kept_whole(tmp_path):
    """A network's tile or a patch is never cut, however little memory there is."""
    source, windows = watched(replace(empty(100, 70, 2), tile=(40, 40)))
    write(source, tmp_path / "out.tif", ram=1)
    assert {w[:2] for w in windows} == {(r, c) for r in (0, 40, 80) for c in (0, 40)}
    source, windows = watched(replace(empty(5000, 50, 2), tile=(50, 50)))
    write(source, tmp_path / "out.tif", ram=1)
    assert windows and all(w.row % 50 == w.height % 50 == 0 for w in windows)


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc")
def test_no_file_stays_open(write_raster, tmp_path):
    """Each thread of the pool opens the inputs for itself, and closes them."""
    name = write_raster("in.tif", np.ones((300, 300), np.uint8))
    opened = image_files.open_image(name)

    def count() -> int:
        links = map(os.path.realpath, Path("/proc/self/fd").iterdir())
        return sum(link.endswith(".tif") for link in links)

    before = count()
    for _ in range(3):
        write(opened, f"{tmp_path}/out.tif?&{HEIGHT}9")
    assert count() == before


@pytest.mark.parametrize("source", ["int32", "uint32"])
def test_integers_are_clamped_without_losing_digits(source):
    """16 777 217 is the first whole number that a float32 cannot hold."""
    limits = np.iinfo(source)
    values = np.array([limits.min, 16777217, limits.max], source)
    for dtype in ("uint8", "int16", "uint16", "int32", "uint32"):
        low, high = np.iinfo(dtype).min, np.iinfo(dtype).max
        expected = [min(max(int(value), low), high) for value in values]
        np.testing.assert_array_equal(
            image_files.convert(values, np.dtype(dtype)), expected
        )


@pytest.mark.parametrize(
    ("options", "expected"), [("", "IF_SAFER"), ("?&gdal:co:bigtiff=NO", "NO")]
)
def test_bigtiff_when_needed(ramp, options, expected, tmp_path, monkeypatch):
    """By default GDAL decides by the size; the user may decide otherwise."""
    asked, really_open = [], rasterio.open

    def spy(path, mode="r", **profile):
        asked.extend(v for k, v in profile.items() if k.upper() == "BIGTIFF")
        return really_open(path, mode, **profile)

    monkeypatch.setattr(image_files.rasterio, "open", spy)
    write(ramp, f"{tmp_path}/out.tif{options}")
    assert asked == [expected]


def test_windows_follow_the_memory_allowed(tmp_path):
    """All windows in flight together, at 32 bytes a sample, take no more than `ram`."""
    largest = []
    for ram in (16, 64):
        source, windows = watched(empty(2000, 1500, 4))
        write(source, f"{tmp_path}/out.tif?&gdal:co:COMPRESS=LZW", "uint8", ram)
        largest.append(4 * max(map(samples, windows)))
        assert largest[-1] * 32 * (WORKERS + 1) <= ram * 2**20
        assert sum(map(samples, windows)) == 2000 * 1500
    assert largest[1] > 3 * largest[0]


def test_windows_are_not_computed_far_ahead():
    """A slow disk must not let computed windows pile up in memory."""
    source, windows = watched(empty(1600, 10, 2))
    parts = tiles(source.grid.window, 16, 10)
    for taken, _ in enumerate(image_files.in_order(source.read, parts)):
        assert len(windows) - taken <= WORKERS + 2
    assert len(windows) == 100


@pytest.mark.parametrize(
    ("size", "bands", "options", "lines"),
    [
        # A strip is one patch, unless that would be larger than 4 MB.
        (32, 4, "", 32),
        (128, 4, "", 128),
        (1024, 4, "", 1),
        (32, 1, "?&gdal:co:BLOCKYSIZE=16", 16),
    ],
)
def test_a_strip_of_a_patches_image_is_a_patch(size, bands, options, lines, tmp_path):
    source = image(np.ones((size, 2 * size, bands), np.uint16))
    patches = stack(source, [Window(0, 0, size, size), Window(0, size, size, size)])
    write(patches, f"{tmp_path}/patches.tif{options}", "uint16")
    with rasterio.open(tmp_path / "patches.tif") as file:
        assert (file.height, file.width) == (2 * size, size)
        assert file.block_shapes[0] == (lines, size)
        assert (file.read() == 1).all()


@pytest.mark.parametrize(("quiet", "disabled"), [(False, None), (True, True)])
def test_progress_needs_a_terminal(
    quiet, disabled, write_raster, tmp_path, monkeypatch, capfd
):
    """`disable=None` is tqdm's word for: only on a terminal."""
    settings, bar = [], image_files.tqdm

    def spy(*arguments, **options):
        settings.append(options["disable"])
        return bar(*arguments, **options)

    monkeypatch.setattr(image_files, "tqdm", spy)
    name = write_raster("in.tif", np.ones((5, 5), np.uint8))
    app = pyotb.App("ConcatenateImages", il=[name], quiet=quiet)
    app.write(str(tmp_path / "out.tif"))
    assert settings == [disabled]
    assert capfd.readouterr() == ("", "")
