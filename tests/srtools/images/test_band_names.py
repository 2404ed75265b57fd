"""Names of bands, as products and people write them."""

import numpy as np
import pytest
import rasterio

from srtools.errors import SRError
from srtools.images.band_names import check_order, sentinel2_band, spot_band
from srtools.images.raster import describe


@pytest.mark.parametrize(
    ("text", "band"),
    [
        ("T31UDQ_20220714T105629_B08_10m", "B08"),
        ("SENTINEL2B_20181023-105846_L2A_T30TYP_C_V1-0_FRE_B4", "B04"),
        ("B4, red", "B04"),
        ("B1, red", "B04"),
        ("Near infrared", "B08"),
        ("NIR", "B08"),
        ("B8A, nir", "B8A"),
        ("Narrow NIR", "B8A"),
        ("red edge 1", "red edge"),
        ("Rouge", "B04"),
        ("proche infrarouge", "B08"),
        ("reflectance", None),
        ("B2-B4-B8", None),
        ("hundred", None),
        ("", None),
    ],
)
def test_names_of_sentinel2(text, band):
    assert sentinel2_band(text) == band


@pytest.mark.parametrize(
    ("text", "band"),
    [
        ("B0 Blue", "B02"),
        ("B2", "B04"),
        ("B3", "B08"),
        ("red", "B04"),
        ("Band 1", None),
    ],
)
def test_names_of_spot(text, band):
    assert spot_band(text) == band


RIGHT = [
    ("B04", "B03", "B02", "B08"),
    ("B4", "B3", "B2", "B8"),
    ("red", "green", "blue", "nir"),
    ("reflectance",) * 4,
    ("B08",) * 4,  # names that are all alike tell nothing
    ("B04", "", "", ""),
    ("Band 1", "Band 2", "Band 3", "Band 4"),
    (None,) * 4,
]
WRONG = [
    ("B02", "B03", "B04", "B08"),
    ("B04", "B03", "B02", "B8A"),
    ("blue", "green", "red", "nir"),
    ("", "", "red", ""),
    ("Blue", "Green", "Red", "Red edge 1"),
]


@pytest.mark.parametrize("titles", [*RIGHT, *WRONG])
def test_descriptions_of_bands(write_raster, titles):
    path = write_raster("s2.tif", np.ones((8, 8, 4), np.uint16))
    with rasterio.open(path, "r+") as file:
        file.descriptions = titles
    image = describe(path, "it")
    if titles in RIGHT:
        check_order([image], "the image", sentinel2_band)
    else:
        words = "bands of the image are named .*B04, B03, B02, B08 in this order"
        with pytest.raises(SRError, match=words):
            check_order([image], "the image", sentinel2_band)


def test_the_remedy_for_bands_in_another_order(write_raster):
    path = write_raster("xs.tif", np.ones((8, 8, 4), np.uint16))
    with rasterio.open(path, "r+") as file:
        file.descriptions = ("B0 Blue", "B1 Green", "B2 Red", "B3 NIR")
    with pytest.raises(SRError, match="gdal_translate -b 3 -b 2 -b 1 -b 4"):
        check_order([describe(path, "it")], "the XS image", spot_band)
