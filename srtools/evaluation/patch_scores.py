"""Scores of single patches, computed by TensorFlow on the device of the network.

Images are [n, h, w, bands], reflectance 0-1; each score is a mean over the pixels of a
patch, so that a mean over patches is a mean over all pixels.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from srtools.metrics import REFLECTANCE_RANGE
from srtools.tf import tf

Errors = Callable[[tf.Tensor, tf.Tensor], dict[str, tf.Tensor]]
"""Function of prediction and truth, [n, h, w, bands], that returns mean errors over the
pixels, [n, bands], by name."""

SSIM_WINDOW, SSIM_SIGMA = 11, 1.5  # pixels
SSIM_C1, SSIM_C2 = (0.01 * REFLECTANCE_RANGE) ** 2, (0.03 * REFLECTANCE_RANGE) ** 2


def all_scores(
    predicted: dict[str, Any], truth: Any, borders: dict[str, int], errors: Errors
) -> dict[str, dict[str, dict[str, np.ndarray]]]:
    """Score several methods in several areas of patches at once.

    Arguments:
        predicted: by method, [n, h, w, bands] reflectance, array or tensor.
        truth: [n, h, w, bands] reflectance.
        borders: by area, pixels that are cut off on each side.
        errors: mean errors.

    Returns:
        By method and area, float32, nan where the border leaves nothing:

        each of `errors`: [n, bands].
        ssim: [n, bands] structural similarity; nan for patches below 11 pixels.
        sam: [n, 1] mean spectral angle, degrees; black pixels do not count.
        mean: [n, bands] mean of the truth.
    """
    score = _scorer(tuple(truth.shape[1:]), tuple(borders.items()), errors)
    truth = tf.cast(truth, tf.float32)
    scores = {m: score(tf.cast(x, tf.float32), truth) for m, x in predicted.items()}
    return tf.nest.map_structure(lambda values: values.numpy(), scores)


@lru_cache(maxsize=16)
def _scorer(
    shape: tuple[int, ...], borders: tuple[tuple[str, int], ...], errors: Errors
) -> Callable:
    """Trace the graph for images of one shape, which takes longer than a call of it."""

    def score(image: tf.Tensor, truth: tf.Tensor) -> dict[str, dict[str, tf.Tensor]]:
        similarity, angle = _similarity(image, truth), _angle(image, truth)
        scores = {}
        for area, border in borders:
            inside = np.s_[:, border : -border or None, border : -border or None]
            scores[area] = {
                **errors(image[inside], truth[inside]),
                "ssim": _mean(similarity[inside]),
                "sam": _mean_angle(angle[inside]),
                "mean": _mean(truth[inside]),
            }
        return scores

    return tf.function(score, [tf.TensorSpec([None, *shape])] * 2, autograph=False)


def _mean(image: tf.Tensor) -> tf.Tensor:
    """Average over pixels, [n, h, w, bands] to [n, bands]."""
    return tf.reduce_mean(image, axis=(1, 2))


def _mean_angle(angle: tf.Tensor) -> tf.Tensor:
    """Average the angles of pixels, [n, h, w, 1] to [n, 1], those of black left out."""
    black = tf.math.is_nan(angle)
    seen = _mean(tf.cast(~black, tf.float32))
    # Where all is black no angle is wrong.
    return tf.math.divide_no_nan(_mean(tf.where(black, 0.0, angle)), seen)


def _angle(one: tf.Tensor, other: tf.Tensor) -> tf.Tensor:
    """Return the angle between spectra, degrees, [n, h, w, 1]; of black pixels nan.

    The angle comes from the distance of the spectra, scaled to the length 1, which is
    precise in float32 for small angles.
    """
    one, other = (x / tf.norm(x, axis=-1, keepdims=True) for x in (one, other))
    half = tf.norm(one - other, axis=-1, keepdims=True) / 2
    return tf.asin(tf.minimum(half, 1)) * (360 / np.pi)


def _similarity(image: tf.Tensor, truth: tf.Tensor) -> tf.Tensor:
    """Compute the SSIM of each window, [n, h - 10, w - 10, bands].

    As `tf.image.ssim` does, which takes six times as long: its Gaussian does not
    separate into rows and columns.

    Source: Wang et al., "Image quality assessment: from error visibility to structural
    similarity", IEEE Transactions on Image Processing 13, 2004: windows of 11 x 11
    pixels, Gaussian of sigma 1.5, K1 = 0.01, K2 = 0.03.
    """
    if min(truth.shape[1:3]) < SSIM_WINDOW:
        return image[:, :0, :0]
    mean, mean_truth = _window_means(image), _window_means(truth)
    # With x^2 + y^2 = 2 x y + (x - y)^2, for the means and for the variances.
    apart = tf.math.squared_difference(mean, mean_truth)
    products = 2 * mean * mean_truth
    covariances = 2 * _window_means(image * truth) - products + SSIM_C2
    squared = _window_means(tf.math.squared_difference(image, truth))
    light, variances = products + SSIM_C1, covariances + squared - apart
    return light * covariances / ((light + apart) * variances)


def _window_means(image: tf.Tensor) -> tf.Tensor:
    """Gaussian mean in each window of [n, h, w, bands]: along columns, then rows."""
    offsets = np.arange(SSIM_WINDOW) - SSIM_WINDOW // 2
    weights = np.exp(-np.square(offsets) / (2 * SSIM_SIGMA**2)).astype(np.float32)
    weights /= weights.sum()
    height, width, bands = image.shape[1:]
    # A line of pixels is one pixel with many channels: that is faster.
    lines = tf.reshape(image, [-1, height, 1, width * bands])
    kernel = np.repeat(weights[:, None], width * bands, axis=1)[:, None, :, None]
    lines = tf.nn.depthwise_conv2d(lines, kernel, [1, 1, 1, 1], "VALID")
    image = tf.reshape(lines, [-1, height - SSIM_WINDOW + 1, width, bands])
    kernel = np.repeat(weights[:, None], bands, axis=1)[None, :, :, None]
    return tf.nn.depthwise_conv2d(image, kernel, [1, 1, 1, 1], "VALID")
