"""The scripts' building blocks on a real OTB, and on otblite: the same answers.

    make test-real-otb

OTB runs in a process of its own, one for each block, where it may crash.
"""

import json
import signal
import subprocess
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine

from demo.scene import make_scene
from srtools.conventions import BANDS
from tests.processes import run_python
from tests.rasters import write_geotiff
from tests.real_otb import building_blocks, engines
from tests.real_otb.building_blocks import BLOCKS

pytestmark = [pytest.mark.real_otb, engines.needs("OTB")]
SCENES = ("demo", "cut", "random", "lambert")

# float32 is computed, in DN.  otblite interpolates on GDAL's kernels, and OTB
# changes between CRS on a coarse grid: the conformance files leave it 0.007 DN.
COMPUTED = 0.02
# uint16 is written, cut off behind the point: 0.02 DN may be the next whole number.
# Of values spread evenly up to 4 % could be; as a rule engines are far nearer.
CUT_OFF, SHARE = 1, 0.001
# float64 is measured on lr: metres, DN, shares.  Beside no data otblite has 0 where
# OTB leaves 1e-9, which counts as data: of some thousand samples a few are others.
MEASURED = {"rtol": 1e-4, "atol": 1e-3}


def assert_same(answers: dict[str, np.ndarray], path: Path) -> None:
    """Compare answers with those of OTB in a file; each must be there."""
    theirs = np.load(path)
    assert answers and sorted(answers) == sorted(theirs)
    for name, values in answers.items():
        same(np.asarray(values), theirs[name], name)


def same(ours: np.ndarray, theirs: np.ndarray, what: str) -> None:
    """Compare two arrays; everything but the types above must be equal."""
    assert ours.shape == theirs.shape, what
    assert ours.dtype.kind == theirs.dtype.kind, what
    if ours.dtype == np.float32:
        assert np.abs(ours - theirs).max(initial=0) <= COMPUTED, what
    elif ours.dtype == np.float64:
        assert np.allclose(ours, theirs, **MEASURED), what
    elif ours.dtype == np.uint16:
        apart = np.abs(ours.astype(int) - theirs)
        assert apart.max() <= CUT_OFF, what
        assert (apart > 0).mean() <= SHARE, what
    else:
        assert (ours == theirs).all(), what


def halves(folder: Path, bands: list[str]) -> list[list[str]]:
    """Cut Sentinel-2 in two tiles that overlap."""
    tiles = [[], []]
    for number, band in enumerate(bands):
        with rasterio.open(band) as file:
            pixels, place, crs = file.read(1), file.transform, file.crs
        third = len(pixels) // 3
        for name, rows, tile in (
            ("north", slice(0, 2 * third), tiles[0]),
            ("south", slice(third, None), tiles[1]),
        ):
            part = place @ Affine.translation(0, rows.start)
            path = folder / f"{name}{number}.tif"
            tile.append(write_geotiff(path, pixels[rows], part, crs))
    return tiles


