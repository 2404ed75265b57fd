"""Local copies of remote blocks: each block is fetched once."""

import math
import re
import resource
import shutil
import signal

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.errors import RasterioError
from shapely.geometry import box

from srtools.errors import SRError, line_of
from srtools.sentinel2 import areas, download, services
from srtools.sentinel2.download import local_copies
from srtools.urls import redact
from tests.fake_stac import block_ranges, geotiff
from tests.stac_items import UTM31, item, scene_from

BLOCK, SIZE = 128, 1000  # pixels
TILE = Affine(10, 0, 450_000, 0, -10, 5_412_000)
SOUTH = TILE @ Affine.translation(0, 400)  # overlaps the first tile by 600 pixels
PIXELS = np.random.default_rng(5).integers(1, 10_000, (2, SIZE, SIZE), np.uint16)


@pytest.fixture(autouse=True)
def rows_of_blocks(monkeypatch, tmp_path):
    """Read each row of blocks on its own; check that no file is left."""
    monkeypatch.setattr(download, "MIN_ROWS", BLOCK)
    yield
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module")
def image():
    return geotiff(PIXELS[0], TILE)


def place(left, top, width=600, height=600, crs=UTM31):
    """Return a rectangle, given in metres by its upper left corner, in degrees."""
    outline = box(left, top - height, left + width, top)
    return areas.project(outline, crs, areas.DEGREES)


INSIDE = place(452_000, 5_410_000, 1800, 2400)
AREA = place(456_000, 5_406_000, 9000, 12_000)  # columns 590-1510, rows 590-1810


@pytest.fixture
def publish(service, archive):
    """Publish files {tile: {band: bytes}}; return a scene of these tiles."""

    def publish(**tiles):
        items = []
        for name, bands in tiles.items():
            answer = item(name, **{"s2:mgrs_tile": name})
            for band, content in bands.items():
                service.files[f"{name}_{band}.tif"] = content
                answer["assets"][band] = {"href": f"{service.url}/{name}_{band}.tif"}
            items.append(answer)
        return scene_from(*items, archive=archive)

    return publish


def check_copy(path, pixels, grid, area):
    """Check that the copy has the blocks of the original over the area and a margin."""
    outline = areas.project(area, areas.DEGREES, UTM31).buffer(download.MARGIN_METRES)
    left, bottom, right, top = outline.bounds
    corners = zip(~grid @ (left, top), ~grid @ (right, bottom), strict=True)
    cols, rows = (
        slice(
            max(math.floor(first / BLOCK) * BLOCK, 0),
            min(math.ceil(last / BLOCK) * BLOCK, SIZE),
        )
        for first, last in corners
    )
    place = grid @ Affine.translation(cols.start, rows.start)
    with rasterio.open(path) as copy:
        assert copy.crs == UTM31 and copy.dtypes == ("uint16",)
        assert copy.transform.almost_equals(place)
        np.testing.assert_array_equal(copy.read(1), pixels[rows, cols])


@pytest.mark.parametrize(
    "area",
    [
        INSIDE,
        place(450_000, 5_412_000),  # in the corner of the tile
        place(459_700, 5_402_300, 300, 300),  # in the other, where blocks are cut off
        place(452_003, 5_410_001, 6, 6),
        place(452_610, 5_409_390, 360, 360),  # 50 m from blocks in the north and west
        # Lambert 93 is turned by half a degree here; its sides are curves in UTM.
        place(653_000, 6_859_000, 4200, 4200, "EPSG:2154"),
    ],
    ids=["inside", "corner", "last corner", "one pixel", "by a border", "other CRS"],
)
def test_copies_are_the_pixels_over_the_area(publish, tmp_path, image, area):
    with local_copies(publish(a={"B04": image}), ["B04"], area, tmp_path) as [paths]:
        check_copy(paths["B04"], PIXELS[0], TILE, area)
        assert redact(paths["B04"]) == "B04 of item a"  # not the name of the copy


def test_two_tiles_and_all_bands(publish, tmp_path):
    bands, area = ["B04", "B08"], place(453_000, 5_407_000, 1800, 2400)
    pixels = {"a": dict(zip(bands, PIXELS, strict=True))}
    pixels["b"] = {band: array + 1 for band, array in pixels["a"].items()}
    grids = {"a": TILE, "b": SOUTH}
    files = {
        name: {band: geotiff(x, grids[name], nodata=0) for band, x in by_band.items()}
        for name, by_band in pixels.items()
    }
    with local_copies(publish(**files), bands, area, tmp_path) as copies:
        assert len(copies) == 2
        for name, paths in zip("ab", copies, strict=True):
            assert list(paths) == bands
            for band, path in paths.items():
                check_copy(path, pixels[name][band], grids[name], area)
                with rasterio.open(path) as copy:
                    assert copy.nodata == 0


