"""The offset of ESA's processing baseline 04.00."""

import numpy as np
import pytest

from srtools.images.radiometry import remove_offset

import pyotb

DN = np.array([[0, 1, 999], [1000, 1001, 1002], [1500, 11000, 65535]], np.uint16)


REFLECTANCE = [[0, 1, 1], [1, 1, 2], [500, 10000, 64535]]


@pytest.mark.parametrize(("offset", "expected"), [(1000, REFLECTANCE), (0, DN)])
def test_no_data_stays_and_nothing_else_becomes_no_data(write_raster, offset, expected):
    image = pyotb.Input(write_raster("s2.tif", DN))
    result = remove_offset(image, offset).to_numpy()
    np.testing.assert_array_equal(result[..., 0], expected)
