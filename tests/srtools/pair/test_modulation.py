"""The sharpness of Sentinel-2: measured if possible, else unknown."""

import numpy as np
import pytest
import rasterio

from srtools.matching.registration import Block, BlockShift
from srtools.pair.modulation import modulation
from tests.ground import changed, landscape, measure

FIELDS = 45  # pixels of 1.5 m along a square of ground that has changed


def blur(kept: float) -> float:
    """Return the sigma, PAN pixels, of a Gaussian that keeps so much at 1/20 m."""
    return np.sqrt(-np.log(kept) / 2) / np.pi * 20 / 1.5


def verdict(quality) -> str:
    return quality.record()["criteria"]["modulation at 1/20 m"]


def mixed(ground: np.ndarray, other: np.ndarray, seed: int) -> np.ndarray:
    """Return ground with half of its squares replaced."""
    count = -(-len(ground) // FIELDS)
    squares = np.random.default_rng(seed).random((count, count)) < 0.5
    mask = np.kron(squares, np.ones((FIELDS, FIELDS)))[: len(ground), : len(ground)]
    return np.where(mask[..., None] > 0, other, ground)


@pytest.mark.parametrize(
    ("kept", "shift", "coding", "expected"),
    [
        (0.05, (0, 0), (), "warn"),
        (0.15, (1.3, 1.1), (), "warn"),
        (0.25, (0, 0), (), "pass"),
        (0.28, (0, 0), (0.1, 20), "pass"),
        (0.28, (-5.6, -5.6), (), "pass"),
        (0.45, (0, 0), (), "warn"),
    ],
)
def test_known_blurs(scene, kept, shift, coding, expected):
    """A shift is no blur, but for the cost of undoing it."""
    quality = measure(scene.spot(*coding), scene.sentinel2(shift, blur=blur(kept)))
    assert quality.sharpness.value == pytest.approx(kept, rel=0.06)
    assert quality.sharpness.low <= 1.02 * kept
    assert quality.sharpness.high >= (0.9 if any(shift) else 1) * kept
    assert verdict(quality) == expected


@pytest.mark.parametrize("noise", [20, 80])
def test_noise_is_no_sharpness(scene, noise):
    """Blurred and noisy is not taken for sharp; at worst nothing is known."""
    blurred = measure(scene.spot(), scene.sentinel2(noise=noise, blur=blur(0.1)))
    assert verdict(blurred) != "pass"
    sharp = measure(scene.spot(), scene.sentinel2(noise=noise))
    assert sharp.sharpness.low <= 0.28 <= sharp.sharpness.high
    assert verdict(sharp) != "warn"


def test_changed_ground_is_no_blur(scene):
    """Half of it is other ground: the interval is wide, and holds the truth."""
    ground = mixed(scene.ground, landscape(2), seed=0)
    quality = measure(scene.spot(), scene.sentinel2(ground=ground))
    assert quality.sharpness.low < 0.28 < quality.sharpness.high
    assert verdict(quality) == "unknown"


def test_blur_shows_on_ground_that_has_changed(scene):
    ground = changed(scene.ground, 18)  # a fifth
    quality = measure(scene.spot(), scene.sentinel2(ground=ground, blur=blur(0.1)))
    assert verdict(quality) == "warn"
    quality = measure(scene.spot(), scene.sentinel2(ground=ground))
    assert quality.sharpness.low < 0.28 < quality.sharpness.high
    assert verdict(quality) != "warn"


def test_a_zoom_from_20_metres(scene):
    path = scene.sentinel2()
    with rasterio.open(path) as file:
        pixels, corner = file.read(), (file.bounds.left, file.bounds.top)
    rows, cols = (size // 2 for size in pixels.shape[1:])
    pixels = pixels[:, : 2 * rows, : 2 * cols].astype(float)
    means = pixels.reshape(4, rows, 2, cols, 2).mean(axis=(2, 4))
    linear = [0.25, 0.75, 0.75, 0.25]
    for axis in (1, 2):
        wide = np.insert(means, np.arange(means.shape[axis]), 0, axis)
        means = np.apply_along_axis(np.convolve, axis, wide, linear, "same")
    zoom = scene.write("s2.tif", np.moveaxis(means, 0, -1), 10.0, corner)
    assert verdict(measure(scene.spot(), zoom)) == "warn"


def test_nothing_to_measure():
    """Small blocks, blocks without a shift, or with missing pixels."""
    pixels = np.random.default_rng(0).normal(1500, 200, (64, 64, 4))
    block = Block(0, 0, pixels, pixels, pan=pixels[..., 0])
    used, unlike = (BlockShift(0, 0, 64, 0, 0, 1, how) for how in ("used", "unlike"))
    assert modulation([block], [used], 6.0)
    assert modulation([block], [unlike], 6.0) is None
    assert modulation([block], [used], 4.0) is None
    missing = pixels[..., 0].copy()
    missing[3, 4] = 0
    assert modulation([block._replace(pan=missing)], [used], 6.0) is None
