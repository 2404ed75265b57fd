"""Comparison of the image with the training set, before the network runs."""

import logging
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

log = logging.getLogger(__name__)

A_SIDE = 8  # windows along each side of the area


def warn_if_unlike(card: Mapping[str, Any], s2: Sentinel2, area: Grid) -> None:
    """Warn if much of the output `area` is unlike the training set in a model card."""
    if training := card.get(domain_shift.SECTION):
        result = domain_shift.compare(card, read_windows(s2, area, training["size"]))
        items = (s2.record or {}).get("items") or [redact(s2.images[0].path)]
        if result and (warning := result.warning(" ".join(items))):
            log.warning("%s", warning)


def read_windows(s2: Sentinel2, area: Grid, size: int) -> np.ndarray:
    """Read patches of Sentinel-2 without nodata, spread over the output `area`.

    They are [n, size, size, bands] DN on the lr grid of the output.
    """
    height, width = area.height // FACTOR, area.width // FACTOR
    if min(height, width) < size:
        return np.zeros((0, size, size, len(BANDS)))
    lr = Grid(area.crs, area.transform @ Affine.scale(FACTOR), width, height)
    rows, cols = (
        np.unique(np.linspace(0, side - size, A_SIDE).astype(int))
        for side in (height, width)
    )
    windows = [(slice(r, r + size), slice(c, c + size)) for r in rows for c in cols]
    cubic = {"resampling": Resampling.cubic}
    patches = np.stack([s2.read(lr.part(window), **cubic) for window in windows])
    return patches[patches.all(axis=(1, 2, 3))].astype(np.float64)
