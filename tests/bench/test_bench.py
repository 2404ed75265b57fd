"""The helpers of the bench; what they measure is not tested."""

import sys

import numpy as np
import pytest
import rasterio
from affine import Affine

from bench import __main__ as bench
from bench.cogs import least_bytes
from bench.measure import CommandError, run
from bench.report import Row, Table
from bench.scene import make_scene
from demo.stac import load_items
from srtools.conventions import BANDS
from srtools.images import checks, raster

MB = 10**6
UTM31 = "EPSG:32631"


def test_peak_memory_is_that_of_the_command():
    small = run([sys.executable, "-c", "pass"]).peak_bytes
    large = run([sys.executable, "-c", "b'x' * 200_000_000"]).peak_bytes
    assert 190 * MB < large - small < 230 * MB


def test_peak_memory_is_not_that_of_the_process_that_measures():
    held = np.ones(300 * MB, np.uint8)
    assert run([sys.executable, "-c", "pass"]).peak_bytes < 100 * MB
    del held


def test_processor_time_counts_what_the_command_started():
    inner = "sum(range(5_000_000))"
    outer = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {inner!r}])"
    usage = run([sys.executable, "-c", outer])
    idle = run([sys.executable, "-c", "import subprocess"])
    assert usage.cpu_seconds > idle.cpu_seconds
    assert 0 < usage.seconds


def test_a_command_that_fails_says_why():
    with pytest.raises(CommandError, match="no such thing"):
        run([sys.executable, "-c", "raise SystemExit('no such thing')"])


@pytest.fixture
def cog(tmp_path):
    """Write 1024 x 768 random pixels of 10 m in blocks of 256; give the path."""
    path = tmp_path / "cog.tif"
    pixels = np.random.default_rng(1).integers(0, 4000, (1, 768, 1024), np.uint16)
    place = Affine(10, 0, 400000, 0, -10, 5400000)
    with rasterio.open(
        path,
        "w",
        driver="COG",
        blocksize=256,
        compress="DEFLATE",
        dtype="uint16",
        count=1,
        height=768,
        width=1024,
        crs=UTM31,
        transform=place,
    ) as file:
        file.write(pixels)
    return path


def block_bytes(path, *blocks):
    """Sum up the compressed sizes of blocks (row, column)."""
    with rasterio.open(path) as file:
        return sum(
            int(file.get_tag_item(f"BLOCK_SIZE_{col}_{row}", "TIFF", 1))
            for row, col in blocks
        )


@pytest.mark.parametrize(
    ("left", "top", "right", "bottom", "blocks"),
    [
        # In pixels: exactly one block, not its neighbours.
        (256, 256, 512, 512, [(1, 1)]),
        (255, 256, 512, 512, [(1, 0), (1, 1)]),
        (300, 500, 700, 520, [(1, 1), (1, 2), (2, 1), (2, 2)]),
        # Beyond the image there is nothing to read.
        (900, -300, 2000, 10, [(0, 3)]),
        (-50, 700, 10, 2000, [(2, 0)]),
    ],
)
def test_least_bytes_are_those_of_the_blocks_touched(
    cog, left, top, right, bottom, blocks
):
    bounds = (400000 + 10 * left, 5400000 - 10 * bottom)
    bounds += (400000 + 10 * right, 5400000 - 10 * top)
    assert least_bytes(cog, bounds, UTM31) == block_bytes(cog, *blocks)


def test_least_bytes_of_the_whole_are_less_than_the_file(cog):
    bounds = (400000, 5400000 - 7680, 410240, 5400000)
    every = [(row, col) for row in range(3) for col in range(4)]
    least = least_bytes(cog, bounds, UTM31)
    assert least == block_bytes(cog, *every)
    # Header and overviews are more.
    assert 0.5 * cog.stat().st_size < least < cog.stat().st_size


@pytest.mark.parametrize("crs", [UTM31, "EPSG:2154"])
def test_the_scene_is_one_that_the_scripts_accept(tmp_path, crs):
    make_scene(tmp_path, 512, crs)
    pan = raster.describe(tmp_path / "pan.tif", "PAN", bands=1)
    xs = raster.describe(tmp_path / "xs.tif", "XS", bands=4)
    checks.check_spot_pair(pan, xs)
    assert (pan.width, xs.width, pan.crs.to_string()) == (512, 128, crs)
    s2 = [raster.describe(tmp_path / f"{band}.tif", band, bands=1) for band in BANDS]
    checks.check_stack(s2)
    checks.check_covers([s2[0]], xs, raster.data_outline(xs))
    (item,) = load_items(tmp_path, "http://localhost")
    assert set(item["assets"]) == {*BANDS, "SCL"}
    with rasterio.open(tmp_path / "pan.tif") as file:
        # Not flat, and no pixel without data.
        assert file.read().min() > 0 and file.read().std() > 100


def test_a_row_is_printed_with_its_target(capsys):
    Table().add(Row(8192, "peak memory", "0.50 GB", "< 1 GB"))
    assert capsys.readouterr().out.split() == "8192 peak memory 0.50 GB < 1 GB".split()


@pytest.mark.parametrize(
    "arguments", [["unheard_of"], ["dataset", "--sizes", "1023"], ["--sizes", "64"]]
)
def test_what_cannot_be_measured_is_refused(arguments, capsys):
    with pytest.raises(SystemExit):
        bench.main(arguments)
    assert "error:" in capsys.readouterr().err
