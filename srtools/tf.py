"""TensorFlow, imported without the notices that its C++ libraries print.

Modules take it from here: `from srtools.tf import tf`.  Once it is loaded, a plain
`import tensorflow as tf`, as in the five scripts, is silent too.
"""

import os
import re
import signal
from pathlib import Path

from srtools import signals

CPU_INFO = "/proc/cpuinfo"


def cpu_flags(cpu_info: str = CPU_INFO) -> set[str]:
    """Return the features of the processor as Linux names them, elsewhere none."""
    try:
        text = Path(cpu_info).read_text()
    except OSError:
        return set()
    flags = re.search(r"^flags\s*:(.*)$", text, re.MULTILINE)
    return set(flags[1].split()) if flags else set()


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

__all__ = ["cpu_flags", "tf"]
