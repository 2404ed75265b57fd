"""Agreement with Sentinel-2: a known operator, known errors."""

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


def seen(image):
    """What Sentinel-2 sees, [60, 60, bands]."""
    down, right = (blur_weights(places, SIZE, SPACING) for places in (ROWS, COLS))
    return np.einsum("nh,hwb,mw->nmb", down, image, right)


def agree(image, measured):
    return back_projection.agree(image, measured, ROWS, COLS, SPACING, PIXEL)


def test_the_operator_is_the_gaussian_of_scipy():
    blurred = gaussian_filter(TRUTH, (BLUR_METRES / SPACING,) * 2 + (0,), truncate=3.2)
    whole = np.arange(20, 380, 20)
    found = blur_weights(whole.astype(float), SIZE, SPACING)
    found = np.einsum("nh,hwb,mw->nmb", found, TRUTH, found)
    np.testing.assert_allclose(found, blurred[whole][:, whole], atol=5)


def test_an_image_that_agrees_is_left_alone():
    np.testing.assert_allclose(agree(TRUTH, seen(TRUTH)), TRUTH, atol=0.05)


def test_a_wrong_brightness_is_put_right():
    answer = agree(TRUTH + 300, seen(TRUTH))[INNER, INNER]
    np.testing.assert_allclose(answer, TRUTH[INNER, INNER], atol=5)


def test_detail_that_sentinel2_cannot_see_stays():
    """Waves of 4.5 m, which its blur removes."""
    rows, cols = np.mgrid[:SIZE, :SIZE]
    fine = 500 * np.cos(2 * np.pi * rows / 3)[..., None]
    answer = agree(TRUTH + fine + 100, seen(TRUTH))[INNER, INNER]
    np.testing.assert_allclose(answer, (TRUTH + fine)[INNER, INNER], atol=5)


def test_errors_as_wide_as_a_pixel_become_small():
    wrong = TRUTH + 3000 * gaussian_filter(RNG.normal(0, 1, TRUTH.shape), (6, 6, 0))
    before, after = (
        np.abs(seen(image) - seen(TRUTH))[8:-8, 8:-8].mean()
        for image in (wrong, agree(wrong, seen(TRUTH)))
    )
    assert before > 50 and after < before / 10
    # And the image is nearer to the truth, not only to Sentinel-2.
    errors = [
        np.abs(i - TRUTH)[INNER, INNER].mean()
        for i in (wrong, agree(wrong, seen(TRUTH)))
    ]
    assert errors[1] < errors[0] / 2


@pytest.mark.parametrize("where", ["image", "sentinel2"])
def test_no_data_stays_and_spoils_nothing(where):
    """A hole, in either, changes only what is nearer than the correction reaches."""
    image, measured = TRUTH + 300, seen(TRUTH)
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
    one, two = (agree(image, seen(TRUTH)) for image in (wrong, other))
    np.testing.assert_allclose(one[100 + reach :], two[100 + reach :], atol=1e-2)
    assert np.abs(one[100:120] - two[100:120]).max() > 1


def test_beyond_sentinel2_the_image_stays():
    empty = np.zeros((0, 0, 2))
    nowhere = np.zeros(0)
    answer = back_projection.agree(TRUTH, empty, nowhere, nowhere, SPACING, PIXEL)
    np.testing.assert_allclose(answer, TRUTH, rtol=1e-6)
