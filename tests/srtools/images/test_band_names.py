"""Names of bands, as products and people write them."""

from contextlib import nullcontext

import numpy as np
import pytest
import rasterio
from rasterio.enums import ColorInterp

from srtools.errors import SRError
from srtools.images.band_names import check_order, sentinel2_band, spot_band
from srtools.images.raster import describe

SENTINEL2 = {
    "B08": "T31UDQ_20220714T105629_B08_10m; Near infrared; NIR; proche infrarouge",
    "B04": "SENTINEL2B_20181023_L2A_T30TYP_C_V1-0_FRE_B4; B4, red; B1, red; Rouge",
    "B8A": "B8A, nir; Narrow NIR",
    "red edge": "red edge 1",
    None: "reflectance; B2-B4-B8; hundred; ",
}
SPOT = {"B02": "B0 Blue", "B04": "B2; red", "B08": "B3", None: "Band 1"}


@pytest.mark.parametrize(
    ("read", "names"), [(sentinel2_band, SENTINEL2), (spot_band, SPOT)]
)
def test_names_of_bands(read, names):
    for band, texts in names.items():
        assert {read(text) for text in texts.split("; ")} == {band}


RIGHT = [
    ("B04", "B03", "B02", "B08"),
    ("B4", "B3", "B2", "B8"),
    ("red", "green", "blue", "nir"),
    ("reflectance",) * 4,
    ("B08",) * 4,  # a name for all bands is not one of a band
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


@pytest.fixture
def check(write_raster):
    """Check the order of four bands with these descriptions."""

    def run(titles, read=sentinel2_band):
        path = write_raster("s2.tif", np.ones((8, 8, 4), np.uint16))
        with rasterio.open(path, "r+") as file:
            file.descriptions = titles
        check_order([describe(path, "it")], "the image", read)

    return run


@pytest.mark.parametrize("titles", RIGHT + WRONG)
def test_descriptions_that_contradict_the_order(check, titles):
    words = "bands of the image are named .*B04, B03, B02, B08 in this order"
    with pytest.raises(SRError, match=words) if titles in WRONG else nullcontext():
        check(titles)


def test_the_remedy_for_bands_in_another_order(check):
    with pytest.raises(SRError, match="gdal_translate -b 3 -b 2 -b 1 -b 4"):
        check(("B0 Blue", "B1 Green", "B2 Red", "B3 NIR"), spot_band)


def test_colours_count_where_no_band_has_a_name(write_raster):
    path = write_raster("s2.tif", np.ones((8, 8, 4), np.uint16))
    with rasterio.open(path, "r+") as file:
        colours = "blue", "green", "red", "undefined"
        file.colorinterp = [ColorInterp[colour] for colour in colours]
    with pytest.raises(SRError, match=r"B02, B03, B04, \? \(blue, green, red, undef"):
        check_order([describe(path, "it")], "the image", sentinel2_band)
