"""Debian's OTB and otblite on fresh random scenes: the same pixels."""

import os
import re
import shutil
import subprocess
from collections.abc import Callable

import numpy as np
import pytest
import rasterio
import rasterio.warp
from otblite import vectors

from tests.otblite.test_expressions import NAMED, SEMICOLONS, STRICT, spelled

import pyotb

pytestmark = [
    pytest.mark.otb,
    pytest.mark.skipif(
        shutil.which("otbApplicationLauncherCommandLine") is None,
        reason="Debian's OTB is not installed (apt-get install otb-bin)",
    ),
]
# otblite sets this variable, to nothing, in the process of the tests.
ENVIRONMENT = {k: v for k, v in os.environ.items() if k != "OTB_APPLICATION_PATH"}
DN = 0.02
TYPES = {"uint16": np.uint16, "int16": np.int16, "float": np.float32}
CORNER = (452000.0, 5412000.0)
UTM31, LAMBERT, LONLAT = "EPSG:32631", "EPSG:2154", "EPSG:4326"
Both = Callable[..., tuple[np.ndarray, np.ndarray]]


def otb(application: str, *words: str, **parameters) -> str:
    """Run a program of Debian's OTB; return its output."""
    command = [f"otbcli_{application}", *words]
    for key, value in parameters.items():
        values = value if isinstance(value, list) else [value]
        command += [f"-{key}", *map(str, values)]
    done = subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def both(tmp_path) -> Both:
    """Run an application on both engines: OTB's pixels, otblite's, and their labels.

    Places and labels of no data must be equal.
    """
    paths = [str(tmp_path / name) for name in ("otb.tif", "ours.tif")]

    def run(name: str, parameters: dict, pixel="float", **extra):
        otb(name, "-out", paths[0], pixel, **parameters)
        pyotb.App(name, parameters | extra).write(paths[1], pixel_type=pixel)
        with rasterio.open(paths[0]) as theirs, rasterio.open(paths[1]) as ours:
            assert ours.transform.almost_equals(theirs.transform, 1e-6)
            assert ours.nodata == theirs.nodata, name
            return theirs.read().astype(float), ours.read().astype(float)

    return run


def assert_near(arrays: tuple[np.ndarray, np.ndarray], tolerance=DN) -> None:
    theirs, ours = arrays
    assert np.abs(ours - theirs).max() <= tolerance


def assert_partly_filled(pixels: np.ndarray, fill: float) -> None:
    assert (pixels == fill).any() and (pixels != fill).any()


@pytest.fixture(params=range(4))
def scene(request, write_raster) -> dict[str, str]:
    """PAN, XS and two Sentinel-2 bands that cover a part of them; odd sizes."""
    random = np.random.default_rng(request.param)
    kind = list(TYPES.values())[request.param % 3]
    height, width = random.integers(30, 60, 2)
    corner = CORNER + random.uniform(0, 10, 2)

    def pixels(*shape: int) -> np.ndarray:
        return random.integers(1, 9000, shape).astype(kind)

    pan = pixels(4 * height + random.integers(4), 4 * width + random.integers(4))
    pan[:20, :30] = 0
    smaller = corner + random.uniform(30, 60, 2) * (1, -1)
    size = random.integers(12, 18, 2)
    return {
        "pan": write_raster("pan.tif", pan, 1.5, corner),
        "xs": write_raster("xs.tif", pixels(height, width, 4), 6, corner),
        "one": write_raster("one.tif", pixels(*size), 10, smaller),
        "two": write_raster("two.tif", pixels(*size), 10, smaller),
    }


# The radius of OTB 8.1.1, which has no parameter for it.
RADIUS = {f"method.rcs.radius{axis}": 3 for axis in "xy"}
KERNELS = [
    {"interpolator": kernel, "fv": fill}
    for kernel in ("bco", "linear")
    for fill in (0, 5)
]
LMVM = [
    {"method": "lmvm", "method.lmvm.radiusx": x, "method.lmvm.radiusy": y}
    for x, y in ((3, 3), (1, 2))
]


