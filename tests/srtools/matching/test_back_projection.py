"""Back-projection: errors that it removes, and what it leaves."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from srtools.matching import back_projection
from srtools.matching.point_spread import BLUR_METRES, blur_weights

SPACING, PIXEL = 1.5, 10.0
SIZE = 400  # pixels, 600 m
# Sentinel-2's grid begins somewhere inside a pixel.
ROWS = np.arange(60) * PIXEL / SPACING + 3.4
COLS = np.arange(60) * PIXEL / SPACING + 5.9
INNER = slice(40, -40)
RNG = np.random.default_rng(4)
# Fields of some 30 m, in DN.
TRUTH = 2000 + 12000 * gaussian_filter(RNG.normal(0, 1, (SIZE, SIZE, 2)), (12, 12, 0))


def blur(image, sigma=BLUR_METRES):
    """Blur an image as Sentinel-2 does, [60, 60, bands]."""
    down, right = (blur_weights(axis, SIZE, SPACING, sigma) for axis in (ROWS, COLS))
    return np.einsum("nh,hwb,mw->nmb", down, image, right, optimize=True)


def agree(image, measured):
    return back_projection.back_project(image, measured, ROWS, COLS, SPACING, PIXEL)


@pytest.mark.parametrize(
    ("bias", "fine", "tolerance"), [(0, 0, 0.05), (300, 0, 5), (100, 500, 5)]
)
def test_brightness_is_corrected_and_fine_detail_stays(bias, fine, tolerance):
    """Sentinel-2's blur removes waves of 4.5 m, so that it cannot contradict them."""
    waves = fine * np.cos(2 * np.pi * np.arange(SIZE) / 3)[:, None, None]
    answer = agree(TRUTH + waves + bias, blur(TRUTH))[INNER, INNER]
    np.testing.assert_allclose(answer, (TRUTH + waves)[INNER, INNER], atol=tolerance)


def test_errors_as_wide_as_a_pixel_become_small():
    """The image is nearer to Sentinel-2, and to the truth."""
    wrong = TRUTH + 3000 * gaussian_filter(RNG.normal(0, 1, TRUTH.shape), (6, 6, 0))
    images = wrong, agree(wrong, blur(TRUTH))
    differences = [np.abs(blur(x) - blur(TRUTH))[8:-8, 8:-8].mean() for x in images]
    assert differences[0] > 50 and differences[1] < differences[0] / 10
    errors = [np.abs(image - TRUTH)[INNER, INNER].mean() for image in images]
    assert errors[1] < errors[0] / 2


@pytest.mark.parametrize("where", ["image", "sentinel2"])
def test_no_data_stays_and_spoils_nothing(where):
    """A hole, in either, changes only what is nearer than the correction reaches."""
    image, measured = TRUTH + 300, blur(TRUTH)
    if where == "image":
        image[100:140, 100:140] = 0
    else:
        measured[15:20, 14:20, 0] = 0  # in one band
    answer = agree(image, measured)
    assert (answer[image == 0] == 0).all() and np.isfinite(answer).all()
    # Of the 300 DN it overshoots by an eighth at most, in the hole and beside it.
    error = (answer - TRUTH)[image.all(-1)]
    assert error.min() > -40 and error.max() < 340
    reach = int(np.ceil(back_projection.reach_metres(PIXEL) / SPACING))
    far = slice(140 + reach, -40)
    np.testing.assert_allclose(answer[far, far], TRUTH[far, far], atol=5)


def test_what_lies_further_than_the_reach_changes_nothing():
    reach = int(np.ceil(back_projection.reach_metres(PIXEL) / SPACING))
    wrong = TRUTH + 300
    other = wrong.copy()
    other[:100] += RNG.normal(0, 500, (100, SIZE, 2))
    one, two = (agree(image, blur(TRUTH)) for image in (wrong, other))
    np.testing.assert_allclose(one[100 + reach :], two[100 + reach :], atol=1e-2)
    assert np.abs(one[100:120] - two[100:120]).max() > 1


@pytest.mark.parametrize("sigma", [BLUR_METRES, 9.0])
def test_blur_beyond_the_edge_changes_nothing(sigma):
    """A part of the truth agrees with Sentinel-2, also at its edge."""
    seen = (ROWS >= 100) & (ROWS < 300)
    places, measured = (ROWS[seen] - 100, COLS, SPACING, PIXEL), blur(TRUTH, sigma)
    part = TRUTH[100:300], measured[seen]
    answer = back_projection.back_project(*part, *places, sigma)
    np.testing.assert_allclose(answer, TRUTH[100:300], atol=0.05)


def test_beyond_sentinel2_the_image_stays():
    empty = np.zeros((0, 0, 2)), np.zeros(0), np.zeros(0)
    answer = back_projection.back_project(TRUTH, *empty, SPACING, PIXEL)
    np.testing.assert_allclose(answer, TRUTH, rtol=1e-6)
