"""Debian's OTB and otblite on fresh random scenes: the same pixels."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import rasterio
import rasterio.warp
from affine import Affine
from otblite import vectors

import pyotb

pytestmark = [
    pytest.mark.otb,
    pytest.mark.skipif(
        shutil.which("otbcli_Superimpose") is None,
        reason="Debian's OTB is not installed (apt-get install otb-bin)",
    ),
]
# otblite sets this variable, to nothing, in the process of the tests.
ENVIRONMENT = {k: v for k, v in os.environ.items() if k != "OTB_APPLICATION_PATH"}
DN = 0.02
SEEDS = range(4)
TYPES = {"uint16": np.uint16, "int16": np.int16, "float": np.float32}


def otb(application: str, out: Path, pixel: str, **parameters) -> np.ndarray:
    """Run a program of Debian's OTB and read what it wrote."""
    command = [f"otbcli_{application}", "-out", str(out), pixel]
    for key, value in parameters.items():
        values = value if isinstance(value, list) else [value]
        command += [f"-{key}", *map(str, values)]
    done = subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT)
    assert done.returncode == 0, done.stdout + done.stderr
    return read(out)


def read(path: Path) -> np.ndarray:
    with rasterio.open(path) as file:
        return file.read().astype(float)


def write(path: Path, pixels: np.ndarray, spacing: float, corner, crs: str) -> str:
    bands = pixels if pixels.ndim == 3 else pixels[None]
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        dtype=bands.dtype,
        count=bands.shape[0],
        height=bands.shape[1],
        width=bands.shape[2],
        crs=crs,
        transform=Affine(spacing, 0, corner[0], 0, -spacing, corner[1]),
    ) as file:
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
        "Superimpose",
        tmp_path / "otb.tif",
        "uint16",
        inr=scene["xs"],
        inm=scene["one"],
        interpolator="nn",
    )
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


def test_superimpose_at_the_very_edge(tmp_path):
    """Pixel centres on the outline of `inm`: its left and upper edge belong to it."""
    random = np.random.default_rng(0)
    x, y = 452000, 5412000
    fine = write(tmp_path / "fine.tif", np.ones((40, 44)), 1.5, (x, y), "EPSG:32631")
    coarse = random.integers(1, 4000, (2, 6, 5)).astype(np.uint16)
    corner = (x + 6.75, y - 6.75)
    coarse = write(tmp_path / "coarse.tif", coarse, 6, corner, "EPSG:32631")
    for method in ("bco", "linear", "nn"):
        parameters = {"inr": fine, "inm": coarse, "fv": -7, "interpolator": method}
        theirs = otb("Superimpose", tmp_path / "otb.tif", "float", **parameters)
        mine = ours(pyotb.Superimpose(parameters), tmp_path)
        assert np.abs(mine - theirs).max() <= DN


def test_wide_image_in_another_crs(tmp_path):
    """Several kilometres, so that a straight line in one CRS is none in the other.

    `inm` holds its own columns and rows: the difference is that of positions.
    """
    x, y = 452000, 5412000
    place = rasterio.warp.transform("EPSG:32631", "EPSG:2154", [x], [y])
    corner = (place[0][0] + 100, place[1][0] + 100)
    index = np.indices((200, 900))[::-1].astype(np.float32)
    inm = write(tmp_path / "index.tif", index, 10, corner, "EPSG:2154")
    inr = write(tmp_path / "wide.tif", np.ones((20, 5000)), 1.5, (x, y), "EPSG:32631")
    theirs = otb(
        "Superimpose",
        tmp_path / "otb.tif",
        "float",
        inr=inr,
        inm=inm,
        interpolator="linear",
        fv=-1,
    )
    app = pyotb.Superimpose(inr=inr, inm=inm, interpolator="linear", fv=-1)
    mine = ours(app, tmp_path)
    inside = (theirs != -1) & (mine != -1)
    assert inside.mean() > 0.8 and ((theirs == -1) == (mine == -1)).all()
    assert np.abs(mine - theirs)[inside].max() < 1e-3


