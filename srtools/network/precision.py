"""The arithmetic of the convolutions: float32, or bfloat16 where a machine has it.

A bfloat16 has the range of a float32 and 8 of its 24 digits.  Newer processors (AMX,
avx512_bf16) and GPUs multiply them 2 to 16 times as fast, and add the products up in
float32.  Weights stay float32 in training, and in the saved model.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from srtools.conventions import OUTPUT, OUTPUT_DN
from srtools.errors import SRError
from srtools.network import saved_model, weights
from srtools.tf import CPU_INFO, cpu_flags, tf

FAST_FLAGS = {"amx_bf16", "avx512_bf16"}
FAST_GPU = (8, 0)
"""Compute capability from which NVIDIA's GPUs multiply bfloat16."""


def choose(name: str, cpu_info: str = CPU_INFO) -> str:
    """Return the faster one of "float32" and "bfloat16" for "auto", else the name.

    It follows from the features of the processor or the GPU and not from a clock, so
    that a training that is resumed goes on in the arithmetic in which it began.
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
    return "bfloat16" if FAST_FLAGS & cpu_flags(cpu_info) else "float32"


@contextmanager
def layers_in(name: str) -> Iterator[None]:
    """Let Keras make the layers of this block for "float32" or "bfloat16".

    bfloat16 has the range of float32, so that no loss must be scaled.
    """
    policy = tf.keras.mixed_precision.set_global_policy
    policy("mixed_bfloat16" if name == "bfloat16" else name)
    try:
        yield
    finally:
        policy("float32")


def save_in_bfloat16(
    model_dir: str, make: Callable[..., tf.keras.Model], crop: int, folder: Path
) -> str:
    """Write the model of sr_train.py once more, computing in bfloat16.

    Arguments:
        model_dir: the SavedModel.
        make: function that makes its network, given the options of the network.
        crop: output pixels that the output `hr_dn_crop<crop>` has less on each side.
        folder: path of the new model, which is returned.
    """
    card = saved_model.describe(model_dir).card
    size = {k: v for k, v in card.get("network", {}).items() if k != "parameters"}
    arrays = weights.read(model_dir)
    try:
        with layers_in("bfloat16"):
            network = make(**size)
        for name, weight in weights.by_name(network).items():
            weight.assign(arrays[name])
    except (TypeError, ValueError, KeyError) as error:
        raise SRError(
            f"{model_dir} cannot be computed in bfloat16: its card describes the "
            f"network {size}, which does not fit its weights ({error}); leave "
            "--precision bfloat16 out"
        ) from None
    # The cropped outputs of OTBTF would be bfloat16 here.
    outputs = {name: network.output[name] for name in (OUTPUT, OUTPUT_DN)}
    network = tf.keras.Model(network.input, outputs)
    return str(saved_model.save(network, folder, card, crop))
