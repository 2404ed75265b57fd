"""VRT files: GDAL pads, moves, masks or joins images while OTB or otblite reads."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple
from xml.sax.saxutils import escape

from affine import Affine
from rasterio.dtypes import dtype_rev, typename_fwd

from srtools.images.grid import Grid
from srtools.images.raster import ImageInfo, describe
from srtools.urls import NAMES, gdal_path, redact


class Copy(NamedTuple):
    """A rectangle of pixels of a file, and its place in the VRT."""

    file: str
    window: tuple[int, int, int, int]  # column, row, width and height in the file
    place: tuple[int, int] = (0, 0)  # column and row in the VRT
    transparent: int | None = None  # value that shows the copy below
    band: int | None = None  # number of the band; None: that of the `Band`


@dataclass(frozen=True)
class Band:
    """A band of a VRT."""

    number: int  # number of the band in the files, from 1
    dtype: str
    copies: Sequence[Copy] = ()
    """A later copy lies over an earlier one; the rest of the band is 0."""


def write(path: Path, grid: Grid, bands: Sequence[Band]) -> Path:
    """Write a VRT file with a band for each of `bands`; return `path`."""
    path.write_text(
        f"""\
<VRTDataset rasterXSize="{grid.width}" rasterYSize="{grid.height}">
  <SRS>{escape(grid.crs.to_wkt())}</SRS>
  <GeoTransform>{", ".join(map(repr, grid.transform.to_gdal()))}</GeoTransform>
  {"".join(_band(number, band) for number, band in enumerate(bands, 1))}
</VRTDataset>
""",
        encoding="utf-8",
    )
    return path


def _band(number: int, band: Band) -> str:
    sources = [_source(copy, copy.band or band.number) for copy in band.copies]
    return f"""
  <VRTRasterBand dataType="{typename_fwd[dtype_rev[band.dtype]]}" band="{number}">
    {"".join(sources)}
  </VRTRasterBand>"""


def _source(copy: Copy, number: int) -> str:
    file = gdal_path(copy.file)
    file = file if file.startswith("/vsi") else str(Path(file).resolve())
    (x, y, width, height), (col, row) = copy.window, copy.place
    kind, nodata = "SimpleSource", ""
    if copy.transparent is not None:
        kind, nodata = "ComplexSource", f"<NODATA>{copy.transparent}</NODATA>"
    return f"""
    <{kind}>
      <SourceFilename relativeToVRT="0">{escape(file)}</SourceFilename>
      <SourceBand>{number}</SourceBand>
      <SrcRect xOff="{x}" yOff="{y}" xSize="{width}" ySize="{height}"/>
      <DstRect xOff="{col}" yOff="{row}" xSize="{width}" ySize="{height}"/>
      {nodata}
    </{kind}>"""


def write_grid(path: Path, grid: Grid) -> Path:
    """Write a VRT of zeros that only defines a grid; return `path`."""
    return write(path, grid, [Band(1, "uint8")])


def write_displaced(path: Path, image: ImageInfo, dx: float, dy: float) -> Path:
    """Write a VRT of `image`, moved `dx` east and `dy` north in units of the CRS."""
    moved = Affine.translation(dx, dy) @ image.transform
    bands = _bands(image, [_whole(image)])
    return write(path, replace(image.grid, transform=moved), bands)


def write_mosaics(tiles: Sequence[Sequence[str]], folder: Path) -> list[str]:
    """Write mosaics of tiles as VRT files in `folder`; return one path per band file.

    `tiles` has the files of each tile; all lie on one pixel grid.  A later tile covers
    an earlier one, except where it is 0.  A single tile keeps its files.
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
            _whole(image, (right.start - cols.start, down.start - rows.start), 0)
            for image, (down, right) in zip(images, windows, strict=True)
        ]
        write(Path(paths[-1]), grid.part((rows, cols)), _bands(images[0], copies))
    return paths


def write_masked(path: Path, image: ImageInfo, mask: ImageInfo) -> Path:
    """Write a VRT of `image`, with 0 where a mask (0 or 1, on the same grid) is 0."""
    over = _whole(mask, transparent=1)._replace(band=1)
    return write(path, image.grid, _bands(image, [_whole(image), over]))


def write_reflected(path: Path, image: ImageInfo, margin: int) -> Path:
    """Write a VRT of `image`, padded by reflection: d c b a | a b c d | d c b a.

    `margin`, pixels, is cut to the size of the image.  Another VRT beside `path`
    reflects the columns; `path` reflects the rows of that VRT.
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
    """Return (first pixel, number of pixels, place in the VRT) of copies on an axis."""
    before = [(index, 1, margin - 1 - index) for index in range(margin)]
    after = [(size - 1 - i, 1, margin + size + i) for i in range(margin)]
    return [*before, (0, size, margin), *after]


def _whole(
    image: ImageInfo, place: tuple[int, int] = (0, 0), transparent: int | None = None
) -> Copy:
    return Copy(image.path, (0, 0, image.width, image.height), place, transparent)


def _bands(image: ImageInfo, copies: Sequence[Copy]) -> list[Band]:
    """Return all bands of an image, made of the same copies."""
    return [Band(number, image.dtype, copies) for number in range(1, image.bands + 1)]
