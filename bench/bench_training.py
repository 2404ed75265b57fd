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
from srtools.network import precision
from srtools.tf import tf
from srtools.training import batches, callbacks

BATCH, PATCH, COUNT, FACTOR = 4, 32, 64, 4
ROUNDS, STEPS, WARMING = 12, 8, 3
MOST_FOR_DATA = 1.03  # times a step on a batch that is always the same
SOURCES = ("patches in memory", "patches streamed")
LEAST_OF_BARE = 0.8  # relative to the speed of Keras' step without callbacks
# Times as fast as the same network in float32 with a Conv2D as its last layer.
LEAST_FASTER = {"float32": 1.25, "bfloat16": 3.0}
NEEDED_FOR = {"float32": "", "bfloat16": " with AMX"}


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
    yield from compare_networks(files)
    speed = flops_per_step() / seconds["patches in memory"] / 1e9
    peaks = {"convolution": convolution_speed(), "matrix product": matrix_speed()}
    yield Row(PATCH, "  achieved", f"{speed:.0f} GFLOP/s")
    for name, peak in peaks.items():
        yield Row(PATCH, f"  large {name}", f"{peak:.0f} GFLOP/s ({speed / peak:.0%})")


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


def compare_networks(files: dict[str, list[str]]) -> Iterator:
    """Compare steps in float32 and bfloat16 with those of an ordinary last layer."""
    from bench.table import Row

    source = batches.open_patches(files, streaming=False)
    data = batches.training_batches(
        source, BATCH, epochs=range(1000), seed=1, augment=True
    )
    trainers = {name: make_trainer(name) for name in LEAST_FASTER}
    blockwise = sr_model.BlockwiseConv2D
    sr_model.BlockwiseConv2D = lambda *size, **options: tf.keras.layers.Conv2D(
        *size, padding="same", **options
    )
    trainers["ordinary"] = make_trainer("float32")
    sr_model.BlockwiseConv2D = blockwise
    clocks = defaultdict(Clock)
    for _ in range(ROUNDS):
        for name, trainer in trainers.items():
            fit(trainer, data, [clocks[name]])
    rounds = {name: np.median(clock.seconds, axis=1) for name, clock in clocks.items()}
    for name, least in LEAST_FASTER.items():
        ratio = np.median(rounds["ordinary"] / rounds[name])
        label = f"  {name}, times as fast as with an ordinary last layer"
        yield Row(PATCH, label, f"{ratio:.2f} x", f">= {least} x{NEEDED_FOR[name]}")


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
            checks = [callbacks.StopOnSignal(), callbacks.StopOnNaN({})]
            if name == "bare Keras":
                checks = []
            # The validation loss is computed after an epoch only.
            for check in checks:
                check.on_epoch_end = lambda *arguments, **options: None
            fit(trainer, data, [*checks, clocks[name]])
    return {name: np.array(clocks[name].seconds) for name in kinds}


def flops_per_step(filters: int = 64, blocks: int = 4, bands: int = 4) -> float:
    """Count the multiplications and additions of the convolutions of a step.

    For instance 7 x 7 from 4 to 64 channels over one pixel: 2 x 49 x 4 x 64.  The
    backward pass takes about twice as many as the forward pass.
    """
    pixels = BATCH * PATCH**2
    forward = 7 * 7 * bands * filters + blocks * 2 * 9 * filters**2
    # A transposed convolution meets each of its input pixels with the whole kernel.
    forward += 16 * filters**2 + 4 * 16 * filters**2
    forward += 16 * 7 * 7 * filters * bands
    return 3 * 2 * pixels * forward


def convolution_speed(size: int = 256, channels: int = 64) -> float:
    """Measure a large 3 x 3 convolution, GFLOP/s."""
    image = tf.random.normal([4, size, size, channels])
    kernel = tf.random.normal([3, 3, channels, channels])
    compute = tf.function(lambda: tf.nn.conv2d(image, kernel, 1, "SAME"))
    return 2 * 9 * channels**2 * 4 * size**2 / best_time(compute) / 1e9


def matrix_speed(size: int = 2048) -> float:
    """Measure a large matrix product, GFLOP/s."""
    one, other = (tf.random.normal([size, size]) for _ in range(2))
    return 2 * size**3 / best_time(tf.function(lambda: one @ other)) / 1e9


def best_time(compute, times: int = 8) -> float:
    """Measure several times after a warm-up; return the shortest time, seconds."""
    compute()
    seconds = []
    for _ in range(times):
        start = time.perf_counter()
        compute().numpy()
        seconds.append(time.perf_counter() - start)
    return min(seconds)
