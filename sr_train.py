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
from pathlib import Path
from typing import Any

import numpy as np

from srtools import (
    cards,
    data,
    feeding,
    losses,
    monitoring,
    pictures,
    resuming,
    stopping,
    strategies,
    summaries,
    weights,
)
from srtools.conventions import BANDS, FACTOR, SCALE
from srtools.errors import SRError, one_line_errors
from srtools.quiet import silent_stderr
from srtools.receptive_field import receptive_field

import sr_model  # isort: skip
from sr_model import INPUT, OUTPUT, SRModel  # isort: skip

with silent_stderr():
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
    logs: Path, reader: Any, table: monitoring.Table, nb_epochs: int, histograms: bool
) -> list[tf.keras.callbacks.Callback]:
    """Choose what one can watch: curves, pictures, a line per epoch."""
    indexes = np.unique(np.linspace(0, reader.get_size() - 1, SHOWN).astype(int))
    shown = [reader.get_sample(int(index)) for index in indexes]
    lr, hr = (np.stack([sample[key] for sample in shown]) for key in (INPUT, OUTPUT))
    return [
        summaries.Scalars(logs, histograms),
        pictures.PatchImages(logs / "images", lr, hr, SCALE),
        monitoring.EpochLines(table, nb_epochs),
    ]


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
    called again with the same arguments.

    Arguments:
        patches: folder of sr_dataset.py.
        model_dir: folder of the SavedModel to write.
        logs: folder for TensorBoard, training.csv, training.png and the backup; None:
            `model_dir` + "_logs".
        loss: "l1", "l2" or "charbonnier".
        batch_size: patches per step, over all devices together.
        learning_rate: of the first step.
        lr_schedule: "cosine": it falls to 0 along half a cosine; "plateau": it is
            halved when the validation loss stalls for a quarter of the patience;
            "constant".
        nb_epochs: passes over the training patches, at most.
        patience: stop after so many epochs without a better validation loss.
        filters, blocks, kernel: size of the network.
        finetune: folder of a model of the same size, to start from.
        augment: whether patches are flipped and turned at random.
        train_size: lr pixels a side of random crops; None: whole patches.
        streaming: whether patches are read from the disk when their turn comes; None:
            only if they do not fit in memory.
        strategy: "none", "mirrored", "multiworker" or "auto".
        scale_learning_rate: multiply the learning rate by the number of devices.
        mixed_precision: compute in bfloat16, keep weights in float32.
        xla: compile with XLA.
        histograms: whether TensorBoard gets the distribution of the weights.
        seed: of weights, order, flips and crops; the same seed gives the same model.
        overwrite: whether an existing model may be replaced.

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
    files = {group: data.check_patches(patches, group, FACTOR) for group in GROUPS}
    data.check_train_size(train_size, files["train"])
    dataset_card = read_dataset_card(patches)
    made_of = resuming.circumstances([f for g in GROUPS for f in files[g].values()])
    logs_dir = Path(logs or f"{Path(model_dir)}_logs")
    network_size = {"filters": filters, "blocks": blocks, "kernel": kernel}
    known = {"bands": list(BANDS), "scale": SCALE, "factor": FACTOR, **network_size}

    with (
        strategies.lost_workers(devices),
        resuming.session(
            logs_dir, Path(model_dir), settings | made_of, overwrite, chief
        ) as backup,
        stopping.StopOnSignal() as signals,
    ):
        # 1. Patches, in batches.
        readers = {g: feeding.open_patches(files[g], streaming) for g in GROUPS}
        counts = {group: reader.get_size() for group, reader in readers.items()}
        log.info("%d patches to train on, %d to validate", *counts.values())
        steps = feeding.steps_per_epoch(readers["train"], batch_size)
        train_batches = feeding.training_batches(
            readers["train"], batch_size, seed=seed, first_epoch=backup.epochs_done,
            nb_epochs=nb_epochs, augment=augment, train_size=train_size,
        )  # fmt: skip
        valid_batches = feeding.validation_batches(readers["valid"], batch_size)
        valid_shared = feeding.validation_batches(
            readers["valid"], batch_size, fill=devices.num_replicas_in_sync > 1
        )
        bicubic_psnr = losses.bicubic_psnr(valid_batches, SCALE)

        # 2. The network.
        first = learning_rate
        if scale_learning_rate:
            first *= devices.num_replicas_in_sync
        tf.keras.utils.set_random_seed(seed)
        with devices.scope(), strategies.precision(mixed_precision):
            model = SRModel(train_batches.element_spec, **network_size)
            # Only `hr` is trained; `hr_dn` and the cropped outputs are for serving.
            trainer = tf.keras.Model(model.input, {OUTPUT: model.output[OUTPUT]})
            rate = make_learning_rate(lr_schedule, first, steps * nb_epochs)
            trainer.compile(
                tf.keras.optimizers.Adam(rate),
                loss={OUTPUT: losses.LOSSES[loss]},
                weighted_metrics={OUTPUT: [losses.PSNR()]},
                jit_compile=xla,  # left to itself, Keras 3 uses it
            )
            if finetune:
                weights.start_from(trainer, finetune, known)
            if backup.found:
                backup.restore_model(trainer)

        # 3. What happens after each epoch, in this order: measure, show, decide, keep.
        table = monitoring.Table(logs_dir if chief else None)
        deciders = make_deciders(lr_schedule, patience)
        backup.callbacks = [table, *deciders]
        callbacks = [
            signals,
            stopping.StopOnNaN(),
            monitoring.Measures(bicubic_psnr, steps * batch_size),
            table,
        ]
        if chief:
            if not backup.found:
                summaries.forget_events(logs_dir)
            callbacks += make_watchers(
                logs_dir, readers["valid"], table, nb_epochs, histograms
            )

        # 4. The training.
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
            interrupted = None
        except stopping.Interrupted as interruption:
            interrupted = interruption.number
            if not table.rows:
                raise
            table.draw()

        # 5. The best weights, in a network of float32 on one device, and its card.
        best_model = SRModel(train_batches.element_spec, **network_size)
        best_model.set_weights(deciders[0].best_weights)
        stopping.check_alive(best_model.model, valid_batches, OUTPUT)
        best = table.best_row()
        card = {
            "bands": list(BANDS),
            "scale": SCALE,
            "factor": FACTOR,
            "offset_removed": dataset_card.get("offset"),
            "offset_convention": "DN less the offset, times scale, is reflectance; "
            "0 is no data",
            "lr_spacing": dataset_card.get("lr", {}).get("spacing", 6.0),
            "hr_spacing": dataset_card.get("hr", {}).get("spacing", 1.5),
            "receptive_field": {
                "margin": receptive_field(best_model.output[OUTPUT]).margin,
                "unit": "lr pixels on each side",
            },
            "network": {**network_size, "parameters": best_model.count_params()},
            "training": {
                **{k: v for k, v in settings.items() if k not in known},
                "patches": counts,
                "epochs": len(table.rows),
                "best_epoch": int(best["epoch"]),
                "seconds": table.rows[-1]["seconds"],
                "interrupted": interrupted,
                "train_loss": best["loss"],
                "valid_loss": best["val_loss"],
            },
            "metrics": {
                "on": "whole validation patches, reflectance 0-1",
                "psnr_db": best["val_psnr"],
                "bicubic_psnr_db": bicubic_psnr,
                "gain_db": best["val_gain"],
            },
            # Where each patch lies is of no use here.
            "dataset": {k: v for k, v in dataset_card.items() if k != "groups"},
            "versions": cards.versions(),
        }
        if chief:
            sr_model.save(best_model, model_dir, card)
            if not interrupted:
                backup.forget()
    return {**card, "written": chief}


