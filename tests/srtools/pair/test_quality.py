"""Pair quality: a known shift, gain, bias and change are found again."""

import json
import warnings
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from PIL import Image
from scipy import ndimage
from scipy.spatial import cKDTree

from srtools.errors import SRError
from srtools.images import raster, vrt
from srtools.images.registration import Block, BlockShift, block_shift, read_blocks
from srtools.pair.fits import LinearFit, fit_line, harmonize
from srtools.pair.quality import PairQuality, measure_pair

import pyotb

CORNER = (452001.0, 5412003.0)  # on the 1.5 m grid, not on the 10 m grid
RIM = 64  # pixels of 1.5 m around the Spot image, for Sentinel-2 to see
SIZE = 192  # pixels of 6 m
BLUR = 3.386  # pixels of 1.5 m: a contrast of 0.28 at a period of 20 m

# Metres east and north, 0.1 to 8 m long.
SHIFTS = [
    (0.1, 0.0), (-0.3, 0.4), (0.0, -1.0), (1.3, 1.1), (-2.6, 1.9), (3.1, -4.2),
    (-5.6, -5.6), (8.0, 0.0), (0.0, 8.0),
]  # fmt: skip


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

    def __init__(self, folder: Path):
        self.folder = folder
        self.ground = landscape(1)

    def write(self, name: str, pixels: np.ndarray, spacing: float, corner) -> str:
        path = str(self.folder / name)
        bands = np.moveaxis(np.clip(np.rint(pixels), 0, 65535), -1, 0)
        with rasterio.open(
            path, "w", driver="GTiff", dtype="uint16", count=len(bands),
            height=bands.shape[1], width=bands.shape[2], crs="EPSG:32631",
            transform=Affine(spacing, 0, corner[0], 0, -spacing, corner[1]),
        ) as file:  # fmt: skip
            file.write(bands.astype(np.uint16))
        return path

    def spot(self, gain=1.0, bias=0.0, wedge=0) -> str:
        core = self.ground[RIM:-RIM, RIM:-RIM]
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


@pytest.fixture(scope="module")
def scene(tmp_path_factory) -> Scene:
    return Scene(tmp_path_factory.mktemp("pair"))


def measure(xs: str, s2: str, **known) -> PairQuality:
    lr = pyotb.Superimpose(inr=xs, inm=s2, interpolator="bco")
    return measure_pair(read_blocks(lr, pyotb.Input(xs)), 6.0, **known)


@pytest.mark.parametrize("shift", SHIFTS)
def test_shift(scene, shift):
    """Found within 0.3 m, whatever the radiometry; the fits do not suffer from it."""
    quality = measure(scene.spot(0.87, 150), scene.sentinel2(shift, noise=20))
    assert quality.shift == pytest.approx(shift, abs=0.3)
    assert quality.spread < 0.3
    for block in quality.blocks:
        assert (block.east, block.north) == pytest.approx(shift, abs=0.3)
        assert block.verdict == "used" and block.correlation > 0.9
    for fit in quality.fits:
        assert fit.gain == pytest.approx(0.87, rel=0.01)


@pytest.mark.parametrize(
    ("gain", "bias", "noise"),
    [(1.0, 0.0, 4), (0.8, 250.0, 4), (1.25, -100.0, 4), (0.9, 50.0, 40)],
)
def test_gain_and_bias(scene, gain, bias, noise):
    """Within 1 % and 0.002 reflectance; S2's noise does not flatten the slope."""
    quality = measure(scene.spot(gain, bias), scene.sentinel2(noise=noise))
    for fit in quality.fits:
        assert fit.gain == pytest.approx(gain, rel=0.01)
        assert fit.bias == pytest.approx(bias, abs=20)
        assert fit.r2 > 0.995
    assert quality.changed < 0.002


@pytest.mark.parametrize("blur", [2.8, 3.9])
def test_other_optics_do_not_matter_much(scene, blur):
    """A contrast of 0.42 or 0.18 at 20 m instead of 0.28."""
    quality = measure(scene.spot(), scene.sentinel2((1, -1), blur=blur))
    assert quality.shift == pytest.approx((1, -1), abs=0.3)
    for fit in quality.fits:
        assert fit.gain == pytest.approx(1, rel=0.015)


