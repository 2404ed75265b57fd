"""Exercise 3: train the network, watch it, and stop when it learns no more.

In:  {train,valid}_{lr,hr}_patches.tif and dataset.json of sr_dataset.py.
Out: a SavedModel with its card in assets/; in MODEL_DIR_logs training.csv, training.png
     and what TensorBoard shows.

    # a minute on a CPU, to see that everything works
    python sr_train.py --patches patches --model_dir model --filters 16 --nb_epochs 10
    # the real one; killed and started again, it goes on after the last whole epoch
    python sr_train.py --patches patches --model_dir model --nb_epochs 100
    tensorboard --logdir model_logs

The loss is L1, the mean absolute error in reflectance, which leaves sharper edges than
L2 (Zhao et al., "Loss functions for image restoration", 2017).
"""

import argparse
import logging
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import sr_model
from sr_model import OUTPUT, SRModel
from srtools.conventions import BANDS, FACTOR, SCALE
from srtools.errors import one_line_errors
from srtools.images import patch_files
from srtools.network import model_card, weights
from srtools.network.receptive_field import receptive_field
from srtools.training import (
    feeding,
    losses,
    monitoring,
    pictures,
    records,
    resuming,
    stopping,
    strategies,
    summaries,
)

import tensorflow as tf

log = logging.getLogger("srtools.sr_train")

GROUPS = ("train", "valid")
SCHEDULES = ("cosine", "plateau", "constant")
SHOWN = 4  # validation patches whose pictures go to TensorBoard
# Arguments that a training which goes on may change: the model does not depend on them.
FREE = ("patches", "model_dir", "logs", "streaming", "histograms", "overwrite")


def make_learning_rate(schedule: str, first: float, steps: int) -> Any:
    """Give the learning rate, or how it falls from step to step."""
    if schedule == "cosine":  # to 0 along half a cosine: Loshchilov and Hutter, 2017
        return tf.keras.optimizers.schedules.CosineDecay(first, steps)
    return first