@pytest.mark.parametrize("options", KERNELS)
def test_superimpose(scene, options, both):
    """Edges included: Sentinel-2 covers a part of the reference only."""
    pixels = both("Superimpose", {"inr": scene["xs"], "inm": scene["one"], **options})
    assert_partly_filled(pixels[0], options["fv"])
    assert_near(pixels)


def test_superimpose_nearest(scene, both):
    parameters = {"inr": scene["xs"], "inm": scene["one"], "interpolator": "nn"}
    theirs, ours = both("Superimpose", parameters, "uint16")
    assert (ours != theirs).mean() < 0.01


@pytest.mark.parametrize("options", [*KERNELS, *LMVM])
def test_pansharpen(scene, options, both):
    parameters = {"inp": scene["pan"], "inxs": scene["xs"], **options}
    assert_near(both("BundleToPerfectSensor", parameters, **RADIUS))


def corner_in(crs: str, x: float, y: float) -> tuple[float, float]:
    """Return a place of UTM 31 in another CRS."""
    ((x,), (y,)) = rasterio.warp.transform(UTM31, crs, [x], [y])
    return x, y


def test_superimpose_from_another_crs(write_raster, both):
    """OTB interpolates the change of CRS on a coarse grid: hence a smooth image."""
    y, x = np.mgrid[:70, :80]
    smooth = (3000 + 900 * np.sin(x / 6) + 700 * np.cos(y / 5)).astype(np.float32)
    s2 = write_raster("s2.tif", smooth, 10, (452100, 5412000))
    corner = corner_in(LAMBERT, 452300, 5411800)
    xs = write_raster("xs.tif", np.ones((51, 47)), 6, corner, LAMBERT)
    assert_near(both("Superimpose", {"inr": xs, "inm": s2}))


def test_superimpose_at_the_very_edge(write_raster, both):
    """Pixel centres on the outline of `inm`: its left and upper edge belong to it."""
    random = np.random.default_rng(0)
    fine = write_raster("fine.tif", np.ones((40, 44)), 1.5, CORNER)
    coarse = random.integers(1, 4000, (6, 5, 2)).astype(np.uint16)
    corner = (CORNER[0] + 6.75, CORNER[1] - 6.75)
    coarse = write_raster("coarse.tif", coarse, 6, corner)
    for method in ("bco", "linear", "nn"):
        parameters = {"inr": fine, "inm": coarse, "fv": -7, "interpolator": method}
        assert_near(both("Superimpose", parameters))


def test_wide_image_in_another_crs(write_raster, both):
    """Several kilometres, so that a straight line in one CRS is none in the other.

    `inm` holds its own columns and rows: the difference is that of positions.
    """
    corner = np.add(corner_in(LAMBERT, *CORNER), 100)
    index = np.stack(np.indices((200, 900))[::-1], axis=-1).astype(np.float32)
    inm = write_raster("index.tif", index, 10, corner, LAMBERT)
    inr = write_raster("wide.tif", np.ones((20, 5000)), 1.5, CORNER)
    parameters = {"inr": inr, "inm": inm, "interpolator": "linear", "fv": -1}
    theirs, ours = both("Superimpose", parameters)
    inside = (theirs != -1) & (ours != -1)
    assert inside.mean() > 0.8 and ((theirs == -1) == (ours == -1)).all()
    assert np.abs(ours - theirs)[inside].max() < 1e-3


@pytest.mark.parametrize("fill", [0, 5])
def test_pansharpen_with_small_xs(scene, fill, write_raster, both):
    """XS covers a part of PAN and holds the fill value itself."""
    with rasterio.open(scene["one"]) as file:
        values, corner = file.read(1), (file.transform.c, file.transform.f)
    values[5:8, 4:9] = 5
    xs = write_raster("small.tif", values, 6.3, corner)
    parameters = {"inp": scene["pan"], "inxs": xs, "fv": fill, "interpolator": "nn"}
    theirs, ours = both("BundleToPerfectSensor", parameters, **RADIUS)
    assert_partly_filled(theirs, fill)
    # Ties of the nearest neighbour fall as the rounding of coordinates will have it.
    assert (np.abs(ours - theirs) > DN).mean() < 0.01