def pansharpened(parameters: dict) -> pyotb.App:
    """Pansharpen with the radius of OTB 8.1.1, which has no parameter for it."""
    radius = {f"method.rcs.radius{axis}": 3 for axis in "xy"}
    return pyotb.BundleToPerfectSensor(parameters | radius)


@pytest.mark.parametrize("method", ["bco", "linear"])
@pytest.mark.parametrize("fill", [0, 5])
def test_pansharpen(scene, method, fill, tmp_path):
    parameters = {"inp": scene["pan"], "inxs": scene["xs"]}
    parameters |= {"interpolator": method, "fv": fill}
    theirs = otb("BundleToPerfectSensor", tmp_path / "otb.tif", "float", **parameters)
    mine = ours(pansharpened(parameters), tmp_path)
    assert np.abs(mine - theirs).max() <= DN


@pytest.mark.parametrize("radius", [(3, 3), (1, 2)])
def test_pansharpen_by_local_moments(scene, radius, tmp_path):
    parameters = {"inp": scene["pan"], "inxs": scene["xs"], "method": "lmvm"}
    keys = "method.lmvm.radiusx", "method.lmvm.radiusy"
    parameters |= dict(zip(keys, radius, strict=True))
    theirs = otb("BundleToPerfectSensor", tmp_path / "otb.tif", "float", **parameters)
    mine = ours(pyotb.BundleToPerfectSensor(parameters), tmp_path)
    assert np.abs(mine - theirs).max() <= DN


@pytest.mark.parametrize("fill", [0, 5])
def test_pansharpen_with_small_xs(scene, fill, tmp_path):
    """XS covers a part of PAN and holds the fill value itself."""
    with rasterio.open(scene["one"]) as file:
        values, corner = file.read(), (file.transform.c, file.transform.f)
    values[0, 5:8, 4:9] = 5
    xs = write(tmp_path / "small.tif", values, 6.3, corner, "EPSG:32631")
    parameters = {"inp": scene["pan"], "inxs": xs, "fv": fill}
    parameters["interpolator"] = "nn"
    theirs = otb("BundleToPerfectSensor", tmp_path / "otb.tif", "float", **parameters)
    mine = ours(pansharpened(parameters), tmp_path)
    assert (theirs == fill).any() and (theirs != fill).any()
    # Ties of the nearest neighbour fall as the rounding of coordinates will have it.
    assert (np.abs(mine - theirs) > DN).mean() < 0.01


@pytest.mark.parametrize("pixel", ["uint8", "int16", "uint16"])
def test_whole_numbers(scene, pixel, tmp_path):
    """Clamped and truncated; the rounding of floats may flip a unit here and there."""
    parameters = {"inp": scene["pan"], "inxs": scene["xs"]}
    theirs = otb("BundleToPerfectSensor", tmp_path / "otb.tif", pixel, **parameters)
    mine = ours(pansharpened(parameters), tmp_path, pixel)
    assert np.abs(mine - theirs).max() <= 1
    assert (mine != theirs).mean() < 1e-3


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


@pytest.mark.parametrize(
    "options",
    [
        {"startx": 3, "starty": 4, "sizex": 5},
        {"startx": -3, "sizex": 5, "sizey": 99},
        {"mode": "extent", "mode.extent.ulx": -4, "mode.extent.lrx": 5},
        {"mode": "extent", "mode.extent.ulx": 2.6, "mode.extent.lry": 8.4},
    ],
)
def test_regions(scene, options, tmp_path):
    same_region({"in": scene["xs"], **options}, tmp_path)


