"""Everything around `fit`: scenes, devices, backup, logs, calibration, card."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from srtools import files, signals
from srtools.conventions import INPUT, OUTPUT, OUTPUT_DN, SCALE
from srtools.errors import SRError
from srtools.images.zooms import bicubic
from srtools.metrics import psnr
from srtools.network import domain_shift, model_card, precision, saved_model
from srtools.network.receptive_field import receptive_field
from srtools.patches import patch_files
from srtools.tf import tf
from srtools.training import feeding, resuming, tensorboard
from srtools.training.calibrating import calibrate
from srtools.training.callbacks import Diverged, EpochTable, Interrupted, draw_curves
from srtools.training.finetuning import start_from
from srtools.training.scenes import Scene, files_of, read_scenes

log = logging.getLogger(__name__)

DESCRIBED = 512  # training patches, at most, whose statistics the card keeps
SHOWN = 4  # validation patches whose pictures go to TensorBoard


class Options(Protocol):
    """Options of a training, as `srtools.cli.train` describes them."""

    patches: tuple[str, ...]
    model_dir: str
    batch_size: int
    nb_epochs: int
    finetune: str | None
    augment: bool
    streaming: bool | None
    precision: str
    seed: int
    overwrite: bool
    network_size: dict[str, Any]
    settings: dict[str, Any]


@contextmanager
def training(options: Options, command: str) -> Iterator["Job"]:
    """Yield a training whose folders are locked until the end of the block.

    A training that was killed goes on after the last epoch that it finished, when it
    is called again with the same options.  `Diverged` is raised at the end, after the
    best model was saved.  `command` is for its card.
    """
    devices = choose_devices(options.batch_size)
    scenes = read_scenes(options.patches)
    kinds = [paths for each in files_of(scenes).values() for paths in each.values()]
    settings = options.settings | {
        resuming.FILES: [files.states(paths) for paths in kinds],
        # TensorFlow 2.14 does not tell the version of its Keras 2.
        "versions": [tf.__version__, getattr(tf.keras, "__version__", "2")],
    }
    # A Path drops the slash at the end that shells complete.
    backup = resuming.Backup(Path(f"{Path(options.model_dir)}_logs"), settings)
    tf.keras.utils.set_random_seed(options.seed)
    with resuming.lock(backup, options.model_dir, options.overwrite):
        job = Job(options, command, scenes, devices, backup)
        yield job
        if isinstance(job.interrupted, str):
            best = job.table.best_row()["epoch"]
            raise Diverged(
                f"{job.interrupted}; the weights of epoch {best:.0f} are saved"
            )


def choose_devices(batch_size: int) -> tf.distribute.Strategy:
    """Return the strategy for all visible GPUs; call it before any computation."""
    gpus = len(tf.config.list_physical_devices("GPU"))
    if gpus < 2:
        return tf.distribute.get_strategy()
    if batch_size % gpus:
        raise SRError(
            f"a batch of {batch_size} patches cannot be shared out evenly to {gpus} "
            f"GPUs; give a --batch_size that is a multiple of {gpus}, or choose GPUs "
            "with CUDA_VISIBLE_DEVICES"
        )
    return tf.distribute.MirroredStrategy()


@dataclass
class Job:
    """A training: its batches and callbacks, and the model that it saves.

    Attributes:
        files: patches images of the groups "train" and "valid", by kind.
        logs: folder of training.csv, training.png and the event files.
        train_batches, valid_batches: batches for `fit`.
        steps: number of steps of all epochs.
        epochs: arguments of `fit` about epochs.
        table, images, backup: callbacks for `fit`; the backup comes last.
        interrupted: signal, or fault, that ended the training early.
    """

    options: Options
    command: str
    scenes: list[Scene]
    devices: tf.distribute.Strategy
    backup: resuming.Backup
    interrupted: int | str | None = None

    def __post_init__(self):
        self.logs, self.files = self.backup.path.parent, files_of(self.scenes)
        self.arithmetic = precision.choose(self.options.precision)
        self._make_batches()
        epochs = self.options.nb_epochs
        patches = self.epochs["steps_per_epoch"] * self.options.batch_size
        self.table = EpochTable(self.logs, epochs, patches, self.bicubic_psnr)
        shown = feeding.some_samples(self.files["valid"], SHOWN)
        self.images = tensorboard.PatchImages(self.logs, *shown)

    def _make_batches(self) -> None:
        options, done = self.options, self.backup.epochs_done
        train, valid = (
            feeding.open_patches(files, options.streaming)
            for files in self.files.values()
        )
        self.counts = {"train": train.size, "valid": valid.size}
        log.info("%d patches to train on, %d to validate", train.size, valid.size)
        log.info("convolutions are computed in %s", self.arithmetic)
        steps = feeding.steps_per_epoch(train.size, options.batch_size)
        self.steps = steps * options.nb_epochs
        self.epochs = {
            "initial_epoch": done,
            "epochs": done if self.backup.stopped else options.nb_epochs,
            "steps_per_epoch": steps,  # the batches of all epochs come in one row
            "shuffle": False,  # the batches are in random order
            "verbose": 0,
        }
        self.train_batches = feeding.training_batches(
            train,
            options.batch_size,
            epochs=range(done, options.nb_epochs),
            seed=options.seed,
            augment=options.augment,
        )
        self.element_spec = self.train_batches.element_spec
        self.valid_batches = feeding.validation_batches(valid, options.batch_size)
        self.backup.batches = self.valid_batches
        self.bicubic_psnr = bicubic_psnr(valid)

    @contextmanager
    def on_devices(self) -> Iterator[None]:
        """Make the layers of this block for the devices, in their arithmetic."""
        with self.devices.scope(), precision.layers_in(self.arithmetic):
            yield

    def restore(self, trainer: tf.keras.Model) -> None:
        """Set the weights of a network to those of `--finetune` or the backup."""
        if self.options.finetune:
            start_from(trainer, self.options.finetune)
        if self.backup.arrays:
            self.backup.restore_model(trainer)
        else:
            # The curves of an earlier training would mix with the new ones.
            for events in self.logs.glob("*/events.out.tfevents.*"):
                events.unlink()
        self.margin = receptive_field(trainer)
        for scene in self.scenes:
            patch_files.warn_of_leak(scene.card, self.margin)

    @contextmanager
    def interruptible(self) -> Iterator[None]:
        """End `fit` after a signal or a divergence, with the best weights so far."""
        try:
            with signals.deferred():
                yield
        except (Interrupted, Diverged) as error:
            (self.interrupted,) = error.args
            if not self.table.rows:
                if isinstance(error, Diverged):
                    raise
                log.info("no epoch was over, nothing is saved")
                signals.stop(self.interrupted)
        self.table.check_moved()
        draw_curves(self.logs / "training.png", self.table.rows)

    def save(self, best: Any) -> dict:
        """Calibrate and write a model with the best weights; return its card."""
        options, size = self.options, self.options.network_size
        some_lr, _ = feeding.some_samples(self.files["train"], DESCRIBED)

        def enlarge(lr: tf.Tensor) -> tf.Tensor:
            return best.model({INPUT: lr})[OUTPUT_DN]

        card = model_card.make(
            network={**size, "parameters": best.count_params()},
            receptive_field={"margin": self.margin, "unit": "lr pixels on each side"},
            training={
                **{k: v for k, v in options.settings.items() if k not in size},
                "precision": self.arithmetic,
                "patches": self.counts,
                "interrupted": self.interrupted,
            },
            rows=self.table.rows,
            best=self.table.best_row(),
            bicubic_psnr=self.bicubic_psnr,
            scenes=[scene.record() for scene in self.scenes],
            intervals=calibrate(enlarge, self.files, options.seed),
            command=self.command,
            training_set=domain_shift.record(some_lr),
        )
        saved_model.save(best.model, options.model_dir, card)
        if not self.interrupted:
            self.backup.path.unlink(missing_ok=True)
        return card


def bicubic_psnr(source: feeding.Patches) -> float:
    """Compute the PSNR of the bicubic zoom over all pixels of all patches, dB."""
    squares = []
    for inputs, targets, _ in feeding.validation_batches(source, 1):
        hr = targets[OUTPUT].numpy()
        error = bicubic(inputs[INPUT] * SCALE, hr.shape[1:3]) - hr
        squares.append(np.square(error, dtype=np.float64).mean())
    return float(psnr(np.mean(squares)))
