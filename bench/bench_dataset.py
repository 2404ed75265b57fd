"""sr_dataset.py: from local files and over HTTP, beside a mere copy."""

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import rasterio
from rasterio.windows import Window, intersect

from bench.measure import Usage, first_line
from bench.measure import run as measure
from bench.table import Row
from demo.server import Server
from srtools.conventions import BANDS, OFFSET_DN
from srtools.images.grid import Grid

ROOT = Path(__file__).parent.parent
# At 8192 x 8192 PAN pixels on 2 cores: a fifth of the 64 s that OTBTF took there.
MOST_SECONDS, MOST_BYTES, LARGE = 12.8, 1e9, 8192
MOST_TIMES = 1.4  # the time of reading and writing the same files
MOST_TRAFFIC = 1.1  # times the blocks that cover the area
MOST_FIRST = 2  # seconds until a script writes its first line
SCRIPTS = {
    "sr_dataset.py": "sr_dataset.py --pan x --xs x --out_dir x",
    "sr_train.py": "sr_train.py --patches x --model_dir x",
}


def run(folder: Path, sizes: tuple[int, ...]) -> Iterator[Row]:
    """Measure scenes of `sizes` x `sizes` PAN pixels."""
    for name, script in SCRIPTS.items():
        seconds = first_line(script, ROOT)
        label = f"{name}, first line on a terminal"
        yield Row("", label, f"{seconds:.1f} s", f"<= {MOST_FIRST} s")
    for size in sizes:
        scene = folder / f"scene{size}"
        scene.mkdir()
        measure(_python("-m", "bench.large_scene", scene, size), ROOT)
        try:
            yield from _one_size(scene, size)
        finally:
            shutil.rmtree(scene)


def _one_size(scene: Path, size: int) -> Iterator[Row]:
    patches = scene / "patches"
    images = [scene / f"{band}.tif" for band in BANDS]
    local = ["--s2_images", *images, "--offset", OFFSET_DN]
    ours = measure(_sr_dataset(scene, patches, *local), ROOT)
    targets = (f"<= {MOST_SECONDS} s", f"< {MOST_BYTES / 1e9:g} GB")
    yield from _usage(size, "sr_dataset.py", ours, targets if size == LARGE else None)
    with rasterio.open(scene / "pan.tif") as pan:
        grid = Grid.of(pan)
    area = grid.width * grid.height * grid.transform.a**2 / 1e6
    yield Row(size, "  for 1 km2", f"{ours.seconds / area:.3f} s")
    inputs = [scene / "pan.tif", scene / "xs.tif", *images]
    written = sorted(patches.glob("*_patches.tif"))
    megabytes = sum(path.stat().st_size for path in written) / 1e6
    yield Row(size, "  patches", f"{megabytes:.0f} MB")

    copied = scene / "copied"
    copied.mkdir()
    floor = measure(_python("-m", "bench.file_copies", copied, *inputs, *written), ROOT)
    yield from _usage(size, "the same files read and written, no more", floor)
    ratio = f"{ours.seconds / floor.seconds:.2f} x"
    yield Row(size, "  sr_dataset.py takes of its time", ratio, f"<= {MOST_TIMES} x")
    yield from _over_http(scene, size, grid)


def _over_http(scene: Path, size: int, area: Grid) -> Iterator[Row]:
    """Find and read Sentinel-2 through a server on this machine."""
    least = sum(least_bytes(scene / f"{n}.tif", area) for n in (*BANDS, "SCL"))
    with Server(scene) as server:
        remote = ["--stac_url", server.stac_url]
        usage = measure(_sr_dataset(scene, scene / "remote", *remote), ROOT)
        counters = dict(server.counters)
    yield from _usage(size, "sr_dataset.py, Sentinel-2 over HTTP", usage)
    yield Row(size, "  requests", f"{counters['requests']}")
    yield Row(size, "  bytes", f"{counters['bytes'] / 1e6:.2f} MB")
    ratio, target = f"{counters['bytes'] / least:.2f} x", f"<= {MOST_TRAFFIC} x"
    yield Row(size, f"  of the {least / 1e6:.2f} MB of blocks needed", ratio, target)


def least_bytes(path: Path, area: Grid) -> int:
    """Sum the sizes of the compressed blocks of a one-band GeoTIFF over an area.

    Nobody reads the area with fewer bytes.  Overviews and the header do not count.
    """
    with rasterio.open(path) as file:
        grid = Grid.of(file)
        window = grid.clip(grid.touched(area.bounds_in(grid.crs)))
        over = Window.from_slices(*window)
        return sum(
            int(file.get_tag_item(f"BLOCK_SIZE_{col}_{row}", "TIFF", 1) or 0)
            for (row, col), block in file.block_windows(1)
            if intersect(block, over)
        )


def _usage(
    size: int, label: str, usage: Usage, targets: tuple[str, str] | None = None
) -> Iterator[Row]:
    time, memory = targets or ("", "")
    seconds = f"{usage.seconds:.1f} s ({usage.cpu_seconds:.1f} s CPU)"
    yield Row(size, label, seconds, time)
    yield Row(size, "  peak memory", f"{usage.peak_bytes / 1e9:.2f} GB", memory)


def _sr_dataset(scene: Path, out: Path, *arguments) -> list[str]:
    spot = ("--pan", scene / "pan.tif", "--xs", scene / "xs.tif")
    return _python("sr_dataset.py", *spot, "--out_dir", out, *arguments)


def _python(*arguments) -> list[str]:
    return [sys.executable, *map(str, arguments)]
