"""Starting from the weights of an earlier model."""

from pathlib import Path

from srtools.cards import check_conventions
from srtools.network import saved_model, weights
from srtools.tf import tf


def start_from(network: tf.keras.Model, folder: str | Path) -> None:
    """Set the weights of a network to those of a SavedModel that sr_train.py wrote.

    Raises:
        SRError: if its card or the shape of a weight contradicts the network.
    """
    card = saved_model.describe(folder).card
    check_conventions(card, f"the card of {folder}", "give another model")
    weights.assign(network, folder)
