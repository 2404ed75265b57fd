"""Weights by name, in a file that Keras 2 and Keras 3 both read."""

import io
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from srtools.errors import SRError
from srtools.tf import tf

FILE = Path("assets") / "weights.npz"
"""Path inside a SavedModel; Keras 3 cannot read the variables of the SavedModel."""


def by_name(network: tf.keras.Model) -> dict[str, tf.Variable]:
    """Return {"layer/weight": variable} of a network, for instance "first/kernel"."""
    return {
        # Keras 2 says "first/kernel:0", Keras 3 "kernel".
        f"{layer.name}/{weight.name.split('/')[-1].split(':')[0]}": weight
        for layer in network.layers
        for weight in layer.weights
    }


def save_arrays(path: str | Path, arrays: dict[str, np.ndarray]) -> None:
    """Write arrays as .npz in one call; `np.savez` into a full disk raises twice."""
    archive = io.BytesIO()
    np.savez(archive, **arrays)
    Path(path).write_bytes(archive.getbuffer())


def assign(network: tf.keras.Model, folder: str | Path) -> None:
    """Set the weights of a network to those in the model `folder` of sr_train.py."""
    try:
        with (Path(folder) / FILE).open("rb") as file, np.load(file) as archive:
            arrays = dict(archive)
    except (OSError, ValueError, BadZipFile) as error:
        raise SRError(
            f"the weights of {folder} cannot be taken over: {FILE} is missing or no "
            f"archive of weights ({error}); train it anew with sr_train.py"
        ) from None
    variables = by_name(network)
    for name in {**variables, **arrays}:
        shape, expected = (
            tuple(each[name].shape) if name in each else None
            for each in (arrays, variables)
        )
        if shape != expected:
            raise SRError(
                f"the weights of {folder} do not fit: the shape of {name} is "
                f"{shape or 'unknown'}, {expected or 'no such weight'} is expected; "
                "sr_train.py needs the --filters, --blocks and --kernel of that model; "
                "models of version 1.0.0 have to be trained anew"
            )
    for name, variable in variables.items():
        variable.assign(arrays[name])
