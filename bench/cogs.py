"""The smallest number of bytes that an area costs: the blocks that it touches."""

import math
from pathlib import Path

import rasterio
from rasterio.warp import transform_bounds
from rasterio.windows import from_bounds


def least_bytes(path: str | Path, bounds: tuple, crs: str) -> int:
    """Sum up the compressed blocks of a tiled GeoTIFF that touch a rectangle.

    Overviews are not counted, nor is the header; one of several bands that are
    stored together is not cheaper than all of them.

    Arguments:
        path: a local file.
        bounds: left, bottom, right, top.
        crs: of the bounds.
    """
    with rasterio.open(path) as file:
        inside = transform_bounds(crs, file.crs, *bounds)
        window = from_bounds(*inside, file.transform)
        total = 0
        for band in _stored(file):
            height, width = file.block_shapes[band - 1]
            first_row, last_row = _span(window.row_off, window.height, height)
            first_col, last_col = _span(window.col_off, window.width, width)
            for row in range(max(first_row, 0), last_row + 1):
                for col in range(max(first_col, 0), last_col + 1):
                    size = file.get_tag_item(f"BLOCK_SIZE_{col}_{row}", "TIFF", band)
                    # None: beyond the image, or nothing is stored.
                    total += int(size or 0)
        return total


def _stored(file: rasterio.DatasetReader) -> tuple[int, ...]:
    """Give the bands that have blocks of their own."""
    together = file.interleaving == rasterio.enums.Interleaving.pixel
    return (1,) if together else file.indexes


def _span(first: float, length: float, block: int) -> tuple[int, int]:
    """Give the first and last block of a stretch of pixels, exact to 1e-6 pixels."""
    last = math.ceil(first + length - 1e-6) - 1
    return math.floor(first + 1e-6) // block, last // block
