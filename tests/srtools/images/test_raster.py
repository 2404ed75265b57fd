"""Metadata of images: errors with GDAL's reason, outlines, and complete files."""

import os
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from tifffile import TiffFile

from srtools.errors import SRError
from srtools.images import raster, vrt
from srtools.images.raster import describe

NO_COMPRESSION = struct.pack("<HHIH", 259, 3, 1, 1)  # a tag of TIFF
JPEG_XL = struct.pack("<HHIH", 259, 3, 1, 50002)  # the wheels of rasterio lack it


@pytest.fixture
def unread(tmp_path, write_raster):
    codec = Path(write_raster("codec.tif", np.full((20, 20), 900, np.uint16)))
    codec.write_bytes(codec.read_bytes().replace(NO_COMPRESSION, JPEG_XL))
    with zipfile.ZipFile(tmp_path / "S2A_MSIL2A.ZIP", "w") as archive:
        archive.writestr("S2A.SAFE/MTD_MSIL2A.xml", "<a/>")
    (tmp_path / "S2A.SAFE").mkdir()
    for name in ("S2A.SAFE/MTD_MSIL2A.xml", "notes.txt", "empty.tif"):
        (tmp_path / name).write_text("" if name == "empty.tif" else "<a/>")
    return tmp_path


SUBDATASET = "SENTINEL2_L2A:S2A.SAFE/MTD_MSIL2A.xml:10m:EPSG_32631"
UNREAD = {
    "codec.tif": ("missing codec", "copy it with a GDAL that has it"),
    "S2A_MSIL2A.ZIP": ("not recognized as being in", "unpack it, and give the"),
    "S2A.SAFE/MTD_MSIL2A.xml": ("not recognized as", "give the .SAFE folder itself"),
    "notes.txt": ("not recognized as being in", "a GeoTIFF or another format"),
    "empty.tif": ("not recognized as being in", "a GeoTIFF or another format"),
    "no.tif": ("does not exist", "check the path"),
    SUBDATASET: ("does not exist", "give the .SAFE folder itself"),
}


@pytest.mark.parametrize("name", UNREAD)
def test_unreadable_images(unread, name):
    path = name if name == SUBDATASET else str(unread / name)
    with pytest.raises(SRError) as error:
        describe(path, "the image")
    assert all(words in str(error.value) for words in UNREAD[name])
    assert "\n" not in str(error.value)


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
    """Files of a viewer do not; a missing image is its own source."""
    image = write_raster("a.tif", np.ones((4, 4), np.uint8))
    info = raster.describe(image, "the image")
    vrt_file = str(vrt.write_displaced(tmp_path / "a.vrt", info, 1.0, 0.0))
    (tmp_path / "a.tif.aux.xml").write_text("<PAMDataset />")
    assert raster.sources(image) == [image]
    assert sorted(raster.sources(vrt_file)) == sorted([vrt_file, image])
    assert raster.sources("gone.tif") == ["gone.tif"]


def test_the_outline_of_the_data(write_raster):
    pixels = np.ones((40, 60, 4), np.uint16)
    whole = describe(write_raster("whole.tif", pixels), "XS")
    assert raster.data_outline(whole).bounds == pytest.approx(whole.bounds)
    assert raster.data_outline(whole).area == pytest.approx(40 * 60 * 36)
    for row in range(40):  # a slanted strip, 20 pixels wide
        pixels[row, : row // 2] = 0
        pixels[row, row // 2 + 20 :] = 0
    slanted = raster.data_outline(describe(write_raster("slanted.tif", pixels), "XS"))
    assert slanted.area == pytest.approx(40 * 20 * 36, rel=0.05)
    large = np.kron(pixels, np.ones((50, 50, 1), np.uint16))
    large = raster.data_outline(describe(write_raster("large.tif", large), "XS"))
    assert large.area == pytest.approx(50**2 * slanted.area, rel=0.05)
    empty = describe(write_raster("empty.tif", 0 * pixels), "XS")
    with pytest.raises(SRError, match="holds no data"):
        raster.data_outline(empty)


@pytest.mark.parametrize(
    "layout",
    [
        {},
        {"interleave": "band", "blockysize": 8},
        {"compress": "deflate", "predictor": 2},
        {"tiled": True, "blockxsize": 16, "blockysize": 16},
    ],
)
def test_a_file_is_complete_or_refused(write_raster, layout):
    """On a full disk OTB writes a part of a file and returns without an error."""
    random = np.random.default_rng(1)
    for pixels in (random.integers(1, 9000, (64, 48, 4)), np.zeros((64, 48, 1))):
        path = write_raster("a.tif", pixels.astype(np.uint16), **layout)
        raster.check_written(path)
    path = write_raster("a.tif", pixels + 1, **layout)
    for share in (0.9, 0.3, 0.0):
        os.truncate(path, int(share * os.path.getsize(path)))
        with pytest.raises(SRError, match="a.tif was not written completely; the disk"):
            raster.check_written(path)


def test_files_that_were_never_begun_or_lack_a_block(tmp_path):
    path = tmp_path / "a.tif"
    with pytest.raises(SRError, match="not written completely"):
        raster.check_written(path)
    size = {"width": 64, "height": 64, "count": 1, "dtype": "uint16"}
    with rasterio.open(path, "w", "GTiff", blockysize=16, sparse_ok=True, **size) as f:
        f.write(np.ones((1, 16, 64), np.uint16), window=((0, 16), (0, 64)))
    with pytest.raises(SRError, match="not written completely"):
        raster.check_written(path)


def test_a_block_that_lies_over_another_one(write_raster):
    """As it happens when a block was begun, not finished, and the next one followed."""
    path = write_raster("a.tif", np.ones((64, 64), np.uint16), blockysize=16)
    with TiffFile(path, mode="r+") as file:
        places = file.pages.first.tags["StripOffsets"]
        places.overwrite([places.value[0], *(n - 1000 for n in places.value[1:])])
    with pytest.raises(SRError, match="not written completely"):
        raster.check_written(path)
