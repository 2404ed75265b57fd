"""Sentinel-2's own pixels: found where each patch lies, moved or not.

The ground is a sum of waves, whose blur is known exactly: each wave becomes weaker.
"""

import numpy as np
import pytest
import rasterio

from srtools.errors import SRError
from srtools.evaluation import consistency, own_grid
from srtools.evaluation.test_set import TestSet
from srtools.matching import point_spread
from tests.conftest import CORNER, UTM31

SIZE, SPACING = 128, 1.5
WINDOWS = np.array([[0, 0], [40, 64], [100, 10]])


def waves(seed: int = 4) -> list[tuple[float, float, float, int]]:
    """Give cycles per metre to the east and north, phase and band of 48 waves."""
    random = np.random.default_rng(seed)
    return [
        (
            *random.uniform(-1, 1, 2) / random.uniform(25, 120),
            random.uniform(0, 6),
            band,
        )
        for band in range(4)
        for _ in range(12)
    ]


WAVES = waves()


def ground(x: np.ndarray, y: np.ndarray, sigma: float = 0.0) -> np.ndarray:
    """Reflectance at places in UTM 31, blurred by a Gaussian of `sigma` metres."""
    found = np.full((*x.shape, 4), 0.3)
    x, y = x - CORNER[0], y - CORNER[1]
    for u, v, phase, band in WAVES:
        kept = np.exp(-2 * (np.pi * sigma) ** 2 * (u**2 + v**2))
        found[..., band] += 0.02 * kept * np.cos(2 * np.pi * (u * x + v * y) + phase)
    return found


def sentinel2(write_raster, corner=(451900.0, 5412110.0), size=130) -> str:
    """What Sentinel-2 sees of the ground, as it is kept beside the patches."""
    cols, rows = np.meshgrid(np.arange(size), np.arange(size))
    x, y = corner[0] + 10 * (cols + 0.5), corner[1] - 10 * (rows + 0.5)
    seen = np.rint(1e4 * ground(x, y, point_spread.BLUR_METRES)).astype(np.uint16)
    return write_raster("sentinel2.tif", seen, spacing=10.0, corner=corner)


def card(crs=UTM31, origin=CORNER, **more) -> dict:
    return {
        "bands": ["B04", "B03", "B02", "B08"],
        "lr": {"spacing": 6.0},
        "hr": {"spacing": SPACING},
        "xs": {"crs": crs, "origin": list(origin)},
        **more,
    }


def patches() -> np.ndarray:
    """The ground at 1.5 m."""
    found = []
    for row, col in WINDOWS:
        cols, rows = np.meshgrid(np.arange(SIZE) + 0.5, np.arange(SIZE) + 0.5)
        x, y = (
            CORNER[0] + 6 * col + SPACING * cols,
            CORNER[1] - 6 * row - SPACING * rows,
        )
        found.append(ground(x, y))
    return np.stack(found)


def open_grid(folder, dataset: dict, windows=WINDOWS):
    return own_grid.open_grid(TestSet(folder, {}, len(WINDOWS), SIZE, dataset, windows))


def measure(folder, images: np.ndarray, dataset: dict) -> dict:
    grid = open_grid(folder, dataset)
    found = consistency.Consistency(SPACING, grid)
    assert found.possible(SIZE)
    for patch, image in enumerate(images):
        found.add(patch, {"x": image}, np.zeros((32, 32, 4)))
    record = found.record()
    assert record["grid"] == "10 m" and record["patches"] == len(images)
    return record["x"]


def test_truth_is_consistent(tmp_path, write_raster):
    """What is left is the rounding to DN and the end of the Gaussian at 3 sigmas."""
    sentinel2(write_raster)
    found = measure(tmp_path, patches(), card())
    assert found["l1_dn"] < 2
    assert abs(found["bias_dn"]) < 0.5
    assert found["spectral_angle_degrees"] < 0.05
    assert found["shift_metres"] <= 0.3  # the search goes in steps of 0.2 m


@pytest.mark.parametrize(("east", "north"), [(6.0, 0.0), (-1.5, 4.5)])
def test_wrong_frame_is_seen(tmp_path, write_raster, east, north):
    """The card says the patches lie elsewhere: seen as the shift that it is."""
    sentinel2(write_raster)
    wrong = card(origin=(CORNER[0] + east, CORNER[1] + north))
    found = measure(tmp_path, patches(), wrong)
    assert found["l1_dn"] > 30
    assert found["shift_east_metres"] == pytest.approx(east, abs=0.3)
    assert found["shift_north_metres"] == pytest.approx(north, abs=0.3)


def test_spot_that_was_moved(tmp_path, write_raster):
    """Coregistered: Spot lay 4 m too far west and 3 m too far north, and was moved."""
    sentinel2(write_raster)
    spot = CORNER[0] - 4, CORNER[1] + 3
    moved = card(origin=spot, coregistered={"east": 4.0, "north": -3.0})
    found = measure(tmp_path, patches(), moved)
    assert found["l1_dn"] < 2 and found["shift_metres"] <= 0.3


def test_pixels_by_hand(write_raster, tmp_path):
    """A patch from 1 km 3 m: of its 192 m, 10 m centres from 16 to 176 m are taken."""
    sentinel2(write_raster, corner=(452000.0, 5412000.0))
    dataset = card(origin=(452001.0, 5411998.0))
    grid = open_grid(tmp_path, dataset)
    view = grid.view(0)
    # Centres at 5, 15, 25 m from Sentinel-2's corner, 1 m less (east) and 2 m (south)
    # less from the patch's: 24 to 174 m, and 23 to 173 m.
    assert view.pixels.shape == (16, 16, 4)
    np.testing.assert_allclose(view.cols[[0, -1]] * 1.5 + 0.75, [24, 174])
    np.testing.assert_allclose(view.rows[[0, -1]] * 1.5 + 0.75, [23, 173])
    with rasterio.open(tmp_path / "sentinel2.tif") as file:
        expected = file.read()[:, 2:18, 2:18]
    np.testing.assert_allclose(np.moveaxis(view.pixels, -1, 0), expected * 1e-4)


def test_rim_and_missing_pixels(tmp_path, write_raster):
    """At the rim of Sentinel-2 a square is left, beyond it and over gaps nothing."""
    path = sentinel2(write_raster, corner=(CORNER[0] + 100, CORNER[1] + 100), size=40)
    grid = open_grid(tmp_path, card())
    assert grid.view(0).pixels.shape == (8, 8, 4)  # 105 to 175 m
    assert grid.view(2) is None  # 600 m further south
    with rasterio.open(path, "r+") as file:
        pixels = file.read()
        pixels[0, 15, 2] = 0
        file.write(pixels)
    assert grid.view(0) is None


def test_without_the_image(tmp_path, write_raster):
    """No image, no places, another CRS, or a card that says little."""
    assert open_grid(tmp_path, card()) is None
    sentinel2(write_raster)
    assert open_grid(tmp_path, card()) is not None
    assert open_grid(tmp_path, card(), windows=None) is None
    assert open_grid(tmp_path, card("EPSG:32632")) is None
    little = card()
    del little["xs"]["origin"]
    with pytest.raises(SRError, match="dataset.json does not hold 'origin'"):
        open_grid(tmp_path, little)
