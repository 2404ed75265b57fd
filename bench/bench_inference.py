"""sr_infer.py: a large image, beside the bare forward passes over the same pixels."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import rasterio
from affine import Affine

from bench.measure import run as measure
from bench.table import Row
from srtools.conventions import FACTOR
from srtools.inference import output_grid
from srtools.network import saved_model

ROOT = Path(__file__).parent.parent
SIDE = 800  # Sentinel-2 pixels of 10 m: 64 km2
TILE = 256  # lr pixels of a bare pass; 128 to 512 take the same time per pixel
SERVED = 336  # lr pixels that a served pass keeps: the tile size of sr_infer.py
ROUNDS = 3  # the median counts: machines are not equally fast all the time
FULL = 109.8**2  # km2 of a full Sentinel-2 tile
MOST_TIME, MOST_BYTES = 1.1, 3e9
LEAST_FASTER = 1.7  # times as fast in bfloat16, where there is AMX
MODEL = """
import pathlib, sys, sr_model, tensorflow as tf
from srtools.network import saved_model
from srtools.network.receptive_field import receptive_field
tf.keras.utils.set_random_seed(0)
model = sr_model.SRModel(sr_model.element_spec(4))
size = {"filters": 64, "blocks": 4, "kernel": 4}
margin = receptive_field(model)
card = {"network": size, "receptive_field": {"margin": margin}}
saved_model.save(model.model, pathlib.Path(sys.argv[1]), card)
"""


def run(folder: Path, sizes: tuple[int, ...]) -> Iterator[Row]:
    """Measure an image of 64 km2 and the network that sr_model.py has by default."""
    model, s2 = folder / "model", folder / "s2.tif"
    subprocess.run([sys.executable, "-c", MODEL, model], cwd=ROOT, check=True)
    random = np.random.default_rng(0)
    place = Affine(10, 0, 450000, 0, -10, 5400000)
    with rasterio.open(
        s2,
        "w",
        driver="GTiff",
        width=SIDE,
        height=SIDE,
        count=4,
        dtype="uint16",
        crs="EPSG:32631",
        transform=place,
    ) as file:
        file.write(random.integers(200, 4000, (4, SIDE, SIDE)).astype(np.uint16))
    metres = SIDE * 10
    lr = -(-metres // 6)
    # The time of a small image is that of the start.
    small = folder / "small.tif"
    with (
        rasterio.open(s2) as file,
        rasterio.open(small, "w", **{**file.profile, "width": 8, "height": 8}) as part,
    ):
        part.write(file.read(window=((0, 8), (0, 8))))
    crop = output_grid.choose_crop(saved_model.describe(model))
    with_margins = SERVED + 2 * crop // FACTOR
    rounds = []
    for _ in range(ROUNDS):
        bare = _forward(model, lr, TILE, "hr_dn")
        passes = _forward(model, lr, with_margins, f"hr_dn_crop{crop}")
        start = measure(_sr_infer(small, model, folder / "small_sr.tif"), ROOT)
        usage = measure(_sr_infer(s2, model, folder / "sr.tif"), ROOT)
        bfloat16 = measure(
            [*_sr_infer(s2, model, folder / "bfloat16.tif"), "--precision", "bfloat16"],
            ROOT,
        )
        seconds, bfloat16 = (u.seconds - start.seconds for u in (usage, bfloat16))
        rounds.append((bare, seconds, passes, start.seconds, bfloat16))
    rounds.sort(key=lambda times: times[1] / times[2])
    bare, seconds, passes, starting, bfloat16 = rounds[ROUNDS // 2]
    name = f"{4 * lr}"
    yield Row(name, "the bare forward passes", f"{bare:.1f} s")
    yield Row(name, "sr_infer.py, without its start", f"{seconds:.1f} s")
    yield Row(name, "  of the forward passes", f"{seconds / bare:.2f} x")
    # With margins.
    yield Row(name, "the same passes as they are served", f"{passes:.1f} s")
    ratio, target = f"{seconds / passes:.2f} x", f"<= {MOST_TIME} x"
    yield Row(name, "  sr_infer.py takes of these", ratio, target)
    ratio, target = f"{seconds / bfloat16:.2f} x", f">= {LEAST_FASTER} x with AMX"
    yield Row(name, "  times as fast with --precision bfloat16", ratio, target)
    speed = (metres / 1000) ** 2 / seconds
    yield Row(name, "  speed", f"{speed:.3f} km2/s")
    # Its memory is the same: tests/test_sr_infer.py runs a part of one.
    hours = f"{FULL / speed / 3600:.1f} hours"
    yield Row(name, "  a full Sentinel-2 tile, extrapolated", hours)
    memory = f"{usage.peak_bytes / 1e9:.2f} GB"
    yield Row(name, "  peak memory", memory, f"< {MOST_BYTES / 1e9:g} GB")
    yield Row(name, "  its start", f"{starting:.1f} s")


def _forward(model: Path, side: int, tile: int, output: str) -> float:
    """Return the seconds of the forward passes over a square of lr pixels."""
    arguments = ["-m", "bench.forward_passes", model, side, side, tile, output]
    command = [sys.executable, *map(str, arguments)]
    pipe = subprocess.PIPE  # TensorFlow's messages are not shown
    printed = subprocess.check_output(command, cwd=ROOT, stderr=pipe, text=True)
    return float(printed.split()[-1])


def _sr_infer(s2: Path, model: Path, out: Path) -> list[str]:
    arguments = ["--s2_images", s2, "--model_dir", model, "--out", out, "--overwrite"]
    return [sys.executable, "sr_infer.py", *map(str, arguments)]
