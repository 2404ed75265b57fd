"""The network: initial weights, receptive field, SavedModel, card; exercises 2 to 5."""
