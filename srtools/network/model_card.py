"""The card of a trained model: its network, its training, its scores."""

from srtools import cards
from srtools.conventions import (
    BANDS,
    FACTOR,
    HR_SPACING_METRES,
    LR_SPACING_METRES,
    SCALE,
)

LONG = frozenset(("dataset", "ground", "scenes", "intervals", "training_set"))
"""Sections that the cards of what was made with a model need not repeat."""


def brief(card: dict) -> dict:
    """Return a card without its `LONG` sections."""
    return {key: value for key, value in card.items() if key not in LONG}


def make(
    *,
    network: dict,
    margin: int,
    settings: dict,
    patches: dict[str, int],
    rows: list[dict],
    best: dict,
    bicubic_psnr: float,
    interrupted: int | str | None,
    scenes: list[dict],
    **sections: object,
) -> dict:
    """Put the card together; each argument is a fact of the training.

    Arguments:
        network: options of the network, and its number of parameters.
        margin: of the receptive field, lr pixels on each side.
        settings: options of the training.
        patches: number of patches per group.
        rows: rows of training.csv, one per epoch; `best` is one, or the start, epoch 0.
        bicubic_psnr: PSNR of the bicubic zoom of the validation patches, dB.
        interrupted: number of the signal, or the fault, that ended the training early.
        scenes: of each scene the card of its patches and the place of each training
            patch, so that no test is made on its ground.
        sections: further ones of the card: intervals, training_set, command.
    """
    dataset = scenes[0]["dataset"]
    offsets = {scene["dataset"].get("offset") for scene in scenes}
    return {
        "bands": list(BANDS),
        "scale": SCALE,
        "factor": FACTOR,
        "offset_removed": offsets.pop() if len(offsets) == 1 else None,
        "offset_convention": "DN less the offset, times scale, is reflectance; "
        "0 is no data",
        "lr_spacing": dataset.get("lr", {}).get("spacing", LR_SPACING_METRES),
        "hr_spacing": dataset.get("hr", {}).get("spacing", HR_SPACING_METRES),
        "receptive_field": {"margin": margin, "unit": "lr pixels on each side"},
        "network": network,
        "training": {
            **{key: value for key, value in settings.items() if key not in network},
            "patches": patches,
            "epochs": len(rows),
            "best_epoch": int(best["epoch"]),
            "seconds": rows[-1]["seconds"],
            "interrupted": interrupted,
            "train_loss": best["loss"],
            "valid_loss": best["val_loss"],
        },
        "metrics": {
            "on": "whole validation patches, reflectance 0-1",
            "psnr_db": best["val_psnr"],
            "bicubic_psnr_db": bicubic_psnr,
            "gain_db": best["val_gain"],
        },
        "scenes": scenes,
        **sections,
        "versions": cards.versions(),
    }
