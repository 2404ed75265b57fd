"""Local copies of remote blocks, and links for the engine: each block fetched once."""

import logging
import math
import os
import re
import resource
import shutil
import signal
import time

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.crs import CRS
from rasterio.warp import transform
from shapely.geometry import box, mapping

from srtools.engine import engine_errors
from srtools.errors import SRError
from srtools.images.raster import ImageInfo
from srtools.sentinel2 import archive as archives
from srtools.sentinel2 import download, services
from srtools.sentinel2.archive import Archive
from srtools.sentinel2.download import local_copies, open_links
from srtools.sentinel2.items import Tile
from srtools.sentinel2.passes import scene_of
from srtools.sentinel2.services import ServiceError
from srtools.urls import redact
from tests.fake_stac import block_ranges, geotiff

import pyotb

UTM31 = "EPSG:32631"
BLOCK, SIZE = 128, 1000  # pixels
TILE = Affine(10, 0, 450_000, 0, -10, 5_412_000)
SOUTH = TILE @ Affine.translation(0, 400)  # overlaps the first tile by 600 pixels
PIXELS = np.random.default_rng(5).integers(1, 10_000, (2, SIZE, SIZE), np.uint16)


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(archives, "RETRY_SECONDS", 0.01)
    monkeypatch.setattr(download, "MIN_ROWS", BLOCK)  # each row of blocks on its own


@pytest.fixture(scope="module")
def image():
    return geotiff(PIXELS[0], TILE)


def place(left, top, width=100, height=100, crs=UTM31):
    """A Spot image of 6 m pixels whose upper left corner is there."""
    grid = Affine(6, 0, left, 0, -6, top)
    return ImageInfo(
        "xs.tif", width, height, 4, "uint16", CRS.from_user_input(crs), grid
    )


def scene(archive, *tiles, bands=("B04",)):
    """A scene of tiles whose files are `{url}/{name}_{band}.tif` or as given."""
    items = []
    for name, hrefs in tiles:
        if isinstance(hrefs, str):
            hrefs = {band: f"{hrefs}/{name}_{band}.tif" for band in bands}
        facts = {
            "datetime": "2022-07-15T10:56:31Z",
            "s2:mgrs_tile": name,
            "s2:processing_baseline": "04.00",
        }
        item = {"id": name, "collection": "c", "properties": facts}
        item["geometry"] = mapping(box(2, 48, 3, 49))
        item["assets"] = {band: {"href": str(href)} for band, href in hrefs.items()}
        items.append(Tile.from_item(item))
    return scene_of(archive, box(2, 48, 3, 49), items)


def archive_of(service, **options):
    return Archive(service.url, **{"timeout": 2, "patience": 20} | options)


def needed_rows_and_columns(area, grid):
    """The original's pixels under the area and MARGIN, by the area's own outline."""
    along = np.linspace(0, 1, 200)
    zero, one = np.zeros(200), np.ones(200)
    cols = np.concatenate([along, along, zero, one]) * area.width
    rows = np.concatenate([zero, one, along, along]) * area.height
    xs, ys = transform(area.crs, UTM31, *(area.transform @ (cols, rows)))
    margin = 10  # pixels: 2 for the interpolation, the rest for a shift
    cols, rows = ~grid @ (np.array(xs), np.array(ys))
    return tuple(
        slice(
            max(math.floor(v.min() - margin), 0), min(math.ceil(v.max() + margin), SIZE)
        )
        for v in (rows, cols)
    )


def check_copy(path, pixels, grid, area):
    """The copy has the original's pixels, over the area and a margin, on its grid."""
    with rasterio.open(path) as copy:
        assert copy.crs == UTM31
        assert copy.dtypes == ("uint16",)
        col, row = ~grid @ (copy.transform.c, copy.transform.f)
        assert (col % 1, row % 1) == (0, 0)
        assert copy.transform.almost_equals(grid @ Affine.translation(col, row))
        got, row, col = copy.read(1), int(row), int(col)
    original = pixels[row : row + got.shape[0], col : col + got.shape[1]]
    np.testing.assert_array_equal(got, original)
    rows, cols = needed_rows_and_columns(area, grid)
    assert row <= rows.start and row + got.shape[0] >= rows.stop
    assert col <= cols.start and col + got.shape[1] >= cols.stop
    # Whole blocks, and none that is not needed.
    assert row % BLOCK == col % BLOCK == 0
    assert row > rows.start - BLOCK and row + got.shape[0] < rows.stop + BLOCK
    assert col > cols.start - BLOCK and col + got.shape[1] < cols.stop + BLOCK


