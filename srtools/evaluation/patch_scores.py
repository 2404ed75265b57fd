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

Errors = dict[str, Callable[[tf.Tensor, tf.Tensor], tf.Tensor]]
"""By name, a function of prediction and truth that gives the error of each pixel and
band, [n, h, w, bands]."""

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
        errors: by name, the errors of pixels whose means are scores.

    Returns:
        By method and area, float32, nan where the border leaves nothing:

        each of `errors`: [n, bands] mean over pixels.
        ssim: [n, bands] structural similarity; nan for patches below 11 pixels.
        sam: [n] mean spectral angle, degrees; black pixels do not count.
        mean: [n, bands] mean of the truth.
    """
    shape = tuple(truth.shape[1:])
    score = _scorer(
        tuple(predicted), shape, tuple(borders.values()), tuple(errors.items())
    )
    images = {"truth": truth, **predicted}
    found = score({name: tf.cast(image, tf.float32) for name, image in images.items()})
    return {
        method: {
            area: {name: values[:, number].numpy() for name, values in scores.items()}
            for number, area in enumerate(borders)
        }
        for method, scores in found.items()
    }


@lru_cache(maxsize=16)
def _scorer(
    methods: tuple[str, ...],
    shape: tuple[int, ...],
    borders: tuple[int, ...],
    errors: tuple[tuple[str, Callable], ...],
) -> Callable:
    """Trace the graph for images of one shape, which takes longer than a call of it."""

    def score(images: dict[str, tf.Tensor]) -> dict[str, dict[str, tf.Tensor]]:
        truth = images["truth"]
        truth_means = _means(truth, borders)
        truth_spectra = _spectra(truth)
        similarity = _similarity_to(truth)
        found = {}
        for method in methods:
            image = images[method]
            maps = {name: error(image, truth) for name, error in errors}
            found[method] = {
                **{name: _means(pixels, borders) for name, pixels in maps.items()},
                "ssim": _means(similarity(image), borders),
                "sam": _mean_angle(_spectra(image), truth_spectra, borders),
                "mean": truth_means,
            }
        return found

    images = {name: tf.TensorSpec([None, *shape]) for name in ("truth", *methods)}
    return tf.function(score, [images], autograph=False)


def _means(image: tf.Tensor, borders: tuple[int, ...]) -> tf.Tensor:
    """Average [n, h, w, c] inside each border; [n, borders, c]."""
    height, width, channels = image.shape[1:]
    if not height or not width:
        return tf.fill([tf.shape(image)[0], len(borders), channels], np.nan)
    # As a product of matrices: the pixels are read once for all borders.
    lines = tf.reshape(image, [-1, height, width * channels])
    lines = tf.matmul(_inside(height, borders)[None], lines)
    lines = tf.reshape(lines, [-1, len(borders), width, channels])
    return tf.einsum("bw,nbwc->nbc", _inside(width, borders), lines)


def _inside(size: int, borders: tuple[int, ...]) -> np.ndarray:
    """Give the weight of each of `size` lines in the mean inside each border."""
    places = np.arange(size)
    inside = np.array([(places >= b) & (places < size - b) for b in borders])
    weights = inside / np.maximum(inside.sum(axis=1, keepdims=True), 1)
    weights[~inside.any(axis=1)] = np.nan
    return weights.astype(np.float32)


def _spectra(image: tf.Tensor) -> tf.Tensor:
    """Scale the spectra of [n, h, w, bands] to the length 1; those of black are nan.

    Returns:
        [bands, n, h, w]: sums over bands are fastest that way.
    """
    planes = tf.transpose(image, [3, 0, 1, 2])
    return planes / tf.math.reduce_euclidean_norm(planes, axis=0)


def _mean_angle(
    one: tf.Tensor, other: tf.Tensor, borders: tuple[int, ...]
) -> tf.Tensor:
    """Average the angle between two `_spectra`, degrees, [n, borders].

    The angle comes from their distance, which is precise in float32 for small angles.
    """
    half = tf.math.reduce_euclidean_norm(one - other, axis=0) / 2
    angle = tf.asin(tf.minimum(half, 1))[..., None] * (360 / np.pi)
    unknown = tf.math.is_nan(angle)
    known = _means(tf.cast(~unknown, tf.float32), borders)
    sums = _means(tf.where(unknown, 0.0, angle), borders)
    # Where all is black no angle is wrong.
    return tf.math.divide_no_nan(sums, known)[..., 0]


def _similarity_to(truth: tf.Tensor) -> Callable[[tf.Tensor], tf.Tensor]:
    """Give the function that computes the SSIM to `truth` of each window in an image.

    Source: Wang et al., "Image quality assessment: from error visibility to structural
    similarity", IEEE Transactions on Image Processing 13, 2004: windows of 11 x 11
    pixels, Gaussian of sigma 1.5, K1 = 0.01, K2 = 0.03.

    Returns:
        A function of an image [n, h, w, bands] that gives [n, h - 10, w - 10, bands].
    """
    if min(truth.shape[1:3]) < SSIM_WINDOW:
        return lambda image: image[:, :0, :0]
    mean_truth = _window_means(truth)

    def similarity(image: tf.Tensor) -> tf.Tensor:
        # With x^2 + y^2 = 2 x y + (x - y)^2, for the means and for the variances.
        squared = tf.math.squared_difference(image, truth)
        mean = _window_means(image)
        apart = tf.math.squared_difference(mean, mean_truth)
        products = 2 * (mean * mean_truth)
        covariances = _window_means(2 * (image * truth)) - products + SSIM_C2
        variances = covariances + (_window_means(squared) - apart)
        light = products + SSIM_C1
        return light * covariances / ((light + apart) * variances)

    return similarity


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
