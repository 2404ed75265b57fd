"""Grid of the output: size, corner, crop, and the pixels inside Sentinel-2."""

from dataclasses import replace

import pytest
import rasterio
from affine import Affine

from srtools.errors import SRError
from srtools.images.grid import Grid
from srtools.images.raster import ImageInfo
from srtools.inference import output_grid
from srtools.network.saved_model import ModelInfo

UTM31, UTM32 = (rasterio.CRS.from_epsg(32600 + zone) for zone in (31, 32))
IMAGE = ImageInfo(
    UTM31, Affine(10, 0, 500000, 0, -10, 5400000), 50, 40, "s2.tif", 4, "uint16"
)
MODEL = ModelInfo("m", {}, {}, {})


def test_the_grid_of_the_image():
    """500 m and 400 m are 333.3 and 266.7 pixels."""
    output = output_grid.choose(IMAGE, IMAGE, MODEL, 56)
    assert output.covered
    corner = Affine(1.5, 0, 500000, 0, -1.5, 5400000)
    assert output.grid == Grid(UTM31, corner, 334, 267)
    corner = Affine(6, 0, 500000 - 84, 0, -6, 5400000 + 84)
    assert output.lr_grid == Grid(UTM31, corner, 84 + 28, 67 + 28)


def test_a_crop_that_leaves_seams(caplog):
    card = {"receptive_field": {"margin": 13}}
    names = {f"hr_dn_crop{crop}": 4 for crop in (16, 56, 64)}
    names |= {"my_hr_dn_crop16": 4, "hr_dn_crop_wide": 4}  # other outputs
    model = ModelInfo("m", {"lr": 4}, names, card)
    assert output_grid.choose_crop(model) == 56
    assert output_grid.choose_crop(replace(model, card={})) == 64
    assert output_grid.choose_crop(model, 64) == 64
    assert not caplog.text
    assert output_grid.choose_crop(model, 16) == 16
    assert "less than the receptive field: seams remain" in caplog.text
    deep = replace(model, card={"receptive_field": {"margin": 17}})
    with pytest.raises(SRError, match="crops .16, 56, 64. are less than .* .68 pixels"):
        output_grid.choose_crop(deep)


@pytest.mark.parametrize(
    ("covered", "area"),
    [
        (True, {}),
        (True, {"width": 334, "height": 267}),
        (False, {"width": 335}),
        (False, {"height": 268}),
        (True, {"left": -1.4, "top": -1.4}),
        (False, {"left": -1.5}),
        (False, {"top": -1.5}),
        # The same coordinates lie elsewhere on the ground.
        (False, {"crs": UTM32}),
    ],
)
def test_each_pixel_lies_partly_inside(covered, area):
    """`area` is in pixels of 1.5 m, and in metres east and south of the image."""
    left, top = area.pop("left", 0.0), area.pop("top", 0.0)
    place = Affine(1.5, 0, 500000 + left, 0, -1.5, 5400000 - top)
    like = replace(IMAGE, **{"width": 300, "height": 200, "transform": place, **area})
    assert output_grid.choose(IMAGE, like, MODEL, 56).covered == covered