# --- the pixels ------------------------------------------------------------------


@pytest.mark.parametrize(
    "area",
    [
        place(452_000, 5_410_000, 300, 400),
        place(450_000, 5_412_000),  # in the corner of the tile
        place(459_700, 5_402_300, 50, 50),  # in the other, where blocks are cut off
        place(452_003, 5_410_001, 1, 1),
        place(452_610, 5_409_390, 60, 60),  # 50 m from blocks in the north and west
        # Lambert 93 is turned by half a degree here; its sides are curves in UTM.
        place(653_000, 6_859_000, 700, 700, "EPSG:2154"),
    ],
    ids=["inside", "corner", "last corner", "one pixel", "by a border", "other CRS"],
)
def test_copies_are_the_pixels_over_the_area(service, tmp_path, image, area):
    service.files["a_B04.tif"] = image
    wanted = scene(archive_of(service), ("a", service.url))
    with local_copies(wanted, ["B04"], area, tmp_path) as [paths]:
        check_copy(paths["B04"], PIXELS[0], TILE, area)
        assert redact(paths["B04"]) == "B04 of item a"  # not the name of the copy
    assert list(tmp_path.iterdir()) == []


def test_two_tiles_and_all_bands(service, tmp_path):
    bands = ["B04", "B08"]
    grids = {"a": TILE, "b": SOUTH}
    pixels = {
        (name, band): PIXELS[number] + tile
        for tile, name in enumerate(grids)
        for number, band in enumerate(bands)
    }
    for (name, band), array in pixels.items():
        file = geotiff(array, grids[name], nodata=0)
        service.files[f"{name}_{band}.tif"] = file
    area = place(453_000, 5_407_000, 300, 400)
    wanted = scene(
        archive_of(service), ("a", service.url), ("b", service.url), bands=bands
    )
    with local_copies(wanted, bands, area, tmp_path) as copies:
        assert len(copies) == 2
        for name, paths in zip("ab", copies, strict=True):
            assert list(paths) == bands
            for band, path in paths.items():
                check_copy(path, pixels[name, band], grids[name], area)
                with rasterio.open(path) as copy:
                    assert copy.nodata == 0


def test_a_tile_that_does_not_reach_the_area_is_left_out(service, tmp_path, image):
    far = geotiff(PIXELS[1], TILE @ Affine.translation(SIZE + 100, 0))
    service.files = {"far_B04.tif": far, "a_B04.tif": image}
    wanted = scene(archive_of(service), ("far", service.url), ("a", service.url))
    area = place(459_000, 5_410_000)
    with local_copies(wanted, ["B04"], area, tmp_path) as [paths]:
        check_copy(paths["B04"], PIXELS[0], TILE, area)


def test_no_tile_at_all(service, tmp_path, image):
    service.files["a_B04.tif"] = image
    wanted = scene(archive_of(service), ("a", service.url))
    with pytest.raises(SRError, match="the pixels of a do not reach the area"):
        with local_copies(wanted, ["B04"], place(470_000, 5_410_000), tmp_path):
            pass
    assert list(tmp_path.iterdir()) == []


def test_local_files_are_not_copied(service, tmp_path, image):
    (tmp_path / "B08.tif").write_bytes(image)
    service.files["B04.tif"] = image
    bands = {"B04": f"{service.url}/B04.tif", "B08": f"file://{tmp_path}/B08.tif"}
    wanted = scene(archive_of(service), ("a", bands))
    area = place(452_000, 5_410_000)
    with local_copies(wanted, bands, area, tmp_path / "out") as [paths]:
        assert paths["B08"] == str(tmp_path / "B08.tif")
        check_copy(paths["B04"], PIXELS[0], TILE, area)
    assert (tmp_path / "B08.tif").read_bytes() == image


