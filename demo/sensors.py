"""The images that Spot-7 and Sentinel-2 take of the landscape."""

import numpy as np
from scipy import ndimage

from demo.pair_faults import LEVELS, Bands, Faults
from demo.render import PIXEL
from srtools.conventions import FACTOR, OFFSET_DN
from srtools.matching.point_spread import blur_metres

PAN_WEIGHTS = np.array([0.35, 0.40, 0.25, 0.0])  # red, green, blue, near infrared
SPOT_NOISE = 6.0  # DN, standard deviation

# Classes of the scene classification (SCL).
NO_DATA, SHADOW, VEGETATION, SOIL, WATER = 0, 3, 4, 5, 6
CLOUD_MEDIUM, CLOUD_HIGH, CIRRUS = 8, 9, 10


def spot(
    truth: np.ndarray, random: np.random.Generator, wedge: int
) -> tuple[np.ndarray, np.ndarray]:
    """Make PAN and XS of the truth [h, w, 4] in reflectance x 10000.

    Arguments:
        wedge: PAN pixels along each side of the north-west corner that have no data
            (0), as at the rim of a real scene.

    Returns:
        PAN [h, w] and XS [h / 4, w / 4, 4], uint16.
    """
    height, width, bands = truth.shape
    pan = truth @ PAN_WEIGHTS
    blocks = truth.reshape(height // FACTOR, FACTOR, width // FACTOR, FACTOR, bands)
    xs = blocks.mean(axis=(1, 3))
    noisy = [image + random.normal(0, SPOT_NOISE, image.shape) for image in (pan, xs)]
    pan, xs = (np.clip(np.rint(image), 1, 65535).astype(np.uint16) for image in noisy)
    for image, size in ((pan, wedge), (xs, wedge / FACTOR)):
        rows, cols = np.ogrid[: image.shape[0], : image.shape[1]]
        image[rows + cols < size] = 0
    return pan, xs


def optics(
    truth: np.ndarray,
    x: np.ndarray,
    y: np.ndarray,
    faults: Faults = LEVELS["good"],
    shifts: np.ndarray | float = 0.0,
) -> np.ndarray:
    """Blur and sample the truth [h, w, bands] as Sentinel-2's optics do.

    Arguments:
        x, y: centres of the columns and rows of pixels, in metres right of and below
            the truth's corner.
        faults: modulation and shift of each band.
        shifts: local shifts, [2, len(y), len(x)] metres down and to the right.

    Returns:
        [len(y), len(x), bands] float32.
    """
    seen = np.empty((len(y), len(x), truth.shape[2]), np.float32)
    for band, (modulation, east) in enumerate(
        zip(faults.modulation, faults.east, strict=True)
    ):
        sigma = round(blur_metres(modulation) / PIXEL, 3)  # 3.386 for 0.28
        blurred = ndimage.gaussian_filter(truth[:, :, band].astype(np.float32), sigma)
        places = np.stack(np.meshgrid(y, x - east, indexing="ij")) - shifts
        # Blurred as it is, the image is smooth: interpolation adds no error.
        ndimage.map_coordinates(
            blurred,
            places / PIXEL - 0.5,
            output=seen[:, :, band],
            order=3,
            mode="nearest",
        )
    return seen


def digital_numbers(
    reflectance: np.ndarray,
    random: np.random.Generator,
    gain: float,
    bias: float,
    noise: Bands,
) -> np.ndarray:
    """Turn reflectance x 10000 into DN: gain, bias, noise by band, and ESA's offset."""
    values = gain * reflectance + bias + OFFSET_DN
    values = values + random.normal(0, noise, reflectance.shape)
    return np.clip(np.rint(values), 1, 65535).astype(np.uint16)


def classify(reflectance: np.ndarray) -> np.ndarray:
    """Classify [h, w, 4] into vegetation, soil and water, uint8."""
    red, near_infrared = reflectance[..., 0], reflectance[..., 3]
    ndvi = (near_infrared - red) / np.maximum(near_infrared + red, 1)
    classes = np.where(ndvi > 0.4, VEGETATION, SOIL)
    return np.where(near_infrared < 700, WATER, classes).astype(np.uint8)


def clouds(
    shape: tuple[int, int], share: float, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Make clouds and their shadows over `share` of an image of 10 m pixels.

    They gather over the middle, where the Spot image lies, whatever the chance.

    Returns:
        Opacity of the clouds and darkness of the shadows, [h, w] float, 0-1.
    """
    noise = sum(
        weight * _smooth(shape, sigma, random)
        for sigma, weight in ((28, 1.0), (11, 0.45), (4, 0.2), (1.5, 0.08))
    )
    rows, cols = np.ogrid[-1 : 1 : shape[0] * 1j, -1 : 1 : shape[1] * 1j]
    noise += 2.5 * noise.std() * np.exp(-(rows**2 + cols**2) / (2 * 0.4**2))
    edge = np.quantile(noise, 1 - share)
    opacity = np.clip((noise - edge) / (0.35 * noise.std()), 0, 1) ** 0.8
    # Shadows fall to the north-west, away from the sun in the south-east.
    darkness = ndimage.shift(opacity, (-40, -25), order=1, mode="reflect")
    return opacity, 0.65 * darkness * (1 - opacity)


def _smooth(
    shape: tuple[int, int], sigma: float, random: np.random.Generator
) -> np.ndarray:
    noise = ndimage.gaussian_filter(
        random.standard_normal(shape), sigma, mode="reflect"
    )
    return noise / noise.std()


def cover(
    reflectance: np.ndarray, opacity: np.ndarray, darkness: np.ndarray
) -> np.ndarray:
    """Put clouds and shadows over [h, w, 4] reflectance x 10000."""
    shaded = reflectance * (1 - darkness[..., None])
    white = 6500 + 2500 * opacity[..., None]
    return shaded * (1 - opacity[..., None]) + white * opacity[..., None]


def classify_clouds(
    classes: np.ndarray, opacity: np.ndarray, darkness: np.ndarray
) -> np.ndarray:
    """Put the classes of clouds and shadows over those of the ground."""
    classes = np.where(darkness > 0.2, SHADOW, classes)
    classes = np.where(opacity > 0.05, CIRRUS, classes)
    classes = np.where(opacity > 0.25, CLOUD_MEDIUM, classes)
    return np.where(opacity > 0.6, CLOUD_HIGH, classes).astype(np.uint8)
