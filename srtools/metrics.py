"""Formulas of the scores.  Images are [..., bands] reflectance, 0-1."""

from typing import Any

import numpy as np

from srtools.conventions import FACTOR
from srtools.tf import tf

SSIM_WINDOW, SSIM_SIGMA = 11, 1.5  # pixels
SSIM_C1, SSIM_C2 = 0.01**2, 0.03**2


def psnr(l2: Any) -> Any:
    """Peak signal-to-noise ratio, dB, of mean squared errors: 10 log10(1 / `l2`).

    >>> round(float(psnr(0.01)), 6)
    20.0
    """
    return 10 * np.log10(1 / np.maximum(l2, 1e-20))


def ergas(l2: np.ndarray, mean: np.ndarray) -> float:
    """Relative global error (ERGAS), percent of the mean; 0 is perfect.

    ERGAS = 100 h/l sqrt(mean of l2 / mean^2), from mean squared error and mean of the
    truth, both [bands]; h/l, the ratio of the pixel sizes of result and input, is 1/4.

    >>> ergas(np.array([0.0001, 0.0004]), np.array([0.1, 0.2]))
    2.5

    Source: Wald, "Quality of high resolution synthesised images: is there a simple
    criterion?", 2000.
    """
    return float(100 / FACTOR * np.sqrt(np.mean(l2 / np.square(mean))))


def spectral_angle(one: Any, other: Any) -> tf.Tensor:
    """Spectral angle between two images (SAM), degrees, [..., bands] to [..., 1].

    The angle does not depend on brightness; it is nan for black pixels.  It is computed
    from the chord between the normalised spectra, which is precise for small angles.

    Source: Kruse et al., "The spectral image processing system", 1993 (SAM).
    """
    one, other = (x / tf.norm(x, axis=-1, keepdims=True) for x in (one, other))
    half_chord = tf.norm(one - other, axis=-1, keepdims=True) / 2
    return tf.asin(tf.minimum(half_chord, 1)) * (360 / np.pi)


def ssim(image: tf.Tensor, truth: tf.Tensor) -> tf.Tensor:
    """Structural similarity of each window, [n, h, w, b] to [n, h - 10, w - 10, b].

    It equals `tf.image.ssim`, in a sixth of the time: the Gaussian is separated.

    Source: Wang et al., "Image quality assessment: from error visibility to structural
    similarity", IEEE Transactions on Image Processing 13, 2004: windows of 11 x 11
    pixels, Gaussian of sigma 1.5, K1 = 0.01, K2 = 0.03.
    """
    mean, mean_truth = _window_means(image), _window_means(truth)
    # x^2 + y^2 = 2 x y + (x - y)^2 holds for the means and for the variances.
    mean_difference = tf.math.squared_difference(mean, mean_truth)
    products = 2 * mean * mean_truth
    covariances = 2 * _window_means(image * truth) - products + SSIM_C2
    squared = _window_means(tf.math.squared_difference(image, truth))
    luminance, variances = products + SSIM_C1, covariances + squared - mean_difference
    return luminance * covariances / ((luminance + mean_difference) * variances)


def _window_means(image: tf.Tensor) -> tf.Tensor:
    """Gaussian mean in each window, [n, h, w, bands] to [n, h - 10, w - 10, bands]."""
    offsets = np.arange(SSIM_WINDOW) - SSIM_WINDOW // 2
    weights = np.exp(-np.square(offsets) / (2 * SSIM_SIGMA**2)).astype(np.float32)
    weights /= weights.sum()
    height, width, bands = image.shape[1:]
    # First along columns.  A line as one pixel with many channels is convolved faster.
    lines = tf.reshape(image, [-1, height, 1, width * bands])
    kernel = np.repeat(weights[:, None], width * bands, axis=1)[:, None, :, None]
    lines = tf.nn.depthwise_conv2d(lines, kernel, [1, 1, 1, 1], "VALID")
    image = tf.reshape(lines, [-1, height - SSIM_WINDOW + 1, width, bands])
    kernel = np.repeat(weights[:, None], bands, axis=1)[None, :, :, None]
    return tf.nn.depthwise_conv2d(image, kernel, [1, 1, 1, 1], "VALID")
