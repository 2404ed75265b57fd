"""Raw counts of Spot as top-of-atmosphere reflectance, lazily."""

import logging
from pathlib import Path

from srtools.images import dimap, pixels, vrt
from srtools.images.raster import ImageInfo, describe

log = logging.getLogger(__name__)


def of_spot(pan: ImageInfo, xs: ImageInfo, folder: Path) -> list[ImageInfo]:
    """Give the Spot images in DN, reflectance x 10000; two small VRT files compute it.

    Arguments:
        pan, xs: raw counts, with the DIM_*.XML of the product.
        folder: for the VRT files.

    Raises:
        SRError: if the metadata do not suffice, or the result can be no reflectance.
    """
    found = []
    for name, image in (("PAN", pan), ("XS", xs)):
        lines = dimap.reflectance_lines(image.path, image.bands)
        told = ", ".join(f"{gain:.4g} x count {bias:+.4g}" for gain, bias in lines)
        log.info("%s in DN: %s", name, told)
        path = vrt.write_scaled(folder / f"{name.lower()}_dn.vrt", image, lines)
        found.append(describe(path, f"the {name} image"))
        pixels.check_plausible(found[-1:], f"the {name} image in reflectance")
    return found
