"""The regular grid of patches that PatchesSelection lays over an image.

Its masks are for `strategy=all` without `nodata`: the engine then looks at the centre
of a patch only, and all its pixels are looked at here.
"""

import json
from pathlib import Path

import numpy as np
from scipy.ndimage import minimum_filter1d

from srtools.errors import SRError
from srtools.images.raster import ImageInfo


def corners(shape: tuple[int, int], size: int, step: int) -> list[np.ndarray]:
    """Give the first rows, and the first columns, of the patches on the engine's grid.

    Source: OTBTF application PatchesSelection.
    """
    half = size // 2
    return [
        np.arange(half + 1, extent - half, step) - before
        for extent, before in zip(shape, centre(size), strict=True)
    ]


def fitting(
    inside: np.ndarray, rows: np.ndarray, cols: np.ndarray, size: int
) -> np.ndarray:
    """Tell which patches are wholly inside.

    Arguments:
        inside: [h, w] bool.
        rows, cols: first rows and columns of the patches.
        size: of the patches.

    Returns:
        [len(rows), len(cols)] bool.
    """
    fits = inside.view(np.uint8)
    for axis, starts in enumerate((rows, cols)):
        fits = minimum_filter1d(fits, size, axis).take(starts + size // 2, axis)
    return fits == 1


def centre(size: int) -> np.ndarray:
    """Give the row and column, in a patch, of the pixel that is called its centre.

    The point that stands for an even patch is the lower left corner of that pixel.
    """
    return np.array([size // 2 - 1 + size % 2, size // 2])


def count_left_out(bad: dict[str, np.ndarray], size: int) -> dict[str, int]:
    """Count the patches, on a grid without overlaps, that hold a bad pixel.

    Arguments:
        bad: for each reason which pixels are bad, [h, w] bool.  A patch with several
            reasons counts for the first one.
        size: of the patches.
    """
    counts, good = {}, None
    for reason, pixels in bad.items():
        free = fitting(~pixels, *corners(pixels.shape, size, size), size)
        still = free if good is None else good & free
        counts[reason] = int((free.size if good is None else good.sum()) - still.sum())
        good = still
    return counts


def read_windows(path: str | Path, image: ImageInfo, size: int) -> np.ndarray:
    """Read where the patches lie that the engine will cut.

    Arguments:
        path: GeoJSON file of PatchesSelection, with the centres of even patches.
        image: on whose grid they lie.
        size: of the patches in pixels.

    Returns:
        First row and column of each patch, in the order of the file, [n, 2].
    """
    try:
        features = json.loads(Path(path).read_text())["features"]
    except (OSError, ValueError, KeyError):
        raise SRError(
            f"{Path(path).name} was not written completely; the disk is probably full: "
            "make room, or choose another folder"
        ) from None
    points = [feature["geometry"]["coordinates"][:2] for feature in features]
    if not points:
        return np.zeros((0, 2), int)
    cols, rows = ~image.transform @ np.transpose(points)
    return np.rint(np.stack([rows, cols], axis=1)).astype(int) - size // 2
