"""The SavedModel of a student, run through its signature."""

from pathlib import Path

import numpy as np

from srtools.conventions import FACTOR, SCALE
from srtools.errors import SRError
from srtools.tf import tf

SIGNATURE = "serving_default"
# Below this a median is reflectance, above it DN.
LARGEST_REFLECTANCE = 5.0
BATCH = 8


class StudentModel:
    """The model of a folder; its input and outputs may have any name."""

    def __init__(self, folder: Path):
        try:
            # The functions of a signature live as long as the model.
            self.model = tf.saved_model.load(str(folder))
            self.serve = self.model.signatures[SIGNATURE]
        except (OSError, KeyError, AttributeError, ValueError) as error:
            text = str(error).splitlines()[0]
            raise SRError(
                f"{folder} is no SavedModel with the signature {SIGNATURE} ({text}); "
                "model.export(folder) of Keras 3 and model.save(folder) of Keras 2 "
                "write one"
            ) from None
        inputs = self.serve.structured_input_signature[1]
        if len(inputs) != 1:
            raise SRError(
                f"the model has {len(inputs)} inputs ({', '.join(inputs)}); one is "
                "expected, Sentinel-2 on the 6 m grid"
            )
        ((self.input, self.spec),) = inputs.items()

    def outputs(self, lr: np.ndarray) -> dict[str, np.ndarray]:
        """Return all outputs for lr [n, h, w, 4] in DN.

        Raises:
            SRError: if the model does not take it.
        """
        try:
            outputs = self.serve(**{self.input: tf.constant(lr, self.spec.dtype)})
        except Exception as error:  # TensorFlow has many of them
            text = str(error).strip().splitlines()[0]
            raise SRError(f"the model cannot serve {lr.shape}: {text}") from None
        return {key: value.numpy() for key, value in outputs.items()}

    def hr(self, lr: np.ndarray) -> np.ndarray:
        """Return the output of four times the size in DN, [n, 4 h, 4 w, 4].

        Raises:
            SRError: if there is none.
        """
        batches = []
        batch = self.spec.shape[0] or BATCH
        for first in range(0, len(lr), batch):
            part = lr[first : first + batch].astype(np.float32)
            size = FACTOR * part.shape[1], FACTOR * part.shape[2]
            outputs = self.outputs(part)
            fitting = [v for _, v in sorted(outputs.items()) if v.shape[1:3] == size]
            fitting.sort(key=lambda v: v.shape[3:] != part.shape[3:])
            if not fitting:
                sizes = ", ".join(f"{k} {v.shape}" for k, v in outputs.items())
                raise SRError(
                    f"no output is {FACTOR} times as large as the input {part.shape}: "
                    f"{sizes}"
                )
            batches.append(fitting[0])
        result = np.concatenate(batches).astype(float)
        return result / SCALE if np.median(result) < LARGEST_REFLECTANCE else result
