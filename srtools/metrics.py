"""Scores of images against the truth, patch by patch.

Images are [n, h, w, bands] float32, reflectance 0-1; each score is a mean over the
pixels of a patch, so that a mean over patches is a mean over all pixels.
"""

from functools import lru_cache
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
    return all_scores({"it": predicted}, truth, {"area": border})["it"]["area"]


def all_scores(
    predicted: dict[str, np.ndarray], truth: np.ndarray, borders: dict[str, int]
) -> dict[str, dict[str, dict[str, np.ndarray]]]:
    """Give the `patch_scores` of several methods in several areas at once.

    Arguments:
        predicted: by method, [n, h, w, bands] reflectance.
        truth: [n, h, w, bands] reflectance.
        borders: by area, pixels that are cut off on each side.

    Returns:
        By method and area, what `patch_scores` gives.
    """
    # Pixel by pixel: as they come out of a file, images may lie band by band.
    predicted = {m: np.ascontiguousarray(p, np.float32) for m, p in predicted.items()}
    truth = np.ascontiguousarray(truth, np.float32)
    rows: dict = {method: {area: [] for area in borders} for method in predicted}
    similarity = _ssim_maps(truth, list(predicted.values()))
    cuts = tuple(borders.values())
    for index, one_truth in enumerate(truth):
        # One patch at a time: its maps stay in the cache of the processor.
        spectra = _spectra(one_truth)
        mean_truth = _means(one_truth, cuts)
        for (method, images), ssim in zip(predicted.items(), similarity, strict=True):
            error = images[index] - one_truth
            means = {
                "l1": _means(np.abs(error), cuts),
                "l2": _means(np.square(error, out=error), cuts),
                "ssim": _means(ssim[index], cuts),
                "sam": _means(_angle(_spectra(images[index]), spectra), cuts),
                "mean": mean_truth,
            }
            for number, area in enumerate(borders):
                found = {name: values[number] for name, values in means.items()}
                rows[method][area].append(found)
    return {
        method: {
            area: {name: np.stack([row[name] for row in found]) for name in found[0]}
            for area, found in areas.items()
        }
        for method, areas in rows.items()
    }


def _spectra(image: np.ndarray) -> np.ndarray:
    """Scale the spectra of [h, w, bands] to the length 1; black pixels become nan.

    Returns:
        [bands, h, w]: sums over bands are fastest that way.
    """
    planes = np.moveaxis(image, -1, 0).copy()
    length = np.sqrt(np.square(planes).sum(axis=0))
    length[length == 0] = np.nan
    planes /= length
    return planes


def _angle(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Angle between spectra of length 1, [bands, h, w], in degrees, [h, w].

    By their distance, which is precise in float32 for small angles, too.
    """
    chord = one - other
    half = np.sqrt(np.square(chord, out=chord).sum(axis=0)) / 2
    return np.arcsin(np.minimum(half, 1)) * np.float32(360 / np.pi)


def _means(image: np.ndarray, borders: tuple[int, ...]) -> np.ndarray:
    """Average [h, w, ...] inside each border; pixels without a value do not count.

    Returns:
        [borders, ...] float64; nan where a border leaves nothing.
    """
    height, width = image.shape[:2]
    if not image.size:
        return np.full((len(borders), *image.shape[2:]), np.nan)
    # As a product of matrices: no other way through the pixels is as fast.
    lines = _inside(height, borders) @ image.reshape(height, -1)
    lines = lines.reshape(len(borders), width, *image.shape[2:])
    means = np.einsum("aw,aw...->a...", _inside(width, borders), lines)
    if np.isnan(means).any():
        for number, border in enumerate(borders):
            part = image[border : height - border, border : width - border]
            known = part[~np.isnan(part)]
            if part.size:  # of black pixels only, the angles have no error
                means[number] = known.mean(dtype=np.float64) if known.size else 0
    return means


@lru_cache
def _inside(size: int, borders: tuple[int, ...]) -> np.ndarray:
    """Give the weight of each of `size` lines in the mean inside each border."""
    places = np.arange(size)
    inside = np.array([(places >= b) & (places < size - b) for b in borders])
    weights = inside / np.maximum(inside.sum(axis=1, keepdims=True), 1)
    weights[~inside.any(axis=1)] = np.nan
    return weights.astype(np.float32)


def _ssim_maps(truth: np.ndarray, predicted: list[np.ndarray]) -> list:
    """Structural similarity of each method in all windows that lie in the image.

    Source: Wang et al., "Image quality assessment: from error visibility to structural
    similarity", IEEE Transactions on Image Processing 13, 2004: windows of 11 x 11
    pixels, Gaussian of sigma 1.5, K1 = 0.01, K2 = 0.03.

    Returns:
        For each method and patch [h - 10, w - 10, bands] float32.
    """
    if min(truth.shape[1:3]) < SSIM_WINDOW:
        shape = len(truth), 0, 0, truth.shape[-1]
        return [np.zeros(shape, np.float32) for _ in predicted]
    of_truth = _window_means(truth)
    of_truth = list(zip(of_truth, np.square(of_truth), strict=True))
    truth_squares = np.square(truth)
    found = []
    products, squares = np.empty_like(truth), np.empty_like(truth)
    for images in predicted:
        # Patch by patch, as everything here: see `all_scores`.
        for index, image in enumerate(images):
            np.multiply(image, truth[index], out=products[index])
            np.multiply(image, image, out=squares[index])
            squares[index] += truth_squares[index]
        means = map(_window_means, (images, products, squares))
        patches = zip(of_truth, *means, strict=True)
        found.append([_ssim(*known, *patch) for known, *patch in patches])
    return found


def _ssim(
    mean_truth: np.ndarray,
    square_truth: np.ndarray,
    mean: np.ndarray,
    product: np.ndarray,
    squares: np.ndarray,
) -> np.ndarray:
    """Combine the window means of y (and its square), x, x y and x^2 + y^2."""
    products = mean * mean_truth
    squares_of_means = mean * mean
    squares_of_means += square_truth
    similarity = product - products  # the covariance
    similarity *= 2
    similarity += SSIM_C2
    products *= 2
    products += SSIM_C1
    similarity *= products
    variances = squares - squares_of_means
    variances += SSIM_C2
    squares_of_means += SSIM_C1
    variances *= squares_of_means
    similarity /= variances
    return similarity


def _window_means(image: np.ndarray) -> np.ndarray:
    """Gaussian mean in each window of [n, h, w, bands]."""
    return _convolve(tf.constant(image)).numpy()


@tf.function(autograph=False)
def _convolve(image: Any) -> Any:
    """Weigh along columns, then along rows."""
    offsets = np.arange(SSIM_WINDOW) - SSIM_WINDOW // 2
    weights = np.exp(-np.square(offsets) / (2 * SSIM_SIGMA**2)).astype(np.float32)
    weights /= weights.sum()
    height, width, bands = image.shape[1:]
    # A line of pixels is one pixel with many channels: that is faster.
    lines = tf.reshape(image, (-1, height, 1, width * bands))
    kernel = np.repeat(weights[:, None], width * bands, axis=1)[:, None, :, None]
    lines = tf.nn.depthwise_conv2d(lines, kernel, (1, 1, 1, 1), "VALID")
    image = tf.reshape(lines, (-1, height - SSIM_WINDOW + 1, width, bands))
    kernel = np.repeat(weights[:, None], bands, axis=1)[None, :, :, None]
    return tf.nn.depthwise_conv2d(image, kernel, (1, 1, 1, 1), "VALID")
