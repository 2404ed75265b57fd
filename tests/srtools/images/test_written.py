"""What the engine wrote is complete, or it is told: OTB keeps silent on a full disk."""

import os

import numpy as np
import pytest
import rasterio

from srtools.errors import SRError
from srtools.images import raster

LAYOUTS = {
    "plain": {},
    "by band": {"interleave": "band", "blockysize": 8},
    "deflated": {"compress": "deflate", "predictor": 2},
    "tiled": {"tiled": True, "blockxsize": 16, "blockysize": 16},
}


@pytest.fixture(params=LAYOUTS)
def path(request, write_raster) -> str:
    pixels = np.random.default_rng(1).integers(1, 9000, (64, 48, 4)).astype(np.uint16)
    return write_raster("a.tif", pixels, **LAYOUTS[request.param])


def test_a_complete_file_passes(path):
    raster.check_written(path)


def test_zeros_are_pixels_like_others(write_raster):
    raster.check_written(write_raster("a.tif", np.zeros((64, 48), np.uint16)))


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_a_file_that_was_cut_off(path, share):
    os.truncate(path, int(share * os.path.getsize(path)))
    with pytest.raises(SRError, match="a.tif was not written completely; the disk"):
        raster.check_written(path)


def test_a_file_that_was_never_begun(tmp_path):
    with pytest.raises(SRError, match="not written completely"):
        raster.check_written(tmp_path / "a.tif")


def test_a_block_that_was_left_out(tmp_path):
    path = tmp_path / "a.tif"
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        width=64,
        height=64,
        count=1,
        dtype="uint16",
        blockysize=16,
        sparse_ok=True,
    ) as file:
        pixels = np.ones((1, 16, 64), np.uint16)
        file.write(pixels, window=((0, 16), (0, 64)))
    with pytest.raises(SRError, match="not written completely"):
        raster.check_written(path)


def test_a_block_that_lies_over_another_one(write_raster, monkeypatch):
    """As it happens when a block was begun, not finished, and the next one followed."""
    path = write_raster("a.tif", np.ones((64, 64), np.uint16), blockysize=16)
    places = {"OFFSET": [300, 1000, 3048, 5096], "SIZE": [2048] * 4}

    def tag(self, name, domain, band):
        _, item, _, row = name.split("_")
        return str(places[item][int(row)])

    monkeypatch.setattr(rasterio.DatasetReader, "get_tag_item", tag, raising=False)
    with pytest.raises(SRError, match="not written completely"):
        raster.check_written(path)
