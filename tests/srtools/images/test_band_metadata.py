"""What files declare about their bands: refused where it is not DN with no data 0."""

from contextlib import nullcontext

import numpy as np
import pytest
import rasterio
from rasterio.enums import ColorInterp

from srtools.errors import SRError
from srtools.images import vrt
from srtools.images.band_metadata import check_band_metadata
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


@pytest.mark.parametrize(
    ("dtype", "change"),
    [
        *((dtype, declare(nodata=0)) for dtype in ("uint16", "int16", "uint32")),
        ("int32", None),
        ("uint16", declare(colorinterp=GREYS)),
        ("uint16", declare(scales=(1e-4,) * 4)),
        ("uint16", declare(scales=(1e-4,) * 4, offsets=(-0.1,) * 4)),
    ],
)
def test_dn_pass(image, dtype, change):
    check_band_metadata(image(change, dtype), "the image")


@pytest.mark.parametrize(
    ("dtype", "change", "words"),
    [
        ("uint8", None, "uint8.* 8 bits hold a picture or classes and no reflectance"),
        ("float32", None, "gdal_translate -ot UInt16, and for reflectances .*-scale 0"),
        ("int64", None, "int64, DN .* of 16 bit are expected: gdal_translate -ot UInt"),
        (
            "uint16",
            declare(nodata=65535),
            "declares 65535 to be no data, 0 is expected",
        ),
        ("int16", declare(nodata=-32768), "declares -32768 to be no data"),
        ("uint16", declare(colorinterp=RGBA), "band 4 of the image .*s2.tif is alpha"),
        (
            "uint16",
            declare(scales=(1, 1, 2e-5, 1)),
            "band 3 .* a scale of 2e-05 per DN",
        ),
        (
            "uint16",
            declare(scales=(1e-4,) * 4, offsets=(0.2,) * 4),
            "an offset of 0.2, 0 or -0.1 is expected",
        ),
    ],
)
def test_other_types_and_declarations_are_refused(image, dtype, change, words):
    with pytest.raises(SRError, match=words):
        check_band_metadata(image(change, dtype), "the image")


@pytest.mark.parametrize("hides", [True, False])
def test_a_mask_that_hides_pixels_is_refused(image, hides):
    def mask(file):
        shown = np.full((24, 30), 255, np.uint8)
        shown[3:9, 5:8] = 0
        if not hides:
            pixels = file.read()
            pixels[:, shown == 0] = 0
            file.write(pixels)
        file.write_mask(shown)

    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True):
        masked = image(mask)
    expected = nullcontext()
    if hides:
        expected = pytest.raises(SRError, match="has a mask that hides pixels not 0, 0")
    with expected:
        check_band_metadata(masked, "the image")


@pytest.mark.parametrize(
    ("types", "nodata", "words"),
    [
        (["uint16", "float32"] * 2, False, "are uint16, float32, .*, one type is"),
        (["uint16"] * 4, True, "band 3 of .* declares 0.5 to be no data"),
    ],
)
def test_bands_that_differ(tmp_path, image, types, nodata, words):
    """In GDAL's virtual format they may."""
    first = image()
    bands = [vrt.Band(1, dtype) for dtype in types]
    path = vrt.write(tmp_path / "s2.vrt", first.grid, bands)
    if nodata:
        text = path.read_text().replace(
            'band="3">', 'band="3"><NoDataValue>0.5</NoDataValue>'
        )
        path.write_text(text)
    with pytest.raises(SRError, match=words):
        check_band_metadata(describe(path, "the image"), "the image")
