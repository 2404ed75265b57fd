"""A look at the image before the network runs: is it like the training set?"""

import logging
from collections.abc import Mapping
from typing import Any

import numpy as np
from rasterio.enums import Resampling

from srtools.conventions import LR_SPACING_METRES
from srtools.images.grid import Grid
from srtools.network import likeness
from srtools.sentinel2.image import Sentinel2

log = logging.getLogger(__name__)

A_SIDE = 8  # windows along each side of the area


def warn_if_unlike(card: Mapping[str, Any], s2: Sentinel2, area: Grid) -> None:
    """Warn if most of an area is unlike the ground of the training in a card."""
    training = card.get(likeness.SECTION)
    if training:
        spacing = card.get("lr_spacing") or LR_SPACING_METRES
        result = likeness.compare(card, read(s2, area, training["size"], spacing))
        if result and result.warning:
            log.warning("%s", result.warning)


def read(s2: Sentinel2, area: Grid, size: int, spacing: float) -> np.ndarray:
    """Read windows as large as a training patch, evenly spread over an area.

    Arguments:
        s2: Sentinel-2.
        area: grid of the output.
        size: side of a training patch, lr pixels.
        spacing: pixel size of lr, metres.

    Returns:
        [n, size, size, bands] DN; windows with nodata, or beyond the image, are left
        out.
    """
    side = size * spacing / s2.images[0].spacing_in(area.crs)  # Sentinel-2 pixels
    rows, cols = s2.grid.clip(s2.grid.centred(area.bounds_in(s2.grid.crs)))
    starts = [
        np.unique(np.linspace(part.start, part.stop - side, A_SIDE).round())
        for part in (rows, cols)
        if part.stop - part.start >= side
    ]
    if len(starts) < 2:
        return np.zeros((0, size, size, 4))
    windows = [
        (slice(row, row + side), slice(col, col + side))
        for row in starts[0]
        for col in starts[1]
    ]
    patches = np.stack([s2.read(w, (size, size), Resampling.cubic) for w in windows])
    return patches[patches.all(axis=(1, 2, 3))].astype(np.float64)