def same_region(parameters: dict, tmp_path) -> None:
    """The same pixels at the same place."""
    theirs = otb("ExtractROI", tmp_path / "otb.tif", "float", **parameters)
    mine = ours(pyotb.ExtractROI(parameters), tmp_path)
    np.testing.assert_array_equal(mine, theirs)
    with (
        rasterio.open(tmp_path / "otb.tif") as one,
        rasterio.open(tmp_path / "ours.tif") as other,
    ):
        assert one.transform.almost_equals(other.transform, 1e-6)


@pytest.fixture
def numbered(tmp_path) -> str:
    """An image of 100 x 90 pixels of 10 m, all of which are different."""
    pixels = np.arange(9000, dtype=np.float32).reshape(90, 100)
    return write(tmp_path / "in.tif", pixels, 10, (500000, 4800000), "EPSG:32631")


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("unit", ["pxl", "phy", "lonlat"])
@pytest.mark.parametrize("radius_unit", ["pxl", "phy"])
def test_regions_around_a_point(seed, unit, radius_unit, numbered, tmp_path):
    random = np.random.default_rng(seed)
    # OTB keeps coordinates in float32, that is half metres; so not near to an edge.
    col, row = random.integers(1, 88, 2) + random.uniform(0.2, 0.8, 2)
    x, y = {
        "pxl": (col, row),
        "phy": (500000 + 10 * col, 4800000 - 10 * row),
        "lonlat": [
            values[0]
            for values in rasterio.warp.transform(
                "EPSG:32631", "EPSG:4326", [500000 + 10 * col], [4800000 - 10 * row]
            )
        ],
    }[unit]
    radius = float(random.integers(0, 9) if radius_unit == "pxl" else 47 + seed)
    parameters = {"in": numbered, "mode": "radius", "mode.radius.r": radius}
    parameters |= {"mode.radius.unitr": radius_unit, "mode.radius.unitc": unit}
    parameters |= {"mode.radius.cx": x, "mode.radius.cy": y}
    same_region(parameters, tmp_path)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("crs", ["EPSG:32631", "EPSG:4326"])
def test_regions_of_another_image(seed, crs, numbered, tmp_path):
    random = np.random.default_rng(seed)
    x, y = 500000 + random.uniform(-60, 400), 4800000 - random.uniform(-60, 400)
    spacing = 6 + seed / 3
    if crs == "EPSG:4326":
        ((x,), (y,)) = rasterio.warp.transform("EPSG:32631", crs, [x], [y])
        spacing = 1e-4
    pixels = np.ones((30 + seed, 41), np.uint8)
    other = write(tmp_path / "other.tif", pixels, spacing, (x, y), crs)
    parameters = {"in": numbered, "mode": "fit", "mode.fit.im": other}
    same_region(parameters, tmp_path)


@pytest.mark.parametrize("crs", ["EPSG:32631", "EPSG:4326"])
def test_regions_of_vector_data(crs, numbered, tmp_path):
    xs, ys = [500103, 500307], [4799551, 4799803]
    xs, ys = rasterio.warp.transform("EPSG:32631", crs, xs, ys)
    path = tmp_path / "two.geojson"
    corners = vectors.Points(
        rasterio.crs.CRS.from_user_input(crs),
        list(zip(xs, ys, strict=True)),
        [{"id": 0}, {"id": 1}],
    )
    vectors.write(corners, str(path))
    parameters = {"in": numbered, "mode": "fit", "mode.fit.vect": str(path)}
    same_region(parameters, tmp_path)


@pytest.mark.parametrize("unit", ["phy", "lonlat"])
def test_regions_between_corners(unit, numbered, tmp_path):
    xs, ys = [500103.5, 500307], [4799803, 4799551.5]
    if unit == "lonlat":
        xs, ys = rasterio.warp.transform("EPSG:32631", "EPSG:4326", xs, ys[::-1])
    parameters = {"in": numbered, "mode": "extent", "mode.extent.unit": unit}
    for index, corner in enumerate(("ul", "lr")):
        parameters[f"mode.extent.{corner}x"] = xs[index]
        parameters[f"mode.extent.{corner}y"] = ys[index]
    same_region(parameters, tmp_path)


