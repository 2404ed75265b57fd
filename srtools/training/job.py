"""Everything around `fit`: scenes, devices, backup, logs, calibration, card."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from srtools import signals
from srtools.conventions import INPUT, OUTPUT, OUTPUT_DN, SCALE
from srtools.images.zooms import bicubic
from srtools.network import likeness, model_card, precision, saved_model
from srtools.network.receptive_field import receptive_field
from srtools.patches import patch_files
from srtools.tf import tf
from srtools.training import feeding, resuming, strategies, tensorboard
from srtools.training.calibrating import calibrate
from srtools.training.callbacks import Diverged, EpochTable, Interrupted
from srtools.training.finetuning import start_from
from srtools.training.scenes import Scene, files_of, read_scenes
from srtools.training.scores import psnr_of

log = logging.getLogger(__name__)

DESCRIBED = 512  # training patches, at most, whose statistics the card keeps
SHOWN = 4  # validation patches whose pictures go to TensorBoard


class Options(Protocol):
    """Options of a training, as `srtools.cli.train` describes them."""

    patches: tuple[str, ...]
    model_dir: str
    logs: str | None
    batch_size: int
    nb_epochs: int
    finetune: str | None
    augment: bool
    streaming: bool | None
    strategy: str
    precision: str
    seed: int
    overwrite: bool
    network_size: dict[str, Any]
    settings: dict[str, Any]


@contextmanager
def training(options: Options, command: str) -> Iterator["Job"]:
    """Yield a training whose folders are locked until the end of the block.

    A training that was killed goes on after the last epoch that it finished, when it
    is called again with the same options.

    Arguments:
        options: options of the training.
        command: command line that trains the same model, for the card.

    Raises:
        Diverged: at the end, if the training did, after its best model was saved.
    """
    devices = strategies.choose(options.strategy, options.batch_size)
    scenes = read_scenes(options.patches)
    logs = Path(options.logs or f"{options.model_dir}_logs")
    settings = options.settings | resuming.circumstances(files_of(scenes))
    backup = resuming.Backup(logs, settings, writes=strategies.is_chief(devices))
    tf.keras.utils.set_random_seed(options.seed)
    with (
        strategies.lost_workers(devices),
        resuming.lock(backup, options.model_dir, options.overwrite),
    ):
        job = Job(options, command, scenes, devices, backup)
        yield job
        if isinstance(job.interrupted, str):
            raise Diverged(job.interrupted)


class Job:
    """A training: its batches and callbacks, and the model that it saves.

    Attributes:
        files: patches images of the groups "train" and "valid", by kind.
        train_batches, valid_batches: batches of ({"lr": DN}, {"hr": reflectance}).
        element_spec: their shapes.
        steps: number of steps of all epochs.
        epochs: arguments of `fit` about epochs.
        table, board: callbacks that write training.csv and to TensorBoard.
        backup: callback that keeps the state of the others; comes last.
        interrupted: signal, or fault, that ended the training early.
    """

    def __init__(
        self,
        options: Options,
        command: str,
        scenes: list[Scene],
        devices: tf.distribute.Strategy,
        backup: resuming.Backup,
    ):
        self.options, self.command, self.scenes = options, command, scenes
        self.devices, self.backup = devices, backup
        self.arithmetic = precision.choose(options.precision)
        self.interrupted: int | str | None = None
        self.margin = 0
        self._make_batches()

    def _make_batches(self) -> None:
        options, done = self.options, self.backup.epochs_done
        self.files = files_of(self.scenes)
        sources = {
            group: feeding.open_patches(files, options.streaming)
            for group, files in self.files.items()
        }
        self.counts = {group: source.size for group, source in sources.items()}
        log.info("%d patches to train on, %d to validate", *self.counts.values())
        log.info("convolutions are computed in %s", self.arithmetic)
        steps = feeding.steps_per_epoch(self.counts["train"], options.batch_size)
        self.steps = steps * options.nb_epochs
        self.epochs = {
            "initial_epoch": done,
            "epochs": done if self.backup.stopped else options.nb_epochs,
            "steps_per_epoch": steps,  # the batches of all epochs come in one row
            "shuffle": False,  # the batches are in random order
            "verbose": 0,
        }
        self.train_batches = feeding.training_batches(
            sources["train"],
            options.batch_size,
            epochs=range(done, options.nb_epochs),
            seed=options.seed,
            augment=options.augment,
        )
        self.element_spec = self.train_batches.element_spec
        fill = self.devices.num_replicas_in_sync > 1
        batch_size, self.scored = options.batch_size, sources["valid"]
        self.valid_batches = feeding.validation_batches(self.scored, batch_size, fill)

    def _make_callbacks(self) -> None:
        self.bicubic_psnr = self._bicubic_psnr(self.scored)
        logs = self.backup.path.parent if self.backup.writes else None
        patches = self.epochs["steps_per_epoch"] * self.options.batch_size
        self.table = EpochTable(
            logs, self.options.nb_epochs, patches, self.bicubic_psnr
        )
        self.backup.batches, self.board = self.valid_batches, []
        if logs:
            if not self.backup.resumes:
                tensorboard.forget_events(logs)
            shown = feeding.some_samples(self.files["valid"], SHOWN)
            pictures = tensorboard.PatchImages(logs, *shown)
            self.board = [tensorboard.Scalars(logs), pictures]

    @contextmanager
    def on_devices(self) -> Iterator[None]:
        """Make the layers of this block for the devices, in their arithmetic."""
        with self.devices.scope(), precision.layers_in(self.arithmetic):
            yield
        self._make_callbacks()  # only now: they write to the folder of the logs

    def restore(self, trainer: tf.keras.Model) -> None:
        """Set the weights of a network to those of `--finetune` or the backup."""
        if self.options.finetune:
            start_from(trainer, self.options.finetune, self.options.network_size)
        if self.backup.resumes:
            self.backup.restore_model(trainer)
        self.margin = receptive_field(trainer.output[OUTPUT]).margin
        for scene in self.scenes:
            patch_files.warn_of_leak(scene.card, self.margin)

    @contextmanager
    def interruptible(self) -> Iterator[None]:
        """End `fit` after a signal or a divergence, with the best weights so far."""
        try:
            with signals.held():
                yield
        except Interrupted as interruption:
            self.interrupted = interruption.number
            if not self.table.rows:
                log.info("no epoch was over, nothing is saved")
                signals.stop(interruption.number)
        except Diverged as divergence:
            self.interrupted = str(divergence)
            if not self.table.rows:
                raise
        self.table.check_moved()
        self.table.draw()

    def save(self, best: Any) -> dict:
        """Calibrate, score and write a model with the best weights; return its card.

        `written` in it says whether this process wrote it, and not another worker.
        """
        network, size = best.model, self.options.network_size
        some_lr, _ = feeding.some_samples(self.files["train"], DESCRIBED)
        card = model_card.make(
            network={**size, "parameters": best.count_params()},
            margin=self.margin,
            settings=self.options.settings | {"precision": self.arithmetic},
            patches=self.counts,
            rows=self.table.rows,
            best=self.table.best_row(),
            bicubic_psnr=self.bicubic_psnr,
            interrupted=self.interrupted,
            scenes=[
                scene.record(self._scores(scene, network)) for scene in self.scenes
            ],
            intervals=calibrate(
                lambda lr: network({INPUT: lr})[OUTPUT_DN],
                self.files,
                self.options.seed,
            ),
            command=self.command,
            training_set=likeness.record(some_lr),
        )
        if self.backup.writes:
            saved_model.save(network, self.options.model_dir, card)
            if not self.interrupted:
                self.backup.forget()
        return {**card, "written": self.backup.writes}

    def _scores(self, scene: Scene, network: tf.keras.Model) -> dict | None:
        """Score the validation patches of a scene, if there are several scenes."""
        if len(self.scenes) == 1 or "valid" not in scene.files:
            return None
        source = feeding.open_patches(files_of([scene])["valid"], streaming=True)
        batches = feeding.validation_batches(source, self.options.batch_size)
        psnr = psnr_of(batches, lambda lr, size: network({INPUT: lr})[OUTPUT])
        gain = psnr - self._bicubic_psnr(source)
        log.info("%s: %+.2f dB over bicubic", scene.name, gain)
        return {"psnr_db": psnr, "gain_db": gain}

    def _bicubic_psnr(self, source: feeding.Patches) -> float:
        batches = feeding.validation_batches(source, self.options.batch_size)
        return psnr_of(batches, lambda lr, size: bicubic(lr * SCALE, size))
