"""Functions that the programs of this folder share."""

import argparse
from collections.abc import Sequence


def base_parser() -> argparse.ArgumentParser:
    """Make a parser of the options that all trainings have."""
    parser = argparse.ArgumentParser(description="Train a network that classifies")
    parser.add_argument("--batch_size", type=int, default=8, help="patches in a step")
    parser.add_argument("--learning_rate", type=float, default=1e-4)
    parser.add_argument("--nb_epochs", type=int, default=100)
    parser.add_argument("--model_dir", required=True, help="folder of the SavedModel")
    return parser


def check_files_order(files1: Sequence[str], files2: Sequence[str]) -> None:
    """Check that two lists of patches images are as long as each other.

    Raises:
        ValueError: if they are not, or empty.
    """
    if not files1 or len(files1) != len(files2):
        raise ValueError(
            "as many images of patches as of labels are expected, got "
            f"{len(files1)} and {len(files2)}"
        )
