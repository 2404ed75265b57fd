"""Images that cannot be read, or have no place: GDAL's reason, and what to do."""

import struct
import zipfile

import numpy as np
import pytest
import rasterio
from affine import Affine

from srtools.errors import SRError
from srtools.images import raster, vrt
from srtools.images.raster import describe

COMPRESSION = 259  # a tag of TIFF
JPEG_XL = 50002  # which the wheels of rasterio lack


def with_compression(path, code):
    """Claim another compression in the first directory of a TIFF."""
    data = bytearray(path.read_bytes())
    first = struct.unpack("<I", data[4:8])[0]
    for entry in range(struct.unpack("<H", data[first : first + 2])[0]):
        place = first + 2 + 12 * entry
        if struct.unpack("<H", data[place : place + 2])[0] == COMPRESSION:
            data[place + 8 : place + 10] = struct.pack("<H", code)
    path.write_bytes(data)


@pytest.fixture
def unread(tmp_path, write_raster):
    """Make files that GDAL cannot open."""
    write_raster("codec.tif", np.full((20, 20), 900, np.uint16))
    with_compression(tmp_path / "codec.tif", JPEG_XL)
    with zipfile.ZipFile(tmp_path / "S2A_MSIL2A.zip", "w") as archive:
        archive.writestr("S2A.SAFE/MTD_MSIL2A.xml", "<a/>")
    (tmp_path / "S2A.SAFE").mkdir()
    for name in ("S2A.SAFE/MTD_MSIL2A.xml", "notes.txt", "empty.tif"):
        (tmp_path / name).write_text("" if name == "empty.tif" else "<a/>")
    return tmp_path


@pytest.mark.parametrize(
    ("name", "reason", "advice"),
    [
        ("codec.tif", "missing codec", "copy it with a GDAL that has it"),
        ("S2A_MSIL2A.zip", "not recognized as being in", "unpack it, and give the"),
        (
            "S2A.SAFE/MTD_MSIL2A.xml",
            "not recognized as",
            "give the .SAFE folder itself",
        ),
        ("notes.txt", "not recognized as being in", "a GeoTIFF or another format"),
        ("empty.tif", "not recognized as being in", "a GeoTIFF or another format"),
        ("no.tif", "does not exist", "check the path"),
        (
            "SENTINEL2_L2A:S2A.SAFE/MTD_MSIL2A.xml:10m:EPSG_32631",
            "does not exist",
            "give the .SAFE folder itself",
        ),
    ],
)
def test_gdals_own_reason_and_what_to_do(unread, name, reason, advice):
    path = name if name.startswith("SENTINEL2") else str(unread / name)
    with pytest.raises(SRError) as told:
        describe(path, "the image")
    assert reason in str(told.value) and advice in str(told.value)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("place", "crs", "words"),
    [
        (Affine.identity(), None, "has no georeference: orthorectify it"),
        (Affine(6, 0, 600, 0, -6, 900), None, "has no CRS: gdal_edit.py -a_srs"),
        (Affine(6, 1, 600, 1, -6, 900), "EPSG:32631", "is rotated: gdalwarp"),
        (Affine(6, 0, 600, 0, 6, 900), "EPSG:32631", "lies with its south up"),
        (Affine(-6, 0, 600, 0, -6, 900), "EPSG:32631", "its columns go west"),
    ],
)
@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_an_image_that_is_not_north_up(write_raster, place, crs, words):
    path = write_raster("it.tif", np.ones((8, 8), np.uint16), crs=crs)
    with rasterio.open(path, "r+") as file:
        file.transform = place
    with pytest.raises(SRError, match=words):
        describe(path, "the image")


def test_the_sources_of_a_vrt_count(write_raster, tmp_path):
    """Not what a viewer leaves beside an image; a missing image is itself."""
    image = write_raster("a.tif", np.ones((4, 4), np.uint8))
    whole = raster.describe(image, "the image")
    vrt_file = str(vrt.write_displaced(tmp_path / "a.vrt", whole, 1.0, 0.0))
    (tmp_path / "a.tif.aux.xml").write_text("<PAMDataset />")
    assert raster.sources(image) == [image]
    assert sorted(raster.sources(vrt_file)) == sorted([vrt_file, image])
    assert raster.sources("gone.tif") == ["gone.tif"]
