"""Exercise 4: how good is the saved model on the test patches?

In:  the SavedModel of sr_train.py, test_{lr,hr}_patches.tif and dataset.json of
     sr_dataset.py.
Out: a table, metrics.json, patches.csv, patches.png, and report.html to look at.

    python sr_eval.py --patches patches --model_dir model --out_dir eval
    # a table of several scenes
    python sr_eval.py --patches nice lille --model_dir model --out_dir eval
    # two models on the same patches, or two results of this script
    python sr_eval.py --patches patches --compare model_a model_b --out_dir both
    python sr_eval.py --compare eval_a eval_b --out_dir both

Simple zooms of the same pixels stand beside every number: a network that does not beat
bicubic is not worth its electricity.  L1 is the mean absolute error, L2 the mean
squared error; docs/metrics.md explains the others.
"""

from srtools.errors import one_line_errors, start

if __name__ == "__main__":
    start("srtools.cli.evaluation")  # answers --help, misuse and Ctrl-C at once

import dataclasses
import sys
from collections.abc import Callable, Iterable, Iterator

import numpy as np

from srtools.ahead import ahead
from srtools.cli import evaluation as cli
from srtools.cli.options import command_line
from srtools.conventions import FACTOR, INPUT, OUTPUT, SCALE
from srtools.evaluation import (
    coverage,
    results,
    scenes,
    side_by_side,
    tables,
    test_set,
)
from srtools.evaluation.assessment import Assessment
from srtools.evaluation.report import pictures
from srtools.images.zooms import ZOOMS, zoom
from srtools.network import saved_model
from srtools.network.serving import VIEWS, mean_of_views

import otbtf
import tensorflow as tf


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
    # Streamed from the file: memory does not grow with the number of patches.
    reader = otbtf.PatchesImagesReader(
        filenames_dict={kind: [file] for kind, file in files.items()},
        use_streaming=True,
    )
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
    """Enlarge lr by the network, and by the simple zooms that it has to beat.

    Yields:
        lr, its enlargements by method, and hr, the truth; all in reflectance.
    """
    for lr_dn, truth in batches:
        lr = lr_dn * np.float32(SCALE)
        size = FACTOR * lr.shape[1], FACTOR * lr.shape[2]
        zoomed = {method: zoom(lr, size, method) for method in ZOOMS}
        yield lr, {**zoomed, "model": network(**{INPUT: lr_dn})[OUTPUT]}, truth