@pytest.mark.parametrize("pixel", ["uint8", "int16", "uint16"])
def test_whole_numbers(scene, pixel, both):
    """Clamped and truncated; the rounding of floats may flip a unit here and there."""
    parameters = {"inp": scene["pan"], "inxs": scene["xs"]}
    theirs, ours = both("BundleToPerfectSensor", parameters, pixel, **RADIUS)
    assert_near((theirs, ours), 1)
    assert (ours != theirs).mean() < 1e-3
    parameters = {"il": [scene["one"], scene["two"]]}
    assert_near(both("ConcatenateImages", parameters, pixel), 0)


@pytest.fixture
def numbered(write_raster) -> str:
    """An image of 100 x 90 pixels of 10 m, all of which are different."""
    pixels = np.arange(9000, dtype=np.float32).reshape(90, 100)
    return write_raster("in.tif", pixels, 10, (500000, 4800000))


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("unit", ["pxl", "phy", "lonlat"])
@pytest.mark.parametrize("radius_unit", ["pxl", "phy"])
def test_regions_around_a_point(seed, unit, radius_unit, numbered, both):
    random = np.random.default_rng(seed)
    # OTB keeps coordinates in float32, that is half metres; so not near to an edge.
    col, row = random.integers(1, 88, 2) + random.uniform(0.2, 0.8, 2)
    place = 500000 + 10 * col, 4800000 - 10 * row
    x, y = {"pxl": (col, row), "phy": place, "lonlat": corner_in(LONLAT, *place)}[unit]
    radius = float(random.integers(0, 9) if radius_unit == "pxl" else 47 + seed)
    parameters = {"in": numbered, "mode": "radius", "mode.radius.r": radius}
    parameters |= {"mode.radius.unitr": radius_unit, "mode.radius.unitc": unit}
    parameters |= {"mode.radius.cx": x, "mode.radius.cy": y}
    assert_near(both("ExtractROI", parameters), 0)


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("crs", [UTM31, LONLAT])
def test_regions_of_another_image(seed, crs, numbered, write_raster, both):
    random = np.random.default_rng(seed)
    x, y = 500000 + random.uniform(-60, 400), 4800000 - random.uniform(-60, 400)
    spacing = 1e-4 if crs == LONLAT else 6 + seed / 3
    pixels = np.ones((30 + seed, 41), np.uint8)
    other = write_raster("other.tif", pixels, spacing, corner_in(crs, x, y), crs)
    parameters = {"in": numbered, "mode": "fit", "mode.fit.im": other}
    assert_near(both("ExtractROI", parameters), 0)


@pytest.mark.parametrize("crs", [UTM31, LONLAT])
def test_regions_of_vector_data(crs, numbered, tmp_path, both):
    ends = [corner_in(crs, *xy) for xy in ((500103, 4799551), (500307, 4799803))]
    path = str(tmp_path / "two.geojson")
    corners = vectors.Points(
        rasterio.crs.CRS.from_user_input(crs), ends, [{"id": 0}, {"id": 1}]
    )
    vectors.write(corners, path)
    parameters = {"in": numbered, "mode": "fit", "mode.fit.vect": path}
    assert_near(both("ExtractROI", parameters), 0)


EXTENT = ("ulx", "uly", "lrx", "lry")
ENDS = (500103.5, 4799551.5), (500307, 4799803)
# In longitude and latitude OTB has the southern one first.
CORNERS = {
    "phy": (ENDS[0][0], ENDS[1][1], ENDS[1][0], ENDS[0][1]),
    "lonlat": (
        *corner_in(LONLAT, 500103.5, 4799551.5),
        *corner_in(LONLAT, 500307, 4799803),
    ),
}


