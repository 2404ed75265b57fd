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
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from srtools import cards, files
from srtools.ahead import ahead
from srtools.conventions import BANDS, FACTOR, SCALE
from srtools.errors import one_line_errors
from srtools.evaluation import runs, side_by_side, tables, test_set
from srtools.evaluation.patch_scores import all_scores
from srtools.evaluation.report import report
from srtools.evaluation.sampled import CloserLook
from srtools.evaluation.scores import Scores
from srtools.images.zooms import ZOOMS, zoom
from srtools.network import saved_model

INPUT, OUTPUT = "lr", "hr"  # names in the SavedModel's signature
METHODS = (*ZOOMS, "model")


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
        lr_batch, hr_batch = (
            # Read band by band; pixel by pixel is how everybody below wants it.
            np.stack([sample[kind] for sample in samples]).astype(np.float32, order="C")
            for kind in ("lr", "hr")
        )
        yield lr_batch, hr_batch * np.float32(SCALE)


def predict(network: Callable, lr: np.ndarray) -> dict[str, Any]:
    """Enlarge [n, h, w, bands] DN by each method: tensors, in reflectance."""
    size = FACTOR * lr.shape[1], FACTOR * lr.shape[2]
    enlarged = {method: zoom(lr * np.float32(SCALE), size, method) for method in ZOOMS}
    return {**enlarged, "model": network(**{INPUT: lr})[OUTPUT]}


def predictions(
    network: Callable, batches: Iterable[tuple[np.ndarray, np.ndarray]]
) -> Iterator[tuple[np.ndarray, dict[str, Any], np.ndarray]]:
    """Give lr, what `predict` makes of it, and hr of `read_batches`; in reflectance."""
    for lr, truth in batches:
        yield lr * np.float32(SCALE), predict(network, lr), truth


def look_at(
    network: Callable, files: dict[str, str], indexes: list[int]
) -> Iterator[tuple[np.ndarray, dict[str, np.ndarray], np.ndarray]]:
    """Give the `predictions` of some patches, one by one, as arrays."""
    batches = read_batches(files, 1, indexes)
    for lr, predicted, truth in predictions(network, batches):
        yield lr, {method: image.numpy() for method, image in predicted.items()}, truth


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
    test = test_set.read_test_set(patches, border)
    info = saved_model.describe(model_dir)
    info.need(INPUT, OUTPUT)
    test_set.check_model(info, test.dataset, INPUT, ignore_offset)
    outputs = [Path(out_dir) / name for name in report.FILES]
    files.refuse_existing(outputs, overwrite)
    network = saved_model.load(model_dir, OUTPUT)
    files.make_folder(out_dir)  # or say now, not after the last patch, that it cannot

    # 1. Every test patch is enlarged and scored once; of its pixels nothing is kept.
    scores, closer = Scores(BANDS, SCALE, 1 / FACTOR), CloserLook(test, sample, border)
    borders, checksum = {"inner": border, "whole": 0}, 0
    # While one batch is scored, the next one passes through the network, and the one
    # after it is read.
    batches = ahead(read_batches(test.files, batch_size))
    for lr, predicted, truth in ahead(predictions(network, batches)):
        test_set.check_size(predicted["model"], truth)
        found = all_scores(predicted, truth, borders)
        test_set.check_numbers(
            *(found[method]["whole"]["l1"] for method in ("bicubic", "model"))
        )
        closer.add(scores.count(), lr, predicted, truth)
        scores.add(found)
        checksum = zlib.crc32(truth, zlib.crc32(lr, checksum))

    # 2. What the scores of the patches say together, and how sure that is.
    gains = scores.gains("inner")
    columns = {method: scores.columns("inner", method) for method in METHODS}
    blocks, kind = runs.blocks(test)
    metrics = {
        "patches": test.count,
        "test_set": f"{checksum:08x}",
        "bands": list(BANDS),
        "methods": list(METHODS),
        "border": border,
        "psnr_range": "reflectance 0-1",
        **{area: scores.area(area) for area in borders},
        "share_won": float((gains > 0).mean()),
        "intervals": runs.method_intervals(columns, blocks, kind, SCALE),
        **closer.record(),
        "worst": scores.worst("inner", test.windows),
        "model_dir": str(model_dir),
        "model_card": {k: v for k, v in info.card.items() if k != "dataset"},
        "dataset": {k: v for k, v in test.dataset.items() if k != "groups"},
        "versions": cards.versions(),
    }

    # 3. The files, all of them or none.
    shown = report.choose(gains)
    indexes = [index for _, index in shown]
    pictures = list(look_at(network, test.files, indexes))
    places = report.Places(test, gains, columns["model"])
    with files.whole_files(outputs) as partial:
        cards.write_card(partial / "metrics.json", metrics)
        runs.write_patches(partial / "patches.csv", columns, test.windows, blocks)
        report.save_pictures(partial / "patches.png", shown, gains, pictures)
        report.save(partial / "report.html", metrics, shown, pictures, places)
    return metrics


def get_parser() -> argparse.ArgumentParser:
    """Define the command line."""
    parser = argparse.ArgumentParser(
        description="Score the saved model, and simple zooms beside it, on all test "
        "patches."
    )
    add = parser.add_argument
    add("--patches", help="folder of sr_dataset.py")
    what = parser.add_mutually_exclusive_group(required=True).add_argument
    what("--model_dir", help="SavedModel of sr_train.py")
    what(
        "--compare", nargs=2, metavar=("A", "B"),
        help="two SavedModels (with --patches), or two folders of results",
    )  # fmt: skip
    add("--out_dir", required=True, help="folder for the results")
    add("--batch_size", type=int, default=16, help="patches at a time (default: 16)")
    add(
        "--border", type=int, default=8, metavar="PIXELS",
        help="hr pixels left out on each side of a patch (default: 8)",
    )  # fmt: skip
    add(
        "--sample", type=int, default=100, metavar="PATCHES",
        help="for cPSNR, consistency and spectra look at so many patches, evenly "
        "spread; 0: all (default: 100)",
    )  # fmt: skip
    add(
        "--ignore_offset", action="store_true",
        help="accept a model made from Sentinel-2 products with another offset",
    )  # fmt: skip
    add("--overwrite", action="store_true", help="replace existing files")
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
        found = side_by_side.compare(
            compared, evaluate=evaluate, look_at=look_at, **options
        )
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
