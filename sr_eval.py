"""Exercise 4: how good is the saved model on the test patches?

In:  the SavedModel of sr_train.py, test_{lr,hr}_patches.tif and dataset.json of
     sr_dataset.py.
Out: a table, metrics.json, patches.csv, patches.png, and report.html to look at.

    python sr_eval.py --patches patches --model_dir model --out_dir eval
    # two models on the same patches, or two results of this script
    python sr_eval.py --patches patches --compare model_a model_b --out_dir both
    python sr_eval.py --compare eval_a eval_b --out_dir both

Simple zooms of the same pixels stand beside every number: a network that does not beat
bicubic is not worth its electricity.  L1 is the mean absolute error, L2 the mean
squared error; docs/metrics.md explains the others.
"""

import argparse
import logging
import sys
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from srtools import bootstrap, cards, data, models, report, runs, side_by_side, tables
from srtools.ahead import ahead
from srtools.closer import CloserLook
from srtools.contract import check_model, read_dataset_card, read_windows
from srtools.conventions import BANDS, FACTOR, SCALE
from srtools.errors import SRError, one_line_errors
from srtools.metrics import all_scores
from srtools.scores import Scores

log = logging.getLogger("srtools.sr_eval")

INPUT, OUTPUT = "lr", "hr"  # names in the SavedModel's signature
METHODS = ("nearest", "bilinear", "bicubic", "model")


