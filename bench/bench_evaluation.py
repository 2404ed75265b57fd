"""sr_eval.py: all scores and the report, beside the forward passes alone."""

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import rasterio
from affine import Affine

from bench.measure import Usage
from bench.measure import run as measure
from bench.table import Row
from srtools.cards import write_card
from srtools.conventions import BANDS, FACTOR

ROOT = Path(__file__).parent.parent
PATCH = 32  # lr pixels
BATCH = 16
COUNTS = 100, 256  # patches; sr_eval.py looks closer at 100
MOST_TIMES = 1.3  # the time of the forward passes
CRS, CORNER = "EPSG:32631", (447003.0, 5412996.0)


def run(folder: Path, sizes: tuple[int, ...]) -> Iterator[Row]:
    """Measure test patches; `sizes` of scenes have no effect here."""
    model = folder / "model"
    measure(_python("-m", "bench.bench_evaluation", "model", model), ROOT)
    for count in COUNTS:
        forward, whole = _both(folder, count, model)
        for label, usage in (
            ("forward passes, no more", forward),
            ("sr_eval.py", whole),
        ):
            seconds = f"{usage.seconds:.1f} s ({usage.cpu_seconds:.1f} s CPU)"
            yield Row(count, label, seconds)
            yield Row(count, "  peak memory", f"{usage.peak_bytes / 1e9:.2f} GB")
        for label, name in (("time", "seconds"), ("CPU time", "cpu_seconds")):
            ratio = f"{getattr(whole, name) / getattr(forward, name):.2f} x"
            label = f"  of the {label} of the passes"
            yield Row(count, label, ratio, f"<= {MOST_TIMES} x")


def _both(folder: Path, count: int, model: Path) -> tuple[Usage, Usage]:
    """Measure the forward passes alone, and the whole evaluation."""
    patches = folder / f"patches{count}"
    patches.mkdir()
    write_patches(patches, count)
    forward = measure(_python("-m", "bench.bench_evaluation", patches, model), ROOT)
    command = ["--patches", patches, "--model_dir", model, "--out_dir"]
    whole = measure(_python("sr_eval.py", *command, patches / "eval"), ROOT)
    shutil.rmtree(patches)
    return forward, whole


def write_patches(folder: Path, count: int) -> None:
    """Write test patches of noise, line of patches by line, and where they lie."""
    random = np.random.default_rng(count)
    for kind, side in (("lr", PATCH), ("hr", FACTOR * PATCH)):
        path = folder / f"test_{kind}_patches.tif"
        with rasterio.open(
            path,
            "w",
            driver="GTiff",
            dtype="uint16",
            count=len(BANDS),
            width=side,
            height=count * side,
            compress="DEFLATE",
            predictor=2,
            BIGTIFF="IF_SAFER",
            transform=Affine.scale(6, -6),
        ) as file:
            for index in range(count):
                pixels = random.integers(500, 3000, (len(BANDS), side, side), "uint16")
                file.write(
                    pixels, window=((index * side, (index + 1) * side), (0, side))
                )
    across = int(np.sqrt(count))
    places = np.stack(np.divmod(np.arange(count), across), axis=1) * PATCH
    card = {
        "bands": BANDS,
        "lr": {"spacing": 6.0},
        "hr": {"spacing": 1.5},
        "xs": {"crs": CRS, "origin": CORNER},
        "groups": {"test": {"windows": places.tolist()}},
    }
    write_card(folder / "dataset.json", card)
    side = int(places.max() + PATCH) * 6 // 10 + 4
    x, y = CORNER
    with rasterio.open(
        folder / "sentinel2.tif",
        "w",
        driver="GTiff",
        dtype="uint16",
        count=len(BANDS),
        width=side,
        height=side,
        crs=CRS,
        compress="DEFLATE",
        predictor=2,
        transform=Affine(10, 0, x - 13, 0, -10, y + 17),
    ) as file:
        file.write(random.integers(500, 3000, (len(BANDS), side, side), "uint16"))


def save_model(folder: str) -> None:
    """Save the network of the course with its first weights: as fast as trained."""
    import sr_model
    from srtools.network import saved_model

    model = sr_model.SRModel(sr_model.element_spec(len(BANDS)))
    saved_model.save(model.model, folder, {"bands": list(BANDS)})


def pass_forward(patches: str, model: str) -> None:
    """Load the model, and pass each patch through it once."""
    import sr_eval
    from srtools.network import saved_model

    network = saved_model.load(model, sr_eval.OUTPUT)
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