def look(network: Callable, views: int) -> Callable:
    """Give a network that takes the mean over so many views of the image, 1 or 8."""

    def answer(image: tf.Tensor) -> tf.Tensor:
        return network(**{INPUT: image})[OUTPUT]

    def mean(**inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        return {OUTPUT: mean_of_views(answer, inputs[INPUT], views)[0]}

    return mean if views > 1 else network


def absolute_error(predicted: tf.Tensor, truth: tf.Tensor) -> tf.Tensor:
    """Absolute error of each pixel and band; the mean over pixels is L1."""
    return tf.abs(predicted - truth)


def squared_error(predicted: tf.Tensor, truth: tf.Tensor) -> tf.Tensor:
    """Squared error of each pixel and band; the mean over pixels is L2."""
    return tf.square(predicted - truth)


def evaluate(options: cli.Options) -> dict:
    """Score the model, and simple zooms, on all test patches: metrics.json.

    Raises:
        SRError: if patches and model do not fit together.
    """
    # 1. The test patches and the model, which must have been made for such patches.
    (folder,) = options.patches
    test = test_set.read_test_set(folder, options.border)
    model = saved_model.describe(options.model_dir)
    model.need(INPUT, OUTPUT)
    test_set.check_model(model, test.dataset, INPUT, options.ignore_offset)
    test_set.check_ground(model, test, options.accept_ground)
    results.check_folder(options.out_dir, options.overwrite)
    one_view = saved_model.load(options.model_dir, OUTPUT)
    views = VIEWS if options.self_ensemble else 1
    network = look(one_view, views)

    # 2. Every test patch is enlarged and scored once; its pixels are not kept.  While
    #    one batch is scored, the next one passes through the network, and the one after
    #    that is read.
    errors = {"l1": absolute_error, "l2": squared_error}
    assessment = Assessment(test, options.border, options.sample, errors)
    batches = ahead(read_batches(test.files, options.batch_size))
    for lr, predicted, truth in ahead(enlarge(network, batches)):
        assessment.add(lr, predicted, truth)

    # 3. The scores of all patches together, and a few patches to look at.
    metrics = assessment.metrics(model)
    some = test_set.spread(test.count, options.sample)
    closer = read_batches(test.files, options.batch_size, some)
    metrics["training_set"] = test_set.compare_with_training(test, model, some)
    metrics["coverage"] = coverage.measure(one_view, model.card, closer, views)
    shown = look_at(network, test.files, pictures.choose(assessment.gains))
    command = command_line("sr_eval.py", options)
    metrics["commands"] = results.commands(command, test.dataset, model.card)
    results.write(options.out_dir, metrics, assessment, shown)
    return metrics


def evaluate_scenes(options: cli.Options) -> dict:
    """Score the model on several scenes, one after the other: scenes.json."""

    def evaluate_one(folder: str, out_dir: str) -> dict:
        one = dataclasses.replace(options, patches=(folder,), out_dir=out_dir)
        return evaluate(one)

    return scenes.evaluate(
        options.patches, evaluate_one, options.out_dir, options.overwrite
    )


def look_at(
    network: Callable, files: dict[str, str], chosen: list[tuple[str, int]]
) -> list[pictures.Shown]:
    """Enlarge chosen patches, of which caption and number are given, once more."""
    batches = read_batches(files, 1, [number for _, number in chosen])
    return pictures.gather(chosen, enlarge(network, batches))


def compare(options: cli.Options) -> dict:
    """Put two models, or two results of `evaluate`, side by side: comparison.json."""

    def evaluate_one(**model: str) -> dict:
        return evaluate(dataclasses.replace(options, compare=None, **model))

    def look_at_one(model_dir: str, *patches) -> list[pictures.Shown]:
        network = saved_model.load(model_dir, OUTPUT)
        views = VIEWS if options.self_ensemble else 1
        return look_at(look(network, views), *patches)

    return side_by_side.compare(
        options.compare,
        evaluate=evaluate_one,
        look_at=look_at_one,
        out_dir=options.out_dir,
        patches=options.patches and options.patches[0],
        overwrite=options.overwrite,
    )


def compare_scenes(options: cli.Options) -> dict:
    """Put two models side by side on several scenes: scenes_comparison.json."""

    def compare_one(folder: str, out_dir: str) -> dict:
        one = dataclasses.replace(options, patches=(folder,), out_dir=out_dir)
        return compare(one)

    return scenes.compare(
        options.patches,
        options.compare,
        compare_one,
        options.out_dir,
        options.overwrite,
    )


@one_line_errors
def main(argv: list[str] | None = None) -> int:
    """Run from the command line."""
    options = cli.parse(argv)
    several = len(options.patches or ()) > 1
    if options.compare and several:
        print(tables.scenes_compared(compare_scenes(options)))
        names = scenes.names_of(options.patches)
        written = (scenes.COMPARED_FILE, *(f"{name}/" for name in names))
    elif options.compare:
        print(tables.comparison(compare(options)))
        written = results.COMPARISON_FILES
    elif several:
        print(tables.scenes(evaluate_scenes(options)))
        written = (scenes.FILE, *(f"{n}/" for n in scenes.names_of(options.patches)))
    else:
        print(tables.evaluation(evaluate(options)))
        written = results.FILES
    print(f"written: {', '.join(f'{options.out_dir}/{name}' for name in written)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