def test_strips_are_read_many_at_a_time(service, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "MIN_ROWS", 256)
    grid = TILE
    file = geotiff(PIXELS[0], grid, tiled=False, blockysize=1)
    service.files["a_B04.tif"] = file
    wanted = scene(archive_of(service), ("a", service.url))
    area = place(452_000, 5_410_000, 300, 400)
    with local_copies(wanted, ["B04"], area, tmp_path) as [paths]:
        with rasterio.open(paths["B04"]) as copy:
            assert (copy.width, copy.height) == (SIZE, 260)
            np.testing.assert_array_equal(copy.read(1), PIXELS[0][190:450])
    opened = [r for r in service.asked("a_B04.tif") if r and r.startswith("bytes=0-")]
    assert 1 <= len(opened) <= 3  # to plan, and twice to read: 256 rows and 4


def test_too_little_room_is_told_before_a_block_is_fetched(
    service, tmp_path, monkeypatch, image
):
    """256 x 384 pixels of 16 bit are 0.2 MB."""
    usage = shutil.disk_usage(tmp_path)._replace(free=100_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage)
    service.files["a_B04.tif"] = image
    wanted = scene(archive_of(service), ("a", service.url))
    area = place(452_000, 5_410_000, 300, 400)
    with pytest.raises(SRError, match=r"^1 MB are needed for .* has 0 MB free; make"):
        with local_copies(wanted, ["B04"], area, tmp_path):
            pass
    (first,) = block_ranges(image, [1], [1])
    asked = [re.findall(r"\d+", text) for text in service.asked("a_B04.tif") if text]
    assert all(int(begin) < first[0] for begin, *_ in asked)
    assert list(tmp_path.iterdir()) == []


# --- the network -----------------------------------------------------------------


def test_every_block_is_fetched_once(service, tmp_path):
    """Requests and bytes against the smallest number, on an image of 13 MB."""
    size, block = 2560, 512
    pixels = np.random.default_rng(6).integers(0, 2**16, (size, size), np.uint16)
    file = geotiff(pixels, TILE, blockxsize=block, blockysize=block)
    service.files["a_B04.tif"] = file
    wanted = scene(archive_of(service), ("a", service.url))
    area = place(456_000, 5_406_000, 1500, 2000)  # columns 590-1510, rows 590-1810
    with local_copies(wanted, ["B04"], area, tmp_path) as [paths]:
        with rasterio.open(paths["B04"]) as copy:
            np.testing.assert_array_equal(copy.read(1), pixels[512:2048, 512:1536])
    blocks = block_ranges(file, range(1, 4), range(1, 3))
    smallest = sum(last - first + 1 for first, last in blocks)
    assert smallest > 3e6
    assert service.sent["a_B04.tif"] <= 1.1 * smallest
    asked = [
        [int(number) for number in re.findall(r"\d+", text)]
        for text in service.asked("a_B04.tif")
        if text
    ]
    for first, last in blocks:
        # Its inner part, because GDAL asks for neighbours together and rounds.
        middle = (first + last) // 2
        assert sum(begin <= middle <= end for begin, end in asked) == 1
    # For each of 3 rows a look, the header, and the blocks; and for the plan.
    assert len(service.asked("a_B04.tif")) <= 4 * 3 + 3


