"""Card of a trained model: its network, its training, its scores."""

from srtools import cards
from srtools.conventions import (
    BANDS,
    FACTOR,
    HR_SPACING_METRES,
    LR_SPACING_METRES,
    SCALE,
)

LONG = frozenset(("dataset", "ground", "scenes", "intervals", "training_set"))


def brief(card: dict) -> dict:
    """Return a model's card without its `LONG` sections, for cards of its products."""
    return {key: value for key, value in card.items() if key not in LONG}


def make(
    *,
    scenes: list[dict],
    training: dict,
    rows: list[dict],
    best: dict,
    bicubic_psnr: float,
    **sections: object,
) -> dict:
    """Return the card of a model.

    Arguments:
        scenes: for each scene "dataset", the card of its patches, and "ground", the
            places of the training patches, where no test may be made.
        training: options of the training, and numbers of patches.
        rows: rows of training.csv, one per epoch; `best` is one, or the start, epoch 0.
        bicubic_psnr: PSNR of the bicubic zoom of the validation patches, dB.
        sections: further sections by name.
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
        "training": {
            **training,
            "epochs": len(rows),
            "best_epoch": int(best["epoch"]),
            "seconds": rows[-1]["seconds"],
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
