"""Scores of images against the truth, patch by patch.

Images are [n, h, w, bands] float32, reflectance 0-1; each score is a mean over the
pixels of a patch, so that a mean over patches is a mean over all pixels.
"""

from typing import Any

import numpy as np

from srtools.quiet import silent_stderr

with silent_stderr():
    import tensorflow as tf

REFLECTANCE_RANGE = 1.0
"""The R of PSNR and SSIM: reflectance runs from 0 to 1."""

SSIM_WINDOW, SSIM_SIGMA = 11, 1.5  # pixels
SSIM_C1, SSIM_C2 = (0.01 * REFLECTANCE_RANGE) ** 2, (0.03 * REFLECTANCE_RANGE) ** 2


def psnr(l2: Any) -> Any:
    """Peak signal-to-noise ratio, dB: 10 log10(R^2 / MSE), R = 1.

    >>> round(float(psnr(0.01)), 6)
    20.0
    """
    return 10 * np.log10(REFLECTANCE_RANGE**2 / np.maximum(l2, 1e-20))


def ergas(l2: np.ndarray, mean: np.ndarray, ratio: float) -> float:
    """Relative global error, in percent of the mean; 0 is perfect.

    ERGAS = 100 h/l sqrt(mean over bands of (RMSE / mean)^2).

    >>> ergas(np.array([0.0001, 0.0004]), np.array([0.1, 0.2]), ratio=1 / 4)
    2.5

    Arguments:
        l2: [bands] mean squared error.
        mean: [bands] mean of the truth, in the unit whose square l2 has.
        ratio: h/l, pixel size of the result by that of the input.

    Source: Wald, "Quality of high resolution synthesised images: is there a simple
    criterion?", 2000.
    """
    return float(100 * ratio * np.sqrt(np.mean(l2 / np.square(mean))))


def spectral_angle(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Angle between the spectra of two images, in degrees, [..., bands] to [...].

    It does not depend on how bright either is.  Black pixels have no angle: nan.

    Source: Kruse et al., "The spectral image processing system", 1993 (SAM).
    """
    one, other = one.astype(np.float64), other.astype(np.float64)
    product = (one * other).sum(axis=-1)
    lengths = np.linalg.norm(one, axis=-1) * np.linalg.norm(other, axis=-1)
    cosine = np.divide(
        product, lengths, out=np.full_like(product, np.nan), where=lengths > 0
    )
    return np.degrees(np.arccos(np.clip(cosine, -1, 1)))


def patch_scores(
    predicted: np.ndarray, truth: np.ndarray, border: int = 0
) -> dict[str, np.ndarray]:
    """Score patches, after cutting off `border` pixels on each side.

    Returns:
        l1, l2: [n, bands] mean absolute and mean squared error, reflectance.
        ssim: [n, bands] structural similarity; nan for patches below 11 pixels.
        sam: [n] mean spectral angle, degrees; black pixels do not count.
        mean: [n, bands] mean of the truth.
    """
    return areas_scores(predicted, truth, {"area": border})["area"]


def areas_scores(
    predicted: np.ndarray, truth: np.ndarray, borders: dict[str, int]
) -> dict[str, dict[str, np.ndarray]]:
    """Give the `patch_scores` of several areas, named with their borders, at once."""
    scores = _areas_scores(
        tf.convert_to_tensor(predicted, tf.float32),
        tf.convert_to_tensor(truth, tf.float32),
        tuple(borders.values()),
    )
    return {
        area: {name: value.numpy() for name, value in found.items()}
        for area, found in zip(borders, scores, strict=True)
    }


@tf.function(autograph=False)
def _areas_scores(predicted: Any, truth: Any, borders: tuple[int, ...]) -> list[dict]:
    error = predicted - truth
    maps = {"l1": tf.abs(error), "l2": tf.square(error), "mean": truth}
    # In float32 the cosine of a small angle is 1; the sine of its half is not.
    one, other = (tf.math.l2_normalize(image, -1) for image in (predicted, truth))
    angle = 2 * tf.asin(tf.minimum(tf.norm(one - other, axis=-1) / 2, 1))
    black = tf.reduce_all(predicted == 0, -1) | tf.reduce_all(truth == 0, -1)
    angle = tf.where(black, 0.0, angle * (180 / np.pi))
    similarity = _ssim_map(predicted, truth)
    scores = []
    for border in borders:
        inner = slice(border, -border or None)
        found = {n: tf.reduce_mean(m[:, inner, inner], (1, 2)) for n, m in maps.items()}
        seen = tf.cast(~black[:, inner, inner], tf.float32)
        found["sam"] = tf.math.divide_no_nan(
            tf.reduce_sum(angle[:, inner, inner], (1, 2)), tf.reduce_sum(seen, (1, 2))
        )
        found["ssim"] = tf.reduce_mean(similarity[..., inner, inner], (2, 3))
        scores.append(found)
    return scores


def _ssim_map(one: Any, other: Any) -> Any:
    """Structural similarity in all windows that lie in the image: [n, bands, h', w'].

    Source: Wang et al., "Image quality assessment: from error visibility to structural
    similarity", IEEE Transactions on Image Processing 13, 2004: windows of 11 x 11
    pixels, Gaussian of sigma 1.5, K1 = 0.01, K2 = 0.03.
    """
    one, other = (tf.transpose(image, (0, 3, 1, 2)) for image in (one, other))
    mean_one, mean_other = _window_means(one), _window_means(other)
    products, squares = mean_one * mean_other, mean_one**2 + mean_other**2
    covariance = _window_means(one * other) - products
    variances = _window_means(one * one + other * other) - squares
    luminance = (2 * products + SSIM_C1) / (squares + SSIM_C1)
    return luminance * (2 * covariance + SSIM_C2) / (variances + SSIM_C2)


def _window_means(image: Any) -> Any:
    """Gaussian mean in each window: one matrix for the rows, one for the columns."""
    rows, cols = (_window_matrix(size) for size in image.shape[-2:])
    return tf.matmul(tf.matmul(rows, image), cols, transpose_b=True)


def _window_matrix(size: int) -> np.ndarray:
    """Give the weights of `size` pixels in each window, [size - 10, size]."""
    offsets = np.arange(SSIM_WINDOW) - SSIM_WINDOW // 2
    weights = np.exp(-np.square(offsets) / (2 * SSIM_SIGMA**2))
    matrix = np.zeros((max(size - SSIM_WINDOW + 1, 0), size), np.float32)
    for first, row in enumerate(matrix):
        row[first : first + SSIM_WINDOW] = weights / weights.sum()
    return matrix
