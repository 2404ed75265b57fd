"""TensorFlow, imported without the notices that its C++ libraries print.

Modules take it from here: `from srtools.tf import tf`.  Once it is loaded, a plain
`import tensorflow as tf`, as in the five scripts, is silent too.  What another project
has left for Keras, in keras.json or in variables, is set right or refused here.
"""

import os
import re
import signal
from pathlib import Path

from srtools import signals
from srtools.errors import SRError

CPU_INFO = "/proc/cpuinfo"


def cpu_flags(cpu_info: str = CPU_INFO) -> set[str]:
    """Return the features of the processor as Linux names them, elsewhere none."""
    try:
        text = Path(cpu_info).read_text()
    except OSError:
        return set()
    flags = re.search(r"^flags\s*:(.*)$", text, re.MULTILINE)
    return set(flags[1].split()) if flags else set()


# Before Keras reads keras.json, whose backend this overrules.
if (_backend := os.environ.setdefault("KERAS_BACKEND", "tensorflow")) != "tensorflow":
    raise SRError(f"KERAS_BACKEND is {_backend}, tensorflow is expected; unset it")
_interrupted = signal.getsignal(signal.SIGINT)
if _interrupted is signals.stop:
    signal.signal(signal.SIGINT, signals.leave)
signals.stderr, _nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
try:
    # The libraries print before they read TF_CPP_MIN_LOG_LEVEL.  Errors are not lost:
    # they are raised as exceptions, but for the processor's.
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
    os.close(_nowhere)
    if _interrupted is signals.stop:
        signal.signal(signal.SIGINT, signals.stop)

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

__all__ = ["cpu_flags", "tf"]
