"""Metadata of bands: only DN with 0 as nodata pass."""

from contextlib import nullcontext

import numpy as np
import pytest
import rasterio
from rasterio.enums import ColorInterp

from srtools.errors import SRError
from srtools.images import vrt
from srtools.images.band_checks import check_band_metadata
from srtools.images.raster import describe

RGBA = (ColorInterp.red, ColorInterp.green, ColorInterp.blue, ColorInterp.alpha)
GREYS = (ColorInterp.gray,) + (ColorInterp.undefined,) * 3


@pytest.fixture
def image(write_raster):
    """Write an image of four bands, let a function change it, and describe it."""

    def make(change=None, dtype=np.uint16, **profile):
        random = np.random.default_rng(0)
        pixels = random.uniform(1, 120, (24, 30, 4)).astype(dtype)
        path = write_raster("s2.tif", pixels, 10.0, **profile)
        if change:
            with rasterio.open(path, "r+") as file:
                change(file)
        return describe(path, "the image")

    return make


def declare(**values):
    def change(file):
        for name, value in values.items():
            setattr(file, name, value)

    return change


def refused(words):
    return pytest.raises(SRError, match=words) if words else nullcontext()


@pytest.mark.parametrize(
    ("dtype", "change", "words"),
    [
        *((dtype, declare(nodata=0), "") for dtype in ("uint16", "int16", "uint32")),
        ("int32", None, ""),
        ("uint16", declare(colorinterp=GREYS), ""),
        ("uint16", declare(scales=(1e-4,) * 4), ""),
        ("uint16", declare(scales=(1e-4,) * 4, offsets=(-0.1,) * 4), ""),
        ("uint8", None, "uint8.* 8 bits hold a picture or classes and no reflectance"),
        ("float32", None, "gdal_translate -ot UInt16, and for reflectances .*-scale 0"),
        ("int64", None, "int64, DN .* of 16 bit are expected: gdal_translate -ot UInt"),
        ("uint16", declare(nodata=65535), "65535 to be no data, 0 is expected"),
        ("int16", declare(nodata=-32768), "declares -32768 to be no data"),
        ("uint16", declare(colorinterp=RGBA), "band 4 of the image .*s2.tif is alpha"),
        ("uint16", declare(scales=(1, 1, 2e-5, 1)), "band 3 .* a scale of 2e-05 per"),
        ("uint16", declare(scales=(1e-4,) * 4, offsets=(0.2,) * 4), "0.2, 0 or -0.1"),
    ],
)
def test_types_and_declarations(image, dtype, change, words):
    with refused(words):
        check_band_metadata(image(change, dtype), "the image")


@pytest.mark.parametrize("words", ["has a mask that hides pixels not 0, 0 is", ""])
def test_masks(image, words):
    def mask(file):
        shown = np.full((24, 30), 255, np.uint8)
        shown[3:9, 5:8] = 0
        if not words:
            pixels = file.read()
            pixels[:, shown == 0] = 0
            file.write(pixels)
        file.write_mask(shown)

    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True):
        masked = image(mask)
    with refused(words):
        check_band_metadata(masked, "the image")


@pytest.mark.parametrize(
    ("types", "nodata", "words"),
    [
        (["uint16", "float32"] * 2, "", "are uint16, float32, .*, one type is"),
        (["uint16"] * 4, "<NoDataValue>5</NoDataValue>", "band 3 .* declares 5 to be"),
    ],
)
def test_bands_that_differ(tmp_path, image, types, nodata, words):
    """In GDAL's virtual format they may."""
    bands = [vrt.Band(1, dtype) for dtype in types]
    path = vrt.write(tmp_path / "s2.vrt", image().grid, bands)
    path.write_text(path.read_text().replace('band="3">', f'band="3">{nodata}'))
    with refused(words):
        check_band_metadata(describe(path, "the image"), "the image")