@pytest.mark.parametrize(
    "options",
    [
        {"startx": 3, "starty": 4, "sizex": 5},
        {"startx": -3, "sizex": 5, "sizey": 99},
        {"mode": "extent", "mode.extent.ulx": -4, "mode.extent.lrx": 5},
        {"mode": "extent", "mode.extent.ulx": 2.6, "mode.extent.lry": 8.4},
        *(
            {"mode": "extent", "mode.extent.unit": unit}
            | {f"mode.extent.{k}": v for k, v in zip(EXTENT, place, strict=True)}
            for unit, place in CORNERS.items()
        ),
    ],
)
def test_regions(options, numbered, both):
    assert_near(both("ExtractROI", {"in": numbered, **options}), 0)


@pytest.mark.parametrize("nodata", [0, 9])
def test_mosaic(nodata, write_raster, both):
    random = np.random.default_rng(nodata)
    names = []
    for index, place in enumerate([(0, 0), (70, -50), (-30, 20)]):
        values = random.integers(0, 12, (20, 17, 2)).astype(np.uint16)
        values[5:9] = nodata
        names.append(write_raster(f"{index}.tif", values, 10, np.add(CORNER, place)))
    assert_near(both("Mosaic", {"il": names, "nodata": nodata}), 0)


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
    # Each line is one run.
    "BandMathX": [
        "-im1b1 ^ 2; 2 ^ 3 ^ 2; im1b1 / 0; im1b1 > 9 && im1b2 > 9 ? 1 : 0",
        "(im1b1 > 9) == (im1b2 > 9) ? 1 : 0; log(im1b1 + 1); abs(im1b2 - 9)",
        "min(im1b1, im1b2, 7) - max(im1b1, 3); im1b1 - im1b2 - 3 * -im1b1 / 2; 3",
        "im1; im1b2; {im1b1, 2}; bands(im1, {2, 1, 2}); bands(im1, {2; 1}); im1b1",
        "bands({im1b1, im1b2}, {2}); im1 + im1 - bands(im1, {2, 1})",
        "im1 * 2.5; 2 * im1; im1 * im1b2; im1b1 * {1, 2}",
        "im1 mult im1; im1 div {3, 4}; im1 pow {2, 1.5}; (im1 + im1) mlt 0.5",
        "im1 mlt 2; im1 dv 2; im1 pw 2; im1 mlt (1 + im1b1); im1 mlt -1",
        "im1 mlt 2 pw 2; im1 pw 2 mlt 2; 2 * im1 pw 2; im1 + im1 mult im1 * 2",
        "(im1b1 > 9 ? im1 : {1, 2}); cat(im1, im1b1, {7}); vect2scal(im1) - im1b2",
        "mean(im1); mean(im1, im1); var(im1); mean({1, 2, 4}); var({1, 2, 4})",
        "vmin(im1); vmax(im1); vnorm(im1); dotpr(im1, {1, 2}); mean(im1b1) * 2",
        "mean(im1b1N3x3); mean(im1b1N5x3); mean(im1b2N3x5, im1b1N3x1)",
        "im1b1 - vect2scal(mean(im1b1N3x3)); median(im1b1N5x3, im1b2N3x3)",
        "var(im1b1N3x3); vmin(im1b1N3x3); vmax(im1b1N3x5); median(im1b1N3x3)",
        "im1b1Mini; im1b1Maxi; im1b1Mean; im1b1Sum; im1b1Var; im1b2Mean",
        "vabs(im1 mlt -1); vsqrt(im1); vlog(im1); vlog10(im1); vcos(im1); vsin(im1)",
        "vtan(im1); vatan(im1); vexp(im1 dv 10); vacos(im1 dv 30); vasin(im1 dv 30)",
        "idxX + 100 * idxY; im1PhyX; im1PhyY; im1b1 == im1b1Maxi ? 1 : 0",
        "ndvi(im1b1, im1b2); ln(im1b1 + 1); log2(im1b1 + 1); sum(1, im1b1); pi; e",
        "im1b1 > 9 and im1b2 > 9 or im1b1 > 15 ? 1 : 0",
        "(2 > 1 or 1 > 2 and 1 > 2) ? 1 : 0",
    ],
}


