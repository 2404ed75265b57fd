"""The grid of patches: how many of them hold a bad pixel."""

import numpy as np

from srtools.pair.patch_grid import count_left_out


def test_left_out_patches_are_counted_once():
    """Patches of 4 pixels begin in row 2 and column 1, two by two."""
    missing, cloud = np.zeros((2, 10, 10), bool)
    missing[3, 2] = True
    missing[0, 0] = True  # in no patch
    cloud[3, 1:7] = True  # over the same patch, and its neighbour
    assert count_left_out({"missing": missing, "cloud": cloud}, 4) == {
        "missing": 1,
        "cloud": 1,
    }