@pytest.mark.parametrize("nodata", [0, 9])
def test_mosaic(nodata, tmp_path):
    random = np.random.default_rng(nodata)
    names = []
    for index, place in enumerate([(0, 0), (70, -50), (-30, 20)]):
        values = random.integers(0, 12, (2, 20, 17)).astype(np.uint16)
        values[:, 5:9] = nodata
        corner = (452000 + place[0], 5412000 + place[1])
        name = tmp_path / f"{index}.tif"
        names.append(write(name, values, 10, corner, "EPSG:32631"))
    parameters = {"il": names, "nodata": nodata}
    theirs = otb("Mosaic", tmp_path / "otb.tif", "float", **parameters)
    np.testing.assert_array_equal(ours(pyotb.Mosaic(parameters), tmp_path), theirs)


EXPRESSIONS = {
    "BandMath": [
        "-im1b1 ^ 2",
        "2 ^ 3 ^ 2",
        "im1b1 / 0",
        "im1b1 && im1b2",
        "im1b1 ? 5 : 6",
        "im1b1 > 9 ? im1b2 > 9 ? 1 : 2 : 3",
        "1 < im1b1 < 3",
        "(im1b1 > 9) + 1",
        "log(im1b1) + log10(im1b2)",
        "min(im1b1, im1b2, 7) - max(im1b1, 3)",
        "3",
        "im1b1 > 9 || im1b2 > 9 && im1b1 > 99",
        "im1b1 - im1b2 - 3 * -im1b1 / 2",
        "sqrt(-im1b1 - 1)",
        "im1b1 > 9 and im1b2 > 9",
        "im1b1 or 0 and 0",
        "1 or 0 && 0",
        "0 && 0 or 1",
        "1 + 1 and 0 || im1b1",
        "ndvi(im1b1, im1b2)",
        "ndvi(0, 0) + ndvi(im1b1, -im1b1)",
        "idxX + 100 * idxY",
        "rint(im1b1 / 2) + 100 * rint(-im1b2 / 2)",
        "sign(im1b1 - 9)",
        "sum(im1b1, im1b2, 1) - avg(im1b1, 5)",
        "log2(im1b1 + 1) + ln(im1b2 + 1)",
        "atan2(im1b1, im1b2)",
        "asinh(im1b1) + acosh(im1b1 + 1) + atanh(0.5)",
        "pi + _pi * e - _e",
    ],
    "BandMathX": [
        "-im1b1 ^ 2; 2 ^ 3 ^ 2",
        "im1b1 / 0",
        "im1b1 > 9 && im1b2 > 9 ? 1 : 0",
        "(im1b1 > 9) == (im1b2 > 9) ? 1 : 0",
        "log(im1b1 + 1); abs(im1b2 - 9)",
        "min(im1b1, im1b2, 7) - max(im1b1, 3)",
        "im1b1 - im1b2 - 3 * -im1b1 / 2; 3",
        "im1; im1b2",
        "{im1b1, 2}",
        "bands(im1, {2, 1, 2})",
        "bands(im1, {2; 1}); im1b1",
        "bands({im1b1, im1b2}, {2})",
        "im1 + im1 - bands(im1, {2, 1})",
        "im1 * 2.5; 2 * im1; im1 * im1b2; im1b1 * {1, 2}",
        "im1 mult im1; im1 div {3, 4}; im1 pow {2, 1.5}",
        "im1 mlt 2; im1 dv 2; im1 pw 2; im1 mlt (1 + im1b1)",
        "im1 mlt 2 pw 2; im1 pw 2 mlt 2; 2 * im1 pw 2",
        "im1 + im1 mult im1 * 2",
        "im1 mlt -1",
        "(im1 + im1) mlt 0.5",
        "(im1b1 > 9 ? im1 : {1, 2})",
        "cat(im1, im1b1, {7})",
        "vect2scal(im1) - im1b2",
        "im1b1 - vect2scal(mean(im1b1N3x3))",
        "mean(im1); mean(im1, im1); var(im1); mean({1, 2, 4}); var({1, 2, 4})",
        "mean(im1b1) * 2",
        "vmin(im1); vmax(im1); vnorm(im1); dotpr(im1, {1, 2})",
        "mean(im1b1N3x3); mean(im1b1N5x3); mean(im1b2N3x5, im1b1N3x1)",
        "median(im1b1N3x3); median(im1b1N5x3, im1b2N3x3)",
        "var(im1b1N3x3); vmin(im1b1N3x3); vmax(im1b1N3x5)",
        "im1b1Mini; im1b1Maxi; im1b1Mean; im1b1Sum; im1b1Var; im1b2Mean",
        "im1b1 == im1b1Maxi ? 1 : 0",
        "vabs(im1 mlt -1); vsqrt(im1); vlog(im1); vlog10(im1); vcos(im1); vsin(im1)",
        "vtan(im1); vatan(im1); vexp(im1 dv 10); vacos(im1 dv 30); vasin(im1 dv 30)",
        "idxX + 100 * idxY; im1PhyX; im1PhyY",
        "ndvi(im1b1, im1b2); ln(im1b1 + 1); log2(im1b1 + 1); sum(1, im1b1); pi; e",
        "im1b1 > 9 and im1b2 > 9 or im1b1 > 15 ? 1 : 0",
        "(2 > 1 or 1 > 2 and 1 > 2) ? 1 : 0",
    ],
}
PAIRS = [(app, text) for app, texts in EXPRESSIONS.items() for text in texts]


