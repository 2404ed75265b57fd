"""TensorFlow, imported without the notices that its C++ libraries print.

Modules take it from here: `from srtools.tf import tf`.  Once it is loaded, a plain
`import tensorflow as tf`, as in the five scripts, is silent too.
"""

import os
import sys

sys.stderr.flush()
_kept, _nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
try:
    # The libraries print before they read TF_CPP_MIN_LOG_LEVEL.  Errors are not lost:
    # they are raised as exceptions.
    os.dup2(_nowhere, 2)
    import tensorflow as tf
finally:
    os.dup2(_kept, 2)
    os.close(_kept)
    os.close(_nowhere)

__all__ = ["tf"]
