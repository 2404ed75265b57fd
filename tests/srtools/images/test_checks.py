"""Checks of images against each other."""

import logging

import numpy as np
import pytest

from srtools.errors import SRError
from srtools.images import checks
from srtools.images.raster import data_outline, describe


@pytest.mark.parametrize(
    ("offset", "words"), [(0.0, None), (3.0, None), (0.75, "0.50 PAN pixels apart")]
)
def test_grids_that_do_not_fit_are_a_warning(write_raster, caplog, offset, words):
    xs = write_raster("xs.tif", np.ones((8, 8, 4), np.uint16), 6.0, (600.0, 900.0))
    pan = write_raster(
        "pan.tif", np.ones((32, 32, 1), np.uint16), 1.5, (600.0 + offset, 900.0)
    )
    with caplog.at_level(logging.WARNING):
        checks.check_spot_pair(describe(pan, "PAN"), describe(xs, "XS"))
    assert (words in caplog.text) if words else not caplog.text


def test_metres_that_are_none_are_refused(write_raster):
    place = (261_000.0, 6_250_000.0)  # Paris, where 1.5 "metres" are 1 m
    images = [
        write_raster(f"{size}.tif", np.ones((size, size), np.uint16), pixel, place, crs)
        for crs, size, pixel in (("EPSG:3857", 32, 1.5), ("EPSG:3857", 8, 6.0))
    ]
    with pytest.raises(SRError, match="EPSG:3857, a CRS in metres is expected"):
        checks.check_spot_pair(*(describe(path, "Spot") for path in images))


def test_a_shift_between_bands_is_refused(write_raster):
    places = ((600.0, 900.0), (600.0, 910.0))
    images = [
        describe(write_raster(f"{i}.tif", np.ones((8, 8)), 10.0, place), "band")
        for i, place in enumerate(places)
    ]
    with pytest.raises(SRError, match="from 600, 910 .* grid of .* from 600, 900"):
        checks.check_stack(images)


def test_tiles_of_two_utm_zones_cover_an_area_together(write_raster):
    def tile(crs, x):
        name = f"{crs[5:]}.tif"
        return describe(
            write_raster(name, np.ones((90, 90)), 100.0, (x, 5455e3), crs), "tile"
        )

    xs = write_raster("xs.tif", np.ones((30, 90), np.uint16), 100.0, (715e3, 5453e3))
    area = describe(xs, "XS"), data_outline(describe(xs, "XS"))
    west, east = tile("EPSG:32631", 710e3), tile("EPSG:32632", 280e3)
    checks.check_covers([west, east], *area)
    for tiles, share in (([west], "46%"), ([tile("EPSG:32601", 500e3)], "0%")):
        with pytest.raises(SRError, match=f"covers {share} of the Spot image"):
            checks.check_covers(tiles, *area)
