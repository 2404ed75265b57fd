"""The ground that patches show, and whether two groups of patches share some."""

from typing import Any

import numpy as np

TOUCHING_METRES = 0.01  # patches that overlap by less only touch: places are rounded


def ground_of(card: dict, group: str) -> dict | None:
    """Give the place of each patch of a group; None if the card does not tell.

    Arguments:
        card: content of dataset.json.
        group: "train", "valid" or "test".

    Returns:
        CRS, origin (x, y) and spacing in metres, patch_size in lr pixels, and windows,
        the first row and column of each patch.
    """
    windows = card.get("groups", {}).get(group, {}).get("windows")
    size = card.get("lr", {}).get("patch_size")
    if windows is None or size is None or "xs" not in card:
        return None
    grid = {key: card["xs"].get(key) for key in ("crs", "origin", "spacing")}
    return {**grid, "patch_size": size, "windows": windows}


def shared(ground: dict | None, other: dict | None) -> int:
    """Count the patches of `other` that show ground of `ground`.

    Images in different CRSs are not compared.
    """
    if not ground or not other or ground["crs"] != other["crs"]:
        return 0
    sides = [
        each["patch_size"] * each["spacing"] - TOUCHING_METRES
        for each in (ground, other)
    ]
    corners, others = _corners(ground), _corners(other)
    return sum(
        bool(((one - corners < sides[0]) & (corners - one < sides[1])).all(1).any())
        for one in others
    )


def _corners(ground: dict[str, Any]) -> np.ndarray:
    """Give the distance of each patch's corner east and south of the CRS's origin."""
    rows, cols = np.reshape(ground["windows"], (-1, 2)).T
    (left, top), spacing = ground["origin"], ground["spacing"]
    return np.stack([left + spacing * cols, -top + spacing * rows], axis=1)
