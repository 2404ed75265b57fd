"""Small VRT files: a grid without pixels, images side by side, reflected, displaced.

OTB has no application that pads an image.  GDAL's virtual format does it lazily, on
any engine, and the files are a few kilobytes of XML.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

from affine import Affine
from rasterio.dtypes import dtype_rev, typename_fwd

from srtools.images.grid import Grid
from srtools.images.raster import ImageInfo, describe
from srtools.urls import NAMES, gdal_path, redact

Element = ElementTree.Element


class Copy(NamedTuple):
    """A rectangle of pixels of a file, and its place in the VRT."""

    file: str
    window: tuple[int, int, int, int]
    """Column, row, width and height in the file."""
    place: tuple[int, int]
    """Column and row in the VRT."""


@dataclass(frozen=True)
class Band:
    """A band of a VRT."""

    number: int
    """Number of the band in the files, from 1."""
    dtype: str
    copies: Sequence[Copy] = ()
    """A later copy lies over an earlier one; the rest of the band is 0."""
    see_through: bool = False
    """True if a pixel of 0 shows the copy below."""
    mask: Copy | None = None
    """Image over all copies, whose 1 shows the pixels below and whose 0 is 0."""
    nodata: bool = False
    """True if the band declares 0 as nodata."""
    title: str | None = None
    scale: float | None = None
    """Physical value of one DN."""


def write(
    path: Path, grid: Grid, bands: Sequence[Band], about: Mapping[str, str] = {}
) -> Path:
    """Write a VRT file, with the metadata `about`."""
    root = Element("VRTDataset")
    root.attrib |= {"rasterXSize": str(grid.width), "rasterYSize": str(grid.height)}
    _add(root, "SRS", grid.crs.to_wkt())
    _add(root, "GeoTransform", ", ".join(map(repr, grid.transform.to_gdal())))
    for number, band in enumerate(bands, 1):
        _add_band(root, number, band)
    if about:
        metadata = _add(root, "Metadata")
        for key, value in about.items():
            _add(metadata, "MDI", value, key=key)
    ElementTree.ElementTree(root).write(path)
    return path


def _add_band(root: Element, number: int, band: Band) -> None:
    kind = typename_fwd[dtype_rev[band.dtype]]
    element = _add(root, "VRTRasterBand", dataType=kind, band=number)
    facts = {
        "Description": band.title,
        "NoDataValue": 0 if band.nodata else None,
        "Scale": band.scale and repr(band.scale),
    }
    for name, value in facts.items():
        if value is not None:
            _add(element, name, value)
    for copy in band.copies:
        _add_source(element, copy, band.number, 0 if band.see_through else None)
    if band.mask:
        _add_source(element, band.mask, 1, see_through=1)


def _add_source(
    element: Element, copy: Copy, number: int, see_through: int | None
) -> None:
    """Add pixels of a band, of which the value `see_through` shows those below."""
    source = _add(element, "SimpleSource" if see_through is None else "ComplexSource")
    file = gdal_path(copy.file)
    file = file if file.startswith("/vsi") else str(Path(file).resolve())
    _add(source, "SourceFilename", file, relativeToVRT=0)
    _add(source, "SourceBand", number)
    size = copy.window[2:]
    for name, place in (("SrcRect", copy.window[:2]), ("DstRect", copy.place)):
        names = ("xOff", "yOff", "xSize", "ySize")
        _add(source, name, **dict(zip(names, (*place, *size), strict=True)))
    if see_through is not None:
        _add(source, "NODATA", see_through)


def _add(parent: Element, name: str, text: object = None, **attributes) -> Element:
    about = {key: str(value) for key, value in attributes.items()}
    element = ElementTree.SubElement(parent, name, about)
    element.text = None if text is None else str(text)
    return element


def write_grid(path: Path, grid: Grid) -> Path:
    """Write an image of zeros that only says where its pixels lie."""
    return write(path, grid, [Band(1, "uint8")])


def write_displaced(path: Path, image: ImageInfo, dx: float, dy: float) -> Path:
    """Write `image` as if it lay `dx` further east and `dy` north, units of the CRS."""
    moved = Affine.translation(dx, dy) @ image.transform
    bands = _bands(image, [_whole(image)])
    return write(path, replace(image.grid, transform=moved), bands)


def write_mosaics(tiles: Sequence[Sequence[str]], folder: Path) -> list[str]:
    """Lay tiles of one CRS and pixel grid side by side, 0 showing the tile below.

    Arguments:
        tiles: for each tile the same number of files.
        folder: for the VRT files; a single tile needs none.

    Returns:
        The files that show all tiles.
    """
    if len(tiles) == 1:
        return list(tiles[0])
    paths = []
    for number, files in enumerate(zip(*tiles, strict=True)):
        images = [describe(file, "the Sentinel-2 tile") for file in files]
        paths.append(str(folder / f"mosaic{number}.vrt"))
        NAMES[paths[-1]] = " and ".join(redact(image.path) for image in images)
        grid = images[0].grid
        windows = [grid.touched(image.bounds) for image in images]
        rows, cols = (
            slice(min(part.start for part in parts), max(part.stop for part in parts))
            for parts in zip(*windows, strict=True)
        )
        copies = [
            _whole(image, (right.start - cols.start, down.start - rows.start))
            for image, (down, right) in zip(images, windows, strict=True)
        ]
        bands = _bands(images[0], copies, see_through=True)
        write(Path(paths[-1]), grid.part((rows, cols)), bands)
    return paths


def write_masked(path: Path, image: ImageInfo, mask: ImageInfo) -> Path:
    """Write `image` with 0 where `mask`, on the same grid, is 0; elsewhere it is 1."""
    return write(path, image.grid, _bands(image, [_whole(image)], mask=_whole(mask)))


def write_reflected(path: Path, image: ImageInfo, margin: int) -> Path:
    """Write `image` with `margin` pixels added on each side, reflected at the edge.

    The pixel beyond the edge repeats the one before it (d c b a | a b c d | d c b a).
    The columns are reflected in a file of their own beside `path`, then its rows, so
    that the corners are right.
    """
    width, height = image.width, image.height
    margin = min(margin, width, height)
    rows, cols = slice(-margin, height + margin), slice(-margin, width + margin)
    sides = path.with_name(f"{path.stem}_sides{path.suffix}")
    copies = [
        Copy(image.path, (col, 0, count, height), (to, 0))
        for col, count, to in _reflected(width, margin)
    ]
    write(sides, image.grid.part((slice(0, height), cols)), _bands(image, copies))
    copies = [
        Copy(str(sides), (0, row, width + 2 * margin, count), (0, to))
        for row, count, to in _reflected(height, margin)
    ]
    return write(path, image.grid.part((rows, cols)), _bands(image, copies))


def _reflected(size: int, margin: int) -> list[tuple[int, int, int]]:
    """Return (first pixel, number of pixels, their new place) along one axis."""
    before = [(index, 1, margin - 1 - index) for index in range(margin)]
    after = [(size - 1 - i, 1, margin + size + i) for i in range(margin)]
    return [*before, (0, size, margin), *after]


def _whole(image: ImageInfo, place: tuple[int, int] = (0, 0)) -> Copy:
    return Copy(image.path, (0, 0, image.width, image.height), place)


def _bands(image: ImageInfo, copies: Sequence[Copy], **facts) -> list[Band]:
    """Return all bands of an image, made of the same rectangles."""
    numbers = range(1, image.bands + 1)
    return [Band(number, image.dtype, copies, **facts) for number in numbers]
