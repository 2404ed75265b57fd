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

from srtools.errors import one_line_errors, start

if __name__ == "__main__":
    start("srtools.cli.train")  # answers --help, misuse and Ctrl-C at once

import logging
import sys
from pathlib import Path
from typing import Any

from sr_model import SRModel
from srtools import signals
from srtools.cli import train as cli
from srtools.cli.options import command_line
from srtools.conventions import INPUT, OUTPUT, OUTPUT_DN
from srtools.images import patch_files
from srtools.network import likeness, model_card, precision, saved_model
from srtools.network.receptive_field import receptive_field
from srtools.training import (
    calibrating,
    callbacks,
    feeding,
    finetuning,
    folders,
    resuming,
    scores,
    strategies,
    tensorboard,
)
from srtools.training.losses import LOSSES
from srtools.training.scenes import Scene, files_of, read_scenes

import tensorflow as tf

keras = tf.keras
log = logging.getLogger("srtools.sr_train")

WARM_UP, LEAST_WARM_UP = 0.05, 50  # of all steps, steps; at most half of all
DESCRIBED = 512  # training patches, at most, that tell what an image should look like
SHOWN = 4  # validation patches whose pictures go to TensorBoard


def make_learning_rate(options: cli.Options, devices: int, steps: int) -> Any:
    """Give the learning rate, or how it falls over all steps of the training."""
    full = options.learning_rate * (devices if options.scale_learning_rate else 1)
    if options.lr_schedule != "cosine":
        return full
    # From 0 to the full rate in the first steps, so that Adam, which knows little yet,
    # does not spoil the zoom that the network begins as; then a cosine, back to 0.
    # Source: Loshchilov and Hutter, SGDR, 2017; Goyal et al., 2017, for the warm-up.
    warm_up = max(1, min(max(LEAST_WARM_UP, round(WARM_UP * steps)), steps // 2))
    return keras.optimizers.schedules.CosineDecay(
        0.0, max(1, steps - warm_up), warmup_target=full, warmup_steps=warm_up
    )


def make_deciders(options: cli.Options) -> list[keras.callbacks.Callback]:
    """Choose what decides after an epoch: when to stop, and when to learn slower."""
    patience, stalled = options.patience, max(1, options.patience // 4)
    stop = keras.callbacks.EarlyStopping(  # the start is epoch -1, Keras counts from 0
        patience=patience, restore_best_weights=True, start_from_epoch=-1
    )
    slower = keras.callbacks.ReduceLROnPlateau(factor=0.5, patience=stalled)
    return [stop, slower] if options.lr_schedule == "plateau" else [stop]


def score_scenes(scenes: list[Scene], network: Any, batch_size: int) -> list[dict]:
    """Score the validation patches of each scene by itself, if there are several."""
    records = []
    for scene in scenes:
        metrics = None
        if len(scenes) > 1 and "valid" in scene.files:
            source = feeding.open_patches(scene.files["valid"], streaming=True)
            batches = feeding.validation_batches(source, batch_size)
            psnr = scores.network_psnr(batches, network)
            gain = psnr - scores.bicubic_psnr(batches)
            log.info("%s: %+.2f dB over bicubic", scene.name, gain)
            metrics = {"psnr_db": psnr, "gain_db": gain}
        records.append(scene.record(metrics))
    return records


def train(options: cli.Options) -> dict:
    """Train a model and save the weights that did best on the validation patches.

    The start counts as epoch 0.  A training that was killed goes on after the last
    epoch that it finished, when it is called again with the same options.

    Returns:
        The card, as written into the model, and `written`: whether this process wrote
        it, and not another worker.

    Raises:
        SRError: if the patches do not fit, or the loss is no number any more.
    """
    # 1. Devices, patches, and the backup of an earlier run, if one was interrupted.
    devices = strategies.choose(options.strategy, options.batch_size)
    replicas, chief = devices.num_replicas_in_sync, strategies.is_chief(devices)
    arithmetic = precision.choose(options.precision)
    scenes = read_scenes(options.patches, options.train_size)
    files = files_of(scenes)
    model_dir = Path(options.model_dir)
    logs = Path(options.logs or f"{model_dir}_logs")
    settings = options.settings | resuming.circumstances(files)
    keras.utils.set_random_seed(options.seed)
    with (
        strategies.lost_workers(devices),
        folders.hold(logs, model_dir, settings, options.overwrite, chief) as backup,
    ):
        # 2. Batches of ({"lr": DN}, {"hr": reflectance}).
        sources = {g: feeding.open_patches(files[g], options.streaming) for g in files}
        counts = {group: source.size for group, source in sources.items()}
        log.info("%d patches to train on, %d to validate", *counts.values())
        log.info("convolutions are computed in %s", arithmetic)
        batch_size, nb_epochs = options.batch_size, options.nb_epochs
        steps = feeding.steps_per_epoch(counts["train"], batch_size)
        train_batches = feeding.training_batches(
            sources["train"],
            batch_size,
            epochs=range(backup.epochs_done, nb_epochs),
            seed=options.seed,
            augment=options.augment,
            train_size=options.train_size,
        )
        valid_batches = feeding.validation_batches(sources["valid"], batch_size)
        valid_shared = feeding.validation_batches(
            sources["valid"], batch_size, fill=replicas > 1
        )
        bicubic_psnr = scores.bicubic_psnr(valid_batches)

        # 3. The network.
        with devices.scope(), precision.layers_in(arithmetic):
            model = SRModel(train_batches.element_spec, **options.network_size)
            # Only `hr` is trained; `hr_dn` and the cropped outputs are for serving.
            trainer = keras.Model(model.input, {OUTPUT: model.output[OUTPUT]})
            rate = make_learning_rate(options, replicas, steps * nb_epochs)
            trainer.compile(
                keras.optimizers.Adam(rate),
                loss={OUTPUT: LOSSES[options.loss]},
                weighted_metrics={OUTPUT: [scores.PSNR()]},
                jit_compile=options.xla,  # left to itself, Keras 3 uses it
            )
            if options.finetune:
                finetuning.start_from(trainer, options.finetune, options.network_size)
            if backup.found:
                backup.restore_model(trainer)
        field = receptive_field(model.output[OUTPUT]).margin
        for scene in scenes:
            patch_files.warn_of_leak(scene.card, field)

        # 4. After each epoch, in this order: measure, show, decide, keep.
        table = callbacks.EpochTable(
            logs if chief else None, nb_epochs, steps * batch_size, bicubic_psnr
        )
        watchers = []
        if chief:
            if not backup.found:
                tensorboard.forget_events(logs)
            lr, hr = feeding.some_samples(files["valid"], SHOWN)
            pictures = tensorboard.PatchImages(logs, lr, hr)
            watchers = [tensorboard.Scalars(logs, options.histograms), pictures]
        deciders = make_deciders(options)
        guards = [callbacks.StopOnSignal(), callbacks.StopOnNaN(files)]
        backup.callbacks, backup.batches = [*guards, table, *deciders], valid_shared

        # 5. The training.
        interrupted = None
        try:
            with signals.held():
                trainer.fit(
                    train_batches,
                    validation_data=valid_shared,
                    initial_epoch=backup.epochs_done,
                    epochs=backup.epochs_done if backup.stopped else nb_epochs,
                    steps_per_epoch=steps,  # the batches of all epochs come in one row
                    callbacks=[*guards, table, *watchers, *deciders, backup],
                    shuffle=False,  # the batches are in random order
                    verbose=0,
                )
        except callbacks.Interrupted as interruption:
            interrupted = interruption.number
            if not table.rows:
                log.info("no epoch was over, nothing is saved")
                signals.stop(interrupted)
        except callbacks.Diverged as divergence:
            interrupted = str(divergence)
            if not table.rows:
                raise
        table.check_moved()
        table.draw()

        # 6. The best weights, in a network of float32 on one device, and its card.
        best_model = SRModel(train_batches.element_spec, **options.network_size)
        best_model.set_weights(deciders[0].best_weights)
        intervals = calibrating.calibrate(
            lambda lr: best_model.model({INPUT: lr})[OUTPUT_DN], files, options.seed
        )
        some_lr, _ = feeding.some_samples(files["train"], DESCRIBED)
        card = model_card.make(
            network={**options.network_size, "parameters": best_model.count_params()},
            margin=field,
            settings=options.settings | {"precision": arithmetic},
            patches=counts,
            rows=table.rows,
            best=table.best_row(),
            bicubic_psnr=bicubic_psnr,
            interrupted=interrupted,
            scenes=score_scenes(scenes, best_model.model, options.batch_size),
            intervals=intervals,
            command=command_line("sr_train.py", options),
            training_set=likeness.record(some_lr),
        )
        if chief:
            saved_model.save(best_model.model, model_dir, card)
            if not interrupted:
                backup.forget()
        if isinstance(interrupted, str):
            raise callbacks.Diverged(interrupted)
    return {**card, "written": chief}


@one_line_errors
def main(argv: list[str] | None = None) -> int:
    """Run from the command line."""
    options = cli.parse(argv)
    card = train(options)
    found, metrics = card["training"], card["metrics"]
    print(
        f"best epoch {found['best_epoch']} of {found['epochs']}: validation loss "
        f"{found['valid_loss']:.5f}, {metrics['gain_db']:+.2f} dB over bicubic "
        f"({found['seconds']:.0f} s)"
    )
    if not found["best_epoch"]:
        print("nothing was better than the start, which is saved: train for longer")
    if card["written"]:
        print(f"written: {options.model_dir} (SavedModel and assets/model_card.json)")
    if found["interrupted"]:
        print("the training was interrupted; the same command goes on with it")
        return 128 + found["interrupted"]
    return 0


if __name__ == "__main__":
    sys.exit(main())
