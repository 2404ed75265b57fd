"""Places of patches on the ground, and the number of patches that overlap."""

import numpy as np

TOUCHING_METRES = 0.01  # smaller overlaps are rounding errors of the places


def ground_of(card: dict, group: str) -> dict | None:
    """Return the places of a group's patches; None if `card`, dataset.json, has none.

    The keys are crs, origin (x, y) and spacing of the lr grid, metres, patch_size, lr
    pixels, and windows, the first row and column of each patch.
    """
    windows = card.get("groups", {}).get(group, {}).get("windows")
    size = card.get("lr", {}).get("patch_size")
    if windows is None or size is None or "xs" not in card:
        return None
    grid = {key: card["xs"].get(key) for key in ("crs", "origin", "spacing")}
    return {**grid, "patch_size": size, "windows": windows}


def shared(ground: dict | None, other: dict | None) -> int:
    """Count the patches of `other` that overlap patches of `ground`.

    Both are results of `ground_of`.  The count is 0 if one is None or the CRS differ.
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


def _corners(ground: dict) -> np.ndarray:
    """Return the upper left corners [n, 2], metres east and south of the CRS origin."""
    rows, cols = np.reshape(ground["windows"], (-1, 2)).T
    (left, top), spacing = ground["origin"], ground["spacing"]
    return np.stack([left + spacing * cols, -top + spacing * rows], axis=1)