def read_dataset_card(patches: str) -> dict:
    """Read dataset.json, and check what it says; patches made elsewhere have none."""
    path = Path(patches) / "dataset.json"
    card = cards.read_card(path) if path.exists() else {}
    for key, expected in (("bands", list(BANDS)), ("factor", FACTOR), ("scale", SCALE)):
        if card.get(key, expected) != expected:
            raise SRError(
                f"{path} says {key} {card[key]}, the network is made for {expected}; "
                "make the patches again with sr_dataset.py"
            )
    return card


def get_parser() -> argparse.ArgumentParser:
    """Define the command line."""
    parser = argparse.ArgumentParser(description="Train the network and save it.")
    parser.add_argument("--patches", required=True, help="folder of sr_dataset.py")
    parser.add_argument("--model_dir", required=True, help="SavedModel to write")
    parser.add_argument(
        "--logs", metavar="DIR", help="TensorBoard folder (default: MODEL_DIR_logs)"
    )
    parser.add_argument(
        "--loss", choices=losses.LOSSES, default="l1", help="default: %(default)s"
    )
    parser.add_argument(
        "--batch_size", type=int, default=4,
        help="patches per step, over all devices together (default: 4)",
    )  # fmt: skip
    parser.add_argument(
        "--learning_rate", type=float, default=1e-3,
        help="of the first step (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--lr_schedule", choices=SCHEDULES, default="cosine",
        help="cosine: falls to 0; plateau: halved when the validation loss stalls for "
        "a quarter of the patience (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--nb_epochs", type=int, default=60,
        help="passes over the patches, at most (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--patience", type=int, default=20, metavar="EPOCHS",
        help="stop after so many without improvement (default: %(default)s)",
    )  # fmt: skip
    sr_model.add_arguments(parser)
    parser.add_argument(
        "--finetune", metavar="MODEL_DIR", help="start from this model of the same size"
    )
    parser.add_argument(
        "--no_augment", dest="augment", action="store_false",
        help="do not flip and turn the patches",
    )  # fmt: skip
    parser.add_argument(
        "--train_size", type=int, metavar="PIXELS",
        help="train on random crops of so many lr pixels a side (default: the patches)",
    )  # fmt: skip
    parser.add_argument(
        "--streaming", action=argparse.BooleanOptionalAction,
        help="read patches from the disk when their turn comes (default: if they do "
        "not fit in a quarter of the memory)",
    )  # fmt: skip
    parser.add_argument(
        "--strategy", choices=strategies.NAMES, default="auto",
        help="mirrored: all GPUs of this machine; multiworker: the machines named by "
        "TF_CONFIG or Slurm (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--scale_learning_rate", action="store_true",
        help="multiply the learning rate by the number of devices",
    )  # fmt: skip
    parser.add_argument(
        "--mixed_precision", action="store_true",
        help="compute in bfloat16: for GPUs that have it, slower on most CPUs",
    )  # fmt: skip
    parser.add_argument(
        "--xla", action="store_true", help="compile with XLA: slower on CPUs"
    )
    parser.add_argument(
        "--histograms", action="store_true", help="of the weights, for TensorBoard"
    )
    parser.add_argument("--seed", type=int, default=1, help="default: %(default)s")
    parser.add_argument(
        "--overwrite", action="store_true", help="replace an existing model"
    )
    return parser


@one_line_errors
def main(argv: list[str] | None = None) -> int:
    """Run from the command line."""
    parser = get_parser()
    params = parser.parse_args(argv)
    for name in ("batch_size", "nb_epochs", "patience", "filters", "train_size"):
        if getattr(params, name) is not None and getattr(params, name) < 1:
            parser.error(f"--{name} must be at least 1")
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
