"""Arithmetic of the convolutions: float32, or bfloat16 if the machine has it.

A bfloat16 has 8 of the 24 digits of a float32; newer processors and GPUs multiply it 2
to 16 times as fast, and add the products in float32.  Weights stay float32.
"""

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np

from srtools.conventions import INPUT, OUTPUT_DN, SCALE
from srtools.errors import SRError
from srtools.network import saved_model, weights
from srtools.network.saved_model import ModelInfo
from srtools.tf import cpu_flags, tf

log = logging.getLogger(__name__)

FAST_FLAGS = {"amx_bf16", "avx512_bf16"}
FAST_GPU = (8, 0)  # compute capability from which NVIDIA's GPUs multiply bfloat16
SMALL = 0.1  # times the error of the network, a change that does not matter
PATCHES = 4  # to compare float32 and bfloat16 on


def choose(name: str) -> str:
    """Return the faster of "float32" and "bfloat16" for the name "auto", else `name`.

    The choice depends on the machine, not on a clock: a resumed training keeps it.
    """
    if name != "auto":
        return name
    gpus = tf.config.list_physical_devices("GPU")
    if gpus:
        details = map(tf.config.experimental.get_device_details, gpus)
        slowest = min(each.get("compute_capability", (0, 0)) for each in details)
        return "bfloat16" if slowest >= FAST_GPU else "float32"
    # On processors TensorFlow multiplies bfloat16 in oneDNN only.
    if os.environ.get("TF_ENABLE_ONEDNN_OPTS", "1").lower() in ("0", "false"):
        return "float32"
    return "bfloat16" if FAST_FLAGS & cpu_flags() else "float32"


@contextmanager
def layers_in(name: str) -> Iterator[None]:
    """Let Keras layers made in the block compute in `name`, "float32" or "bfloat16"."""
    policy = tf.keras.mixed_precision.set_global_policy
    policy("mixed_bfloat16" if name == "bfloat16" else name)
    try:
        yield
    finally:
        policy("float32")


def network_in(
    name: str, model: ModelInfo, make: Callable[..., tf.keras.Model], lr: np.ndarray
) -> tf.keras.Model | None:
    """Return a trained network in bfloat16; None: its SavedModel, which is in float32.

    "auto" is bfloat16 where that is faster and as good: the output for `lr`, patches of
    the image [n, h, w, bands] DN, changes by less than `SMALL` times the error on the
    validation patches (rms of both), which the card of the model has.

    `make(filters=..., blocks=..., kernel=...)` builds the network without the weights.
    """
    auto, psnr = name == "auto", model.card.get("metrics", {}).get("psnr_db")
    if choose(name) == "float32" or (auto and (psnr is None or not len(lr))):
        return None
    size = {k: v for k, v in model.card.get("network", {}).items() if k != "parameters"}
    try:
        with layers_in("bfloat16"):
            network = make(**size)
        weights.assign(network, model.folder)
    except SRError:
        if auto:  # sr_model.py has changed since the training
            return None
        raise
    if not auto:
        return network
    few = tf.constant(lr[:: -(-len(lr) // PATCHES)], tf.float32)
    exact = saved_model.load(model.folder, OUTPUT_DN)(**{INPUT: few})[OUTPUT_DN]
    change = np.square(network({INPUT: few})[OUTPUT_DN] - exact).mean() ** 0.5
    error = 10 ** (-psnr / 20) / SCALE
    chosen = "bfloat16" if change < SMALL * error else "float32"
    text = "computing in %s: bfloat16 changes pixels by %.1f DN, their error is %.0f DN"
    log.info(text, chosen, change, error)
    return network if chosen == "bfloat16" else None
