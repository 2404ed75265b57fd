"""What files declare about their bands: refused where it is not DN with no data 0."""

import numpy as np
import pytest
import rasterio
from rasterio.enums import ColorInterp

from srtools.errors import SRError
from srtools.images.declared import check_declared
from srtools.images.raster import describe

RGBA = (ColorInterp.red, ColorInterp.green, ColorInterp.blue, ColorInterp.alpha)
CMYK = (ColorInterp.cyan, ColorInterp.magenta, ColorInterp.yellow, ColorInterp.black)
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


@pytest.mark.parametrize("dtype", ["uint16", "int16", "uint32", "int32"])
def test_whole_numbers_are_dn(image, dtype):
    check_declared(image(dtype=dtype, nodata=0), "the image")


@pytest.mark.parametrize(
    ("dtype", "words"),
    [
        ("uint8", "uint8.* 8 bits hold a picture or classes and no reflectance"),
        ("float32", "gdal_translate -ot UInt16, and for reflectances .*-scale 0 1 0"),
        ("float64", "gdal_translate -ot UInt16, and for reflectances .*-scale 0 1 0"),
        ("int64", "are int64, DN .* of 16 bit are expected: gdal_translate -ot UInt16"),
        ("complex64", "complex numbers come from a radar"),
    ],
)
def test_other_types_are_refused(image, dtype, words):
    with pytest.raises(SRError, match=words):
        check_declared(image(dtype=dtype), "the image")


def declare(**values):
    def change(file):
        for name, value in values.items():
            setattr(file, name, value)

    return change


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (declare(nodata=65535), "declares 65535 to be no data, 0 is expected"),
        (declare(nodata=float(-(2**15))), "declares -32768 to be no data"),
        (declare(colorinterp=RGBA), "band 4 of the image .*s2.tif is alpha"),
        (declare(scales=(1, 1, 2.75e-5, 1)), "band 3 .* a scale of 2.75e-05 per DN"),
        (declare(scales=(1e-4,) * 4, offsets=(0.2,) * 4), "an offset of 0.2"),
        (declare(colorinterp=CMYK), "band 1 .* is the cyan of a picture"),
        (declare(colorinterp=GREYS), None),
        (declare(scales=(1e-4,) * 4), None),
        (declare(scales=(1e-4,) * 4, offsets=(-0.1,) * 4), None),
        (declare(scales=(1e-4,) * 4, offsets=(0, 0, 0, 0)), None),
    ],
)
def test_declarations(image, change, words):
    dtype = np.int16 if words and "-32768" in words else np.uint16
    found = image(change, dtype)
    if words is None:
        check_declared(found, "the image")
    else:
        with pytest.raises(SRError, match=words):
            check_declared(found, "the image")


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
        found = image(mask)
    if hides:
        with pytest.raises(SRError, match="has a mask that hides pixels which are not"):
            check_declared(found, "the image")
    else:
        check_declared(found, "the image")


def test_bands_of_different_types_are_one_line(tmp_path, write_raster):
    """GDAL's virtual format can mix them; rasterio raises ValueError."""
    bands = ""
    for number, (dtype, name) in enumerate(
        [(np.uint16, "UInt16"), (np.float32, "Float32")] * 2, 1
    ):
        write_raster(f"{number}.tif", np.full((6, 6), 900, dtype), 10.0)
        bands += (
            f'<VRTRasterBand dataType="{name}" band="{number}"><SimpleSource>'
            f'<SourceFilename relativeToVRT="1">{number}.tif</SourceFilename>'
            "<SourceBand>1</SourceBand></SimpleSource></VRTRasterBand>"
        )
    (tmp_path / "mixed.vrt").write_text(
        '<VRTDataset rasterXSize="6" rasterYSize="6"><SRS>EPSG:32631</SRS>'
        f"<GeoTransform>450000,10,0,5410000,0,-10</GeoTransform>{bands}</VRTDataset>"
    )
    found = describe(tmp_path / "mixed.vrt", "the image")
    words = "are uint16, float32, uint16, float32, one type is expected"
    with pytest.raises(SRError, match=words):
        check_declared(found, "the image")


def test_no_data_that_only_one_band_declares(tmp_path, write_raster):
    path = write_raster("s2.tif", np.full((6, 6, 4), 900, np.uint16), 10.0)
    bands = "".join(
        f'<VRTRasterBand dataType="UInt16" band="{number}">'
        + ("<NoDataValue>65535</NoDataValue>" if number == 3 else "")
        + f"<SimpleSource><SourceFilename>{path}</SourceFilename>"
        f"<SourceBand>{number}</SourceBand></SimpleSource></VRTRasterBand>"
        for number in range(1, 5)
    )
    (tmp_path / "s2.vrt").write_text(
        '<VRTDataset rasterXSize="6" rasterYSize="6"><SRS>EPSG:32631</SRS>'
        f"<GeoTransform>450000,10,0,5410000,0,-10</GeoTransform>{bands}</VRTDataset>"
    )
    with pytest.raises(SRError, match="band 3 of .* declares 65535 to be no data"):
        check_declared(describe(tmp_path / "s2.vrt", "the image"), "the image")
