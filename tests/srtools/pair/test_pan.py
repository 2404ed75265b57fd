"""PAN inside the pixels of XS."""

import numpy as np
import pytest
from scipy import ndimage

from srtools.images.raster import describe
from srtools.matching.registration import Block
from srtools.pair.pan import PanInXS, relation_to_xs
from tests.ground import landscape, measure

CORNER = (452001.0, 5412003.0)


def mean_of(write_raster, east=0.0, north=0.0, hole=None):
    """Return the mean of a slanted plane, on a grid that lies off by metres."""
    rows, cols = np.indices((60, 64))
    plane = (1000 + 3 * rows + 5 * cols).astype(np.float32)
    if hole:
        plane[hole] = 0
    xs = write_raster("xs.tif", np.ones((12, 12, 4), np.uint16), 6.0, CORNER)
    place = CORNER[0] + east, CORNER[1] + north
    pan = write_raster("pan.tif", plane, 1.5, place)
    pixels = np.ones((8, 8, 4), np.uint16)
    inside = PanInXS(describe(pan, "PAN"), describe(xs, "XS"))
    return inside.mean(Block(1, 2, pixels, pixels))


@pytest.mark.parametrize(("east", "north"), [(0, 0), (-3, 6), (-0.3, 0.7)])
def test_the_mean_is_that_of_the_pixels_inside(write_raster, east, north):
    """Of a plane it is the value in the middle; a grid may lie off by a part."""
    row = 4 * (1 + np.arange(8)[:, None]) + 1.5 + round(north / 1.5)
    col = 4 * (2 + np.arange(8)) + 1.5 - round(east / 1.5)
    expected = 1000 + 3 * row + 5 * col
    np.testing.assert_allclose(mean_of(write_raster, east, north), expected, rtol=1e-6)


def test_a_missing_part_is_missing(write_raster):
    """A hole of one PAN pixel, and ground beyond PAN."""
    holed = mean_of(write_raster, hole=(9, 13))
    assert np.argwhere(holed == 0).tolist() == [[1, 1]]
    beyond = mean_of(write_raster, 13.5)
    assert (beyond[:, 0] == 0).all() and (beyond[:, 1:] > 0).all()


@pytest.mark.parametrize(
    ("coding", "blur", "least_r2"),
    [((1, 0), 0, 0.99), ((0.02, 3), 0, 0), ((), 1.6, 0.95)],
)
def test_pan_follows_xs(scene, monkeypatch, coding, blur, least_r2):
    """Also in 8 bits with a hundredth of the contrast, and with the optics of XS.

    XS of Spot keeps 0.3 of its finest detail, the mean of PAN over a pixel 0.64.
    """
    pan = scene.ground
    monkeypatch.setattr(scene, "ground", ndimage.gaussian_filter(pan, (blur, blur, 0)))
    spot, s2 = scene.spot(*coding, pan=pan), scene.sentinel2((2, 1))
    quality = measure(spot, s2, harmonized=True)
    assert np.hypot(*quality.pan_shift) < 0.3 and quality.pan_r2 > least_r2


@pytest.mark.parametrize("pixels", [1, 2, -8])
def test_pan_out_of_place(scene, pixels):
    moved = np.roll(scene.ground, (pixels, pixels), (0, 1))
    quality = measure(scene.spot(pan=moved), scene.sentinel2())
    metres = 1.5 * pixels
    assert quality.pan_shift == pytest.approx((metres, -metres), abs=0.3)
    verdict = quality.record()["criteria"]["PAN: shift from XS"]
    assert verdict == ("warn" if pixels == 1 else "fail")
    assert f"PAN lies {np.hypot(*quality.pan_shift):.2f} m" in quality.diagnoses()[0]


@pytest.mark.parametrize("share", [0.6, 1])
def test_pan_of_another_place(scene, share):
    ground = scene.ground.copy()
    rows = slice(None, round(share * len(ground)))
    ground[rows] = landscape(2)[rows]
    quality = measure(scene.spot(pan=ground), scene.sentinel2())
    assert quality.pan_r2 < 0.5 and quality.verdict == "fail"
    assert quality.sharpness is None  # PAN can be no reference


def test_even_pan_tells_nothing():
    flat = np.full((64, 64, 4), 700.0)
    shifts, r2 = relation_to_xs([Block(0, 0, flat, flat, pan=flat[..., 0])], 6.0)
    assert [shift.verdict for shift in shifts] == ["flat"] and r2 is None
    empty = Block(0, 0, flat, flat, pan=0 * flat[..., 0])
    assert relation_to_xs([empty], 6.0)[1] is None


def test_pan_that_is_dark_where_xs_is_bright_fails():
    """A line over the bands of XS would explain all of it."""
    pixels = np.random.default_rng(0).uniform(300, 3000, (64, 64, 4))
    pan = pixels[..., :3].mean(axis=-1)
    for dn, r2 in ((pan, 1.0), (4000 - pan, 0.0)):
        block = Block(0, 0, pixels, pixels, pan=dn)
        assert relation_to_xs([block], 6.0)[1] == pytest.approx(r2)
