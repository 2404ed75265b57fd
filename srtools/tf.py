"""TensorFlow, imported without the notices that its C++ libraries print.

Modules take it from here: `from srtools.tf import tf`.  Once it is loaded, a plain
`import tensorflow as tf`, as in the five scripts, is silent too.  What another project
has left for Keras, in keras.json or in variables, is set right or refused here.
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

if (_backend := os.environ.setdefault("KERAS_BACKEND", "tensorflow")) != "tensorflow":
    raise SystemExit(
        f"error: KERAS_BACKEND is {_backend}, tensorflow is expected; unset it"
    )
try:
    tf.get_logger().setLevel("ERROR")
    tf.keras.backend.set_floatx("float32")
    tf.keras.backend.set_image_data_format("channels_last")
except (ImportError, AttributeError) as _error:
    raise SystemExit(
        f"error: Keras cannot be loaded ({_error}); TF_USE_LEGACY_KERAS is "
        f"{os.environ.get('TF_USE_LEGACY_KERAS', 'not set')}: unset it, or pip install "
        "the tf_keras of this TensorFlow"
    ) from None

__all__ = ["tf"]
