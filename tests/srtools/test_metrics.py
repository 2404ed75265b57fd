"""Formulas against numbers worked out by hand."""

import numpy as np

from srtools import metrics


def test_small_angles_keep_their_digits_in_float32():
    one = np.float32([[0.3, 0.3, 0.3, 0.3]])
    turned = one * np.float32([1, 1, 1, 1.0001])
    tiny = metrics.spectral_angle(one.astype(float), turned.astype(float)).numpy()
    np.testing.assert_allclose(metrics.spectral_angle(one, turned), tiny, rtol=0.01)
    np.testing.assert_allclose(metrics.spectral_angle(2 * one, one), 0)
