"""Checks of images against each other that are not of a script as a whole."""

import logging

import numpy as np
import pytest

from srtools import checks
from srtools.images import describe


@pytest.mark.parametrize(
    ("off", "told"), [(0.0, None), (3.0, None), (0.75, "0.50 PAN pixels apart")]
)
def test_grids_that_do_not_fit_are_told(write_raster, caplog, off, told):
    xs = write_raster("xs.tif", np.ones((8, 8, 4), np.uint16), 6.0, (600.0, 900.0))
    pan = write_raster(
        "pan.tif", np.ones((32, 32, 1), np.uint16), 1.5, (600.0 + off, 900.0)
    )
    with caplog.at_level(logging.WARNING):
        checks.check_spot_pair(describe(pan, "PAN"), describe(xs, "XS"), 4)
    assert (told in caplog.text) if told else not caplog.text
