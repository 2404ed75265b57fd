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
    predicted = {m: np.asarray(p, np.float32) for m, p in predicted.items()}
    truth = np.asarray(truth, np.float32)
    rows: dict = {method: {area: [] for area in borders} for method in predicted}
    similarity = _ssim_maps(truth, list(predicted.values()))
    for index, one_truth in enumerate(truth):
        # One patch at a time: its maps stay in the cache of the processor.
        colour = _colour(one_truth)
        mean_truth = {area: _mean(one_truth, b) for area, b in borders.items()}
        for (method, images), ssim in zip(predicted.items(), similarity, strict=True):
            error = images[index] - one_truth
            maps = {
                "l1": np.abs(error),
                "l2": np.square(error),
                "ssim": ssim[index],
                "sam": _angle(_colour(images[index]), colour),
            }
            for area, border in borders.items():
                means = {name: _mean(image, border) for name, image in maps.items()}
                rows[method][area].append({**means, "mean": mean_truth[area]})
    return {
        method: {
            area: {name: np.stack([row[name] for row in found]) for name in found[0]}
            for area, found in areas.items()
        }
        for method, areas in rows.items()
    }


def _colour(image: np.ndarray) -> np.ndarray:
    """Scale spectra to the length 1, [..., bands]; those of black pixels are nan."""
    length = np.sqrt(np.einsum("...b,...b->...", image, image))
    length[length == 0] = np.nan
    return image / length[..., None]


def _angle(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Angle between spectra of length 1, degrees: precise in float32 if small, too."""
    chord = one - other
    chord = np.sqrt(np.einsum("...b,...b->...", chord, chord))
    return np.arcsin(np.minimum(chord / 2, 1)) * np.float32(360 / np.pi)


def _mean(image: np.ndarray, border: int) -> np.ndarray:
    """Average [h, w, ...] inside the border; pixels without a value do not count."""
    inner = image[border : len(image) - border]
    if not inner.size:
        return np.full(image.shape[2:], np.nan)
    # Whole rows first: that is how they lie in memory.
    columns = inner.mean(axis=0)[border : image.shape[1] - border]
    mean = columns.mean(axis=0, dtype=np.float64)
    if np.isnan(mean).any():
        known = inner[:, border : image.shape[1] - border]
        mean = np.nanmean(known) if not np.isnan(known).all() else np.float64(0)
    return mean


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
    mean_truth = _window_means(truth)
    found = []
    products, squares = np.empty_like(truth), np.empty_like(truth)
    for images in predicted:
        # Patch by patch, as everything here: see `all_scores`.
        for image, other, *targets in zip(
            images, truth, products, squares, strict=True
        ):
            np.multiply(image, other, out=targets[0])
            np.add(image * image, other * other, out=targets[1])
        means = map(_window_means, (images, products, squares))
        patches = zip(mean_truth, *means, strict=True)
        found.append([_ssim(*patch) for patch in patches])
    return found


def _ssim(
    mean_truth: np.ndarray, mean: np.ndarray, product: np.ndarray, squares: np.ndarray
) -> np.ndarray:
    """Combine the window means of y, x, x y and x^2 + y^2."""
    product_of_means = mean * mean_truth
    squares_of_means = mean * mean + mean_truth * mean_truth
    covariance = product - product_of_means
    variances = squares - squares_of_means
    similarity = (2 * product_of_means + SSIM_C1) / (squares_of_means + SSIM_C1)
    similarity *= (2 * covariance + SSIM_C2) / (variances + SSIM_C2)
    return similarity


def _window_means(image: np.ndarray) -> np.ndarray:
    """Gaussian mean in each window of [n, h, w, bands]."""
    return _convolve(tf.constant(image)).numpy()


@tf.function(autograph=False)
def _convolve(image: Any) -> Any:
    """Weigh along columns, then along rows."""
    offsets = np.arange(SSIM_WINDOW) - SSIM_WINDOW // 2
    weights = np.exp(-np.square(offsets) / (2 * SSIM_SIGMA**2)).astype(np.float32)
    weights = np.repeat((weights / weights.sum())[:, None], image.shape[-1], axis=1)
    for kernel in (weights[:, None], weights[None]):
        kernel = kernel[..., None]  # [rows, columns, channels, 1]
        image = tf.nn.depthwise_conv2d(image, kernel, (1, 1, 1, 1), "VALID")
    return image