def random_scene(folder: Path, seed: int, crs: str, smooth: bool) -> dict:
    """Images of odd sizes with wedges of 0; Sentinel-2 lacks a part and has a hole.

    Where Spot lies in another CRS Sentinel-2 is smooth, as the change of CRS is not
    exact in OTB.  No pixel of one grid has its centre between two of the other.
    """
    random = np.random.default_rng(seed)
    folder.mkdir()
    corner = np.array((452000.0, 5412000.0)) + (2.3, 4.9)
    height, width = random.integers(60, 90, 2)
    rows, cols = random.integers(70, 80, 2)
    if smooth:
        y, x = np.mgrid[:rows, :cols]
        waves = 900 * np.sin(x / 6) + 700 * np.cos(y / 5)
        s2 = np.stack([3000 + band + waves for band in range(4)])
    else:
        s2 = random.integers(1, 9000, (4, rows, cols))
    s2[:, 20:27, 30:34] = 0
    s2[:, -4:] = 0
    s2_place = Affine(10, 0, corner[0] - 41, 0, -10, corner[1] - 58)
    xs = np.moveaxis(random.integers(1, 9000, (4, height, width)), 0, -1)
    pan = random.integers(1, 9000, (4 * height + 3, 4 * width - 2))
    xs[:6, :9], pan[:25, :38] = 0, 0
    scl = random.choice([2, 3, 4, 5, 5, 5, 5, 6, 9], (rows // 2, cols // 2))
    if crs != "EPSG:32631":
        places = rasterio.warp.transform("EPSG:32631", crs, *corner[:, None])
        corner = np.ravel(places) + (40, -60)
    place = Affine(6, 0, corner[0], 0, -6, corner[1])
    fine, coarse = place @ Affine.scale(1 / 4), s2_place @ Affine.scale(2)

    def write(name: str, pixels: np.ndarray, *place) -> str:
        return write_geotiff(folder / f"{name}.tif", pixels.astype(np.uint16), *place)

    return {
        "pan": write("pan", pan, fine, crs),
        "xs": write("xs", xs, place, crs),
        "s2": [write(*band, s2_place) for band in zip(BANDS, s2, strict=True)],
        "scl": write("scl", scl.astype(np.uint8), coarse),
    }


@pytest.fixture(scope="session")
def scenes(tmp_path_factory) -> dict[str, Path]:
    """Make the scenes; return the JSON file that lists the files of each."""
    folder = tmp_path_factory.mktemp("scenes")
    descriptions = {}
    demo = make_scene(folder / "demo", size=768, seed=2, shift=(2.4, -1.8))
    spot = {name: str(demo[name]) for name in ("pan", "xs")}
    for name, day in {"demo": "2022-07-14", "cut": "2022-08-08"}.items():
        bands, day = {}, folder / "demo" / "s2" / day
        for band in (*BANDS, "SCL"):
            (bands[band],) = map(str, day.glob(f"*_{band}_*.tif"))
        scl = bands.pop("SCL")
        s2 = [*bands.values()]
        descriptions[name] = {**spot, "s2": s2, "scl": scl}
    descriptions["random"] = random_scene(folder / "random", 1, "EPSG:32631", False)
    descriptions["lambert"] = random_scene(folder / "lambert", 2, "EPSG:2154", True)
    paths = {}
    for name, scene in descriptions.items():
        paths[name] = folder / name / "scene.json"
        paths[name].parent.mkdir(exist_ok=True)
        scene["tiles"] = halves(paths[name].parent, scene["s2"])
        paths[name].write_text(json.dumps(scene))
    return paths


def run(*arguments: object, **variables: str) -> subprocess.CompletedProcess:
    """Run blocks on the real OTB."""
    environment = engines.environment("OTB", **variables)
    return run_python(building_blocks.__file__, *arguments, env=environment)


@pytest.fixture(scope="module")
def real(request, scenes, tmp_path_factory) -> tuple[str, dict[str, Path]]:
    """Run a block on all scenes; return its name and the files of its answers."""
    folder = tmp_path_factory.mktemp("real")
    answers = {name: folder / f"{name}.npz" for name in scenes}
    done = run(request.param, *(p for n in scenes for p in (scenes[n], answers[n])))
    how = f"exit code {done.returncode}"
    if done.returncode < 0:
        how = f"killed by {signal.Signals(-done.returncode).name}"
    if done.returncode:
        pytest.fail(f"{request.param}: OTB's process ended with {how}\n{done.stderr}")
    return request.param, answers


@pytest.mark.parametrize("scene", SCENES)
@pytest.mark.parametrize("real", BLOCKS, indirect=True)
def test_same_on_both_engines(real, scene, scenes, tmp_path):
    block, answers = real
    ours = building_blocks.answer(block, scenes[scene], tmp_path / "ours.npz")
    assert_same(ours, answers[scene])


def test_found_through_otb_root(scenes, tmp_path):
    """pyotb then names OTB's PROJ database, which is too old for rasterio's wheel."""
    root = tmp_path / "root" / "lib" / "otb"
    root.mkdir(parents=True)
    built = engines.places()
    (root / "python").symlink_to(built["PYTHONPATH"])
    (root / "applications").symlink_to(built["OTB_APPLICATION_PATH"])
    out = tmp_path / "theirs.npz"
    arguments = "kept_sentinel2", scenes["lambert"], out
    done = run(*arguments, OTB_ROOT=str(tmp_path / "root"))
    assert done.returncode == 0, done.stderr
    ours = building_blocks.answer(*arguments[:2], tmp_path / "ours.npz")
    assert_same(ours, out)
