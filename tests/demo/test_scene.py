"""The demo's scene: images of Spot-7 and Sentinel-2."""

from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.warp import transform_geom
from rio_cogeo.cogeo import cog_validate
from shapely.geometry import box, mapping, shape

from demo import pair_faults, scene, sensors
from demo.pair_faults import LEVELS
from demo.stac import load_items
from srtools.errors import SRError
from tests.rasters import read_image

SIZE = 256
DATES = [when.date for when in scene.PASSES]


@pytest.fixture(scope="module")
def paths(tmp_path_factory) -> dict:
    return scene.make_scene(tmp_path_factory.mktemp("scene"), size=SIZE, seed=3)


@pytest.fixture(scope="module")
def folder(paths) -> Path:
    return Path(paths["pan"]).parent.parent


def read(path) -> tuple[np.ndarray, dict]:
    pixels, profile = read_image(path)
    return pixels.astype(float), profile


def s2(folder: Path, date: str, name: str) -> tuple[np.ndarray, dict]:
    return read(next((folder / "s2" / date).glob(f"*_{name}_*.tif")))


def test_grids(paths, folder):
    (_, pan), (_, xs) = read(paths["pan"]), read(paths["xs"])
    assert (pan["width"], pan["height"]) == (SIZE, SIZE)
    assert (xs["width"], xs["height"]) == (SIZE // 4, SIZE // 4)
    assert (pan["transform"].a, xs["transform"].a) == (1.5, 6.0)
    assert (pan["dtype"], xs["dtype"], xs["count"]) == ("uint16", "uint16", 4)
    west, east = xs["transform"].c, xs["transform"].c + SIZE * 1.5
    for band in ("B04", "B03", "B02", "B08"):
        _, profile = s2(folder, "2022-07-14", band)
        place = profile["transform"]
        assert (place.a, place.e, profile["dtype"]) == (10.0, -10.0, "uint16")
        # On the grid of the tile 31UDQ, which the 6 m grid is not.
        assert (place.c - 399960) % 20 == (place.f - 5500020) % 20 == 0
        assert (west - place.c) % 10 != 0
        assert min(west - place.c, place.c + 10 * profile["width"] - east) >= 640


def test_images_are_cloud_optimized(folder):
    images = list(folder.glob("s2/*/*.tif"))
    assert len(images) == 15
    for path in images:
        valid, errors, _ = cog_validate(path)
        assert valid, errors
        # Any file of one block is valid: see that the right driver wrote it.
        with rasterio.open(path) as file:
            assert file.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"


def test_xs_is_the_mean_and_pan_the_sum_of_the_truth(paths):
    truth, xs, pan = (read(paths[name])[0] for name in ("truth", "xs", "pan"))
    blocks = truth.reshape(SIZE // 4, 4, SIZE // 4, 4, 4).mean(axis=(1, 3))
    seen = xs.any(axis=-1)
    assert np.std((xs - blocks)[seen]) == pytest.approx(sensors.SPOT_NOISE, rel=0.1)
    weighted = truth @ sensors.PAN_WEIGHTS
    seen = pan[..., 0] > 0
    assert np.std((pan[..., 0] - weighted)[seen]) == pytest.approx(6.0, rel=0.1)
    assert not seen[0, 0] and (~seen).mean() < 0.01  # the wedge


@pytest.mark.parametrize("pair", LEVELS)
def test_optics_leave_28_percent_at_nyquist(pair):
    """A wave of 20 m, the finest that 10 m pixels can hold, keeps 28 % contrast."""
    x = (np.arange(800) + 0.5) * 1.5
    wave = np.cos(2 * np.pi * x / 20)
    truth = np.repeat(np.tile(wave, (80, 1))[..., None], 4, axis=2)
    crests, faults = np.arange(300.0, 900.0, 20.0), LEVELS[pair]
    for band, (modulation, east) in enumerate(
        zip(faults.modulation, faults.east, strict=True)
    ):
        seen = sensors.optics(truth, crests + east, np.full(1, 60.0), faults)
        assert seen[..., band].mean() == pytest.approx(modulation, abs=0.01)
    # Local shifts move what is seen down and to the right.
    shifts = np.stack([np.zeros((1, 30)), np.full((1, 30), 3.0)])
    seen = sensors.optics(truth, crests + 3, np.full(1, 60.0), LEVELS["good"], shifts)
    assert seen.mean() == pytest.approx(0.28, abs=0.01)


def test_a_poor_pair(tmp_path, paths):
    """Spot is blurred, haze brightens the blue, and its noise is that of the level."""
    poor = scene.make_scene(tmp_path, size=SIZE, seed=3, pair=LEVELS["poor"])
    for name, same in (("truth", True), ("pan", False)):
        equal = np.array_equal(read(poor[name])[0], read(paths[name])[0])
        assert equal is same
    steps = [np.abs(np.diff(read(p["pan"])[0], axis=0)).mean() for p in (poor, paths)]
    assert steps[0] < 0.8 * steps[1]
    blues = [read(p["s2"][2])[0].mean() for p in (poor, paths)]
    assert blues[0] > blues[1] + 30
    random = np.random.default_rng(0)
    flat = np.full((200, 200, 4), 1000.0)
    noise = LEVELS["poor"].noise
    noisy = sensors.digital_numbers(flat, random, 1, 0, noise).std(axis=(0, 1))
    np.testing.assert_allclose(noisy, noise, rtol=0.05)


def test_shifts_and_harvest_have_their_amounts():
    shape, random = (800, 700), np.random.default_rng(1)
    lengths = np.hypot(*pair_faults.local_shifts(shape, 6.0, random))
    assert lengths.max() == pytest.approx(6) and 2 < np.median(lengths) < 5
    assert np.abs(np.diff(lengths, axis=0)).max() < 0.1  # smooth
    green = np.full((*shape, 4), [300.0, 500.0, 250.0, 4000.0])
    mown = (pair_faults.harvest(green, 0.1, random) != green).all(axis=-1)
    assert mown.mean() == pytest.approx(0.1, abs=0.005)
    water = np.full((*shape, 4), 200.0)
    assert (pair_faults.harvest(water, 0.1, random) == water).all()


def test_dates(folder):
    items = {
        item["properties"]["datetime"][:10]: item for item in load_items(folder, "")
    }
    with rasterio.open(folder / "spot" / "xs.tif") as xs:
        place = mapping(box(*xs.bounds))
        area = shape(transform_geom(xs.crs, "EPSG:4326", place))
    bad = {
        date: np.isin(s2(folder, date, "SCL")[0], (0, 3, 8, 9, 10)).mean()
        for date in DATES
    }
    assert bad["2022-07-14"] == 0 and bad["2022-07-04"] > 0.3
    covers = {date: shape(items[date]["geometry"]).contains(area) for date in DATES}
    assert covers == {"2022-07-04": True, "2022-07-14": True, "2022-08-08": False}
    numbers, _ = s2(folder, "2022-08-08", "B04")
    share = items["2022-08-08"]["properties"]["s2:nodata_pixel_percentage"] / 100
    assert (numbers == 0).mean() == pytest.approx(share, abs=0.01)
    clouds = {d: items[d]["properties"]["eo:cloud_cover"] for d in DATES}
    assert min(clouds, key=clouds.get) == "2022-08-08"


def test_same_seed_same_scene(tmp_path, paths):
    again = scene.make_scene(tmp_path / "a", size=SIZE, seed=3)
    for one, other in zip(again["s2"], paths["s2"], strict=True):
        np.testing.assert_array_equal(read(one)[0], read(other)[0])


def test_each_seed_lies_in_the_tile_apart_from_the_others():
    assert scene.corner_of(1) == scene.CORNER
    east, south = np.array([scene.corner_of(seed) for seed in range(81)]).T
    apart = np.hypot(east[:, None] - east, south[:, None] - south)
    assert apart[~np.eye(81, dtype=bool)].min() > 10_000
    assert east.min() > 399960 + 720 and east.max() + 9000 < 509760
    assert south.max() < 5500020 - 720
    assert not ((east - east[1]) % 60).any() and not ((south - south[1]) % 60).any()


def test_wrong_use_is_one_line(tmp_path, capsys):
    with pytest.raises(SRError, match="257.*multiple of 4"):
        scene.make_scene(tmp_path, size=257)
    (tmp_path / "file").touch()
    assert scene.main([str(tmp_path / "file"), "--size", "128"]) == 1
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize(
    "words", ["--seed -1", "--size x", "--gain nan", "--shift inf 0"]
)
def test_numbers_that_no_scene_has_are_misuse(tmp_path, words):
    with pytest.raises(SystemExit, match="2"):
        scene.main([str(tmp_path), "--size", "128", *words.split()])
