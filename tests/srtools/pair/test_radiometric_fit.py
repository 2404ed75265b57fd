"""Lines through samples of which some have changed; harmonizing, and its limits."""

import warnings

import numpy as np
import pytest

from srtools.errors import SRError
from srtools.pair.radiometric_fit import LinearFit, fit_line, harmonize
from tests.ground import inverse


def test_harmonize_keeps_data_data(write_raster):
    """(100 - 250) / 0.8 is below 0: it becomes 1, not no data."""
    image = write_raster("dark.tif", np.array([[[0], [100], [650]]], np.uint16))
    pixels = harmonize(image, [LinearFit(0.8, 250.0, 1.0)]).to_numpy()
    assert pixels.ravel() == pytest.approx([0, 1, 500])


@pytest.mark.parametrize(
    ("fit", "words"),
    [
        (None, "no relation"),
        (LinearFit(-0.3, 9.0, 0.9), r"a gain of -0.300 \(R2 0.90\)"),
        (LinearFit(0.127, 9.0, 0.01), r"a gain of 0.127 \(R2 0.01\)"),
    ],
)
def test_harmonize_refuses(fit, words, write_raster):
    image = write_raster("x.tif", np.ones((2, 2, 2), np.uint16))
    with pytest.raises(SRError, match=f"{words} was found .* in B03"):
        harmonize(image, [LinearFit(1.0, 0.0, 1.0), fit])


def scatter(errors: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Make samples of y = 1.2 x + 50, with errors in both, as alike as they can be."""
    random = np.random.default_rng(seed)
    truth = random.gamma(4, 250, 5000)
    x = truth + random.normal(0, errors, 5000)
    return x, 1.2 * truth + 50 + random.normal(0, 1.2 * errors, 5000)


def test_fit_is_symmetric():
    """x and y may change places, and errors in x do not flatten the slope.

    Least squares would lose 1 / (1 + 120^2 / 500^2), 5 %, each way.
    """
    x, y = scatter(120, seed=0)
    fit, back = fit_line(x, y), fit_line(y, x)
    assert fit.gain == pytest.approx(1.2, rel=0.01)
    assert back[:2] == pytest.approx(inverse(fit)[:2], rel=0.01)
    assert 0.85 < fit.r2 < 0.95


@pytest.mark.parametrize(("errors", "precision"), [(15, 0.002), (120, 0.05)])
def test_fit_where_a_third_is_anywhere(errors, precision):
    x, y = scatter(errors, seed=4)
    y[:1600] = np.random.default_rng(0).uniform(0, 4000, 1600)
    assert fit_line(x, y).gain == pytest.approx(1.2, rel=precision)


@pytest.mark.parametrize("seed", [0, 5])
def test_fit_where_most_is_water(seed):
    """Its small errors must not become the measure for those of the land."""
    x, y = scatter(80, seed)
    random = np.random.default_rng(seed)
    x[:3500] = 350 + random.normal(0, 4, 3500)
    y[:3500] = 1.2 * 350 + 60 + random.normal(0, 4, 3500)
    assert fit_line(x, y).gain == pytest.approx(1.2, rel=0.02)


@pytest.mark.parametrize(
    ("sea", "land", "seed"), [(80000, 1, 5), (2000, 11, 34), (2000, 11, 45)]
)
def test_almost_everything_is_one_value(sea, land, seed):
    """Sea to the horizon: there is no line, and no crash or warning either."""
    x, y = np.full(sea, 500.0), np.full(sea, 600.0)
    x[:land], y[:land] = np.random.default_rng(seed).uniform(3000, 9000, (2, land))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert fit_line(x, y) is None
