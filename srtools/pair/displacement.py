"""Spot moved to where Sentinel-2 shows its ground."""

import logging
from pathlib import Path

from srtools.images import vrt
from srtools.images.raster import ImageInfo, describe

log = logging.getLogger(__name__)


def displace(
    pan: ImageInfo, xs: ImageInfo, shift: tuple[float, float], folder: Path
) -> list[ImageInfo]:
    """Move the Spot images; two small VRT files say where they lie now.

    Moving Sentinel-2 instead would interpolate its pixels twice.  The true place of
    Spot is not needed, because patches have no place.

    Arguments:
        pan, xs: the Spot images.
        shift: metres east and north, by which Sentinel-2 lies off.
        folder: for the VRT files.
    """
    log.info("moving Spot by %+.2f m east, %+.2f m north", *shift)
    return [
        describe(vrt.write_displaced(folder / f"{name}.vrt", image, *shift), name)
        for name, image in (("pan", pan), ("xs", xs))
    ]