def test_changed_ground(scene):
    """A fifth of the ground has changed: it is counted, and the rest measured."""
    ground = changed(scene.ground, 18)
    differs = np.abs(ground - scene.ground).max(axis=-1) > 200
    truth = differs[RIM:-RIM, RIM:-RIM].mean()
    assert 0.15 < truth < 0.25
    quality = measure(scene.spot(0.9, 100), scene.sentinel2((-2, 3), ground))
    assert quality.shift == pytest.approx((-2, 3), abs=0.3)
    for fit in quality.fits:
        assert fit.gain == pytest.approx(0.9, rel=0.01)
        assert fit.bias == pytest.approx(100, abs=25)
    assert quality.changed == pytest.approx(truth, abs=0.04)
    verdicts = {line.name: line.verdict for line in quality.criteria()}
    assert verdicts["changed ground"] == "fail" == quality.verdict


def test_clouds_do_not_tilt_the_fit(scene):
    """White in Sentinel-2 only: far from the line, at the end of a long lever."""
    ground = scene.ground.copy()
    ground[300:520, 200:500] = 8000
    quality = measure(scene.spot(0.9, 100), scene.sentinel2(ground=ground))
    for fit in quality.fits:
        assert fit.gain == pytest.approx(0.9, rel=0.01)
    # 220 x 300 of 768 x 768 pixels, and where they are smeared out.
    assert quality.changed == pytest.approx(0.11, abs=0.04)


def test_water_over_most_of_the_scene(scene):
    """Flat ground narrows the residuals; what is left of the land still counts."""
    sea = Scene(scene.folder)
    sea.ground = scene.ground.copy()
    sea.ground[:600] = (350, 420, 380, 150)
    quality = measure(sea.spot(0.87, 150), sea.sentinel2())
    assert {"flat", "used"} <= {block.verdict for block in quality.blocks}
    for fit in quality.fits:
        assert fit.gain == pytest.approx(0.87, rel=0.01)
    assert quality.changed < 0.01


def test_missing_pixels_are_no_samples(scene):
    """A black corner would otherwise be a point at (ground, 0)."""
    quality = measure(scene.spot(0.87, 150, wedge=70), scene.sentinel2((2, 1)))
    assert quality.blocks[0].verdict == "missing"
    assert quality.shift == pytest.approx((2, 1), abs=0.3)
    assert quality.fits[0].gain == pytest.approx(0.87, rel=0.01)
    assert quality.samples[1].min() > 100
    assert quality.changed < 0.002
    whole = measure(scene.spot(wedge=38), scene.sentinel2((2, 1)))
    assert whole.blocks[0].verdict == "used"  # a few missing pixels do not matter
    assert whole.blocks[0].correlation > 0.97
    assert whole.blocks[0].east == pytest.approx(2, abs=0.3)


def test_displacing_spot_undoes_the_shift(scene, tmp_path):
    """The recipe of the module: the same blocks, read through a displaced grid."""
    xs, s2 = scene.spot(), scene.sentinel2((4.3, -3.1))
    shift = measure(xs, s2).shift
    info = raster.describe(xs, "XS")
    moved = str(vrt.write_displaced(tmp_path / "xs.vrt", info, *shift))
    again = measure(moved, s2)
    assert np.hypot(*again.shift) < 0.2
    assert (pyotb.Input(moved).to_numpy() == pyotb.Input(xs).to_numpy()).all()


