"""Declarations of a file about its bands: type, nodata, alpha, mask, scale.

OTB reads neither masks nor alpha bands nor scales; only a DN of 0 is missing for it.  A
file that means something else is refused here.
"""

import math

from rasterio.windows import Window

from srtools.conventions import OFFSET_DN, SCALE
from srtools.errors import SRError
from srtools.images.raster import BandInfo, ImageInfo, reading
from srtools.urls import redact

DN_TYPES = ("uint16", "int16", "uint32", "int32")
PICTURE_COLOURS = frozenset(
    "Cb Cr Y black cyan hue lightness magenta saturation yellow".split()
)
STRIP_ROWS = 256  # that are read at a time
TO_DN = "DN (reflectance x 10000) as whole numbers of 16 bit are expected"
TO_0 = "gdalwarp -dstnodata 0 makes it so"
APPLY = (
    "apply it (gdal_translate -unscale -ot Float32, then -scale 0 1 0 10000 -ot UInt16)"
)
EIGHT_BITS = (
    "8 bits hold a picture or classes and no reflectance: take the bands of the "
    "product, or, for a Spot product in 8 bits, give --harmonize"
)
ADVICE = {
    "palette": "these are numbers of colours in a palette: take the bands themselves",
    "complex": "complex numbers come from a radar: take an optical image",
    "uint8": EIGHT_BITS,
    "int8": EIGHT_BITS,
    "float": "gdal_translate -ot UInt16, and for reflectances from 0 to 1 also "
    "-scale 0 1 0 10000",
    "": "gdal_translate -ot UInt16",
}
"""What to do about pixels that are no DN, by the begin of their type."""


def check_declared(image: ImageInfo, what: str, linear: bool = False) -> None:
    """Check that all bands are DN (reflectance x 10000) and that only 0 is nodata.

    Arguments:
        linear: whether any linear coding of reflectance will do, 8 bits included.
    """
    name = f"{what} {redact(image.path)}"
    types = [band.dtype for band in image.declared]
    if len(set(types)) > 1:
        raise SRError(
            f"the bands of {name} are {', '.join(types)}, one type is expected; {TO_DN}"
            ": gdal_translate -ot UInt16"
        )
    for number, band in enumerate(image.declared, 1):
        place = name if image.bands == 1 else f"band {number} of {name}"
        if wrong := _wrong(band, number, linear):
            raise SRError(wrong.format(place=place))
    if any(band.masked for band in image.declared):
        _check_mask(image, name)


def _wrong(band: BandInfo, number: int, linear: bool) -> str | None:
    """Return what is wrong with the declarations of a band."""
    palette, types = band.colour == "palette", DN_TYPES + ("uint8",) * linear
    if palette or band.dtype not in types:
        kind = "palette" if palette else band.dtype
        advice = next(text for start, text in ADVICE.items() if kind.startswith(start))
        return f"the pixels of {{place}} are {band.dtype}, {TO_DN}: {advice}"
    if band.colour == "alpha":
        return (
            "{place} is alpha (transparency) and no ground; take an image with the "
            "near infrared, or if it is that, tell so: gdal_edit.py "
            f"-colorinterp_{number} undefined"
        )
    if band.colour in PICTURE_COLOURS:
        return (
            f"{{place}} is the {band.colour} of a picture; take the bands of the "
            "product"
        )
    if band.nodata not in (None, 0):
        return (
            f"{{place}} declares {band.nodata:g} to be no data, 0 is expected; {TO_0}"
        )
    scales = 1, SCALE
    if not linear and not any(
        math.isclose(band.scale, s, rel_tol=1e-3) for s in scales
    ):
        return (
            f"{{place}} declares a scale of {band.scale:g} per DN, {SCALE:g} is "
            f"expected; {APPLY}, or correct the tag (gdal_edit.py -scale {SCALE:g})"
        )
    if not linear and offset_dn(band) not in (0, OFFSET_DN):
        return (
            f"{{place}} declares an offset of {band.offset:g}, 0 or "
            f"{-OFFSET_DN * SCALE:g} is expected; {APPLY}"
        )
    return None


def offset_dn(band: BandInfo) -> int:
    """Return the DN that a band declares to be still in its pixels.

    A scale of 1e-4 and an offset of -0.1 are those of 1000 DN.
    """
    return round(-band.offset / band.scale)


def _check_mask(image: ImageInfo, name: str) -> None:
    """Check that all pixels that a mask hides are 0."""
    with reading(image.path) as file:
        for row in range(0, image.height, STRIP_ROWS):
            rows = min(STRIP_ROWS, image.height - row)
            strip = Window(0, row, image.width, rows)
            hidden = file.read_masks(window=strip) == 0
            if (file.read(window=strip)[hidden] != 0).any():
                raise SRError(
                    f"{name} has a mask that hides pixels which are not 0; no data is "
                    f"expected to be 0; {TO_0}"
                )