@pytest.mark.parametrize("compress", ["deflate", None])
@pytest.mark.parametrize("fault", [503, 403, "cut", "short", "whole", "truncated"])
def test_a_block_that_cannot_be_read_is_an_error_not_zeros(
    service, tmp_path, monkeypatch, fault, compress
):
    # With several threads GDAL is known to give zeros and say nothing.
    monkeypatch.setenv("GDAL_NUM_THREADS", "ALL_CPUS")
    file = geotiff(PIXELS[0], TILE, compress=compress)
    (bad,) = block_ranges(file, [2], [2])
    service.files["a_B04.tif"] = file

    arrived = np.zeros(len(file), bool)

    def rule(method, part, asked):
        first, last = map(int, re.findall(r"\d+", asked or "bytes=0-0"))
        if first > bad[1] or last < bad[0]:
            return None
        if fault in ("cut", "short"):
            arrived[first : (first + min(last, len(file) - 1)) // 2 + 1] = True
        return fault

    if fault == "truncated":
        service.files["a_B04.tif"] = file[: bad[0] + 99]
        fault = None
    service.rule = rule
    wanted = scene(archive_of(service), ("a", service.url))
    area = place(452_000, 5_410_000, 400, 100)
    try:
        with local_copies(wanted, ["B04"], area, tmp_path) as (tile,):
            # Now and then GDAL keeps the half that it got, and asks for the rest.
            assert arrived[bad[0] : bad[1] + 1].all()
            check_copy(tile["B04"], PIXELS[0], TILE, area)
    except SRError as error:
        assert "a_B04.tif cannot be read" in str(error)
    assert list(tmp_path.iterdir()) == []


def test_after_a_failure_no_other_row_is_begun(service, tmp_path, monkeypatch, image):
    monkeypatch.setattr(services, "WORKERS", 1)
    service.files["a_B04.tif"] = image
    asked_for = []

    def rule(method, part, asked):
        if method == "GET" and asked and not asked.startswith("bytes=0-"):
            asked_for.append(asked)
            return 404
        return None

    service.rule = rule
    wanted = scene(archive_of(service), ("a", service.url))
    area = place(450_000, 5_412_000, 900, 1500)
    with pytest.raises(SRError, match="a_B04.tif cannot be read"):
        with local_copies(wanted, ["B04"], area, tmp_path):
            pass
    (first,) = block_ranges(image, [1], [0])
    # 8 rows were wanted; all that was asked for is of the first one.
    assert all(int(re.findall(r"\d+", text)[0]) < first[0] for text in asked_for)


def test_all_together_does_not_outlast_its_patience(
    service, tmp_path, monkeypatch, image
):
    # Each row alone would be in time.
    monkeypatch.setattr(services, "WORKERS", 1)
    monkeypatch.setattr(services, "PATIENCE", 0.3)
    service.files["a_B04.tif"] = image
    service.rule = lambda method, part, asked: "trickle"  # at least 0.1 s each
    wanted = scene(archive_of(service), ("a", service.url))
    area = place(450_000, 5_412_000, 900, 1500)
    with pytest.raises(ServiceError, match="did not arrive within 0.3 s.*try again"):
        with local_copies(wanted, ["B04"], area, tmp_path):
            pass
    assert list(tmp_path.iterdir()) == []
    (last,) = block_ranges(image, [7], [0])
    asked = [re.findall(r"\d+", text) for text in service.asked("a_B04.tif") if text]
    assert max(int(first) for first, _ in asked) < last[0]


def test_after_a_failure_the_others_are_not_waited_for(service, tmp_path, image):
    """One row of blocks fails at once, the others would hang for a minute."""
    service.files["a_B04.tif"] = image
    [(_, end)] = block_ranges(image, [0], [7])

    def rule(method, part, asked):
        first, last = map(int, re.findall(r"\d+", asked or "0-0"))
        if last < 2**15:  # the header
            return None
        return 404 if first < end - 30_000 else "stall"

    service.rule = rule
    archive = archive_of(service, timeout=60, patience=60)
    wanted, area = (
        scene(archive, ("a", service.url)),
        place(450_000, 5_412_000, 900, 1500),
    )
    begin = time.monotonic()
    with pytest.raises(SRError, match="a_B04.tif cannot be read"):
        with local_copies(wanted, ["B04"], area, tmp_path):
            pass
    assert time.monotonic() - begin < 20
    assert list(tmp_path.iterdir()) == []


def test_an_error_of_the_user_of_the_copies_leaves_nothing(service, tmp_path, image):
    service.files["a_B04.tif"] = image
    wanted = scene(archive_of(service), ("a", service.url))
    with pytest.raises(ZeroDivisionError):
        with local_copies(wanted, ["B04"], place(452_000, 5_410_000), tmp_path):
            assert len(list(tmp_path.iterdir())) == 1
            raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_told(service, tmp_path, image):
    service.files["a_B04.tif"] = image
    wanted = scene(archive_of(service), ("a", service.url))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(SRError, match=f"folder {tmp_path} does not take the 1 MB"):
            with local_copies(
                wanted, ["B04"], place(452_000, 5_410_000, 500, 500), tmp_path
            ):
                pass
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert list(tmp_path.iterdir()) == []


# --- tokens ----------------------------------------------------------------------


def signed_scene(service, image):
    service.files["container"] = image
    href = f"{service.url}/container/a_B04.tif"
    return scene(archive_of(service, sign=True), ("a", {"B04": href}))


def test_one_young_token_is_enough(tokens, tmp_path, image, expiry):
    tokens.expiries = [expiry(hours=2)]
    wanted, area = signed_scene(tokens, image), place(451_000, 5_411_000, 300, 700)
    with local_copies(wanted, ["B04"], area, tmp_path) as [paths]:
        check_copy(paths["B04"], PIXELS[0], TILE, area)
    assert len(tokens.asked("token")) == 1


def test_an_old_token_is_renewed_for_each_row(
    tokens, tmp_path, monkeypatch, image, expiry
):
    monkeypatch.setattr(services, "WORKERS", 1)
    tokens.expiries = [expiry(minutes=20)]
    wanted, area = signed_scene(tokens, image), place(451_000, 5_411_000, 300, 700)
    with local_copies(wanted, ["B04"], area, tmp_path) as [paths]:
        check_copy(paths["B04"], PIXELS[0], TILE, area)
        with rasterio.open(paths["B04"]) as copy:
            rows = math.ceil(copy.height / BLOCK)
    assert rows > 3
    assert len(tokens.asked("token")) == 1 + rows  # 1 to plan


# --- links -----------------------------------------------------------------------


AREA = place(456_000, 5_406_000, 1500, 2000)  # columns 590-1510, rows 590-1810
PASSES = 3
WINDOW = slice(600, 1800), slice(600, 1500)


def look_several_times(tile):
    """Read a window as the pipeline does, over and over."""
    with engine_errors("stacking"):
        stack = pyotb.ConcatenateImages(il=[tile["B04"], tile["B03"]])
        part = stack[WINDOW[0], WINDOW[1], :]
        return [part.to_numpy() for _ in range(PASSES)]


def large_scene(service, **options):
    """Two bands of 13 MB of noise; {pixels} and {file} of each."""
    made = {}
    for number, band in enumerate(("B04", "B03")):
        random = np.random.default_rng(number)
        pixels = random.integers(1, 2**16, (2560, 2560), np.uint16)
        file = geotiff(pixels, TILE, blockxsize=512, blockysize=512)
        service.files[f"a_{band}.tif"] = file
        made[band] = pixels, file
    archive = archive_of(service, **options)
    return scene(archive, ("a", service.url), bands=("B04", "B03")), made


def blocks_of(made, band):
    return block_ranges(made[band][1], range(1, 4), range(1, 3))


def test_the_engine_reads_each_block_once_over_links(service):
    wanted, made = large_scene(service)
    before = dict(os.environ)
    with open_links(wanted, ["B04", "B03"], AREA) as [tile]:
        looks = look_several_times(tile)
    assert dict(os.environ) == before
    expected = np.stack([made[band][0][WINDOW] for band in ("B04", "B03")], axis=-1)
    for look in looks:
        np.testing.assert_array_equal(look, expected)
    for band in made:
        blocks = blocks_of(made, band)
        smallest = sum(last - first + 1 for first, last in blocks)
        assert smallest < service.sent[f"a_{band}.tif"] <= 1.1 * smallest


def test_links_are_signed_and_stay_secret(tokens, image, caplog, expiry):
    caplog.set_level(logging.DEBUG)
    tokens.expiries = [expiry(hours=2)]
    wanted, area = signed_scene(tokens, image), place(451_000, 5_411_000, 300, 700)
    with pytest.raises(SRError, match="stacking failed.*--download") as caught:
        with open_links(wanted, ["B04"], area) as [tile]:
            assert "secret1" in tile["B04"]
            with engine_errors("stacking"):
                stack = pyotb.ConcatenateImages(il=[tile["B04"]])
                got = stack[200:300, 200:300, :].to_numpy()
                np.testing.assert_array_equal(got[:, :, 0], PIXELS[0][200:300, 200:300])
                tokens.refused = "secret1"
                stack[600:700, 200:300, :].to_numpy()
    assert "secret" not in str(caught.value) + caplog.text
