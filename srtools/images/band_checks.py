"""Checks of the metadata of bands: type, nodata, alpha, mask, scale.

OTB reads no masks, alpha bands or scales, and only 0 is nodata: others are refused.
"""

import math

from rasterio.windows import Window

from srtools.conventions import OFFSET_DN, SCALE
from srtools.errors import SRError
from srtools.images.raster import BandInfo, ImageInfo, reading
from srtools.urls import redact

DN_TYPES = ("uint16", "int16", "uint32", "int32")
STRIP_ROWS = 256  # rows read at a time
TO_0 = "0 is expected; gdalwarp -dstnodata 0 makes it so"
APPLY = (
    "apply it (gdal_translate -unscale -ot Float32, then -scale 0 1 0 10000 -ot UInt16)"
)
TYPE_ADVICE = {
    "palette": "these are numbers of colours in a palette: take the bands themselves",
    "uint8": "8 bits hold a picture or classes and no reflectance: take the bands of "
    "the product, or, for a Spot product in 8 bits, give --harmonize",
    "float": "gdal_translate -ot UInt16, and for reflectances from 0 to 1 also "
    "-scale 0 1 0 10000",
    "": "gdal_translate -ot UInt16",
}
"""Remedies for pixels that are no DN, by the beginning of their type."""


def check_band_metadata(image: ImageInfo, label: str, linear: bool = False) -> None:
    """Check that all bands are DN (reflectance x 10000) and that only 0 is nodata.

    `label` names the image in messages ("the PAN image").  `linear` accepts any linear
    coding of reflectance, 8 bits included.
    """
    name = f"{label} {redact(image.path)}"
    types = [band.dtype for band in image.band_infos]
    if len(set(types)) > 1:
        raise SRError(
            f"the bands of {name} are {', '.join(types)}, one type is expected: "
            "gdal_translate -ot UInt16"
        )
    for number, band in enumerate(image.band_infos, 1):
        place = name if image.bands == 1 else f"band {number} of {name}"
        _check_band(band, place, linear)
    if any(band.masked for band in image.band_infos):
        _check_mask(image, name)


def _check_band(band: BandInfo, place: str, linear: bool) -> None:
    kind = "palette" if band.colour == "palette" else band.dtype
    advice = next(text for key, text in TYPE_ADVICE.items() if kind.startswith(key))
    scales = [math.isclose(band.scale, scale, rel_tol=1e-3) for scale in (1, SCALE)]
    for wrong, fault in (
        (
            kind not in DN_TYPES and not (linear and kind == "uint8"),
            f"holds {band.dtype}, DN (reflectance x 10000) as whole numbers of 16 bit "
            f"are expected: {advice}",
        ),
        (
            band.colour == "alpha",
            "is alpha (transparency), an image is expected; take one with the near "
            "infrared, or if it is that: gdal_edit.py -colorinterp_4 undefined",
        ),
        (
            band.nodata not in (None, 0),
            f"declares {band.nodata or 0:g} to be no data, {TO_0}",
        ),
        (
            not linear and not any(scales),
            f"declares a scale of {band.scale:g} per DN, {SCALE:g} is expected; {APPLY}"
            f", or correct the tag (gdal_edit.py -scale {SCALE:g})",
        ),
        (
            not linear and offset_dn(band) not in (0, OFFSET_DN),
            f"declares an offset of {band.offset:g}, 0 or {-OFFSET_DN * SCALE:g} is "
            f"expected; {APPLY}",
        ),
    ):
        if wrong:
            raise SRError(f"{place} {fault}")


def offset_dn(band: BandInfo) -> int:
    """Return the declared offset, DN: 1000 if the scale is 1e-4 and the offset -0.1."""
    return round(-band.offset / band.scale)


def _check_mask(image: ImageInfo, name: str) -> None:
    """Check that all pixels that a mask hides are 0."""
    with reading(image.path) as file:
        for row in range(0, image.height, STRIP_ROWS):
            rows = min(STRIP_ROWS, image.height - row)
            strip = Window(0, row, image.width, rows)
            hidden = file.read_masks(window=strip) == 0
            if (file.read(window=strip)[hidden] != 0).any():
                raise SRError(f"{name} has a mask that hides pixels not 0, {TO_0}")
