"""The helpers of the bench; its measurements are not tested."""

import sys

import numpy as np
import pytest
import rasterio

from bench import __main__ as bench
from bench import pairs
from bench.bench_dataset import least_bytes
from bench.large_scene import make_scene
from bench.measure import CommandError, run
from demo.stac import load_items
from srtools.conventions import BANDS
from srtools.images import checks, raster
from srtools.images.grid import Grid

MB = 10**6


def test_peak_memory_is_that_of_the_command_alone():
    ballast = np.ones(300 * MB, np.uint8)
    small = run([sys.executable, "-c", "pass"]).peak_bytes
    large = run([sys.executable, "-c", "b'x' * 200_000_000"]).peak_bytes
    assert small < 100 * MB and 190 * MB < large - small < 230 * MB
    del ballast


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


@pytest.mark.parametrize(
    ("window", "blocks"),
    [
        # Rows and columns: exactly one block, not its neighbours.
        (np.s_[256:512, 256:512], [(1, 1)]),
        (np.s_[256:512, 255:512], [(1, 0), (1, 1)]),
        (np.s_[500:520, 300:700], [(1, 1), (1, 2), (2, 1), (2, 2)]),
        # Beyond the image there is nothing to read.
        (np.s_[-300:10, 900:2000], [(0, 3)]),
        (np.s_[700:2000, -50:10], [(2, 0)]),
        (np.s_[:768, :1024], [(row, col) for row in range(3) for col in range(4)]),
    ],
)
def test_least_bytes_are_those_of_the_blocks_touched(write_raster, window, blocks):
    pixels = np.random.default_rng(1).integers(0, 4000, (768, 1024), np.uint16)
    tiles = {"tiled": True, "blockxsize": 256, "blockysize": 256, "compress": "deflate"}
    path = write_raster("s2.tif", pixels, spacing=10.0, **tiles)
    with rasterio.open(path) as file:
        window = tuple(slice(part.start or 0, part.stop) for part in window)
        area = Grid.of(file).part(window)
        sizes = [file.get_tag_item(f"BLOCK_SIZE_{c}_{r}", "TIFF", 1) for r, c in blocks]
    assert least_bytes(path, area) == sum(map(int, sizes))


@pytest.mark.parametrize("crs", ["EPSG:32631", "EPSG:2154"])
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


@pytest.mark.parametrize(
    "arguments", [["unheard_of"], ["dataset", "--sizes", "1023"], ["--sizes", "64"]]
)
def test_what_cannot_be_measured_is_refused(arguments, capsys):
    with pytest.raises(SystemExit):
        bench.main(arguments)
    assert "error:" in capsys.readouterr().err


def test_a_row_of_the_table_of_pairs():
    metrics = {
        "inner": {"gain_db": 1.234},
        "intervals": {"gain_db": [0.5, 2.0]},
        "consistency": {
            "model": {"l1_dn": 27.4},
            "consistent": {"gain_change_db": -0.051},
        },
    }
    row = "| fair | none | +1.23 dB [+0.50, +2.00] | 27 DN | -0.05 dB |"
    assert pairs.row("fair", "none", metrics) == row
