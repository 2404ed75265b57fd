"""TensorFlow, imported without the notices that its C++ libraries print.

Keras settings in keras.json or in variables are overruled or refused.
"""

import gc
import os
import re
from pathlib import Path

from srtools import signals
from srtools.errors import SRError


def cpu_flags() -> set[str]:
    """Return the processor's flags, such as "avx"; an empty set outside of Linux."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return set()
    flags = re.search(r"^flags\s*:(.*)$", text, re.MULTILINE)
    return set(flags[1].split()) if flags else set()


# This overrules the backend in keras.json, which Keras reads when it is imported.
if (_backend := os.environ.setdefault("KERAS_BACKEND", "tensorflow")) != "tensorflow":
    raise SRError(f"KERAS_BACKEND is {_backend}, tensorflow is expected; unset it")
gc.disable()  # searching its many objects, which stay, for garbage takes 1.2 s
signals.stderr, _nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
try:
    # The libraries print before they read TF_CPP_MIN_LOG_LEVEL.  They also raise their
    # errors as exceptions, except for a processor without AVX.
    os.dup2(_nowhere, 2)
    if "avx" not in (cpu_flags() or {"avx"}):
        raise ImportError("the processor has no AVX, or the virtual machine hides it")
    import tensorflow as tf
except ModuleNotFoundError:
    raise
except Exception as _error:
    raise ImportError(str(_error), name="tensorflow") from None
finally:
    os.dup2(signals.stderr, 2)
    os.close(signals.stderr)
    os.close(_nowhere)
    signals.stderr = 2

try:
    tf.get_logger().setLevel("ERROR")
    tf.keras.backend.set_floatx("float32")
    tf.keras.backend.set_image_data_format("channels_last")
except (ImportError, AttributeError) as _error:
    raise SRError(
        f"Keras cannot be loaded ({_error}); TF_USE_LEGACY_KERAS is "
        f"{os.environ.get('TF_USE_LEGACY_KERAS', 'not set')}: unset it, or pip install "
        "the tf_keras of this TensorFlow"
    ) from None
gc.freeze()
gc.enable()

__all__ = ["cpu_flags", "tf"]
