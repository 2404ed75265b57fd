"""The five scripts on a real OTB with OTBTF, and on otblite: the same results.

    make test-real-otbtf OTBTF_SOURCE=folder

Each exercise takes the results of OTB for the exercise before as its input.
"""

import json
from pathlib import Path

import numpy as np
import pytest
import rasterio

from demo.scene import make_scene
from srtools.conventions import GROUPS
from srtools.network import weights
from tests.processes import ROOT, run_python
from tests.real_otb import engines

pytestmark = [pytest.mark.real_otb, engines.needs("OTBTF")]
SIDE_BY_SIDE = ("OTBTF", "otblite")
IMAGES = {
    "plain": ["--tile_size", "400"],
    "consistent": ["--consistent"],
    "intervals": ["--uncertainty"],
}
NEAR = 1  # DN: uint16 is cut off behind the point


def run(engine: str, script: str, *options: object) -> str:
    """Run a script on an engine; return its output."""
    environment = engines.environment(engine)
    done = run_python(ROOT / script, *options, env=environment, cwd=ROOT)
    assert done.returncode == 0, f"{engine}: {script}: {done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def scene(tmp_path_factory) -> dict:
    """Make a scene; return its files."""
    return make_scene(tmp_path_factory.mktemp("scene"), size=768, seed=2)


@pytest.fixture(scope="module")
def patches(scene, tmp_path_factory) -> dict[str, Path]:
    """Return the patches of each engine."""
    folders = {engine: tmp_path_factory.mktemp(engine) for engine in SIDE_BY_SIDE}
    for engine, folder in folders.items():
        spot = "--pan", scene["pan"], "--xs", scene["xs"], "--spot_date", "2022-07-16"
        s2 = "--s2_images", *scene["s2"], "--offset", "1000", "--coregister"
        run(engine, "sr_dataset.py", *spot, *s2, "--out_dir", folder / "patches")
    return {engine: folder / "patches" for engine, folder in folders.items()}


@pytest.fixture(scope="module")
def models(patches, tmp_path_factory) -> dict[str, Path]:
    """Return the model that each engine trains on OTB's patches."""
    folder = tmp_path_factory.mktemp("models")
    size = "--filters", "8", "--blocks", "1", "--nb_epochs", "2", "--batch_size", "4"
    size += "--seed", "1"
    for engine in SIDE_BY_SIDE:
        out = "--patches", patches["OTBTF"], "--model_dir", folder / engine
        run(engine, "sr_train.py", *out, *size)
    return {engine: folder / engine for engine in SIDE_BY_SIDE}


def read(path: Path) -> np.ndarray:
    with rasterio.open(path) as file:
        return file.read().astype(int)


def assert_near(one: Path, other: Path) -> None:
    """Compare the pixels and the places of two images."""
    with rasterio.open(one) as a, rasterio.open(other) as b:
        assert (a.transform, a.crs, a.dtypes) == (b.transform, b.crs, b.dtypes)
    apart = np.abs(read(one) - read(other))
    assert apart.max() <= NEAR, (
        f"{one.name}: {np.unravel_index(apart.argmax(), apart.shape)}"
    )
    assert (apart > 0).mean() < 0.01


def test_patches(patches):
    cards = {e: json.loads((patches[e] / "dataset.json").read_text()) for e in patches}
    assert (
        "otb" in cards["OTBTF"]["versions"]
        and "otb" not in cards["otblite"]["versions"]
    )
    assert cards["OTBTF"]["groups"] == cards["otblite"]["groups"]
    names = [f"{group}_{kind}_patches.tif" for group in GROUPS for kind in ("lr", "hr")]
    for name in [*names, "sentinel2.tif"]:
        assert_near(*(folder / name for folder in patches.values()))


def test_models(models):
    """Equal to the bit."""
    one, other = (np.load(folder / weights.FILE) for folder in models.values())
    assert sorted(one) == sorted(other) and len(one)
    assert all((one[name] == other[name]).all() for name in one)


def test_network():
    assert len({run(engine, "sr_model.py") for engine in SIDE_BY_SIDE}) == 1


def test_scores(patches, models, tmp_path):
    for engine in SIDE_BY_SIDE:
        inputs = "--patches", patches["OTBTF"], "--model_dir", models["OTBTF"]
        run(engine, "sr_eval.py", *inputs, "--out_dir", tmp_path / engine)
    one, other = ((tmp_path / e / "patches.csv").read_text() for e in SIDE_BY_SIDE)
    assert one == other


@pytest.mark.parametrize("name", IMAGES)
def test_images(scene, models, tmp_path, name):
    for engine in SIDE_BY_SIDE:
        (tmp_path / engine).mkdir()
        s2 = "--s2_images", *scene["s2"], "--offset", "1000", "--like", scene["pan"]
        out = "--model_dir", models["OTBTF"], "--out", tmp_path / engine / "sr.tif"
        exact = "--precision", "float32"  # bfloat16 rounds on each engine differently
        run(engine, "sr_infer.py", *s2, *out, *exact, *IMAGES[name])
    assert_near(*(tmp_path / engine / "sr.tif" for engine in SIDE_BY_SIDE))
