"""A Cloud Optimized GeoTIFF made of pieces: their compressed blocks are moved into it.

GDAL's driver would decode and compress all pixels again, and need room for the pieces
and for the image at the same time.

The file has a header, the directories (the image, then its overviews), and the blocks
of the smallest overview first.  The bands of a block lie side by side.
Source: BigTIFF, and the OGC Cloud Optimized GeoTIFF Standard 1.0 (21-026).
"""

import math
import struct
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from rasterio.windows import Window
from scipy.sparse import csr_array
from tifffile import TiffFile

from srtools.images import raster
from srtools.images.grid import EDGE
from srtools.prefetch import prefetch

LARGEST_BLOCK = 512  # side of a block, pixels
PLACES, SIZES = 324, 325  # tags of a directory: places of its blocks, and their bytes
LONG, LONG8 = 4, 16  # types of tags
REDUCED = {254: (LONG, 1, b"\1\0\0\0")}  # tag of an overview

Directory = tuple[dict[int, tuple[int, int, bytes]], np.ndarray]
"""Tags of an image or overview: type, count and value by code; its blocks, [3, bands,
rows, columns] int64: index of the file that has it, place in it, and bytes."""


def block_size(side: int) -> int:
    """Return the side of the largest blocks that fill `side`, a multiple of 16.

    >>> block_size(2560), block_size(400), block_size(1040)
    (512, 400, 208)
    """
    return max(n for n in range(16, LARGEST_BLOCK + 1, 16) if side % n == 0)


def read(path: Path, index: int = 0) -> Directory:
    """Return the directory of a TIFF, tiled with separate bands; it has an `index`."""
    tags = {}
    with TiffFile(path) as file:
        page = file.pages.first
        for tag in page.tags:
            file.filehandle.seek(tag.valueoffset)
            value = file.filehandle.read(tag.valuebytecount)
            tags[tag.code] = int(tag.dtype), tag.count, value
    shape = page.samplesperpixel, -(-page.imagelength // page.tilelength), -1
    places, sizes = np.reshape((page.dataoffsets, page.databytecounts), (2, *shape))
    return tags, np.stack((np.full_like(sizes, index), places, sizes))


def write_half(source: Path, path: Path, creation: Mapping[str, Any]) -> None:
    """Write an image of half the size, with GDAL's options of `creation`.

    A pixel is the mean of the ground that it covers, without 0.  An overview has the
    corners of the image: of an odd number of pixels it covers more than 2 x 2.
    """
    with rasterio.open(source) as image:
        height, width = (max(side // 2, 1) for side in image.shape)
        size = {"height": height, "width": width}
        with rasterio.open(path, "w", **size, **creation) as half:

            def read(block: Window) -> tuple:
                axes = map(_weights, block.toranges(), image.shape, half.shape)
                (rows, down), (cols, right) = axes
                window = Window.from_slices(rows, cols)
                return block, image.read(window=window), down, right

            blocks = (block for _, block in half.block_windows())
            for block, bands, *weights in prefetch(map(read, blocks)):
                half.write(np.array([_mean(x, *weights) for x in bands]), window=block)
    raster.check_written(path)


@lru_cache(256)
def _weights(part: tuple[int, int], size: int, half: int) -> tuple[slice, csr_array]:
    """Return the pixels, of `size`, under a part of `half` wider ones; their weights.

    The weights, [part, pixels], are the lengths that lie under each wider pixel.
    """
    edges = np.arange(part[0], part[1] + 1) * (size / half)
    pixels = slice(int(edges[0]), math.ceil(edges[-1] - EDGE))
    reached = np.clip(edges[:, None] - np.arange(pixels.start, pixels.stop), 0, 1)
    return pixels, csr_array(np.diff(reached, axis=0), dtype=np.float32)


def _mean(band: np.ndarray, down: csr_array, right: csr_array) -> np.ndarray:
    """Return the weighted mean of the pixels [h, w] that are not 0, rounded, uint16."""
    total, count = (
        down @ values.astype(np.float32) @ right.T for values in (band, band > 0)
    )
    return (total / np.maximum(count, EDGE) + 0.5).astype(np.uint16)


def write(
    path: Path,
    directories: Sequence[Directory],
    files: Sequence[Path],
    remove: Collection[Path],
) -> None:
    """Write directories, the image first, and copy their blocks from `files`.

    Each file of `remove` is removed when its blocks are copied.
    """
    stacks = [np.moveaxis(blocks, 1, 3) for _, blocks in reversed(directories)]
    blocks = np.concatenate([s.reshape(3, -1) for s in stacks], axis=1).T.tolist()
    left = Counter(index for index, *_ in blocks)
    with open(path, "wb") as image:
        image.write(_head(directories, len(_head(directories, 0))))
        for index, group in groupby(blocks, key=lambda block: block[0]):
            with open(files[index], "rb") as file:
                for _, start, size in group:
                    file.seek(start)
                    image.write(file.read(size))
                    left[index] -= 1
            if not left[index] and files[index] in remove:
                files[index].unlink()


def _head(directories: Sequence[Directory], start: int) -> bytes:
    """Return all that lies before the blocks, the first of which is at `start`."""
    places = []
    for _, (_, _, sizes) in reversed(directories):
        sizes = np.moveaxis(sizes, 0, -1)
        ends = start + np.cumsum(sizes).reshape(sizes.shape)
        places.insert(0, np.moveaxis(ends - sizes, -1, 0))
        start = ends.max()
    head = struct.pack("<2sHHHQ", b"II", 43, 8, 0, 16)  # BigTIFF
    for number, (tags, blocks) in enumerate(directories):
        tags = tags | (REDUCED if number else {})
        for code, numbers in ((PLACES, places[number]), (SIZES, blocks[2])):
            tags[code] = LONG8, numbers.size, numbers.astype("<u8").tobytes()
        after = len(head) + 8 + 20 * len(tags) + 8  # count, entries, next directory
        entries, values = b"", b""
        for code, (kind, count, value) in sorted(tags.items()):
            if len(value) > 8:
                place = struct.pack("<Q", after + len(values))
                values += value + bytes(len(value) % 2)  # each begins at an even place
                value = place
            entries += struct.pack("<HHQ8s", code, kind, count, value)
        following = after + len(values) if number + 1 < len(directories) else 0
        head += struct.pack("<Q", len(tags)) + entries
        head += struct.pack("<Q", following) + values
    return head
