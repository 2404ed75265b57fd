"""Styles for QGIS, which it loads by itself with the image of the same name.

Without them QGIS stretches each image by its own brightness, and two images of the same
ground look as if they differed.
"""

import os
from pathlib import Path

import jinja2
import numpy as np
import rasterio

from srtools.images.figures import stretch

SUFFIX = ".qml"
LOOKED_AT = 600  # pixels of a side, from which the limits are taken

STYLE = jinja2.Template(
    """\
<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>
<qgis version="3.22.0" styleCategories="Symbology">
  <pipe>
    <rasterrenderer type="multibandcolor" opacity="1" alphaBand="-1"
        redBand="1" greenBand="2" blueBand="3">
      <minMaxOrigin><limits>None</limits></minMaxOrigin>
{%- for colour, low, high in colours %}
      <{{ colour }}ContrastEnhancement>
        <minValue>{{ low }}</minValue>
        <maxValue>{{ high }}</maxValue>
        <algorithm>StretchToMinimumMaximum</algorithm>
      </{{ colour }}ContrastEnhancement>
{%- endfor %}
    </rasterrenderer>
  </pipe>
</qgis>
"""
)


def style_of(path: str | os.PathLike) -> Path:
    """Name the style of an image.

    >>> style_of("out/sr.tif").as_posix()
    'out/sr.qml'
    """
    return Path(path).with_suffix(SUFFIX)


def write_style(path: Path, limits: tuple[np.ndarray, np.ndarray]) -> None:
    """Write a style that shows the bands 1 to 3 as red, green and blue.

    Arguments:
        path: file to write.
        limits: darkest and brightest DN of each band.
    """
    low, high = (np.round(limit).astype(int).tolist() for limit in limits)
    colours = zip(("red", "green", "blue"), low, high, strict=False)
    path.write_text(STYLE.render(colours=list(colours)) + "\n")


def limits_of(path: str | os.PathLike) -> tuple[np.ndarray, np.ndarray]:
    """Find the darkest and brightest DN to show, of each band; 0 is no data."""
    with rasterio.open(path) as file:
        scale = max(file.width, file.height) / LOOKED_AT
        size = [max(1, round(n / max(scale, 1))) for n in (file.height, file.width)]
        pixels = file.read(out_shape=(file.count, *size))
    return stretch(np.moveaxis(pixels, 0, -1).astype(float))
