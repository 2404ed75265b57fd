"""Exercise 3: train the network, monitor it, and stop when it no longer improves.

In:  {train,valid}_{lr,hr}_patches.tif and dataset.json of sr_dataset.py.
Out: a SavedModel with its card; training.csv, .png and event files in MODEL_DIR_logs.

    # a minute on a CPU, as a test
    python sr_train.py --patches patches --model_dir model --filters 16 --nb_epochs 10
    # the full training; started again, it resumes after the last whole epoch
    python sr_train.py --patches patches --model_dir model --nb_epochs 100
    tensorboard --logdir model_logs

The loss is L1, the mean absolute error in reflectance.  It leaves sharper edges than L2
(Zhao et al., "Loss functions for image restoration", 2017).
"""

from srtools.errors import one_line_errors, start

if __name__ == "__main__":
    start("srtools.options.training_options")  # --help, misuse and Ctrl-C: at once

import sys
from typing import Any

from sr_model import SRModel
from srtools.conventions import OUTPUT
from srtools.options import training_options as cli
from srtools.options.parser import command_line
from srtools.training.callbacks import StopOnNaN, StopOnSignal
from srtools.training.losses import LOSSES
from srtools.training.training_job import training

import tensorflow as tf

keras = tf.keras

WARM_UP, MIN_WARM_UP = 0.05, 50  # share of all steps, steps; at most half of all


def cosine_rate(full: float, steps: int) -> keras.optimizers.schedules.CosineDecay:
    """Return a schedule of the learning rate, which rises from 0 and falls to 0."""
    # Large first steps of Adam, which are inaccurate, would spoil the initial zoom.
    # Source: Loshchilov and Hutter, SGDR, 2017; Goyal et al., 2017, for the warm-up.
    warm_up = max(1, min(max(MIN_WARM_UP, round(WARM_UP * steps)), steps // 2))
    return keras.optimizers.schedules.CosineDecay(
        0.0, max(1, steps - warm_up), warmup_target=full, warmup_steps=warm_up
    )


def compiled(model: SRModel, loss: str, rate: Any) -> keras.Model:  # exercise
    """Return a model with the output `hr` alone, compiled with Adam and the loss."""
    # Only `hr` is trained; `hr_dn` and the cropped outputs are for serving.
    # weighted_metrics need mean_squared_error: the table of epochs makes PSNR of it.
    trainer = keras.Model(model.input, {OUTPUT: model.output[OUTPUT]})
    adam = keras.optimizers.Adam(rate)
    metrics = {OUTPUT: ["mean_squared_error"]}
    trainer.compile(adam, {OUTPUT: loss}, weighted_metrics=metrics, jit_compile=False)
    return trainer


def early_stopping(patience: int) -> keras.callbacks.EarlyStopping:  # exercise
    """Stop `patience` epochs after the least validation loss; restore its weights."""
    return keras.callbacks.EarlyStopping(
        patience=patience,
        restore_best_weights=True,
        start_from_epoch=-1,  # Keras counts from 0: the initial network is -1
    )


def train(options: cli.Options) -> dict:
    """Train a model, save the weights of its best epoch, and return its card."""
    with training(options, command_line("sr_train.py", options)) as job:
        with job.on_devices():
            model = SRModel(job.element_spec, **options.network_size)
            rate = cosine_rate(options.learning_rate, job.steps)
            trainer = compiled(model, LOSSES[options.loss], rate)
            job.restore(trainer, model)  # from --finetune, or from a checkpoint
        stop = early_stopping(options.patience)
        board = keras.callbacks.TensorBoard(job.logs, write_graph=False)
        callbacks = [StopOnSignal(), StopOnNaN(), job.table, job.images, stop]
        with job.interruptible():
            trainer.fit(
                job.train_batches,
                validation_data=job.valid_batches,
                callbacks=[*callbacks, board, job.checkpoint.with_states_of(callbacks)],
                **job.epochs,  # first and last epoch, steps per epoch
            )
        best = SRModel(job.element_spec, **options.network_size)  # float32, one device
        best.set_weights(stop.best_weights)
        return job.save(best)


@one_line_errors
def main(argv: list[str] | None = None) -> int:
    """Run from the command line."""
    options = cli.parse(argv)
    card = train(options)
    facts, gain = card["training"], card["metrics"]["gain_db"]
    print(
        f"best epoch {facts['best_epoch']} of {facts['epochs']}: validation loss "
        f"{facts['valid_loss']:.5f}, {gain:+.2f} dB over bicubic "
        f"({facts['seconds']:.0f} s)"
    )
    if not facts["best_epoch"]:
        print("no epoch was better than the start, which is saved: train for longer")
    model = options.model_dir.rstrip("/")
    print(f"written: {model} (SavedModel and assets/model_card.json)")
    print(f"written: {model}_logs (training.csv, training.png, TensorBoard's events)")
    if facts["interrupted"]:
        print("the training was interrupted; the same command resumes it")
        return 128 + facts["interrupted"]
    return 0


if __name__ == "__main__":
    sys.exit(main())
