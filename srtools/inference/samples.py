"""A look at the image before the network runs: is it like the training set?"""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from rasterio.enums import Resampling
from rasterio.windows import Window

from srtools.conventions import LR_SPACING_METRES
from srtools.images import raster
from srtools.images.grid import Grid
from srtools.images.raster import ImageInfo
from srtools.network import likeness

log = logging.getLogger(__name__)

A_SIDE = 8  # windows along each side of the area


def warn_if_unlike(
    card: Mapping[str, Any], s2: Sequence[ImageInfo], area: Grid, offset: int
) -> None:
    """Warn if most of the ground is unlike what a model was trained on.

    Arguments:
        card: of the model.
        s2: Sentinel-2, four images with one band or one with four.
        area: grid of the output.
        offset: DN to subtract.
    """
    known = card.get(likeness.SECTION)
    if not known:
        return
    spacing = card.get("lr_spacing") or LR_SPACING_METRES
    found = likeness.compare(card, read(s2, area, offset, known["size"], spacing))
    if found and found.warning:
        log.warning("%s", found.warning)


def read(
    s2: Sequence[ImageInfo], area: Grid, offset: int, size: int, spacing: float
) -> np.ndarray:
    """Read windows as large as a training patch, evenly spread over an area.

    Arguments:
        s2: Sentinel-2.
        area: grid of the output.
        offset: DN to subtract.
        size: of a training patch, lr pixels.
        spacing: of lr, metres.

    Returns:
        [n, size, size, bands] DN; windows with no data, or beyond the image, are left
        out.
    """
    own = Grid.of(s2[0])
    side = size * spacing / s2[0].spacing_in(area.crs)  # Sentinel-2 pixels
    rows, cols = own.clip(own.centred(area.bounds_in(own.crs)))
    starts = [
        np.unique(np.linspace(part.start, part.stop - side, A_SIDE).round())
        for part in (rows, cols)
        if part.stop - part.start >= side
    ]
    if len(starts) < 2:
        return np.zeros((0, size, size, 4))
    windows = [Window(col, row, side, side) for row in starts[0] for col in starts[1]]
    bands = []
    for image in s2:
        with raster.reading(image.path) as file:
            shape = file.count, size, size
            look = {"out_shape": shape, "resampling": Resampling.cubic}
            bands.append(np.stack([file.read(window=w, **look) for w in windows]))
    pixels = np.moveaxis(np.concatenate(bands, axis=1), 1, -1).astype(np.float64)
    return np.maximum(pixels[(pixels > 0).all(axis=(1, 2, 3))] - offset, 1)
