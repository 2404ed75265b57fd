"""Weights by name: Keras 2 and Keras 3 read what either has written."""

import io
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from srtools.errors import SRError
from srtools.tf import tf

FILE = Path("assets") / "weights.npz"
"""Path inside a SavedModel, whose own variables Keras 3 cannot read."""


def by_name(network: tf.keras.Model) -> dict[str, tf.Variable]:
    """Return the weights by "layer/weight", for instance "first/kernel"."""
    return {
        # Keras 2 says "first/kernel:0", Keras 3 "kernel".
        f"{layer.name}/{weight.name.split('/')[-1].split(':')[0]}": weight
        for layer in network.layers
        for weight in layer.weights
    }


def write(path: str | Path, network: tf.keras.Model) -> None:
    """Write the weights of a network as a NumPy archive."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    save_arrays(path, {name: w.numpy() for name, w in by_name(network).items()})


def save_arrays(path: str | Path, arrays: dict[str, np.ndarray]) -> None:
    """Write a NumPy archive in one go: closed on a full disk, it complains twice."""
    archive = io.BytesIO()
    np.savez(archive, **arrays)
    Path(path).write_bytes(archive.getbuffer())


def read(folder: str | Path) -> dict[str, np.ndarray]:
    """Read the weights of a model that sr_train.py wrote, by name."""
    try:
        with (Path(folder) / FILE).open("rb") as file, np.load(file) as archive:
            return dict(archive)
    except (OSError, ValueError, BadZipFile) as error:
        raise SRError(
            f"the weights of {folder} cannot be taken over: {FILE} is missing or no "
            f"archive of weights ({error}); train it anew with sr_train.py"
        ) from None
