"""A Cloud Optimized GeoTIFF made of pieces: their compressed blocks are moved into it.

GDAL's driver would decode and compress all pixels again, and need room for the pieces
and for the image at the same time.

The file has a header, the directories (the image, then its overviews), and the blocks
of the smallest overview first.  The bands of a block lie side by side.
Source: TIFF 6.0, BigTIFF, and the OGC Cloud Optimized GeoTIFF Standard 1.0 (21-026).
"""

import struct
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import rasterio
from rasterio.windows import Window
from tifffile import TiffFile

from srtools.images import raster
from srtools.prefetch import prefetch

LARGEST_BLOCK = 512  # side of a block, pixels
PLACES, SIZES = 324, 325  # tags of a directory: places of its blocks, and their bytes
LONG, LONG8 = 4, 16  # types of these tags: 4 and 8 bytes
LARGEST_TIFF = 2**32 - 2**26  # bytes of all blocks; larger images become BigTIFFs
OVERVIEW = {254: (LONG, 1, b"\1\0\0\0")}  # tag of a directory that is no image


Tag = tuple[int, int, bytes]  # type, count and value


class Directory(NamedTuple):
    """An image or an overview: its tags by code, and its blocks in other files.

    `blocks` is int64 [3, bands, rows, columns]: index of the file, place in it and
    size, bytes.
    """

    tags: dict[int, Tag]
    blocks: np.ndarray


def block_size(side: int) -> int:
    """Return the side of the largest blocks that fill `side`, a multiple of 16.

    >>> block_size(2560), block_size(400), block_size(1040)
    (512, 400, 208)
    """
    return max(n for n in range(16, LARGEST_BLOCK + 1, 16) if side % n == 0)


def read(path: Path, index: int = 0, more: Mapping[int, Tag] = {}) -> Directory:
    """Return the directory of a tiled TIFF with band interleave, file `index`.

    `more` are more tags.
    """
    tags = dict(more)
    with TiffFile(path) as file:
        page = file.pages.first
        for tag in page.tags:
            file.filehandle.seek(tag.valueoffset)
            value = file.filehandle.read(tag.valuebytecount)
            tags[tag.code] = int(tag.dtype), tag.count, value
    shape = page.samplesperpixel, -(-page.imagelength // page.tilelength), -1
    places, sizes = np.reshape((page.dataoffsets, page.databytecounts), (2, *shape))
    return Directory(tags, np.stack((np.full_like(sizes, index), places, sizes)))


def write_half(source: Path, path: Path, creation: Mapping[str, Any]) -> None:
    """Write an image of half the size, with GDAL's options of `creation`.

    A pixel is the mean of 2 x 2 pixels, of those that are not 0.
    """
    with rasterio.open(source) as image:
        size = {"width": -(-image.width // 2), "height": -(-image.height // 2)}
        with rasterio.open(path, "w", count=image.count, **size, **creation) as half:
            blocks = [block for _, block in half.block_windows()]
            larger = [Window(*(2 * number for number in b.flatten())) for b in blocks]
            whole = Window(0, 0, image.width, image.height)
            parts = (image.read(window=part.intersection(whole)) for part in larger)
            for block, pixels in zip(blocks, prefetch(parts), strict=True):
                half.write(_half(pixels), window=block)
    raster.check_written(path)


def _half(pixels: np.ndarray) -> np.ndarray:
    """Return the means of 2 x 2 pixels that are not 0, uint16; 0 if there are none."""
    even = np.pad(pixels, [(0, 0), *((0, size % 2) for size in pixels.shape[1:])])
    four = [even[:, row::2, col::2] for row in (0, 1) for col in (0, 1)]
    count = sum((part > 0).astype(np.uint32) for part in four)
    mean = sum(four, count // 2) // np.maximum(count, 1)  # rounded
    return mean.astype(np.uint16)


def write(
    path: Path,
    directories: Sequence[Directory],
    files: Sequence[Path],
    remove: Collection[Path] = (),
) -> None:
    """Write directories, the image first, and copy their blocks from `files`.

    Each file of `remove` is removed when its blocks are copied.
    """
    blocks = np.concatenate(
        [np.moveaxis(d.blocks, 1, 3).reshape(3, -1) for d in reversed(directories)], 1
    )
    big = blocks[2].sum() > LARGEST_TIFF
    head = _head(directories, len(_head(directories, 0, big)), big)
    left = Counter(blocks[0].tolist())
    with open(path, "wb") as image:
        image.write(head)
        for index, group in groupby(blocks.T.tolist(), key=lambda block: block[0]):
            with open(files[index], "rb") as file:
                for _, place, size in group:
                    file.seek(place)
                    image.write(file.read(size))
                    left[index] -= 1
            if not left[index] and files[index] in remove:
                files[index].unlink()


def _head(directories: Sequence[Directory], place: int, big: bool) -> bytes:
    """Return all that lies before the blocks, the first of which is at `place`."""
    number, width = ("<Q", 8) if big else ("<I", 4)
    head = struct.pack("<2sHHHQ", b"II", 43, 8, 0, 16) if big else b"II*\0\10\0\0\0"
    places = []
    for _, (_, _, sizes) in reversed(directories):
        sizes = np.moveaxis(sizes, 0, -1)
        ends = place + np.cumsum(sizes).reshape(sizes.shape)
        places.insert(0, np.moveaxis(ends - sizes, -1, 0).astype(number))
        place = ends.max()
    for (tags, blocks), starts in zip(directories, places, strict=True):
        tags = tags | {
            PLACES: (LONG8 if big else LONG, starts.size, starts.tobytes()),
            SIZES: (LONG, starts.size, blocks[2].astype("<u4").tobytes()),
        }
        count = struct.pack("<Q" if big else "<H", len(tags))
        after = len(head) + len(count) + len(tags) * (4 + 2 * width) + width
        entries, values = b"", b""
        for code, (kind, items, value) in sorted(tags.items()):
            entries += struct.pack("<HH", code, kind) + struct.pack(number, items)
            if len(value) > width:
                entries += struct.pack(number, after + len(values))
                values += value + bytes(len(value) % 2)  # values begin at even places
            else:
                entries += value.ljust(width, b"\0")
        following = after + len(values) if starts is not places[-1] else 0
        head += count + entries + struct.pack(number, following) + values
    return head
