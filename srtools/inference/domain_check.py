"""Comparison of the image with the training set, before the network runs."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from affine import Affine
from rasterio.enums import Resampling

from srtools.conventions import BANDS, FACTOR
from srtools.images.grid import Grid
from srtools.network import domain_shift
from srtools.sentinel2.sentinel2_image import Sentinel2
from srtools.urls import redact

A_SIDE = 8  # windows along each side of the area


def is_unlike(card: Mapping[str, Any], s2: Sentinel2, windows: np.ndarray) -> bool:
    """Warn and return True if many `windows` are unlike the training set in a card."""
    items = (s2.record or {}).get("items") or [redact(s2.images[0].path)]
    shift = domain_shift.compare(card, windows, " ".join(items))
    return bool(shift) and shift.is_unlike


def read_windows(card: Mapping[str, Any], s2: Sentinel2, area: Grid) -> np.ndarray:
    """Read patches of Sentinel-2 without nodata, spread over the output `area`.

    They are [n, size, size, bands] DN on the lr grid of the output.  They have the size
    of the training patches of a model `card`; without this entry there are none.
    """
    size = card.get(domain_shift.SECTION, {}).get("size", math.inf)
    height, width = area.height // FACTOR, area.width // FACTOR
    if min(height, width) < size:
        return np.zeros((0, 1, 1, len(BANDS)))
    lr = Grid(area.crs, area.transform @ Affine.scale(FACTOR), width, height)
    rows, cols = (
        np.unique(np.linspace(0, side - size, A_SIDE).astype(int))
        for side in (height, width)
    )
    windows = [(slice(r, r + size), slice(c, c + size)) for r in rows for c in cols]
    patches = np.stack([s2.read(lr.part(w), None, Resampling.cubic) for w in windows])
    return patches[patches.all(axis=(1, 2, 3))].astype(np.float64)
