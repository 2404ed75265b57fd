"""A training step: how fast it is, and whether data and callbacks hold it up.

The steps are measured in turn, a few of each kind at a time, so that whatever else the
machine does weighs on all of them alike.  Two kinds are compared round by round; the
median of these ratios is taken.
"""

import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import rasterio

import sr_model
from bench.measure import announce
from srtools.network import precision
from srtools.tf import tf
from srtools.training import batches, calibration, callbacks

BATCH, PATCH, COUNT, FACTOR = 4, 32, 64, 4
ROUNDS, STEPS, WARMING = 12, 8, 3
MOST_FOR_DATA = 1.03  # times a step on a batch that is always the same
SOURCES = ("patches in memory", "patches streamed")
LEAST_OF_BARE = 0.8  # relative to the speed of Keras' step without callbacks
MOST_CALIBRATING = 2  # times one pass over the same patches


class Clock(tf.keras.callbacks.Callback):
    """Note the seconds of each step but the first ones, one list per `fit`."""

    def __init__(self):
        super().__init__()
        self.seconds: list[list[float]] = []

    def on_train_begin(self, logs=None):
        """Begin to count."""
        self.steps, self.last = 0, None
        self.seconds.append([])

    def on_train_batch_end(self, batch, logs=None):
        """Note the time since the end of the step before."""
        now = time.perf_counter()
        self.steps += 1
        if self.steps > WARMING:
            self.seconds[-1].append(now - self.last)
        self.last = now


def run(folder: Path, sizes: tuple[int, ...]) -> Iterator:
    """Yield the rows of the bench; `sizes` of scenes have no effect here."""
    from bench.table import Row

    arithmetic = precision.choose("auto")
    announce(f"steps of {BATCH} patches of several kinds, in turn")
    files = write_patches(folder)
    times = measure_steps(files, arithmetic)
    rounds = {name: np.median(steps, axis=1) for name, steps in times.items()}
    seconds = {name: float(np.median(times)) for name, times in rounds.items()}
    kind = f"step of {BATCH} patches, {arithmetic}: "
    for name, value in seconds.items():
        yield Row(PATCH, kind + name, f"{1000 * value:.1f} ms")
    for name in SOURCES:
        ratio = np.median(rounds[name] / rounds["one batch again and again"])
        yield Row(PATCH, f"  {name}", f"{ratio:.3f} x", f"<= {MOST_FOR_DATA} x")
    share = np.median(rounds["bare Keras"] / rounds["patches in memory"])
    yield Row(PATCH, "  of bare Keras", f"{share:.0%}", f">= {LEAST_OF_BARE:.0%}")
    yield from calibrating(files)


def write_patches(folder: Path) -> dict[str, list[str]]:
    """Write patches images of noise, compressed as sr_dataset.py does it."""
    files = {}
    for kind, size in (("lr", PATCH), ("hr", FACTOR * PATCH)):
        path = str(folder / f"train_{kind}_patches.tif")
        files[kind] = [path]
        pixels = np.random.default_rng(0).integers(200, 3000, (4, COUNT * size, size))
        with rasterio.open(
            path,
            "w",
            driver="GTiff",
            count=4,
            dtype="uint16",
            compress="DEFLATE",
            predictor=2,
            width=size,
            height=COUNT * size,
            transform=rasterio.Affine(1, 0, 0, 0, -1, 9),
        ) as file:
            file.write(pixels.astype(np.uint16))
    return files


def calibrating(files: dict[str, list[str]]) -> Iterator:
    """Compare the calibration of the intervals with one pass over its patches."""
    from bench.table import Row

    announce("calibrating the intervals")
    network = make_trainer("float32")
    seconds = defaultdict(list)
    lr = np.random.default_rng(0).uniform(200, 3000, (BATCH, PATCH, PATCH, 4))
    enlarge = tf.function(lambda lr: 1e4 * network({"lr": lr})["hr"], autograph=False)
    tensor = tf.constant(lr, tf.float32)
    passes = sum(min(COUNT, most) for most in calibration.MAX_PATCHES.values()) // BATCH
    enlarge(tensor)  # traced once
    for _ in range(3):
        start = time.perf_counter()
        for _ in range(passes):
            enlarge(tensor).numpy()
        middle = time.perf_counter()
        calibration.calibrate(enlarge, {"train": files, "valid": files}, seed=0)
        seconds["passes"].append(middle - start)
        seconds["all"].append(time.perf_counter() - middle)
    ratio = np.median(np.divide(seconds["all"], seconds["passes"]))
    label = f"calibrating the intervals on {passes * BATCH} patches"
    yield Row(PATCH, label, f"{min(seconds['all']):.1f} s")
    target = f"<= {MOST_CALIBRATING} x"
    yield Row(PATCH, "  of the passes alone", f"{ratio:.2f} x", target)


def fit(trainer: tf.keras.Model, data: tf.data.Dataset, watching: list) -> None:
    """Train for a few steps."""
    options = {"epochs": 1, "verbose": 0, "shuffle": False, "callbacks": watching}
    trainer.fit(data, steps_per_epoch=STEPS, **options)


def make_trainer(arithmetic: str) -> tf.keras.Model:
    """Make the network of sr_train.py's defaults, compiled as there."""
    with precision.layers_in(arithmetic):
        model = sr_model.SRModel(sr_model.element_spec(4))
    trainer = tf.keras.Model(model.input, {"hr": model.output["hr"]})
    trainer.compile(
        tf.keras.optimizers.Adam(1e-4),
        loss={"hr": "mean_absolute_error"},
        weighted_metrics={"hr": ["mean_squared_error"]},
        jit_compile=False,
    )
    return trainer


def measure_steps(
    files: dict[str, list[str]], arithmetic: str
) -> dict[str, np.ndarray]:
    """Measure steps: `{kind: [rounds, steps] seconds}`."""
    trainer = make_trainer(arithmetic)
    opened = [batches.open_patches(files, streaming) for streaming in (False, True)]
    streams = {
        name: batches.training_batches(
            source, BATCH, epochs=range(1000), seed=1, augment=True
        )
        for name, source in zip(SOURCES, opened, strict=True)
    }
    batch = next(iter(streams["patches in memory"]))
    again = tf.data.Dataset.from_tensors(batch).repeat()
    kinds = {"bare Keras": again, "one batch again and again": again, **streams}
    clocks = defaultdict(Clock)
    for _ in range(ROUNDS):
        for name, data in kinds.items():
            checks = [callbacks.StopOnSignal(), callbacks.StopOnNaN()]
            if name == "bare Keras":
                checks = []
            # The validation loss is computed after an epoch only.
            for check in checks:
                check.on_epoch_end = lambda *arguments, **options: None
            fit(trainer, data, [*checks, clocks[name]])
    return {name: np.array(clocks[name].seconds) for name in kinds}
