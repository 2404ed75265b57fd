"""QGIS styles; QGIS loads the style that has the name of an image with it.

Without a style QGIS stretches each image by its own brightness, so that two images of
the same ground look different.
"""

import os
from pathlib import Path

import numpy as np
from rasterio.enums import Resampling

from srtools.images.figures import quicklook, stretch

SUFFIX = ".qml"
SAMPLE_PIXELS = 600  # side of the sample for the limits

STYLE = """\
<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>
<qgis version="3.22.0" styleCategories="Symbology">
  <pipe>
    <rasterrenderer type="multibandcolor" opacity="1" alphaBand="-1"
        redBand="1" greenBand="2" blueBand="3">
      <minMaxOrigin><limits>None</limits></minMaxOrigin>
{}
    </rasterrenderer>
  </pipe>
</qgis>
"""
CONTRAST = """\
      <{0}ContrastEnhancement>
        <minValue>{1:.0f}</minValue>
        <maxValue>{2:.0f}</maxValue>
        <algorithm>StretchToMinimumMaximum</algorithm>
      </{0}ContrastEnhancement>"""


def style_of(path: str | os.PathLike) -> Path:
    """Return the path of the style of an image.

    >>> style_of("out/sr.tif").as_posix()
    'out/sr.qml'
    """
    return Path(path).with_suffix(SUFFIX)


def write_style(path: Path, limits: tuple[np.ndarray, np.ndarray]) -> None:
    """Write a style that shows bands 1 to 3 as red, green and blue.

    Arguments:
        limits: darkest and brightest DN of each band.
    """
    colours = zip(("red", "green", "blue"), *limits, strict=False)
    path.write_text(STYLE.format("\n".join(CONTRAST.format(*row) for row in colours)))


def limits_of(path: str | os.PathLike) -> tuple[np.ndarray, np.ndarray]:
    """Return the limits of an image for `write_style`; 0 is nodata."""
    return stretch(quicklook(path, SAMPLE_PIXELS, Resampling.nearest))
