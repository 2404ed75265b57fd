"""Formulas against numbers worked out by hand."""

import numpy as np
import pytest

from srtools import metrics


def test_spectral_angle_by_hand():
    """(1, 0) and (1, 1) are 45 degrees apart, whatever their lengths."""
    one, other = np.array([1.0, 0.0]), np.array([3.0, 3.0])
    assert float(metrics.spectral_angle(one, other)[0]) == pytest.approx(45)
    assert float(metrics.spectral_angle(other, one)[0]) == pytest.approx(45)
    assert np.isnan(metrics.spectral_angle(one, 0 * other)).all()


def test_small_angles_keep_their_digits_in_float32():
    one = np.float32([[0.3, 0.3, 0.3, 0.3]])
    turned = one * np.float32([1, 1, 1, 1.0001])
    tiny = metrics.spectral_angle(one.astype(float), turned.astype(float)).numpy()
    np.testing.assert_allclose(metrics.spectral_angle(one, turned), tiny, rtol=0.01)
    np.testing.assert_allclose(metrics.spectral_angle(2 * one, one), 0)
