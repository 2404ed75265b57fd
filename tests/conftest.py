"""Fixtures of the tests of the scripts: small rasters, patches, and a toy model."""

import functools
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from srtools import cards
from srtools.network import saved_model
from srtools.tf import tf  # first of all, quietly
from tests import rasters
from tests.networks import save_function
from tests.training_patches import write_pair

# A shell ignores SIGINT in background jobs, and so would the processes of the tests.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def write_raster_in() -> Callable[..., str]:
    """Write [h, w] or [h, w, bands] as GeoTIFF into a folder; return its path."""
    return rasters.write_raster


@pytest.fixture
def write_raster(tmp_path: Path) -> Callable[..., str]:
    """Write [h, w] or [h, w, bands] as GeoTIFF; return its path."""
    return functools.partial(rasters.write_raster, tmp_path)


class Toy:
    """Network with a known output: the mean of a square, then each pixel 4 x 4 times.

    The square, and the receptive field, reach `radius` lr pixels to each side.
    """

    def __init__(self, radius: int, bands: int = 4, gain: float = 1.0, crops=(16, 32)):
        side = 2 * radius + 1
        self.kernel = tf.constant(gain / side**2, shape=(side, side, bands, 1))
        self.bands, self.crops = bands, crops

    def __call__(self, lr: tf.Tensor) -> dict[str, tf.Tensor]:
        mean = tf.nn.depthwise_conv2d(lr, self.kernel, (1, 1, 1, 1), "SAME")
        hr_dn = tf.repeat(tf.repeat(mean, 4, axis=1), 4, axis=2)
        outputs = {"hr": hr_dn * 1e-4, "hr_dn": hr_dn}
        for crop in self.crops:
            cropped = hr_dn[:, crop:-crop, crop:-crop]
            outputs |= {f"hr_crop{crop}": cropped * 1e-4, f"hr_dn_crop{crop}": cropped}
        return outputs

    def save(self, folder: Path) -> str:
        shape = [None, None, None, self.bands]
        return save_function(folder, lambda lr: self(lr), lr=shape)


@pytest.fixture(scope="session")
def repeating_model(tmp_path_factory) -> str:
    """Save a model that repeats each pixel 4 x 4 times."""
    return Toy(radius=0).save(tmp_path_factory.mktemp("models") / "repeating")


@pytest.fixture(scope="session")
def blurring_model(tmp_path_factory) -> str:
    """Save a model that takes a 7 x 7 mean and repeats each pixel 4 x 4 times."""
    return Toy(radius=3).save(tmp_path_factory.mktemp("models") / "blurring")


@pytest.fixture(scope="session")
def calibrated_model(tmp_path_factory, blurring_model) -> str:
    """Save the blurring model with intervals: half brightness, plus twice roughness."""
    folder = tmp_path_factory.mktemp("models") / "calibrated"
    shutil.copytree(blurring_model, folder)
    knots = [[10.0, 1000.0]] * 4
    record = {"knots": knots, "half_widths": {"0.9": knots}}
    record["weights"] = [[0.0, 0.5, 2.0]] * 4
    cards.write_card(folder / saved_model.CARD, {"intervals": record})
    return str(folder)


@pytest.fixture
def patches(tmp_path: Path) -> Callable[..., Path]:
    """Write `{group}_{lr,hr}_patches.tif` from arrays [n, h, w, bands]."""

    def write(group: str, lr: np.ndarray, hr: np.ndarray) -> Path:
        return write_pair(tmp_path, group, lr.astype(np.uint16), hr.astype(np.uint16))

    return write
