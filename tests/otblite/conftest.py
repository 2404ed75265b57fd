"""Fixtures that the tests of otblite share."""

import logging
from collections.abc import Callable

import numpy as np
import pytest

from tests.rasters import read_image


@pytest.fixture(autouse=True)
def one_source(monkeypatch) -> None:
    """Let `n_sources`, which pyotb leaves in the environment, end with its test."""
    monkeypatch.setenv("OTB_TF_NSOURCES", "1")


@pytest.fixture(autouse=True)
def logged(caplog) -> None:
    """Log warnings of otblite; the scripts, in this process, silence them."""
    caplog.set_level(logging.WARNING, "otblite")


@pytest.fixture
def xs(write_raster) -> str:
    """Four bands of 6 x 8 pixels, uint16, upper left corner (1000, 2000), 6 m."""
    values = np.random.default_rng(0).integers(1, 4000, (6, 8, 4)).astype(np.uint16)
    return write_raster("xs.tif", values, corner=(1000.0, 2000.0))


@pytest.fixture
def pixels() -> Callable[[str], np.ndarray]:
    """Read a file as [h, w, bands]."""
    return lambda path: read_image(path)[0]
