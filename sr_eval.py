"""Exercise 4: how good is the saved model on the test patches?

In:  the SavedModel of sr_train.py; test_{lr,hr}_patches.tif, dataset.json.
Out: tables, metrics.json, patches.csv, patches.png, and report.html to look at.

    python sr_eval.py --patches patches --model_dir model --out_dir eval
    python sr_eval.py --compare eval_a eval_b --out_dir both

Simple zooms of the same pixels stand beside every number: a network that does not beat
bicubic is not worth its electricity.  docs/metrics.md explains the scores.
"""

from srtools.errors import one_line_errors, start

if __name__ == "__main__":
    start("srtools.cli.evaluation")  # answers --help, misuse and Ctrl-C at once

import sys
from collections.abc import Callable, Iterable, Iterator

import numpy as np

from srtools.ahead import ahead
from srtools.cli import evaluation as cli
from srtools.cli.options import command_line
from srtools.conventions import FACTOR, INPUT, OUTPUT, SCALE
from srtools.evaluation import comparison, coverage, results, tables, test_set
from srtools.evaluation.assessment import Assessment
from srtools.evaluation.report import pictures
from srtools.images.zooms import ZOOMS, zoom
from srtools.network import saved_model, serving

import otbtf
import tensorflow as tf


def read_batches(
    files: dict[str, str], batch_size: int, indexes: list[int] | None = None
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Read all test patches, or some: lr in DN, hr in reflectance, [n, h, w, bands]."""
    # Streamed from the file: memory does not grow with the number of patches.
    names = {kind: [file] for kind, file in files.items()}
    reader = otbtf.PatchesImagesReader(filenames_dict=names, use_streaming=True)
    indexes = range(reader.get_size()) if indexes is None else indexes
    for first in range(0, len(indexes), batch_size):
        samples = [reader.get_sample(i) for i in indexes[first : first + batch_size]]
        # The reader gives band after band; scores want the bands of a pixel together.
        lr, hr = (
            np.stack([sample[kind] for sample in samples]).astype(np.float32, order="C")
            for kind in ("lr", "hr")
        )
        yield lr, hr * np.float32(SCALE)


def enlarge(
    network: Callable, batches: Iterable[tuple[np.ndarray, np.ndarray]]
) -> Iterator[tuple[np.ndarray, dict[str, tf.Tensor], np.ndarray]]:
    """Enlarge lr by the network and by simple zooms: lr, predictions, truth."""
    for lr_dn, truth in batches:
        lr = lr_dn * np.float32(SCALE)
        size = FACTOR * lr.shape[1], FACTOR * lr.shape[2]
        zoomed = {method: zoom(lr, size, method) for method in ZOOMS}
        yield lr, {**zoomed, "model": network(**{INPUT: lr_dn})[OUTPUT]}, truth


def absolute_error(predicted: tf.Tensor, truth: tf.Tensor) -> tf.Tensor:
    """Absolute error of each pixel and band; the mean over pixels is L1."""
    return tf.abs(predicted - truth)


def squared_error(predicted: tf.Tensor, truth: tf.Tensor) -> tf.Tensor:
    """Squared error of each pixel and band; the mean over pixels is L2."""
    return tf.square(predicted - truth)


def errors_of_patches(predicted: tf.Tensor, truth: tf.Tensor) -> dict[str, tf.Tensor]:
    """L1 and L2 of each patch and band: [n, h, w, bands] to [n, bands]."""
    return {
        "l1": tf.reduce_mean(absolute_error(predicted, truth), axis=(1, 2)),
        "l2": tf.reduce_mean(squared_error(predicted, truth), axis=(1, 2)),
    }


def mean_over_patches(scores: np.ndarray) -> np.ndarray:
    """Average over patches, [n, bands], and so over all pixels: they have one size."""
    return scores.mean(axis=0, dtype=np.float64)


def evaluate(options: cli.Options) -> dict:
    """Score the model, and simple zooms, on all test patches: metrics.json."""
    test = test_set.read_test_set(options.patches[0], options.border)
    model = saved_model.describe(options.model_dir)
    test_set.check_fit(model, test, options.ignore_offset, options.accept_ground)
    results.check_folder(options.out_dir, options.overwrite, results.FILES)
    one_view = saved_model.load(options.model_dir, OUTPUT)
    network = serving.averaged(one_view, options.views)

    # While one batch is scored, the next one passes through the network.
    scores = Assessment(test, options.border, errors_of_patches, mean_over_patches)
    batches = ahead(read_batches(test.files, options.batch_size))
    for lr, predicted, truth in ahead(enlarge(network, batches)):
        scores.add(lr, predicted, truth)

    metrics = scores.metrics(model, command_line("sr_eval.py", options))
    some = read_batches(test.files, options.batch_size, scores.sample)
    metrics["coverage"] = coverage.measure(one_view, model.card, some, options.views)
    captions = pictures.choose(scores.gains)
    chosen = enlarge(network, read_batches(test.files, 1, list(captions)))
    results.write(options.out_dir, metrics, scores, pictures.gather(captions, chosen))
    return metrics


@one_line_errors
def main(argv: list[str] | None = None) -> int:
    """Run from the command line."""
    options = cli.parse(argv)
    comparison.check_folder(options.out_dir, options.overwrite, options.summary)
    for run in options.runs():  # one for each model and scene
        shown = tables.evaluation(evaluate(run))  # of a single one
    if options.compare:
        shown = tables.comparison(comparison.write(options.out_dir, *options.results()))
    elif options.summary:
        shown = tables.scenes(comparison.write_scenes(options.out_dir, options.names()))
    print(tables.as_text(shown))
    print(f"written: the files in {options.out_dir}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
