"""Interpolations that a network has to beat: nearest, bilinear, bicubic."""

import numpy as np

from srtools.tf import tf

ZOOMS = ("nearest", "bilinear", "bicubic")


def zoom(lr: np.ndarray, size: tuple[int, int], method: str) -> tf.Tensor:
    """Enlarge [n, h, w, bands] to `size` (height, width) by a method of `ZOOMS`.

    Corners stay in place.  Bicubic is cubic convolution (Keys, 1981, a = -0.5).
    """
    return tf.image.resize(lr, size, method)


def bicubic(lr: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Enlarge [n, h, w, bands] to `size` by cubic convolution."""
    return zoom(lr, size, "bicubic").numpy()
