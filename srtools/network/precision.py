"""Arithmetic of the convolutions: float32, or bfloat16 if the machine has it.

A bfloat16 has 8 of the 24 digits of a float32; newer processors and GPUs multiply it 2
to 16 times as fast, and add the products in float32.  Weights stay float32.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from srtools.network import saved_model, weights
from srtools.tf import cpu_flags, tf

FAST_FLAGS = {"amx_bf16", "avx512_bf16"}
FAST_GPU = (8, 0)  # compute capability from which NVIDIA's GPUs multiply bfloat16


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


def in_bfloat16(
    model_dir: str | Path, make: Callable[..., tf.keras.Model]
) -> tf.keras.Model:
    """Load a model of sr_train.py as a network that computes in bfloat16.

    `make(filters=..., blocks=..., kernel=...)` builds the network without the weights.
    """
    card = saved_model.describe(model_dir).card
    size = {k: v for k, v in card.get("network", {}).items() if k != "parameters"}
    with layers_in("bfloat16"):
        network = make(**size)
    weights.assign(network, model_dir)
    return network
