"""Footprints of patches: the ground that they show, and share with others."""

import numpy as np

TOUCHING_METRES = 0.01  # smaller overlaps are rounding errors of the places


def ground_of(card: dict, group: str) -> dict | None:
    """Return the place of each patch of a group; None if dataset.json lacks it.

    It holds the CRS, origin (x, y) and spacing in metres, patch_size in lr pixels, and
    windows, the first row and column of each patch.
    """
    windows = card.get("groups", {}).get(group, {}).get("windows")
    size = card.get("lr", {}).get("patch_size")
    if windows is None or size is None or "xs" not in card:
        return None
    grid = {key: card["xs"].get(key) for key in ("crs", "origin", "spacing")}
    return {**grid, "patch_size": size, "windows": windows}


def shared(ground: dict | None, other: dict | None) -> int:
    """Count the patches of `other` that overlap `ground`, if both have one CRS."""
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
    """Return the corner of each patch, metres east and south of the CRS's origin."""
    rows, cols = np.reshape(ground["windows"], (-1, 2)).T
    (left, top), spacing = ground["origin"], ground["spacing"]
    return np.stack([left + spacing * cols, -top + spacing * rows], axis=1)