@pytest.fixture(scope="module")
def two_bands(tmp_path_factory) -> str:
    values = np.random.default_rng(0).integers(0, 20, (2, 5, 9)).astype(np.int16)
    path = tmp_path_factory.mktemp("bands") / "two.tif"
    return write(path, values, 6, (452000, 5412000), "EPSG:32631")


@pytest.mark.parametrize(("application", "text"), PAIRS)
def test_expressions(application, text, two_bands, tmp_path):
    """What parsers make of it, clamped where it is too large, NaN where it is none."""
    parameters = {"il": [two_bands], "exp": text}
    theirs = otb(application, tmp_path / "otb.tif", "float", **parameters)
    mine = ours(pyotb.App(application, parameters), tmp_path)
    np.testing.assert_allclose(mine, theirs, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    ("application", "text"),
    [
        ("BandMath", "!im1b1"),
        ("BandMath", "floor(im1b1)"),
        ("BandMath", "im1b3"),
        ("BandMath", "im1b1 % 2"),
        ("BandMathX", "im1b1 && im1b2"),
        ("BandMathX", "im1b1 > 2"),
        ("BandMathX", "(im1b1 > 2) + 1"),
        ("BandMathX", "im1b1 ? 1 : 2"),
        ("BandMathX", "1 < im1b1 < 3 ? 1 : 0"),
        ("BandMathX", "+im1b1"),
        ("BandMathX", "atan(im1b1)"),
        ("BandMathX", "im1b1;"),
        ("BandMathX", "im1b1; "),
        ("BandMathX", ";im1b1"),
        ("BandMathX", "1;;im1b2"),
        ("BandMath", "im1"),
        ("BandMath", "im1b1 mlt 2"),
        ("BandMath", "im1b1Mean"),
        ("BandMathX", "im1 + 1"),
        ("BandMathX", "im1 * im1"),
        ("BandMathX", "im1 / 2"),
        ("BandMathX", "2 mlt im1"),
        ("BandMathX", "im1b1 mult im1b2"),
        ("BandMathX", "im1 + {1, 2, 3}"),
        ("BandMathX", "im1b1 - mean(im1b1N3x3)"),
        ("BandMathX", "im1 > 3 ? 1 : 0"),
        ("BandMathX", "bands(im1, {3})"),
        ("BandMathX", "bands(im1, 1)"),
        ("BandMathX", "{im1, 2}"),
        ("BandMathX", "im1b1N3x3"),
        ("BandMathX", "im2"),
        ("BandMathX", "vmin(im1, im1)"),
        ("BandMathX", "im1b1 and im1b2"),
        ("BandMathX", "ndvi(im1b1)"),
        ("BandMathX", "abs(im1)"),
    ],
)
def test_expressions_that_both_refuse(application, text, two_bands, tmp_path):
    """A script that runs on otblite must run on OTB as well."""
    parameters = {"il": [two_bands], "exp": text}
    with pytest.raises(AssertionError, match="FATAL|ERROR|rror"):
        otb(application, tmp_path / "otb.tif", "float", **parameters)
    with pytest.raises(RuntimeError, match=application):
        pyotb.App(application, parameters)