@pytest.fixture
def two_bands(write_raster) -> str:
    values = np.random.default_rng(0).integers(0, 20, (5, 9, 2)).astype(np.int16)
    return write_raster("two.tif", values, 6, CORNER)


def pairs(expressions: dict) -> list[tuple[str, str]]:
    return [(name, text) for name, texts in expressions.items() for text in texts]


@pytest.mark.parametrize(("application", "text"), pairs(EXPRESSIONS))
def test_expressions(application, text, two_bands, both):
    theirs, ours = both(application, {"il": [two_bands], "exp": text})
    np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-6)


REFUSED = {
    "BandMath": ["im1b3", "im1b1 mlt 2", "im1b1Mean"],
    "BandMathX": [
        "im1b1 && im1b2",
        "im1b1 > 2",
        "im1b1 ? 1 : 2",
        "1 < im1b1 < 3 ? 1 : 0",
        "+im1b1",
        "atan(im1b1)",
        "im1b1 mult im1b2",
        "im1b1 - mean(im1b1N3x3)",
        "im1 > 3 ? 1 : 0",
        "{im1, 2}",
        "vmin(im1, im1)",
        "im1b1 and im1b2",
        "ndvi(im1b1)",
        "abs(im1)",
        *SEMICOLONS,
        *STRICT,
    ],
}
REFUSED["BandMath"] += [spelled(text) for texts in NAMED.values() for text in texts]
REFUSED["BandMath"].remove("im1b1 = 3")  # OTB may crash


@pytest.mark.parametrize(("application", "text"), pairs(REFUSED))
def test_expressions_that_both_refuse(application, text, two_bands, tmp_path):
    parameters = {"il": [two_bands], "exp": text}
    with pytest.raises(AssertionError, match="FATAL|ERROR|rror"):
        otb(application, "-out", str(tmp_path / "otb.tif"), **parameters)
    with pytest.raises(RuntimeError, match=application):
        pyotb.App(application, parameters)


def test_labels_of_no_data(two_bands, write_raster, both):
    with rasterio.open(two_bands) as file:
        values = np.moveaxis(file.read(), 0, -1)
    labelled = write_raster("labelled.tif", values, 6, CORNER, nodata=4)
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
        assert_near(both(application, parameters), 0)


def printed(application: str, **parameters) -> dict[str, str]:
    """Return the numbers and names that a program of OTB prints, by parameter."""
    text = otb(application, **parameters)
    return dict(re.findall(r"^(\w+): (\S+)$", text, re.MULTILINE))


def test_image_info(scene):
    theirs = printed("ReadImageInfo", **{"in": scene["xs"]})
    ours = pyotb.ReadImageInfo(scene["xs"]).data
    for key in ("sizex", "sizey", "indexx", "indexy", "numberbands", "datatype"):
        assert str(ours[key]) == theirs[key]
    for key in ("originx", "originy", "spacingx", "spacingy"):
        assert ours[key] == pytest.approx(float(theirs[key]), rel=1e-6)
    for key in ("estimatedgroundspacingx", "estimatedgroundspacingy"):
        assert ours[key] == pytest.approx(float(theirs[key]), rel=1e-3)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"ref.channel": 2, "meas.channel": 1},
        {"roi.startx": 3, "roi.starty": 1, "roi.sizex": 4, "roi.sizey": 2},
    ],
)
def test_compared_images(options, two_bands, write_raster):
    values = np.random.default_rng(1).integers(0, 20, (5, 9, 2)).astype(np.int16)
    other = write_raster("other.tif", values, 6, CORNER)
    parameters = {"ref.in": two_bands, "meas.in": other, **options}
    theirs = printed("CompareImages", **parameters)
    ours = pyotb.CompareImages(parameters).data
    for key in ("mse", "mae", "psnr", "count"):
        assert ours[key] == pytest.approx(float(theirs[key]), rel=1e-6)
