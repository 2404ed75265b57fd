"""Weights by name: Keras 2 and Keras 3 read what either has written."""

import io
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from srtools.errors import SRError
from srtools.network import saved_model
from srtools.tf import tf

FILE = Path("assets") / "weights.npz"
"""Inside a SavedModel, whose own weights Keras 3 does not read back."""


def by_name(network: tf.keras.Model) -> dict[str, tf.Variable]:
    """Give the weights as `{"layer/weight": variable}`, for instance "first/kernel"."""
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
    """Write a NumPy archive.

    In one go: an archive that is closed on a full disk complains twice.
    """
    archive = io.BytesIO()
    np.savez(archive, **arrays)
    Path(path).write_bytes(archive.getbuffer())


def start_from(network: tf.keras.Model, folder: str | Path, expected: dict) -> None:
    """Give a network the weights of a model that sr_train.py wrote.

    Arguments:
        network: of the same architecture.
        folder: the SavedModel.
        expected: what its card must say, if it says anything about it: `{key: value}`.

    Raises:
        SRError: if it is no such model, or its card or its weights contradict.
    """
    card = saved_model.describe(folder).card
    said = {**card, **card.get("training", {}), **card.get("network", {})}
    for key, value in expected.items():
        if said.get(key, value) != value:
            raise SRError(
                f"the card of {folder} says {key} {said[key]}, this training has "
                f"{value}; give options and patches that fit, or another model"
            )
    try:
        with (Path(folder) / FILE).open("rb") as file, np.load(file) as archive:
            known = dict(archive)
    except (OSError, ValueError, BadZipFile) as error:
        raise SRError(
            f"{folder} cannot be trained further: {FILE} is missing or no archive of "
            f"weights ({error}); train it anew with sr_train.py"
        ) from None
    wanted = by_name(network)
    shapes = {name: tuple(weight.shape) for name, weight in wanted.items()}
    found = {name: array.shape for name, array in known.items()}
    if shapes != found:
        name = next(n for n in {**shapes, **found} if shapes.get(n) != found.get(n))
        raise SRError(
            f"the weights of {folder} do not fit: {name} has the shape "
            f"{found.get(name, 'missing')}, {shapes.get(name, 'no such weight')} is "
            "expected; give the --filters, --blocks and --kernel of that model"
        )
    for name, weight in wanted.items():
        weight.assign(known[name])