def make_deciders(schedule: str, patience: int) -> list[tf.keras.callbacks.Callback]:
    """Choose what decides after an epoch: when to stop, and when to learn slower."""
    stop = tf.keras.callbacks.EarlyStopping(
        patience=patience, restore_best_weights=True
    )
    slower = tf.keras.callbacks.ReduceLROnPlateau(
        factor=0.5, patience=max(1, patience // 4)
    )
    return [stop, slower] if schedule == "plateau" else [stop]


def make_watchers(
    logs: Path, valid: dict, table: monitoring.Table, nb_epochs: int, histograms: bool
) -> list[tf.keras.callbacks.Callback]:
    """Choose what one can watch: curves, pictures, a line per epoch."""
    lr, hr = feeding.some_samples(valid, SHOWN)
    return [
        summaries.Scalars(logs, histograms),
        pictures.PatchImages(logs / "images", lr, hr, SCALE),
        monitoring.EpochLines(table, nb_epochs),
    ]


def open_sources(
    files: dict, streaming: bool | None, tfrecords: str | None, shuffle_buffer: int
) -> dict:
    """Choose where patches are read from: memory, patches images, or TFRecords."""
    if tfrecords:
        return records.open_records(tfrecords, files, shuffle_buffer)
    return {group: feeding.open_patches(files[group], streaming) for group in files}


def train(
    *,
    patches: str,
    model_dir: str,
    logs: str | None = None,
    loss: str = "l1",
    batch_size: int = 4,
    learning_rate: float = 1e-3,
    lr_schedule: str = "cosine",
    nb_epochs: int = 60,
    patience: int = 20,
    filters: int = 64,
    blocks: int = 4,
    kernel: int = 4,
    finetune: str | None = None,
    augment: bool = True,
    train_size: int | None = None,
    streaming: bool | None = None,
    tfrecords: str | None = None,
    shuffle_buffer: int = records.BUFFER,
    strategy: str = "auto",
    scale_learning_rate: bool = False,
    mixed_precision: bool = False,
    xla: bool = False,
    histograms: bool = False,
    seed: int = 1,
    overwrite: bool = False,
) -> dict:
    """Train a model and save the weights that did best on the validation patches.

    A training that was killed goes on after the last epoch that it finished, when it is
    called again with the same arguments.  These are the options of the command line,
    which `--help` explains.

    Returns:
        The card, as written into the model, and `written`: whether this process wrote
        it, and not another worker.

    Raises:
        SRError: if the patches do not fit, or the loss is no number any more.
        stopping.Interrupted: if a signal came before there was a model to save.
    """
    settings = {k: v for k, v in locals().items() if k not in FREE}
    devices = strategies.choose(strategy, batch_size)  # before anything is computed
    chief = strategies.is_chief(devices)
    files = {
        group: patch_files.check_patches(patches, group, FACTOR) for group in GROUPS
    }
    patch_files.check_train_size(train_size, files["train"])
    dataset_card = patch_files.check_card(patches)
    made_of = resuming.circumstances([f for g in GROUPS for f in files[g].values()])
    logs_dir = Path(logs or f"{Path(model_dir)}_logs")
    network_size = {"filters": filters, "blocks": blocks, "kernel": kernel}
    tf.keras.utils.set_random_seed(seed)

    with (
        strategies.lost_workers(devices),
        resuming.session(
            logs_dir, Path(model_dir), settings | made_of, overwrite, chief
        ) as backup,
        # Before signals are only remembered: writing TFRecords takes its time.
        nullcontext(
            open_sources(files, streaming, tfrecords, shuffle_buffer)
        ) as sources,
        stopping.StopOnSignal() as signals,
    ):
        # 1. Patches, in batches of ({"lr": DN}, {"hr": reflectance}).
        counts = {group: source.size for group, source in sources.items()}
        log.info("%d patches to train on, %d to validate", *counts.values())
        steps = feeding.steps_per_epoch(counts["train"], batch_size)
        train_batches = feeding.training_batches(
            sources["train"], batch_size, seed=seed, first_epoch=backup.epochs_done,
            nb_epochs=nb_epochs, augment=augment, train_size=train_size,
        )  # fmt: skip
        valid_batches = feeding.validation_batches(sources["valid"], batch_size)
        valid_shared = feeding.validation_batches(
            sources["valid"], batch_size, fill=devices.num_replicas_in_sync > 1
        )
        bicubic_psnr = losses.bicubic_psnr(valid_batches, SCALE)

        # 2. The network.
        first = learning_rate
        if scale_learning_rate:
            first *= devices.num_replicas_in_sync
        with devices.scope(), strategies.precision(mixed_precision):
            model = SRModel(train_batches.element_spec, **network_size)
            # Only `hr` is trained; `hr_dn` and the cropped outputs are for serving.
            trainer = tf.keras.Model(model.input, {OUTPUT: model.output[OUTPUT]})
            seen = receptive_field(model.output[OUTPUT]).margin
            patch_files.warn_of_leak(dataset_card, seen)
            rate = make_learning_rate(lr_schedule, first, steps * nb_epochs)
            trainer.compile(
                tf.keras.optimizers.Adam(rate),
                loss={OUTPUT: losses.LOSSES[loss]},
                weighted_metrics={OUTPUT: [losses.PSNR()]},
                jit_compile=xla,  # left to itself, Keras 3 uses it
            )
            if finetune:
                known = {"bands": list(BANDS), "scale": SCALE, "factor": FACTOR}
                weights.start_from(trainer, finetune, known | network_size)
            if backup.found:
                backup.restore_model(trainer)

        # 3. What happens after each epoch, in this order: measure, show, decide, keep.
        table = monitoring.Table(logs_dir if chief else None)
        measure = monitoring.Measures(bicubic_psnr, steps * batch_size)
        callbacks = [signals, stopping.StopOnNaN(), measure, table]
        if chief:
            if not backup.found:
                summaries.forget_events(logs_dir)
            callbacks += make_watchers(
                logs_dir, files["valid"], table, nb_epochs, histograms
            )
        deciders = make_deciders(lr_schedule, patience)
        backup.callbacks = [table, *deciders]

        # 4. The training.
        interrupted = None
        try:
            trainer.fit(
                train_batches,
                validation_data=valid_shared,
                initial_epoch=backup.epochs_done,
                epochs=backup.epochs_done if backup.stopped else nb_epochs,
                steps_per_epoch=steps,  # the batches of all epochs come in one row
                callbacks=[*callbacks, *deciders, backup],
                shuffle=False,  # the batches are in random order
                verbose=0,
            )
        except stopping.Interrupted as interruption:
            if not table.rows:
                raise
            interrupted = interruption.number
            table.draw()

        # 5. The best weights, in a network of float32 on one device, and its card.
        best_model = SRModel(train_batches.element_spec, **network_size)
        best_model.set_weights(deciders[0].best_weights)
        stopping.check_alive(best_model.model, valid_batches, OUTPUT)
        card = model_card.make(
            network={**network_size, "parameters": best_model.count_params()},
            margin=seen, settings=settings, patches=counts, rows=table.rows,
            best=table.best_row(), bicubic_psnr=bicubic_psnr, interrupted=interrupted,
            dataset=dataset_card,
        )  # fmt: skip
        if chief:
            sr_model.save(best_model, model_dir, card)
            if not interrupted:
                backup.forget()
    return {**card, "written": chief}


def get_parser() -> argparse.ArgumentParser:
    """Define the command line."""
    parser = argparse.ArgumentParser(description="Train the network and save it.")
    add = parser.add_argument
    add("--patches", required=True, help="folder of sr_dataset.py")
    add("--model_dir", required=True, help="SavedModel to write")
    add("--logs", metavar="DIR", help="TensorBoard folder (default: MODEL_DIR_logs)")
    add("--loss", choices=losses.LOSSES, default="l1", help="default: %(default)s")
    add(
        "--batch_size", type=int, default=4,
        help="patches per step, over all devices together (default: 4)",
    )  # fmt: skip
    add(
        "--learning_rate", type=float, default=1e-3,
        help="of the first step (default: %(default)s)",
    )  # fmt: skip
    add(
        "--lr_schedule", choices=SCHEDULES, default="cosine",
        help="cosine: falls to 0; plateau: halved when the validation loss stalls for "
        "a quarter of the patience (default: %(default)s)",
    )  # fmt: skip
    add(
        "--nb_epochs", type=int, default=60,
        help="passes over the patches, at most (default: %(default)s)",
    )  # fmt: skip
    add(
        "--patience", type=int, default=20, metavar="EPOCHS",
        help="stop after so many without improvement (default: %(default)s)",
    )  # fmt: skip
    sr_model.add_arguments(parser)
    add(
        "--finetune", metavar="MODEL_DIR", help="start from this model of the same size"
    )
    add(
        "--no_augment", dest="augment", action="store_false",
        help="do not flip and turn the patches",
    )  # fmt: skip
    add(
        "--train_size", type=int, metavar="PIXELS",
        help="train on random crops of so many lr pixels a side (default: the patches)",
    )  # fmt: skip
    add(
        "--streaming", action=argparse.BooleanOptionalAction,
        help="read patches from the disk when their turn comes (default: if they do "
        "not fit in a quarter of the memory)",
    )  # fmt: skip
    add(
        "--tfrecords", metavar="DIR",
        help="stream patches from TFRecords in this folder, which the first training "
        "writes: as large as the patches are in memory, and fast on slow disks",
    )  # fmt: skip
    add(
        "--shuffle_buffer", type=int, default=records.BUFFER, metavar="PATCHES",
        help="with --tfrecords, the files come in random order, and each patch is "
        "drawn from the next so many: the whole set is shuffled in each epoch only if "
        "all of it fits in there (default: %(default)s)",
    )  # fmt: skip
    add(
        "--strategy", choices=strategies.NAMES, default="auto",
        help="mirrored: all GPUs of this machine; multiworker: the machines named by "
        "TF_CONFIG or Slurm (default: %(default)s)",
    )  # fmt: skip
    add(
        "--scale_learning_rate", action="store_true",
        help="multiply the learning rate by the number of devices",
    )  # fmt: skip
    add(
        "--mixed_precision", action="store_true",
        help="compute in bfloat16: for GPUs that have it, slower on most CPUs",
    )  # fmt: skip
    add("--xla", action="store_true", help="compile with XLA: slower on CPUs")
    add("--histograms", action="store_true", help="of the weights, for TensorBoard")
    add("--seed", type=int, default=1, help="default: %(default)s")
    add("--overwrite", action="store_true", help="replace an existing model")
    return parser


@one_line_errors
def main(argv: list[str] | None = None) -> int:
    """Run from the command line."""
    parser = get_parser()
    params = parser.parse_args(argv)
    for name in (
        "batch_size", "nb_epochs", "patience", "filters", "train_size", "shuffle_buffer"
    ):  # fmt: skip
        if getattr(params, name) is not None and getattr(params, name) < 1:
            parser.error(f"--{name} must be at least 1")
    if params.tfrecords and params.streaming is not None:
        parser.error("--streaming is about patches images: leave it or --tfrecords out")
    if params.blocks < 0 or params.learning_rate <= 0:
        parser.error("--blocks must be at least 0 and --learning_rate more than 0")
    try:
        card = train(**vars(params))
    except stopping.Interrupted as interruption:
        print(f"error: {interruption}; no epoch was over, nothing is saved",
              file=sys.stderr)  # fmt: skip
        return 128 + interruption.number
    found, metrics = card["training"], card["metrics"]
    print(
        f"best epoch {found['best_epoch']} of {found['epochs']}: train loss "
        f"{found['train_loss']:.5f}, validation loss {found['valid_loss']:.5f}, "
        f"{metrics['gain_db']:+.2f} dB over bicubic ({found['seconds']:.0f} s)"
    )
    if card["written"]:
        print(f"written: {params.model_dir} (SavedModel and assets/model_card.json)")
    if found["interrupted"]:
        print("the training was interrupted; the same command goes on with it")
        return 128 + found["interrupted"]
    return 0


if __name__ == "__main__":
    sys.exit(main())
