"""Exercise 4: score the saved model on the test patches.

In:  the SavedModel of sr_train.py; test_{lr,hr}_patches.tif, dataset.json.
Out: tables, metrics.json, patches.csv, patches.png and report.html.

    python sr_eval.py --patches patches --model_dir model --out_dir eval
    python sr_eval.py --compare eval_a eval_b --out_dir both

Simple zooms of the same pixels are scored as well.  docs/metrics.md has the scores.
"""

from srtools.errors import one_line_errors, start

if __name__ == "__main__":
    start("srtools.options.evaluation_options")  # --help, misuse and Ctrl-C: at once

import sys
from collections.abc import Callable, Iterable, Iterator

import numpy as np

from srtools.conventions import INPUT, OUTPUT, SCALE
from srtools.evaluation import comparison, eval_set, result_files, tables
from srtools.evaluation.assessment import Assessment
from srtools.images.interpolation import ZOOMS, zoom
from srtools.network import saved_model
from srtools.options import evaluation_options as cli
from srtools.options.parser import command_line
from srtools.prefetch import prefetch

import otbtf
import tensorflow as tf


def read_batches(
    files: dict[str, str], batch_size: int, indexes: list[int] | None = None
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Read test patches, [n, h, w, bands] at a time: lr in DN, hr in reflectance."""
    # With streaming, memory does not grow with the number of patches.
    names = {kind: [file] for kind, file in files.items()}
    reader = otbtf.PatchesImagesReader(filenames_dict=names, use_streaming=True)
    indexes = range(reader.get_size()) if indexes is None else indexes
    for first in range(0, len(indexes), batch_size):
        samples = [reader.get_sample(i) for i in indexes[first : first + batch_size]]
        # The scores need the bands of a pixel together; the reader separates them.
        lr, hr = (
            np.stack([sample[kind] for sample in samples]).astype(np.float32, order="C")
            for kind in ("lr", "hr")
        )
        yield lr, hr * np.float32(SCALE)


def enlarge(
    network: Callable,  # takes lr by name, in DN; returns {"hr": reflectance}
    batches: Iterable[tuple[np.ndarray, np.ndarray]],
) -> Iterator[tuple[np.ndarray, dict[str, tf.Tensor], np.ndarray]]:  # exercise
    """Enlarge lr, DN; yield lr, {"model" and each of ZOOMS: reflectance}, truth."""
    for lr, truth in batches:
        reflectance, size = lr * np.float32(SCALE), truth.shape[1:3]
        zoomed = {method: zoom(reflectance, size, method) for method in ZOOMS}
        yield lr, {**zoomed, "model": network(**{INPUT: lr})[OUTPUT]}, truth


def errors_of_patches(predicted: tf.Tensor, truth: tf.Tensor) -> dict:  # exercise
    """Compute L1 and L2 of each patch and band, [n, h, w, bands] to [n, bands]."""
    error = predicted - truth
    return {
        "l1": tf.reduce_mean(tf.abs(error), axis=(1, 2)),
        "l2": tf.reduce_mean(tf.square(error), axis=(1, 2)),
    }


def mean_over_patches(scores: np.ndarray) -> np.ndarray:  # exercise
    """Average over patches [n, bands]; all have one size, so each pixel counts once."""
    return scores.mean(axis=0, dtype=np.float64)


def evaluate(options: cli.Options) -> dict:
    """Score the model and simple zooms on all test patches; return metrics.json."""
    test = eval_set.read_eval_set(options.patches[0])
    model = saved_model.describe(options.model_dir)
    eval_set.check_model(model, test)
    result_files.check_folder(options.out_dir, options.overwrite, result_files.FILES)
    network = saved_model.load(options.model_dir, OUTPUT)

    # The network predicts the next batch while this one is scored.
    scores = Assessment(test, model, errors_of_patches, mean_over_patches)
    batches = prefetch(read_batches(test.files, options.batch_size))
    for lr, predicted, truth in prefetch(enlarge(network, batches)):
        scores.add(lr, predicted, truth)

    examples = read_batches(test.files, 1, scores.patches_to_show())
    metrics = scores.metrics(command_line("sr_eval.py", options))
    result_files.write(options.out_dir, metrics, scores, enlarge(network, examples))
    return metrics


@one_line_errors
def main(argv: list[str] | None = None) -> int:
    """Run from the command line."""
    options = cli.parse(argv)
    out_dir, overwrite = options.out_dir, options.overwrite
    if options.compare:
        results, names = comparison.write(out_dir, overwrite, *options.compare)
    elif len(options.patches) > 1:
        model = saved_model.describe(options.model_dir)
        for test in map(eval_set.read_eval_set, options.patches):  # before all scores
            eval_set.check_model(model, test)
        names = comparison.files_of(options.scenes())
        result_files.check_folder(out_dir, overwrite, names)
        runs = {name: evaluate(scene) for name, scene in options.scenes().items()}
        results = comparison.write_scenes(out_dir, runs)
    else:
        results, names = tables.evaluation(evaluate(options)), result_files.FILES
    print(tables.format_tables(results))
    print(f"written: {', '.join(f'{out_dir}/{name}' for name in names)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
