"""Small VRT files: a grid without pixels, images side by side, reflected, displaced.

OTB has no application that pads an image.  GDAL's virtual format does it lazily, on
whatever engine reads it, and the files are a few kilobytes of XML.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from xml.sax.saxutils import escape

from affine import Affine

from srtools.images.raster import ImageInfo, describe
from srtools.urls import is_remote

# GDAL's names of numpy's types.
TYPES = {
    "uint8": "Byte",
    "int16": "Int16",
    "uint16": "UInt16",
    "int32": "Int32",
    "uint32": "UInt32",
    "float32": "Float32",
    "float64": "Float64",
}


def write_grid(
    path: Path, crs_wkt: str, transform: Affine, width: int, height: int
) -> Path:
    """Write an image of zeros that only says where its pixels lie."""
    band = '<VRTRasterBand dataType="Byte" band="1"/>'
    return _write(path, crs_wkt, transform, width, height, [band])


def write_displaced(path: Path, image: ImageInfo, dx: float, dy: float) -> Path:
    """Write `image` as if it lay `dx`, `dy` (units of its CRS) from where it lies."""
    whole = (0, 0, image.width, image.height)
    return _write(
        path, image.crs.to_wkt(), Affine.translation(dx, dy) @ image.transform,
        image.width, image.height,
        [_band(b, image, image.path, [(whole, (0, 0))]) for b in _numbers(image)],
    )  # fmt: skip


def write_mosaics(
    tiles: Sequence[Mapping[str, str]], bands: Sequence[str]
) -> list[str]:
    """Lay the tiles of each band side by side, in files beside those of the first."""
    if len(tiles) == 1:
        return [tiles[0][band] for band in bands]
    paths = []
    for band in bands:
        parts = [describe(tile[band], f"the tile of {band}", 1) for tile in tiles]
        path = Path(tiles[0][band]).with_name(f"{band}.vrt")
        paths.append(str(write_mosaic(path, parts)))
    return paths


def write_mosaic(path: Path, images: Sequence[ImageInfo]) -> Path:
    """Lay images of one CRS and pixel grid side by side; 0 shows what is below."""
    first = images[0]
    places = [~first.transform @ (i.transform @ (0, 0)) for i in images]
    corners = [(round(col), round(row)) for col, row in places]
    left, top = (min(corner[axis] for corner in corners) for axis in (0, 1))
    width = max(c + i.width for (c, _), i in zip(corners, images, strict=True)) - left
    height = max(r + i.height for (_, r), i in zip(corners, images, strict=True)) - top
    return _write(
        path, first.crs.to_wkt(), first.transform @ Affine.translation(left, top),
        width, height,
        [
            _joined(
                band, TYPES[first.dtype],
                [
                    _source(
                        image.path, band, (0, 0, image.width, image.height),
                        (col - left, row - top), "ComplexSource", "<NODATA>0</NODATA>",
                    )
                    for image, (col, row) in zip(images, corners, strict=True)
                ],
            )
            for band in _numbers(first)
        ],
    )  # fmt: skip


def write_pieces(
    path: Path,
    pieces: Mapping[str, tuple[int, int, int, int]],
    bands: Sequence[int],
    wkt: str,
    transform: Affine,
    size: tuple[int, int],
    about: Mapping[str, str],
    *,
    names: Sequence[str],
    scale: float,
    nodata: bool,
) -> Path:
    """Put the uint16 pieces of one image together.

    Arguments:
        path: VRT file.
        pieces: for each file the column, row, width and height that it fills.
        bands: which of their bands, from 1.
        wkt, transform, size: CRS, place, and (width, height) of the whole.
        about: metadata.
        names: of the bands.
        scale: physical value of one DN.
        nodata: whether to say that 0 is no data.
    """
    zero = "<NoDataValue>0</NoDataValue>" if nodata else ""
    described = [
        _joined(
            number, "UInt16",
            [
                _source(name, band, (0, 0, *place[2:]), place[:2])
                for name, place in pieces.items()
            ],
            f"<Description>{escape(title)}</Description>{zero}<Scale>{scale!r}</Scale>",
        )
        for number, (band, title) in enumerate(zip(bands, names, strict=True), 1)
    ]  # fmt: skip
    items = "".join(
        f'<MDI key="{escape(key)}">{escape(value)}</MDI>'
        for key, value in about.items()
    )
    described.append(f"<Metadata>{items}</Metadata>")
    return _write(path, wkt, transform, *size, described)


def write_reflected(path: Path, image: ImageInfo, margin: int) -> Path:
    """Write `image` with `margin` pixels added on each side, reflected at the edge.

    The pixel beyond the edge repeats the one before it (d c b a | a b c d | d c b a).
    The columns are reflected in a file of their own beside `path`, then its rows, so
    that the corners are right.
    """
    margin = min(margin, image.width, image.height)
    width, height = image.width + 2 * margin, image.height + 2 * margin
    sides = path.with_name(f"{path.stem}_sides{path.suffix}")
    left = image.transform @ Affine.translation(-margin, 0)
    columns = _reflected(image.width, margin)
    _write(
        sides, image.crs.to_wkt(), left, width, image.height,
        [
            _band(
                band, image, image.path,
                [((c, 0, n, image.height), (to, 0)) for c, n, to in columns],
            )
            for band in _numbers(image)
        ],
    )  # fmt: skip
    rows = _reflected(image.height, margin)
    return _write(
        path, image.crs.to_wkt(), left @ Affine.translation(0, -margin), width, height,
        [
            _band(
                band, image, sides.name,
                [((0, r, width, n), (0, to)) for r, n, to in rows],
            )
            for band in _numbers(image)
        ],
    )  # fmt: skip


def _numbers(image: ImageInfo) -> range:
    return range(1, image.bands + 1)


def _reflected(size: int, margin: int) -> list[tuple[int, int, int]]:
    """Give (first pixel, number of pixels, where they go) along one axis."""
    before = [(index, 1, margin - 1 - index) for index in range(margin)]
    after = [(size - 1 - i, 1, margin + size + i) for i in range(margin)]
    return [*before, (0, size, margin), *after]


def _band(band: int, image: ImageInfo, source: str, copies: list) -> str:
    """Describe a band: (column, row, width, height) of `source`, and where they go."""
    sources = [_source(source, band, window, to) for window, to in copies]
    return _joined(band, TYPES[image.dtype], sources)


def _joined(band: int, kind: str, sources: list[str], about: str = "") -> str:
    return (
        f'<VRTRasterBand dataType="{kind}" band="{band}">{about}{"".join(sources)}'
        "</VRTRasterBand>"
    )


def _source(
    source: str,
    band: int,
    window: tuple[int, int, int, int],
    to: tuple[int, int],
    kind: str = "SimpleSource",
    more: str = "",
) -> str:
    """Describe which pixels of a file go where."""
    col, row, width, height = window
    relative = int(source.endswith("_sides.vrt"))
    source = source if relative or is_remote(source) else str(Path(source).resolve())
    source = f"/vsicurl/{source}" if source.startswith("http") else source
    return (
        f'<{kind}><SourceFilename relativeToVRT="{relative}">{escape(source)}'
        f"</SourceFilename><SourceBand>{band}</SourceBand>"
        f'<SrcRect xOff="{col}" yOff="{row}" xSize="{width}" ySize="{height}"/>'
        f'<DstRect xOff="{to[0]}" yOff="{to[1]}" xSize="{width}" ySize="{height}"/>'
        f"{more}</{kind}>"
    )


def _write(
    path: Path, wkt: str, transform: Affine, width: int, height: int, bands: list[str]
) -> Path:
    numbers = ", ".join(repr(value) for value in transform.to_gdal())
    path.write_text(
        f'<VRTDataset rasterXSize="{width}" rasterYSize="{height}"><SRS>{escape(wkt)}'
        f"</SRS><GeoTransform>{numbers}</GeoTransform>{''.join(bands)}</VRTDataset>"
    )
    return path
