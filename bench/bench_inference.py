"""sr_infer.py: a large image, beside the bare forward passes over the same pixels."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import rasterio

from bench.measure import run as measure
from bench.table import Row
from srtools.conventions import FACTOR
from srtools.images.grid import Grid
from srtools.inference import output_grid, pieces
from srtools.network import saved_model

ROOT = Path(__file__).parent.parent
SIDE = 800  # Sentinel-2 pixels of 10 m: 64 km2
TILE = 256  # lr pixels of a bare pass; 128 to 512 take the same time per pixel
SERVED = 128  # lr pixels that a served pass keeps: the tile size of sr_infer.py
ROUNDS = 3  # the median counts: machines are not equally fast all the time
FULL = 109.8**2  # km2 of a full Sentinel-2 tile
MOST_TIME, MOST_BYTES = 1.05, 1e9
PIECE, JOINED = 2048, (30720, 4096)  # pixels of 1.5 m: a piece, and 15 x 2 of them
MOST_JOINING, MOST_DISK = 0.5, 1.3
CRS = "EPSG:32631"
GRID = Grid(
    rasterio.CRS.from_user_input(CRS), rasterio.Affine.scale(1.5, -1.5), *JOINED
)
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
JOIN = """from srtools.inference.output_files import write_cog
import pathlib, sys
from bench.bench_inference import GRID, JOINED, PIECE
from srtools.inference import pieces
out, folder = map(pathlib.Path, sys.argv[1:])
write_cog(out, folder, pieces.cut(*JOINED, PIECE), GRID)
"""
COPY = """import sys, rasterio.shutil
options = {"COMPRESS": "DEFLATE", "PREDICTOR": 2, "ZLEVEL": 1, "NUM_THREADS": 2}
tiles = {"TILED": "YES", "BLOCKXSIZE": 512, "BLOCKYSIZE": 512}
rasterio.shutil.copy(*sys.argv[1:], driver="GTiff", **options, **tiles)
"""


def run(folder: Path, sizes: tuple[int, ...]) -> Iterator[Row]:
    """Measure the joining of pieces, and an image of 64 km2 with the usual network."""
    yield from _joining(folder / "pieces")
    model, s2, small = folder / "model", folder / "s2.tif", folder / "small.tif"
    subprocess.run([sys.executable, "-c", MODEL, model], cwd=ROOT, check=True)
    random = np.random.default_rng(0)
    _write(s2, random.integers(200, 4000, (4, SIDE, SIDE), np.uint16))
    # The time of a small image is that of the start.
    _write(small, random.integers(200, 4000, (4, 8, 8), np.uint16))
    metres = SIDE * 10
    lr = -(-metres // 6)
    crop = output_grid.choose_crop(saved_model.describe(model))
    with_margins = SERVED + 2 * crop // FACTOR
    rounds = []
    for _ in range(ROUNDS):
        bare = _forward(model, lr, TILE, "hr_dn")
        passes = _forward(model, lr, with_margins, f"hr_dn_crop{crop}")
        start, usage, bfloat16 = (
            measure(_sr_infer(image, model, folder / "sr.tif", name), ROOT)
            for image, name in ((small, "float32"), (s2, "float32"), (s2, "bfloat16"))
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


def _sr_infer(s2: Path, model: Path, out: Path, precision: str) -> list[str]:
    paths = ["--s2_images", s2, "--model_dir", model, "--out", out, "--overwrite"]
    return [sys.executable, "sr_infer.py", *map(str, paths), "--precision", precision]


def _write(path: Path, pixels: np.ndarray) -> None:
    bands, height, width = pixels.shape
    place = rasterio.Affine(10, 0, 450000, 0, -10, 5400000)
    size = {"count": bands, "height": height, "width": width, "dtype": "uint16"}
    with rasterio.open(path, "w", **size, crs=CRS, transform=place) as file:
        file.write(pixels)


def _joining(folder: Path) -> Iterator[Row]:
    """Join pieces as of a whole tile, beside one copy of the image."""
    folder.mkdir()
    all_pieces = pieces.cut(*JOINED, PIECE)
    for number, piece in enumerate(all_pieces):
        path = folder / piece.name
        if number < 2:  # some texture, and noise in its last digits
            rough, fine = (
                np.random.default_rng(number)
                .integers((500, 0), (3000, 40), (4, PIECE, PIECE, 2), np.uint16)
                .transpose(3, 0, 1, 2)
            )
            coarse = rough[:, ::16, ::16].repeat(16, 1).repeat(16, 2)
            pieces.write(path, coarse + fine, piece)
        else:
            os.link(folder / all_pieces[number % 2].name, path)
    joined, copied = folder / "joined.tif", folder / "copied.tif"
    vrt = pieces.write_vrt(folder / "pieces.vrt", all_pieces, GRID)
    imports = measure([sys.executable, "-c", JOIN.partition("out, folder")[0]], ROOT)
    usage = measure([sys.executable, "-c", JOIN, str(joined), str(folder)], ROOT)
    copy = measure([sys.executable, "-c", COPY, str(vrt), str(copied)], ROOT)
    yield Row(JOINED[0], "pieces joined", f"{usage.seconds:.1f} s")
    ratio = f"{usage.seconds / copy.seconds:.2f} x"
    yield Row(JOINED[0], "  of a copy without overviews", ratio)
    memory = f"{(usage.peak_bytes - imports.peak_bytes) / 1e9:.2f} GB"
    yield Row(
        JOINED[0], "  memory beside the libraries", memory, f"<= {MOST_JOINING} GB"
    )
    made = sum((folder / piece.name).stat().st_size for piece in all_pieces)
    image = joined.stat().st_size
    # The overviews exist twice; then the image takes the place of the pieces.
    disk = f"{(made + 2 * (image - made)) / image:.2f} x"
    yield Row(
        JOINED[0], "  disk that suffices, of the image", disk, f"<= {MOST_DISK} x"
    )
    shutil.rmtree(folder)