def test_labels_of_no_data(two_bands, tmp_path):
    """Which of the images that are made carry one, and which."""
    with rasterio.open(two_bands) as file:
        profile, values = file.profile, file.read()
    labelled = str(tmp_path / "labelled.tif")
    with rasterio.open(labelled, "w", **{**profile, "nodata": 4}) as file:
        file.write(values)
    for application, parameters in [
        ("ExtractROI", {"in": labelled}),
        ("ExtractROI", {"in": labelled, "cl": ["Channel1"]}),
        ("ConcatenateImages", {"il": [labelled]}),
        ("Superimpose", {"inr": two_bands, "inm": labelled}),
        ("Superimpose", {"inr": labelled, "inm": two_bands, "fv": 3}),
        ("Mosaic", {"il": [labelled]}),
        ("BandMath", {"il": [labelled], "exp": "im1b1"}),
        ("BandMathX", {"il": [labelled], "exp": "im1b1; im1b2"}),
    ]:
        otb(application, tmp_path / "otb.tif", "float", **parameters)
        ours(pyotb.App(application, parameters), tmp_path)
        with (
            rasterio.open(tmp_path / "otb.tif") as one,
            rasterio.open(tmp_path / "ours.tif") as other,
        ):
            assert one.nodata == other.nodata, application


def test_image_info(scene):
    done = subprocess.run(
        ["otbcli_ReadImageInfo", "-in", scene["xs"]],
        capture_output=True,
        text=True,
        env=ENVIRONMENT,
    )
    told = dict(re.findall(r"^(\w+): (\S+)$", done.stdout, re.MULTILINE))
    mine = pyotb.ReadImageInfo(scene["xs"]).data
    for key in ("sizex", "sizey", "indexx", "indexy", "numberbands", "datatype"):
        assert str(mine[key]) == told[key]
    for key in ("originx", "originy", "spacingx", "spacingy"):
        assert mine[key] == pytest.approx(float(told[key]), rel=1e-6)
    for key in ("estimatedgroundspacingx", "estimatedgroundspacingy"):
        assert mine[key] == pytest.approx(float(told[key]), rel=1e-3)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"ref.channel": 2, "meas.channel": 1},
        {"roi.startx": 3, "roi.starty": 1, "roi.sizex": 4, "roi.sizey": 2},
    ],
)
def test_compared_images(options, two_bands, tmp_path):
    values = np.random.default_rng(1).integers(0, 20, (2, 5, 9)).astype(np.int16)
    other = write(tmp_path / "other.tif", values, 6, (452000, 5412000), "EPSG:32631")
    parameters = {"ref.in": two_bands, "meas.in": other, **options}
    command = ["otbcli_CompareImages"]
    for key, value in parameters.items():
        command += [f"-{key}", str(value)]
    done = subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT)
    told = dict(re.findall(r"^(\w+): (\S+)$", done.stdout, re.MULTILINE))
    mine = pyotb.CompareImages(parameters).data
    for key in ("mse", "mae", "psnr", "count"):
        assert mine[key] == pytest.approx(float(told[key]), rel=1e-6)
