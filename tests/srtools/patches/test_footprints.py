"""Patches that share ground, and patches that only touch."""

import numpy as np
import pytest

from srtools.patches.footprints import shared

ORIGIN = 452001.0, 5412003.0


def squares(spacing: float, windows, origin=ORIGIN) -> dict:
    grid = {"crs": "EPSG:32631", "origin": origin, "spacing": spacing}
    return {**grid, "patch_size": 32, "windows": np.array(windows).tolist()}


@pytest.mark.parametrize("spacing", [6.0, 6.1, 5.99, 1.5])
@pytest.mark.parametrize("origin", [ORIGIN, (300000.7, 5499999.3)])
def test_patches_that_only_touch_share_nothing(spacing, origin):
    """The fields of a chess board, in one scene and in two side by side."""
    rows, cols = np.indices((12, 12))
    fields = [32 * np.argwhere((rows + cols) % 2 == odd) for odd in (0, 1)]
    white, black = (squares(spacing, windows, origin) for windows in fields)
    assert shared(white, black) == shared(black, white) == 0
    neighbour = origin[0] + 12 * 32 * spacing, origin[1]
    beside = squares(spacing, fields[0], neighbour)
    assert shared(white, beside) == shared(black, beside) == 0
    assert shared(white, white) == len(fields[0])


@pytest.mark.parametrize(
    ("spacing", "other", "places"),
    [
        (6.0, 6.0, {(31, 0): 1, (0, -31): 1, (31, 31): 1, (32, 31): 0}),
        (1.5, 1.5, {(31, 0): 1, (0, -31): 1, (31, 31): 1, (32, 31): 0}),
        (6.0, 3.0, {(0, 63): 1, (0, 64): 0}),  # 32 pixels of 6 m are 64 of 3 m
    ],
)
def test_one_pixel_of_ground_is_enough(spacing, other, places):
    one = squares(spacing, [[0, 0]])
    for place, count in places.items():
        assert shared(one, squares(other, [place])) == count
