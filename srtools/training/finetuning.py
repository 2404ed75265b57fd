"""Starting from the weights of an earlier model."""

from pathlib import Path

from srtools.cards import check_conventions
from srtools.errors import SRError
from srtools.network import saved_model, weights
from srtools.tf import tf


def start_from(network: tf.keras.Model, folder: str | Path) -> None:
    """Set the weights of a network to those of a SavedModel that sr_train.py wrote.

    Raises:
        SRError: if its card or the shape of a weight contradicts the network.
    """
    card = saved_model.describe(folder).card
    check_conventions(card, f"the card of {folder}", "give another model")
    arrays, variables = weights.read(folder), weights.by_name(network)
    for name in {**variables, **arrays}:
        shape, expected = (
            tuple(each[name].shape) if name in each else None
            for each in (arrays, variables)
        )
        if shape != expected:
            raise SRError(
                f"the weights of {folder} do not fit: {name} has the shape "
                f"{shape or 'missing'}, {expected or 'no such weight'} is expected; "
                "give the --filters, --blocks and --kernel of that model"
            )
    for name, variable in variables.items():
        variable.assign(arrays[name])
