"""Checks of images against each other that are not of a script as a whole."""

import logging

import numpy as np
import pytest

from srtools.errors import SRError
from srtools.images import checks
from srtools.images.raster import data_outline, describe


@pytest.mark.parametrize(
    ("off", "told"), [(0.0, None), (3.0, None), (0.75, "0.50 PAN pixels apart")]
)
def test_grids_that_do_not_fit_are_told(write_raster, caplog, off, told):
    xs = write_raster("xs.tif", np.ones((8, 8, 4), np.uint16), 6.0, (600.0, 900.0))
    pan = write_raster(
        "pan.tif", np.ones((32, 32, 1), np.uint16), 1.5, (600.0 + off, 900.0)
    )
    with caplog.at_level(logging.WARNING):
        checks.check_spot_pair(describe(pan, "PAN"), describe(xs, "XS"))
    assert (told in caplog.text) if told else not caplog.text


def test_metres_that_are_none_are_refused(write_raster):
    place = (261_000.0, 6_250_000.0)  # Paris, where 1.5 "metres" are 1 m
    images = [
        write_raster(f"{size}.tif", np.ones((size, size), np.uint16), pixel, place, crs)
        for crs, size, pixel in (("EPSG:3857", 32, 1.5), ("EPSG:3857", 8, 6.0))
    ]
    with pytest.raises(SRError, match="EPSG:3857, a CRS in metres is expected"):
        checks.check_spot_pair(*(describe(path, "Spot") for path in images))


def test_the_outline_of_the_data(write_raster):
    pixels = np.ones((40, 60, 4), np.uint16)
    whole = describe(write_raster("whole.tif", pixels), "XS")
    assert data_outline(whole).bounds == pytest.approx(whole.bounds)
    assert data_outline(whole).area == pytest.approx(40 * 60 * 36)
    for row in range(40):  # a slanted strip, 20 pixels wide
        pixels[row, : row // 2] = 0
        pixels[row, row // 2 + 20 :] = 0
    slanted = data_outline(describe(write_raster("slanted.tif", pixels), "XS"))
    assert slanted.area == pytest.approx(40 * 20 * 36, rel=0.05)
    few = data_outline(describe(write_raster("few.tif", pixels), "XS"), samples=10)
    assert few.area == pytest.approx(slanted.area, rel=0.2)
    empty = describe(write_raster("empty.tif", 0 * pixels), "XS")
    with pytest.raises(SRError, match="holds no data"):
        data_outline(empty)


def test_a_shift_between_bands_is_told(write_raster):
    places = ((600.0, 900.0), (600.0, 910.0))
    images = [
        describe(write_raster(f"{i}.tif", np.ones((8, 8)), 10.0, place), "band")
        for i, place in enumerate(places)
    ]
    with pytest.raises(SRError, match="from 600, 910 .* grid of .* from 600, 900"):
        checks.check_stack(images)


def test_one_tile_of_several_is_told(write_raster, tmp_path, caplog):
    """Delivered as two tiles each, `IMG_*_P_*.TIF` stands for two files."""
    pan = write_raster("IMG_P_R1C1.TIF", np.full((64, 64), 900, np.uint16), 1.5)
    xs = write_raster("IMG_MS_R1C1.TIF", np.full((16, 16, 4), 900, np.uint16))
    checks.check_spot(pan, xs, 8)
    assert "tiles of its product" not in caplog.text
    write_raster("IMG_P_R1C2.TIF", np.full((64, 64), 900, np.uint16), 1.5)
    checks.check_spot(pan, xs, 8)
    assert "IMG_P_R1C1.TIF is one of 2 tiles of its product" in caplog.text
