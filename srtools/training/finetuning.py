"""Starting from the weights of an earlier model."""

from pathlib import Path

from srtools.conventions import BANDS, FACTOR, SCALE
from srtools.errors import SRError
from srtools.network import saved_model, weights
from srtools.tf import tf


def start_from(network: tf.keras.Model, folder: str | Path, size: dict) -> None:
    """Give a network the weights of a model that sr_train.py wrote.

    Arguments:
        network: network of the same architecture.
        folder: the SavedModel.
        size: size of the network, by option, which its card must not contradict.

    Raises:
        SRError: if it is no such model, or if its card or its weights do not fit.
    """
    expected = {"bands": list(BANDS), "scale": SCALE, "factor": FACTOR, **size}
    card = saved_model.describe(folder).card
    said = {**card, **card.get("training", {}), **card.get("network", {})}
    for key, value in expected.items():
        if said.get(key, value) != value:
            raise SRError(
                f"the card of {folder} says {key} {said[key]}, this training has "
                f"{value}; give options and patches that fit, or another model"
            )
    known = weights.read(folder)
    wanted = weights.by_name(network)
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