def test_a_tile_that_does_not_reach_the_area_is_left_out(publish, tmp_path, image):
    far = geotiff(PIXELS[1], TILE @ Affine.translation(SIZE + 100, 0))
    scene, area = publish(far={"B04": far}, a={"B04": image}), place(459_000, 5.41e6)
    with local_copies(scene, ["B04"], area, tmp_path) as [paths]:
        check_copy(paths["B04"], PIXELS[0], TILE, area)
    with pytest.raises(SRError, match="the images of far, a do not reach the area"):
        with local_copies(scene, ["B04"], place(490_000, 5.41e6), tmp_path):
            pass


def test_strips_are_read_many_at_a_time(service, publish, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "MIN_ROWS", 256)
    scene = publish(a={"B04": geotiff(PIXELS[0], TILE, tiled=False, blockysize=1)})
    with local_copies(scene, ["B04"], INSIDE, tmp_path) as [paths]:
        with rasterio.open(paths["B04"]) as copy:
            top, height = round((TILE.f - copy.transform.f) / 10), copy.height
            assert copy.width == SIZE and 256 < height < 270
            np.testing.assert_array_equal(copy.read(1), PIXELS[0][top : top + height])
    opened = [r for r in service.asked("a_B04.tif") if r and r.startswith("bytes=0-")]
    assert 1 <= len(opened) <= 3  # to plan, and twice to read: 256 rows and a few


def test_too_little_room_is_an_error_before_a_block_is_fetched(
    service, publish, tmp_path, monkeypatch, image
):
    """256 x 384 pixels of 16 bit are 0.2 MB."""
    usage = shutil.disk_usage(tmp_path)._replace(free=100_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage)
    with pytest.raises(SRError, match=r"^1 MB are needed for .* has 0 MB free; make"):
        with local_copies(publish(a={"B04": image}), ["B04"], INSIDE, tmp_path):
            pass
    [(first, _)] = block_ranges(image, [1], [1])
    asked = filter(None, service.asked("a_B04.tif"))
    assert all(int(re.findall(r"\d+", text)[0]) < first for text in asked)


def test_a_full_disk_is_an_error(publish, tmp_path, image):
    scene = publish(a={"B04": image})
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises((RasterioError, SRError)) as caught:
            with local_copies(scene, ["B04"], AREA, tmp_path):
                pass
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert "disk" in line_of(caught.value)


def test_every_block_is_fetched_once(service, publish, tmp_path):
    """Count requests and bytes, on an image of 13 MB."""
    size, block = 2560, 512
    pixels = np.random.default_rng(6).integers(0, 2**16, (size, size), np.uint16)
    file = geotiff(pixels, TILE, blockxsize=block, blockysize=block)
    with local_copies(publish(a={"B04": file}), ["B04"], AREA, tmp_path) as [paths]:
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
    service, publish, tmp_path, monkeypatch, fault, compress
):
    # With several threads GDAL returns zeros for such a block, without an error.
    monkeypatch.setenv("GDAL_NUM_THREADS", "ALL_CPUS")
    file = geotiff(PIXELS[0], TILE, compress=compress)
    [(start, end)] = block_ranges(file, [2], [2])
    arrived = np.zeros(len(file), bool)

    def rule(method, part, asked):
        first, last = map(int, re.findall(r"\d+", asked or "bytes=0-0"))
        if first > end or last < start:
            return None
        if fault in ("cut", "short"):  # half of the range arrives
            arrived[first : (first + min(last, len(file) - 1)) // 2 + 1] = True
        return None if fault == "truncated" else fault

    served = file[: start + 99] if fault == "truncated" else file
    scene, area = publish(a={"B04": served}), place(452_000, 5_410_000, 2400, 600)
    service.rule = rule
    try:
        with local_copies(scene, ["B04"], area, tmp_path) as [paths]:
            # GDAL sometimes keeps the first half, and asks for the rest.
            assert arrived[start : end + 1].all()
            check_copy(paths["B04"], PIXELS[0], TILE, area)
    except SRError as error:
        assert "a_B04.tif cannot be read" in str(error)


@pytest.mark.parametrize(("minutes", "renewed"), [(120, False), (20, True)])
def test_an_old_token_is_renewed_for_each_row(
    tokens, publish, tmp_path, monkeypatch, image, expiry, minutes, renewed
):
    monkeypatch.setattr(services, "WORKERS", 1)
    tokens.expiries = [expiry(minutes=minutes)]
    scene = signed_scene(tokens, publish, image)
    with local_copies(scene, ["B04"], INSIDE, tmp_path) as [paths]:
        check_copy(paths["B04"], PIXELS[0], TILE, INSIDE)
        with rasterio.open(paths["B04"]) as copy:
            rows = math.ceil(copy.height / BLOCK)
    assert rows > 2
    assert len(tokens.asked("token")) == (1 + rows if renewed else 1)  # 1 to plan


def signed_scene(tokens, publish, image):
    tokens.files["container"] = image
    scene = publish(a={"B04": image})
    scene.tiles[0].hrefs["B04"] = f"{tokens.url}/container/a_B04.tif"
    return scene
