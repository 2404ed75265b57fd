"""Made-up ground that Spot and Sentinel-2 see, for the tests of a pair."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from scipy import ndimage
from scipy.spatial import cKDTree

from srtools.images.raster import describe
from srtools.pair.quality import PairQuality, compare
from srtools.pair.radiometric_fit import LinearFit
from tests.rasters import CORNER  # on the 1.5 m grid, not on the 10 m grid

import pyotb

RIM = 64  # pixels of 1.5 m around the Spot image, for Sentinel-2 to see
SIZE = 192  # pixels of 6 m
BLUR = 3.386  # pixels of 1.5 m: a contrast of 0.28 at a period of 20 m
PAN_WEIGHTS = 0.35, 0.4, 0.25, 0.0


def landscape(seed: int) -> np.ndarray:
    """Draw fields, roofs and mottling, [n, n, 4] reflectance x 10000, 1.5 m."""
    random = np.random.default_rng(seed)
    side, count = 4 * SIZE + 2 * RIM, 220
    seeds = random.uniform(0, side, (count, 2))
    pixels = np.stack(np.indices((side, side)), axis=-1).reshape(-1, 2)
    fields = cKDTree(seeds).query(pixels)[1].reshape(side, side)
    colours = random.uniform((300, 400, 250, 1200), (1500, 1400, 900, 4500), (count, 4))
    image = colours[fields]
    for _ in range(900):
        row, col = random.integers(0, side, 2)
        tall, wide = random.integers(4, 24, 2)
        roof = random.uniform(500, 3500) * np.array([1, 0.95, 0.85, 1.2])
        image[row : row + tall, col : col + wide] = roof
    mottling = ndimage.gaussian_filter(random.standard_normal((side, side)), 1.2)
    image *= 1 + 0.06 * mottling[..., None] / mottling.std()
    return np.clip(image, 50, 9000).astype(np.float32)


def changed(ground: np.ndarray, count: int) -> np.ndarray:
    """Plough and reap: repaint rectangles, often with the contrast turned round."""
    random = np.random.default_rng(8)
    ground = ground.copy()
    for _ in range(count):
        row, col = random.integers(0, len(ground), 2)
        tall, wide = random.integers(50, 150, 2)
        part = ground[row : row + tall, col : col + wide]
        contrast = random.uniform(-1.2, 1.2)
        part[:] = random.uniform(300, 2500) + contrast * (part - part.mean())
    return np.clip(ground, 50, 9000)


class Scene:
    """Spot and Sentinel-2 of one ground, in files."""

    def __init__(self, folder: Path, write_raster_in: Callable[..., str]):
        self.folder, self.write_raster_in = folder, write_raster_in
        self.ground = landscape(1)

    def write(self, name: str, pixels: np.ndarray, spacing: float, corner) -> str:
        pixels = np.clip(np.rint(pixels), 0, 65535).astype(np.uint16)
        return self.write_raster_in(self.folder, name, pixels, spacing, corner)

    def spot(self, gain=1.0, bias=0.0, wedge=0, pan=None) -> str:
        """Write XS, and PAN of the same ground or of another one; return XS."""
        core = self.ground[RIM:-RIM, RIM:-RIM]
        seen = core if pan is None else pan[RIM:-RIM, RIM:-RIM]
        seen = gain * seen @ np.array(PAN_WEIGHTS) + bias
        self.write("pan.tif", seen[..., None], 1.5, CORNER)
        xs = core.reshape(SIZE, 4, SIZE, 4, 4).mean(axis=(1, 3))
        xs = gain * xs + bias + np.random.default_rng(2).normal(0, 6, xs.shape)
        xs[np.add.outer(np.arange(SIZE), np.arange(SIZE)) < wedge] = 0
        return self.write("xs.tif", xs, 6.0, CORNER)

    def sentinel2(self, shift=(0.0, 0.0), ground=None, noise=4.0, blur=BLUR) -> str:
        ground = self.ground if ground is None else ground
        left, top = CORNER[0] - 1.5 * RIM, CORNER[1] + 1.5 * RIM
        x0, y0 = np.ceil((left + 20) / 10) * 10, np.floor((top - 20) / 10) * 10
        count = int((1.5 * len(ground) - 60) / 10)
        x = x0 - left + 10 * (np.arange(count) + 0.5) - shift[0]
        y = top - y0 + 10 * (np.arange(count) + 0.5) + shift[1]
        places = np.meshgrid(y / 1.5 - 0.5, x / 1.5 - 0.5, indexing="ij")
        bands = [
            ndimage.map_coordinates(
                ndimage.gaussian_filter(band, blur), places, order=1
            )
            for band in np.moveaxis(ground, -1, 0)
        ]
        s2 = np.stack(bands, axis=-1)
        s2 += np.random.default_rng(3).normal(0, noise, s2.shape)
        return self.write("s2.tif", np.maximum(s2, 1), 10.0, (x0, y0))


def measure(xs: str, s2: str, **known) -> PairQuality:
    """Compare Spot and Sentinel-2 as exercise 1 does; PAN lies beside Sentinel-2."""
    lr = pyotb.Superimpose(inr=xs, inm=s2, interpolator="bco")
    pan = describe(Path(s2).with_name("pan.tif"), "PAN")
    return compare(lr, pan, describe(xs, "XS"), **known)


def inverse(fit: LinearFit) -> LinearFit:
    """Return Sentinel-2 as a function of Spot."""
    return LinearFit(1 / fit.gain, -fit.bias / fit.gain, fit.r2)
