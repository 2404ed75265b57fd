"""sr_eval.py: all scores and the report, beside the forward passes alone."""

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import rasterio

from bench.measure import run as measure
from bench.report import Row
from srtools.conventions import BANDS, FACTOR

ROOT = Path(__file__).parent.parent
PATCH = 32  # lr pixels
BATCH = 16
MOST_TIMES = 1.3  # the time of the forward passes


def run(folder: Path, sizes: tuple[int, ...]) -> Iterator[Row]:
    """Measure as many test patches as scenes of `sizes` x `sizes` PAN pixels have."""
    model = folder / "model"
    measure(_python("-m", "bench.evaluation", "model", model), ROOT)
    for size in sizes:
        patches = folder / f"patches{size}"
        patches.mkdir()
        count = (size // (FACTOR * PATCH)) ** 2
        write_patches(patches, count)
        forward = measure(_python("-m", "bench.evaluation", patches, model), ROOT)
        whole = measure(
            _python(
                "sr_eval.py", "--patches", patches, "--model_dir", model,
                "--out_dir", patches / "eval",
            ),
            ROOT,
        )  # fmt: skip
        shutil.rmtree(patches)
        for what, usage in (
            (f"{count} forward passes, no more", forward), ("sr_eval.py", whole)
        ):  # fmt: skip
            seconds = f"{usage.seconds:.1f} s ({usage.cpu_seconds:.1f} s CPU)"
            yield Row(size, what, seconds)
            yield Row(size, "  peak memory", f"{usage.peak_bytes / 1e9:.2f} GB")
        ratio = f"{whole.seconds / forward.seconds:.2f} x"
        yield Row(size, "  of the time of the passes", ratio, f"<= {MOST_TIMES} x")


def write_patches(folder: Path, count: int) -> None:
    """Write test patches of noise, line of patches by line."""
    random = np.random.default_rng(count)
    for kind, side in (("lr", PATCH), ("hr", FACTOR * PATCH)):
        path = folder / f"test_{kind}_patches.tif"
        with rasterio.open(
            path, "w", driver="GTiff", dtype="uint16", count=len(BANDS), width=side,
            height=count * side, compress="DEFLATE", predictor=2, BIGTIFF="IF_SAFER",
        ) as file:  # fmt: skip
            for index in range(count):
                pixels = random.integers(500, 3000, (len(BANDS), side, side), "uint16")
                file.write(
                    pixels, window=((index * side, (index + 1) * side), (0, side))
                )


def save_model(folder: str) -> None:
    """Save the network of the course with its first weights: as fast as trained."""
    import sr_model

    model = sr_model.SRModel(sr_model.element_spec(len(BANDS)))
    sr_model.save(model, folder, {"bands": list(BANDS)})


def pass_forward(patches: str, model: str) -> None:
    """Load the model, and pass each patch through it once."""
    import sr_eval
    from srtools import models

    network = models.load(model, sr_eval.OUTPUT)
    names = {kind: f"{patches}/test_{kind}_patches.tif" for kind in ("lr", "hr")}
    for lr_batch, _ in sr_eval.read_batches(names, BATCH):
        network(**{sr_eval.INPUT: lr_batch})


def _python(*arguments) -> list[str]:
    return [sys.executable, *map(str, arguments)]


if __name__ == "__main__":
    if sys.argv[1] == "model":
        save_model(sys.argv[2])
    else:
        pass_forward(*sys.argv[1:])