def test_harmonize(scene, tmp_path):
    """Spot looks like Sentinel-2 afterwards, no data stays, and it can be undone."""
    xs, s2 = scene.spot(0.8, 250, wedge=10), scene.sentinel2()
    fits = measure(xs, s2).fits
    same = harmonize(pyotb.Input(xs), fits)
    same.write(str(tmp_path / "same.tif"), pixel_type="float")
    for fit in measure(str(tmp_path / "same.tif"), s2).fits:
        assert fit.gain == pytest.approx(1, abs=0.002)
        assert fit.bias == pytest.approx(0, abs=3)
    spot = pyotb.Input(xs).to_numpy().astype(float)
    pixels = same.to_numpy()
    assert ((spot == 0) == (pixels == 0)).all() and (spot == 0).any()
    back = harmonize(same, [fit.inverse() for fit in fits]).to_numpy()
    assert np.abs(back - spot).max() < 0.01


def test_harmonize_keeps_data_data(write_raster):
    """(100 - 250) / 0.8 is below 0: it becomes 1, not no data."""
    image = write_raster("dark.tif", np.array([[[0], [100], [650]]], np.uint16))
    pixels = harmonize(image, [LinearFit(0.8, 250.0, 1.0)]).to_numpy()
    assert pixels.ravel() == pytest.approx([0, 1, 500])


@pytest.mark.parametrize(
    ("fit", "words"),
    [
        (None, "no relation"),
        (LinearFit(-0.3, 9.0, 0.9), r"a gain of -0.300 \(R2 0.90\)"),
        (LinearFit(0.127, 9.0, 0.01), r"a gain of 0.127 \(R2 0.01\)"),
    ],
)
def test_harmonize_refuses(fit, words, write_raster):
    image = write_raster("x.tif", np.ones((2, 2, 2), np.uint16))
    with pytest.raises(SRError, match=f"{words} was found .* in B03"):
        harmonize(image, [LinearFit(1.0, 0.0, 1.0), fit])


