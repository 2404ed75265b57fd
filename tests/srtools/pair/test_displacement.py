"""Spot moved to where Sentinel-2 shows it."""

import numpy as np

from srtools.images import raster
from srtools.pair.displacement import displace
from tests.ground import measure

import pyotb


def test_displacing_spot_undoes_the_shift(scene, tmp_path):
    """The same blocks, read through a displaced grid."""
    xs, s2 = scene.spot(), scene.sentinel2((4.3, -3.1))
    info = raster.describe(xs, "XS")
    pan, moved = displace(info, info, measure(xs, s2).shift, tmp_path)
    assert np.hypot(*measure(moved.path, s2).shift) < 0.2
    assert (pyotb.Input(moved.path).to_numpy() == pyotb.Input(xs).to_numpy()).all()
    assert pan.transform == moved.transform
