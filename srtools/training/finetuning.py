"""Starting from the weights of an earlier model."""

from pathlib import Path

from srtools.conventions import BANDS, FACTOR, SCALE
from srtools.errors import SRError
from srtools.network import saved_model, weights
from srtools.tf import tf


def start_from(network: tf.keras.Model, folder: str | Path, size: dict) -> None:
    """Set the weights of a network to those of a model that sr_train.py wrote.

    Arguments:
        network: network of the same architecture.
        folder: the SavedModel.
        size: options of the network, which the card of the model must not contradict.
    """
    card = saved_model.describe(folder).card
    facts = {**card, **card.get("training", {}), **card.get("network", {})}
    expected = {"bands": list(BANDS), "scale": SCALE, "factor": FACTOR, **size}
    for key, value in expected.items():
        if facts.get(key, value) != value:
            raise SRError(
                f"the card of {folder} says {key} {facts[key]}, this training has "
                f"{value}; give options and patches that fit, or another model"
            )
    arrays, variables = weights.read(folder), weights.by_name(network)
    for name in {**variables, **arrays}:
        shape, wanted = (
            tuple(each[name].shape) if name in each else None
            for each in (arrays, variables)
        )
        if shape != wanted:
            raise SRError(
                f"the weights of {folder} do not fit: {name} has the shape "
                f"{shape or 'missing'}, {wanted or 'no such weight'} is expected; give "
                "the --filters, --blocks and --kernel of that model"
            )
    for name, variable in variables.items():
        variable.assign(arrays[name])
