"""Patches that share ground, and patches that only touch."""

import numpy as np
import pytest

from srtools.patches.footprints import shared

SPACINGS = [6.0, 6.1, 5.99, 1.5]
ORIGINS = [(452001.0, 5412003.0), (300000.7, 5499999.3)]


def squares(spacing: float, origin: tuple[float, float], windows) -> dict:
    grid = {"crs": "EPSG:32631", "origin": origin, "spacing": spacing}
    return {**grid, "patch_size": 32, "windows": np.array(windows).tolist()}


def chess(odd: int) -> np.ndarray:
    rows, cols = np.indices((12, 12))
    return 32 * np.argwhere((rows + cols) % 2 == odd)


@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("origin", ORIGINS)
def test_patches_that_only_touch_share_nothing(spacing, origin):
    """The fields of a chess board, in one scene and in two that lie side by side."""
    white, black = (squares(spacing, origin, chess(odd)) for odd in (0, 1))
    assert shared(white, black) == shared(black, white) == 0
    left, top = origin
    beside = squares(spacing, (left + 12 * 32 * spacing, top), chess(0))
    assert shared(white, beside) == shared(black, beside) == 0
    assert shared(white, white) == len(chess(0))


@pytest.mark.parametrize("spacing", SPACINGS)
def test_one_pixel_of_ground_is_enough(spacing):
    one = squares(spacing, ORIGINS[0], [[0, 0]])
    for row, col, count in ((31, 0, 1), (0, -31, 1), (31, 31, 1), (32, 31, 0)):
        assert shared(one, squares(spacing, ORIGINS[0], [[row, col]])) == count


def test_grids_of_other_pixels_are_compared_in_metres():
    """32 pixels of 6 m are 64 of 3 m."""
    left, top = ORIGINS[0]
    one = squares(6.0, (left, top), [[0, 0]])
    for col, count in ((63, 1), (64, 0)):
        assert shared(one, squares(3.0, (left, top), [[0, col]])) == count
