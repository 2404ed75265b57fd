"""Offset and nodata of Sentinel-2's DN, as expressions of pyotb."""

import pyotb


def remove_offset(s2: pyotb.App, offset: int) -> pyotb.App:
    """Turn DN into reflectance x 10000: nodata stays 0, else max(DN - offset, 1).

    Since processing baseline 04.00 ESA adds 1000 to every DN, so that dark pixels are
    not negative.  The negative pixels of signed products become 1, too.
    """
    shifted = pyotb.where(s2 < offset + 1, 1, s2 - offset)
    return pyotb.where(s2 == 0, 0, shifted)


def at_least_1(image: pyotb.App) -> pyotb.App:
    """Raise pixels below 1 to 1, in an image without nodata: 0 would be nodata.

    Interpolation, pansharpening or a network may darken pixels; OTB truncates decimals.
    """
    return pyotb.where(image < 1, 1, image)
