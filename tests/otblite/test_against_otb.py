"""Debian's OTB and otblite on fresh random scenes: the same pixels."""

import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pyotb
import pytest
import rasterio
from affine import Affine

pytestmark = [
    pytest.mark.otb,
    pytest.mark.skipif(
        shutil.which("otbcli_Superimpose") is None,
        reason="Debian's OTB is not installed (apt-get install otb-bin)",
    ),
]
DN = 0.02
SEEDS = range(4)
TYPES = {"uint16": np.uint16, "int16": np.int16, "float": np.float32}


def otb(application: str, out: Path, pixel: str, **parameters) -> np.ndarray:
    """Run a program of Debian's OTB and read what it wrote."""
    command = [f"otbcli_{application}", "-out", str(out), pixel]
    for key, value in parameters.items():
        values = value if isinstance(value, list) else [value]
        command += [f"-{key}", *map(str, values)]
    # otblite sets this variable, to nothing, in the process of the tests.
    environment = {k: v for k, v in os.environ.items() if k != "OTB_APPLICATION_PATH"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    return read(out)


def read(path: Path) -> np.ndarray:
    with rasterio.open(path) as file:
        return file.read().astype(float)


def write(path: Path, pixels: np.ndarray, spacing: float, corner, crs: str) -> str:
    bands = pixels if pixels.ndim == 3 else pixels[None]
    with rasterio.open(
        path, "w", driver="GTiff", dtype=bands.dtype, count=bands.shape[0],
        height=bands.shape[1], width=bands.shape[2], crs=crs,
        transform=Affine(spacing, 0, corner[0], 0, -spacing, corner[1]),
    ) as file:  # fmt: skip
        file.write(bands)
    return str(path)


@pytest.fixture(params=SEEDS)
def scene(request, tmp_path) -> dict[str, str]:
    """PAN, XS and two Sentinel-2 bands that cover a part of them; odd sizes."""
    random = np.random.default_rng(request.param)
    kind = list(TYPES.values())[request.param % 3]
    height, width = random.integers(30, 60, 2)
    x, y = 452000 + random.uniform(0, 10, 2) + (0, 4960000)

    def pixels(*shape: int) -> np.ndarray:
        return random.integers(1, 9000, shape).astype(kind)

    pan = pixels(4 * height + random.integers(4), 4 * width + random.integers(4))
    pan[:20, :30] = 0
    corner = (x, y)
    smaller = (x + random.uniform(30, 60), y - random.uniform(30, 60))
    size = random.integers(12, 18, 2)
    return {
        "pan": write(tmp_path / "pan.tif", pan, 1.5, corner, "EPSG:32631"),
        "xs": write(
            tmp_path / "xs.tif", pixels(4, height, width), 6, corner, "EPSG:32631"
        ),
        "one": write(tmp_path / "one.tif", pixels(*size), 10, smaller, "EPSG:32631"),
        "two": write(tmp_path / "two.tif", pixels(*size), 10, smaller, "EPSG:32631"),
    }


def ours(app: pyotb.App, tmp_path: Path, pixel: str = "float") -> np.ndarray:
    app.write(str(tmp_path / "ours.tif"), pixel_type=pixel)
    return read(tmp_path / "ours.tif")


@pytest.mark.parametrize("method", ["bco", "linear"])
@pytest.mark.parametrize("fill", [0, -7])
def test_superimpose(scene, method, fill, tmp_path):
    """Edges included: Sentinel-2 covers a part of the reference only."""
    parameters = {"inr": scene["xs"], "inm": scene["one"], "fv": fill}
    theirs = otb(
        "Superimpose", tmp_path / "otb.tif", "float", interpolator=method, **parameters
    )
    app = pyotb.Superimpose({**parameters, "interpolator": method})
    mine = ours(app, tmp_path)
    assert (theirs == fill).any() and (theirs != fill).any()
    assert np.abs(mine - theirs).max() <= DN


def test_superimpose_nearest(scene, tmp_path):
    theirs = otb(
        "Superimpose", tmp_path / "otb.tif", "uint16",
        inr=scene["xs"], inm=scene["one"], interpolator="nn",
    )  # fmt: skip
    app = pyotb.Superimpose(inr=scene["xs"], inm=scene["one"], interpolator="nn")
    assert (ours(app, tmp_path, "uint16") != theirs).mean() < 0.01


def test_superimpose_from_another_crs(tmp_path):
    """OTB interpolates the change of CRS on a coarse grid: hence a smooth image."""
    y, x = np.mgrid[:70, :80]
    smooth = (3000 + 900 * np.sin(x / 6) + 700 * np.cos(y / 5)).astype(np.float32)
    s2 = write(tmp_path / "s2.tif", smooth, 10, (452100, 5412000), "EPSG:32631")
    # The same place in Lambert-93.
    place = rasterio.warp.transform("EPSG:32631", "EPSG:2154", [452300], [5411800])
    corner = (place[0][0], place[1][0])
    xs = write(tmp_path / "xs.tif", np.ones((51, 47)), 6, corner, "EPSG:2154")
    theirs = otb("Superimpose", tmp_path / "otb.tif", "float", inr=xs, inm=s2)
    mine = ours(pyotb.Superimpose(inr=xs, inm=s2), tmp_path)
    assert np.abs(mine - theirs).max() <= DN


def test_pansharpen(scene, tmp_path):
    theirs = otb(
        "BundleToPerfectSensor", tmp_path / "otb.tif", "float",
        inp=scene["pan"], inxs=scene["xs"],
    )  # fmt: skip
    app = pyotb.BundleToPerfectSensor(inp=scene["pan"], inxs=scene["xs"])
    mine = ours(app, tmp_path)
    assert np.abs(mine - theirs).max() <= DN


@pytest.mark.parametrize("pixel", ["uint8", "int16", "uint16"])
def test_concatenate_clamps_and_truncates(scene, pixel, tmp_path):
    names = [scene["one"], scene["two"]]
    theirs = otb("ConcatenateImages", tmp_path / "otb.tif", pixel, il=names)
    mine = ours(pyotb.ConcatenateImages(il=names), tmp_path, pixel)
    np.testing.assert_array_equal(mine, theirs)


def test_operators(scene, tmp_path):
    """What pyotb makes of operators, through BandMathX."""
    app = pyotb.where(
        pyotb.Input(scene["xs"]) < 1001, 1, pyotb.Input(scene["xs"]) - 1000
    )
    theirs = otb(
        "BandMathX", tmp_path / "otb.tif", "float", il=[scene["xs"]], exp=app.exp
    )
    np.testing.assert_allclose(ours(app, tmp_path), theirs, atol=DN)