def scatter(errors: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Make samples of y = 1.2 x + 50, with errors in both, as alike as they can be."""
    random = np.random.default_rng(seed)
    truth = random.gamma(4, 250, 5000)
    x = truth + random.normal(0, errors, 5000)
    return x, 1.2 * truth + 50 + random.normal(0, 1.2 * errors, 5000)


def test_fit_is_symmetric():
    """x and y may change places, and errors in x do not flatten the slope.

    Least squares would lose 1 / (1 + 120^2 / 500^2), 5 %, each way.
    """
    x, y = scatter(120, seed=0)
    fit, back = fit_line(x, y), fit_line(y, x)
    assert fit.gain == pytest.approx(1.2, rel=0.01)
    assert back[:2] == pytest.approx(fit.inverse()[:2], rel=0.01)
    assert 0.85 < fit.r2 < 0.95


@pytest.mark.parametrize(("errors", "precision"), [(15, 0.002), (120, 0.05)])
def test_fit_where_a_third_is_anywhere(errors, precision):
    x, y = scatter(errors, seed=4)
    y[:1600] = np.random.default_rng(0).uniform(0, 4000, 1600)
    assert fit_line(x, y).gain == pytest.approx(1.2, rel=precision)


@pytest.mark.parametrize("seed", [0, 5])
def test_fit_where_most_is_water(seed):
    """Its small errors must not become the measure for those of the land."""
    x, y = scatter(80, seed)
    random = np.random.default_rng(seed)
    x[:3500] = 350 + random.normal(0, 4, 3500)
    y[:3500] = 1.2 * 350 + 60 + random.normal(0, 4, 3500)
    assert fit_line(x, y).gain == pytest.approx(1.2, rel=0.02)


@pytest.mark.parametrize(
    ("sea", "land", "seed"), [(80000, 1, 5), (2000, 11, 34), (2000, 11, 45)]
)
def test_almost_everything_is_one_value(sea, land, seed):
    """Sea to the horizon: there is no line, and no crash or warning either."""
    x, y = np.full(sea, 500.0), np.full(sea, 600.0)
    x[:land], y[:land] = np.random.default_rng(seed).uniform(3000, 9000, (2, land))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert fit_line(x, y) is None


class Recorder:
    """An image that notes what is read of it."""

    def __init__(self, height: int, width: int):
        self.shape = (height, width, 4)
        self.windows: list[tuple[slice, slice]] = []

    def __getitem__(self, window):
        self.windows.append(window)
        return self

    def to_numpy(self):
        rows, cols = self.windows[-1]
        return np.ones((rows.stop - rows.start, cols.stop - cols.start, 4))


@pytest.mark.parametrize(
    ("height", "width", "size", "count"),
    [(64, 80, 64, 1), (40, 700, 40, 8), (292, 299, 128, 9), (10000, 9000, 128, 64)],
)
def test_blocks_are_few_and_reach_the_edges(height, width, size, count):
    lr, xs = Recorder(height, width), Recorder(height, width)
    blocks = list(read_blocks(lr, xs))
    assert len(blocks) == count == len(lr.windows)
    assert lr.windows == xs.windows
    assert {block.lr.shape for block in blocks} == {(size, size, 4)}
    if count > 1:
        assert blocks[-1].col + size == width
    assert min(block.row for block in blocks) == 0
    assert max(block.row for block in blocks) <= height - size
    owned = np.zeros((height, width), np.uint8)
    for block in blocks:
        rows, cols = block.own
        owned[
            block.row + rows.start : block.row + rows.stop,
            block.col + cols.start : block.col + cols.stop,
        ] += 1
    assert owned.max() == 1  # no pixel counts twice
    if count == 9:
        assert owned.min() == 1


def test_blocks_of_other_ground_are_left_out():
    """A block of another place has no peak; its shift would be chance."""
    one, other = (
        ndimage.gaussian_filter(landscape(seed), (4, 4, 0))[::4, ::4][:128, :128]
        for seed in (1, 2)
    )
    assert block_shift(Block(0, 0, one, one), 6.0).verdict == "used"
    assert block_shift(Block(0, 0, one, other), 6.0).verdict == "unlike"
    # Bare where it was green: the contrast is turned round, the peak is negative.
    turned = one.mean(axis=(0, 1)) * 2 - one
    assert block_shift(Block(0, 0, one, turned), 6.0).verdict == "unlike"
    flat = np.full_like(one, 700)
    assert block_shift(Block(0, 0, one, flat), 6.0).verdict == "flat"


def test_a_hole_does_not_hold_the_images_together():
    """Were no data dark ground, its outline would have its own shift."""
    ground = ndimage.gaussian_filter(landscape(1), (4, 4, 0))[::4, ::4]
    xs, lr = ground[:128, :128].copy(), ground[:128, 1:129].copy()
    xs[50:76, 50:76] = 0
    found = block_shift(Block(0, 0, lr, xs), 6.0)
    assert (found.east, found.north) == pytest.approx((-6, 0), abs=0.15)
    assert found.correlation > 0.9


def test_shift_far_away_is_chance():
    ground = ndimage.gaussian_filter(landscape(1), (4, 4, 0))[::4, ::4]
    one, other = ground[:128, :128], ground[:128, 8:136]
    assert block_shift(Block(0, 0, one, other), 6.0).verdict == "unlike"
    near = block_shift(Block(0, 0, one, ground[:128, 2:130]), 6.0)
    assert (near.east, near.north) == pytest.approx((12, 0), abs=0.3)


@pytest.mark.parametrize("value", [0, 700])
def test_nothing_to_measure(value, tmp_path):
    """Constant images, or no data at all: dashes, not a crash or a warning."""
    flat = np.full((64, 64, 4), value, np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        quality = measure_pair([Block(0, 0, flat, flat)], 6.0)
        quality.save_figure(tmp_path / "pair.png", flat, (64, 64))
    assert quality.shift is None and quality.fits == [None] * 4
    assert quality.changed is None
    verdicts = {line.name: line.verdict for line in quality.criteria()}
    assert verdicts["shift"] == verdicts["radiometry B04"] == "unknown"
    assert verdicts["blocks without shift"] == "fail"
    assert json.loads(json.dumps(quality.record()))["shift"]["east"] is None


def quality_of(**changed) -> PairQuality:
    """Make a pair that passes, but for what is given."""
    nothing = np.zeros((0, 4))
    values = {
        "blocks": [BlockShift(0, 0, 64, 0.3, 0.4, 0.9, "used")],
        "shift": (0.3, 0.4),
        "spread": 0.2,
        "fits": [LinearFit(1.02, 10.0, 0.98)] * 4,
        "changed": 0.01,
        "samples": (nothing, nothing, np.zeros(0, bool)),
        "days": 3,
        "cloud": 0.001,
        "missing": 0.0,
    }
    return PairQuality(**{**values, **changed})


@pytest.mark.parametrize(
    ("changed", "line", "verdict"),
    [
        ({"shift": (0.9, 1.2)}, "shift", "pass"),
        ({"shift": (0.9, -1.3)}, "shift", "warn"),
        ({"shift": (2.5, 2.5)}, "shift", "fail"),
        ({"spread": 2.0}, "its spread", "warn"),
        ({"fits": [LinearFit(0.7, 0.0, 0.98)] * 4}, "radiometry B08", "warn"),
        ({"fits": [LinearFit(1.0, 300.0, 0.98)] * 4}, "radiometry B04", "warn"),
        ({"fits": [LinearFit(1.0, 0.0, 0.4)] * 4}, "radiometry B02", "fail"),
        ({"changed": 0.1}, "changed ground", "warn"),
        ({"changed": 0.2}, "changed ground", "fail"),
        ({"days": 30}, "days between", "warn"),
        ({"days": 300}, "days between", "fail"),
        ({"days": None}, "days between", "unknown"),
        ({"cloud": 0.01}, "cloud and shadow", "warn"),
        ({"missing": 0.1}, "missing in Sentinel-2", "fail"),
        ({"missing": float("nan")}, "missing in Sentinel-2", "unknown"),
    ],
)
def test_verdicts(changed, line, verdict):
    quality = quality_of(**changed)
    found = {criterion.name: criterion.verdict for criterion in quality.criteria()}
    assert found.pop(line) == verdict
    if line.startswith("radiometry"):
        found = {k: v for k, v in found.items() if not k.startswith("radiometry")}
    assert set(found.values()) == {"pass"}  # nothing else is to blame
    assert quality.verdict == ("pass" if verdict == "unknown" else verdict)


def test_table():
    blocks = [
        BlockShift(0, 0, 64, 0.3, -1.0, 0.9, "used"),
        BlockShift(0, 32, 64, 0.0, 0.0, 0.0, "flat"),
    ]
    lines = quality_of(blocks=blocks, shift=(0.3, -1.0)).table().splitlines()
    assert len(lines) == 12
    assert "1.04 m (+0.30 east, -1.00 north)" in lines[1]
    assert "50% (1 flat)" in lines[3]
    assert "gain 1.020, bias +10 DN, R2 0.980" in lines[4]
    assert all(len(line) < 120 for line in lines)


def test_record_holds_the_fits_exactly():
    """`harmonize` must be undone with the numbers that did it."""
    fit = LinearFit(0.8123456789012345, 41.12345678901234, 0.9)
    record = json.loads(json.dumps(quality_of(fits=[fit] * 4).record()))
    assert LinearFit(**record["spot_from_s2"]["B08"]) == fit
    assert record["shift"] == {"east": 0.3, "north": 0.4, "spread": 0.2}
    assert record["blocks"] == {"used": 1}
    assert record["criteria"]["shift"] == "pass"


def test_figure(scene, tmp_path):
    quality = measure(scene.spot(wedge=70), scene.sentinel2((2, 1)))
    quicklook = scene.ground[::8, ::8]
    path = tmp_path / "pair.png"
    quality.save_figure(path, quicklook, (SIZE, SIZE))
    pixels = np.asarray(Image.open(path).convert("RGB")).astype(int)
    assert pixels.shape[1] > 1000
    yellow = (pixels[..., 0] > 240) & (pixels[..., 1] > 240) & (pixels[..., 2] < 20)
    assert yellow.sum() > 100  # the arrows
    assert list(tmp_path.iterdir()) == [path]
