"""Everything around `fit`: scenes, devices, checkpoint, logs, calibration, card."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from srtools import files, signals
from srtools.cards import check_conventions
from srtools.conventions import INPUT, OUTPUT, OUTPUT_DN, SCALE
from srtools.errors import SRError
from srtools.images.interpolation import bicubic
from srtools.metrics import psnr
from srtools.network import domain_shift, model_card, precision, saved_model, weights
from srtools.network.receptive_field import receptive_field
from srtools.options.training_options import Options
from srtools.patches import patch_files
from srtools.tf import tf
from srtools.training import batches
from srtools.training.calibration import calibrate
from srtools.training.callbacks import Diverged, EpochTable, Interrupted, draw_curves
from srtools.training.checkpoint import PATCH_FILES, Checkpoint, locked
from srtools.training.epoch_pictures import PatchImages
from srtools.training.training_scenes import Scene, files_by_group, read_scenes

log = logging.getLogger(__name__)

MAX_DESCRIBED_PATCHES = 512  # training patches; the card keeps their statistics
IMAGE_PATCHES = 4  # validation patches in the pictures for TensorBoard


@contextmanager
def training(options: Options, command: str) -> Iterator["TrainingJob"]:
    """Yield a training job; its folders are locked until the end of the block.

    The same options resume a training that was killed after its last whole epoch.  A
    training that diverged raises `Diverged` at the end, when its best model is saved.
    """
    devices = choose_devices(options.batch_size)
    scenes = read_scenes(options.patches)
    groups = files_by_group(scenes).values()
    settings = options.settings | {
        PATCH_FILES: [files.states(paths) for g in groups for paths in g.values()],
        # TensorFlow 2.14 has no version of its Keras 2.
        "versions": [tf.__version__, getattr(tf.keras, "__version__", "2")],
    }
    # Path drops a slash at the end, which shells complete.
    checkpoint = Checkpoint(Path(f"{Path(options.model_dir)}_logs"), settings)
    tf.keras.utils.set_random_seed(options.seed)
    with locked(checkpoint, options.model_dir, options.overwrite):
        job = TrainingJob(options, command, scenes, devices, checkpoint)
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
            f"a batch of {batch_size} patches cannot be divided evenly among {gpus} "
            f"GPUs; give a --batch_size that is a multiple of {gpus}, or choose GPUs "
            "with CUDA_VISIBLE_DEVICES"
        )
    return tf.distribute.MirroredStrategy()


@dataclass
class TrainingJob:
    """Batches and callbacks of a training, and the model that it saves.

    Attributes:
        interrupted: number of the signal, or message of the error, that ended `fit`.
        files: patches images of the groups "train" and "valid", by kind.
        logs: folder of training.csv, training.png and the event files.
        steps: number of steps of all epochs.
        epochs: arguments of `fit`: first and last epoch, steps per epoch, no output.
        table, images: callbacks of `fit`.
    """

    options: Options
    command: str
    scenes: list[Scene]
    devices: tf.distribute.Strategy
    checkpoint: Checkpoint
    interrupted: int | str | None = None

    def __post_init__(self):
        self.logs, self.files = self.checkpoint.path.parent, files_by_group(self.scenes)
        self.arithmetic = precision.choose(self.options.precision)
        self._make_batches()
        epochs = self.options.nb_epochs
        patches = self.epochs["steps_per_epoch"] * self.options.batch_size
        self.table = EpochTable(self.logs, epochs, patches, self.bicubic_psnr)
        lr, hr = batches.read_evenly_spaced(self.files["valid"], IMAGE_PATCHES)
        self.images = PatchImages(self.logs, lr, hr)

    def _make_batches(self) -> None:
        options, epochs_done = self.options, self.checkpoint.epochs_done
        train, valid = (batches.open_patches(files) for files in self.files.values())
        self.counts = {"train": train.size, "valid": valid.size}
        log.info("%d patches to train on, %d to validate", train.size, valid.size)
        log.info("compiling the network, with convolutions in %s", self.arithmetic)
        steps = batches.steps_per_epoch(train.size, options.batch_size)
        self.steps = steps * options.nb_epochs
        self.epochs = {
            "initial_epoch": epochs_done,
            "epochs": epochs_done if self.checkpoint.stopped else options.nb_epochs,
            "steps_per_epoch": steps,  # one data set has the batches of all epochs
            "shuffle": False,  # the batches are in random order
            "verbose": 0,
        }
        self.train_batches = batches.training_batches(
            train,
            options.batch_size,
            epochs=range(epochs_done, options.nb_epochs),
            seed=options.seed,
            augment=options.augment,
        )
        self.element_spec = self.train_batches.element_spec
        self.valid_batches = batches.validation_batches(valid, options.batch_size)
        self.checkpoint.batches = self.valid_batches
        self.bicubic_psnr = compute_bicubic_psnr(valid)

    @contextmanager
    def on_devices(self) -> Iterator[None]:
        """Create the layers of this block on `devices`, in the chosen arithmetic."""
        with self.devices.scope(), precision.layers_in(self.arithmetic):
            yield

    def restore(self, trainer: tf.keras.Model, model: Any) -> None:
        """Set weights of `--finetune` or the checkpoint, if any; warn of leakage."""
        if len(trainer.weights) < len(model.weights):
            raise SRError(
                f"outputs of the network have weights that {OUTPUT} lacks, and no loss "
                f"would train them: compute {OUTPUT_DN} from {OUTPUT} in sr_model.py"
            )
        if folder := self.options.finetune:
            card = saved_model.describe(folder).card
            check_conventions(card, f"the card of {folder}", "give another model")
            weights.assign(trainer, folder)
        if self.checkpoint.arrays:
            self.checkpoint.restore_model(trainer)
        else:
            # The curves of an earlier training would mix with the new ones.
            for events in self.logs.glob("*/events.out.tfevents.*"):
                events.unlink()
        saved_model.check_any_size(trainer)
        margin = receptive_field(trainer)
        for scene in self.scenes:
            patch_files.warn_of_leak(scene.card, margin)

    @contextmanager
    def interruptible(self) -> Iterator[None]:
        """Catch what interrupts `fit`, if an epoch is finished; draw the curves."""
        try:
            with signals.deferred():
                yield
        except (Interrupted, Diverged) as error:
            (self.interrupted,) = error.args
            if not self.table.rows:
                if isinstance(error, Diverged):
                    raise
                log.info("no epoch was finished, nothing is saved")
                signals.stop(self.interrupted)
        self.table.check_progress()
        best = self.table.best_row()["epoch"]
        draw_curves(self.logs / "training.png", self.table.rows, best)

    def save(self, best: Any) -> dict:
        """Calibrate and write `best`, the `SRModel` to keep; return its card."""
        options, size = self.options, self.options.network_size
        lr, _ = batches.read_evenly_spaced(self.files["train"], MAX_DESCRIBED_PATCHES)
        margin = receptive_field(best.model)  # with `hr_dn`, which exercise 5 serves

        def enlarge(lr: tf.Tensor) -> tf.Tensor:
            return best.model({INPUT: lr})[OUTPUT_DN]

        log.info("measuring the intervals with the weights of the best epoch")
        card = model_card.make(
            network={**size, "parameters": best.count_params()},
            receptive_field={"margin": margin, "unit": "lr pixels on each side"},
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
            training_set=domain_shift.record(lr),
        )
        saved_model.save(best.model, options.model_dir, card)
        if not self.interrupted:
            self.checkpoint.path.unlink(missing_ok=True)
        return card


def compute_bicubic_psnr(patches: batches.Patches) -> float:
    """Compute the PSNR of the bicubic zoom over all pixels of all patches, dB."""
    squares = []
    for inputs, targets, _ in batches.validation_batches(patches, batch_size=1):
        hr = targets[OUTPUT].numpy()
        error = bicubic(inputs[INPUT] * SCALE, hr.shape[1:3]) - hr
        squares.append(np.square(error, dtype=np.float64).mean())
    return float(psnr(np.mean(squares)))
