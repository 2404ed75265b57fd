"""Groups that are too close are found out."""

import numpy as np
import pytest

from srtools.errors import SRError
from srtools.pair.leakage import check_groups


def test_check_groups_is_exact():
    """8 pixels from column 0, then the next group from column 18: 10 are between."""
    windows = {"train": np.array([[0, 0], [40, 0]]), "test": np.array([[4, 18]])}
    assert check_groups(windows, 8, 10) == {"train-test": 10}
    with pytest.raises(SRError, match="train and test have 10 pixels between them"):
        check_groups(windows, 8, 11)
    diagonal = {"train": np.array([[0, 0]]), "test": np.array([[20, 9]])}
    assert check_groups(diagonal, 8, 12) == {"train-test": 12}
    with pytest.raises(SRError, match="have -8 pixels"):
        check_groups({"a": np.array([[3, 3]]), "b": np.array([[3, 3]])}, 8, 0)


def test_interleaved_patches_do_not_pass():
    """The course's split puts test patches between train patches."""
    rows, cols = np.meshgrid(np.arange(9) * 8, np.arange(9) * 8)
    windows = np.stack([rows.ravel(), cols.ravel()], axis=1)
    groups = {"train": windows[1::2], "test": windows[::2]}
    with pytest.raises(SRError, match="0 pixels between"):
        check_groups(groups, 8, 1)
