"""Grids of the output: size, corner, and which pixels the image shows."""

from dataclasses import replace

import pytest
import rasterio
from affine import Affine

from srtools.images.grid import Grid
from srtools.images.raster import ImageInfo
from srtools.inference import plans
from srtools.network.saved_model import ModelInfo

UTM31, UTM32 = (rasterio.CRS.from_epsg(32600 + zone) for zone in (31, 32))
IMAGE = ImageInfo(
    "s2.tif", 50, 40, 4, "uint16", UTM31, Affine(10, 0, 500000, 0, -10, 5400000)
)


def plan(left=0.0, top=0.0, width=300, height=200, crs=UTM31) -> plans.Plan:
    """Plan an area of pixels of 1.5 m, so many metres east and south of the image."""
    place = Affine(1.5, 0, 500000 + left, 0, -1.5, 5400000 - top)
    like = replace(IMAGE, width=width, height=height, crs=crs, transform=place)
    return plans.make(IMAGE, like, ModelInfo("m", {}, {}, {}), 56)


def test_the_grid_of_the_image():
    """Of 500 m and 400 m, 333.3 and 266.7 pixels."""
    found = plans.make(IMAGE, None, ModelInfo("m", {}, {}, {}), 56)
    assert found.inside
    assert found.grid == Grid(UTM31, Affine(1.5, 0, 500000, 0, -1.5, 5400000), 334, 267)
    assert found.lr_grid == Grid(
        UTM31, Affine(6, 0, 500000 - 84, 0, -6, 5400000 + 84), 84 + 28, 67 + 28
    )


def test_a_crop_that_leaves_seams_is_told(caplog):
    card = {"receptive_field": {"margin": 13}}
    names = {f"hr_dn_crop{crop}": 4 for crop in (16, 56, 64)}
    names |= {"my_hr_dn_crop16": 4, "hr_dn_crop_wide": 4}  # somebody else's
    model = ModelInfo("m", {"lr": 4}, names, card)
    assert plans.choose_crop(model) == 56
    assert plans.choose_crop(model, 64) == 64
    assert not caplog.text
    assert plans.choose_crop(model, 16) == 16
    assert "less than the receptive field: seams remain" in caplog.text


@pytest.mark.parametrize(
    ("inside", "area"),
    [
        (True, {}),
        (True, {"width": 334, "height": 267}),
        (False, {"width": 335}),
        (False, {"height": 268}),
        (True, {"left": -1.4, "top": -1.4}),
        (False, {"left": -1.5}),
        (False, {"top": -1.5}),
        # The same coordinates, but on the ground they are elsewhere.
        (False, {"crs": UTM32}),
    ],
)
def test_each_pixel_is_shown_in_part(inside, area):
    assert plan(**area).inside == inside