def read_batches(
    files: dict[str, str], batch_size: int, indexes: list[int] | None = None
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Give every test patch once, in order, the last incomplete batch included.

    Arguments:
        files: the patches images, by kind.
        batch_size: patches at a time.
        indexes: only these patches, in this order.

    Yields:
        lr [n, h, w, bands] in DN and hr [n, 4h, 4w, bands] in reflectance, float32.
    """
    import otbtf

    # Streamed from the file: memory does not grow with the number of patches.
    reader = otbtf.PatchesImagesReader(
        filenames_dict={kind: [file] for kind, file in files.items()},
        use_streaming=True,
    )
    indexes = range(reader.get_size()) if indexes is None else indexes
    for first in range(0, len(indexes), batch_size):
        samples = [reader.get_sample(i) for i in indexes[first : first + batch_size]]
        lr_batch = np.stack([sample["lr"] for sample in samples]).astype(np.float32)
        hr_batch = np.stack([sample["hr"] for sample in samples]).astype(np.float32)
        yield lr_batch, hr_batch * np.float32(SCALE)


def predict(network: Callable, lr: np.ndarray) -> dict[str, np.ndarray]:
    """Enlarge [n, h, w, bands] DN by each method, in reflectance.

    Bicubic is cubic convolution (Keys, 1981, a = -0.5).
    """
    import tensorflow as tf

    size = FACTOR * lr.shape[1], FACTOR * lr.shape[2]
    reflectance = lr * np.float32(SCALE)
    zooms = {m: tf.image.resize(reflectance, size, m).numpy() for m in METHODS[:-1]}
    return {**zooms, "model": network(**{INPUT: lr})[OUTPUT].numpy()}


def passes(
    network: Callable, files: dict[str, str], batch_size: int
) -> Iterator[tuple[np.ndarray, dict[str, np.ndarray], np.ndarray]]:
    """Give lr in DN, predictions and truth in reflectance, batch by batch.

    While one batch is scored, the next one passes through the network.
    """
    return ahead(
        (lr_batch, predict(network, lr_batch), truth)
        for lr_batch, truth in read_batches(files, batch_size)
    )


def evaluate(
    *,
    patches: str,
    model_dir: str,
    out_dir: str,
    batch_size: int = 16,
    border: int = 8,
    sample: int = 100,
    ignore_offset: bool = False,
    overwrite: bool = False,
) -> dict:
    """Compare the model and simple zooms with the truth on all test patches.

    Arguments:
        patches: folder with test_lr_patches.tif and test_hr_patches.tif.
        model_dir: the SavedModel.
        out_dir: folder for the results.
        batch_size: patches per forward pass.
        border: hr pixels left out on each side, where no method knows what lies
            beyond the patch; the scores with them are given as well.
        sample: patches for the scores that take their time; 0: all.
        ignore_offset: whether the model may come from Sentinel-2 products with
            another offset than the patches.
        overwrite: whether existing files may be replaced.

    Returns:
        What is written to metrics.json.

    Raises:
        SRError: if patches and model do not fit together.
    """
    files = data.check_patches(patches, "test", FACTOR)
    patches_info = data.describe_patches(files["hr"])
    count, size = patches_info.count, patches_info.size
    if 2 * border >= size:
        raise SRError(
            f"a border of {border} pixels leaves nothing of the hr patches; "
            "give a smaller --border"
        )
    dataset = read_dataset_card(patches)
    windows = read_windows(dataset, count)
    info = models.describe(model_dir)
    info.need(INPUT, OUTPUT)
    check_model(info, dataset, INPUT, ignore_offset)
    outputs = [Path(out_dir) / name for name in report.FILES]
    cards.refuse_existing(outputs, overwrite)
    network = models.load(model_dir, OUTPUT)

    spacing = dataset.get("hr", {}).get("spacing", 1.5)
    scores = Scores(BANDS, SCALE, ratio=1 / FACTOR)
    closer = CloserLook(
        count=count, sample=sample, size=size, border=border, spacing=spacing
    )
    borders, checksum = {"inner": border, "whole": 0}, 0
    for lr_batch, predicted, truth in passes(network, files, batch_size):
        if predicted["model"].shape != truth.shape:
            raise SRError(
                f"the model makes patches {predicted['model'].shape[1:]} of the lr "
                f"patches, the hr patches are {truth.shape[1:]}: factors differ"
            )
        closer.add(scores.count(), lr_batch * np.float32(SCALE), predicted, truth)
        scores.add(all_scores(predicted, truth, borders))
        checksum = zlib.crc32(lr_batch.tobytes(), checksum)
        checksum = zlib.crc32(truth[:, ::FACTOR, ::FACTOR].tobytes(), checksum)

    blocks = bootstrap.group(count, windows, size // FACTOR)
    columns = {method: scores.columns("inner", method) for method in METHODS}
    gains = scores.gains("inner")
    kind = "patches" if windows is None else "blocks of neighbours"
    metrics = {
        "patches": count,
        "test_set": f"{checksum:08x}",
        "bands": list(BANDS),
        "methods": list(METHODS),
        "border": border,
        "psnr_range": "reflectance 0-1",
        **{area: scores.area(area) for area in borders},
        "share_won": float((gains > 0).mean()),
        "intervals": runs.method_intervals(columns, blocks, kind, SCALE),
        **closer.record(),
        "worst": scores.worst("inner", windows),
        "model_dir": str(model_dir),
        "model_card": {k: v for k, v in info.card.items() if k != "dataset"},
        "dataset": {k: v for k, v in dataset.items() if k != "groups"},
        "versions": cards.versions(),
    }
    shown = report.choose(gains)
    pictures = [
        (lr_batch * SCALE, predict(network, lr_batch), truth)
        for lr_batch, truth in read_batches(files, 1, [index for _, index in shown])
    ]
    scene = dataset.get("xs", {})
    places = report.Places(windows, size // FACTOR, gains, columns["model"], scene)
    with cards.whole_files(outputs) as partial:
        cards.write_card(partial / "metrics.json", metrics)
        runs.write_patches(partial / "patches.csv", columns, windows, blocks)
        report.save_pictures(partial / "patches.png", shown, gains, pictures)
        report.save(partial / "report.html", metrics, shown, pictures, places)
    return metrics


def get_parser() -> argparse.ArgumentParser:
    """Define the command line."""
    parser = argparse.ArgumentParser(
        description="Score the saved model, and simple zooms beside it, on all test "
        "patches."
    )
    parser.add_argument("--patches", help="folder of sr_dataset.py")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--model_dir", help="SavedModel of sr_train.py")
    what.add_argument(
        "--compare", nargs=2, metavar=("A", "B"),
        help="two SavedModels (with --patches), or two folders of results",
    )  # fmt: skip
    parser.add_argument("--out_dir", required=True, help="folder for the results")
    parser.add_argument(
        "--batch_size", type=int, default=16, help="patches at a time (default: 16)"
    )
    parser.add_argument(
        "--border", type=int, default=8, metavar="PIXELS",
        help="hr pixels left out on each side of a patch (default: 8)",
    )  # fmt: skip
    parser.add_argument(
        "--sample", type=int, default=100, metavar="PATCHES",
        help="for cPSNR, consistency and spectra look at so many patches, evenly "
        "spread; 0: all (default: 100)",
    )  # fmt: skip
    parser.add_argument(
        "--ignore_offset", action="store_true",
        help="accept a model made from Sentinel-2 products with another offset",
    )  # fmt: skip
    parser.add_argument(
        "--overwrite", action="store_true", help="replace existing files"
    )
    return parser


@one_line_errors
def main(argv: list[str] | None = None) -> int:
    """Run from the command line."""
    parser = get_parser()
    params = parser.parse_args(argv)
    if params.batch_size < 1 or params.border < 0 or params.sample < 0:
        parser.error("--batch_size must be at least 1, --border and --sample 0 or more")
    options = vars(params)
    compared = options.pop("compare")
    if compared:
        del options["model_dir"]
        found = side_by_side.compare(compared, evaluate=evaluate, **options)
        print(tables.comparison(found))
        written = report.COMPARISON_FILES
    else:
        if params.patches is None:
            parser.error("--patches is required with --model_dir")
        print(tables.evaluation(evaluate(**options)))
        written = report.FILES
    print(f"written: {', '.join(f'{params.out_dir}/{name}' for name in written)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
