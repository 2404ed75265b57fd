"""The methods of OTB's bindings, as pyotb calls them."""

import importlib
import json
import os

import numpy as np
import otbApplication as otb
import pytest
from otblite.applications import APPLICATIONS
from rasterio.crs import CRS

import pyotb

create = otb.Registry.CreateApplication


@pytest.fixture
def xs(write_raster) -> str:
    """Four bands of 6 x 8 pixels, uint16, upper left corner (1000, 2000), 6 m."""
    values = np.random.default_rng(0).integers(1, 4000, (6, 8, 4)).astype(np.uint16)
    return write_raster("xs.tif", values, corner=(1000.0, 2000.0))


@pytest.fixture
def values(xs, pixels) -> np.ndarray:
    return pixels(xs).astype(float)


def test_registry():
    names = otb.Registry.GetAvailableApplications()
    assert len(names) == 11 and "TensorflowModelServe" in names
    for name in names:
        assert create(name).GetName() == name
        assert otb.Registry.CreateApplicationWithoutLogger(name).GetName() == name


@pytest.mark.parametrize("suffix", ["", "WithoutLogger"])
def test_unknown_application_is_named(suffix):
    words = "application 'Rescale' is not supported by otblite; supported are BandMath"
    with pytest.raises(RuntimeError, match=words):
        getattr(otb.Registry, f"CreateApplication{suffix}")("Rescale")


@pytest.mark.parametrize("name", APPLICATIONS)
def test_declarations_are_consistent(name):
    """Keys are unique, defaults are legal, outputs have the role of outputs."""
    app = create(name)
    declared = list(APPLICATIONS[name]().declare())
    keys = [parameter.key for parameter in declared]
    assert app.GetParametersKeys() == tuple(keys) and len(set(keys)) == len(keys)
    for parameter in declared:
        if parameter.default is not None:
            assert parameter.check(parameter.default) == parameter.default
        kind = app.GetParameterType(parameter.key)
        if kind in (otb.ParameterType_OutputImage, otb.ParameterType_OutputVectorData):
            assert app.GetParameterRole(parameter.key) == 1


@pytest.mark.parametrize(
    ("name", "key", "kind", "role", "default"),
    [
        ("Superimpose", "inr", "InputImage", 0, ""),
        ("Superimpose", "out", "OutputImage", 1, None),
        ("Superimpose", "interpolator", "Choice", 0, "bco"),
        ("Superimpose", "fv", "Float", 0, 0.0),
        ("Superimpose", "ram", "RAM", 0, 256),
        ("ConcatenateImages", "il", "InputImageList", 0, []),
        ("ExtractROI", "cl", "ListView", 0, None),
        ("PatchesSelection", "grid.step", "Int", 0, None),
        ("PatchesSelection", "outvalid", "OutputVectorData", 1, None),
        ("PatchesSelection", "strategy.split.trainprop", "Float", 0, 50.0),
        ("PatchesExtraction", "vec", "InputVectorData", 0, None),
        ("TensorflowModelServe", "model.fullyconv", "Bool", 0, False),
        ("TensorflowModelServe", "output.names", "StringList", 0, None),
        ("ReadImageInfo", "sizex", "Int", 1, None),
    ],
)
def test_parameters(name, key, kind, role, default):
    app = create(name)
    assert app.GetParameterType(key) == getattr(otb, f"ParameterType_{kind}")
    assert app.GetParameterRole(key) == role
    assert app.GetParameterValue(key) == default


def test_choices():
    assert create("Superimpose").GetChoiceKeys("interpolator") == (
        "bco",
        "nn",
        "linear",
    )
    assert create("BundleToPerfectSensor").GetChoiceKeys("method") == ("rcs",)


@pytest.mark.parametrize(
    ("name", "key", "value", "words"),
    [
        ("Superimpose", "interpolator", "lanczos", "choose from bco, nn, linear"),
        ("Superimpose", "interpolator.bco.radius", 3, "choose from 2"),
        ("Superimpose", "mode", "phr", "choose from default"),
        ("BundleToPerfectSensor", "method", "bayes", "choose from rcs"),
        ("ExtractROI", "mode", "fit", "choose from standard, extent"),
        ("ExtractROI", "startx", 2.5, "an integer is expected"),
        ("ExtractROI", "startx", float("inf"), "an integer is expected"),
        ("ExtractROI", "sizex", -1, "at least 0 is expected"),
        ("Mosaic", "comp.feather", "large", "choose from none"),
        ("Mosaic", "interpolator", "bco", "choose from nn"),
        ("PatchesSelection", "strategy", "balanced", "choose from chessboard, split"),
        ("PatchesSelection", "grid.step", 0, "at least 1 is expected"),
        ("PatchesSelection", "grid.offsetx", -3, "at least 0 is expected"),
        ("PatchesSelection", "nodata", "none", "a number is expected"),
        ("TensorflowModelServe", "model.fullyconv", "maybe", "on or off is expected"),
        ("TensorflowModelServe", "ram", "much", "an integer is expected"),
    ],
)
def test_unsupported_values(name, key, value, words):
    """The error names application, parameter and value, and says what there is."""
    with pytest.raises(RuntimeError, match=words) as caught:
        create(name).SetParameterValue(key, value)
    assert str(caught.value).startswith(f"{name}: parameter '{key}': ")
    assert str(value) in str(caught.value)


def test_unsupported_parameter_is_named(xs):
    words = "Superimpose: parameter 'elev.dem' is not supported; supported are inr, inm"
    with pytest.raises(RuntimeError, match=words):
        create("Superimpose").SetParameterValue("elev.dem", "folder")
    with pytest.raises(KeyError, match="elev.dem"):
        pyotb.Superimpose({"inr": xs, "inm": xs, "elev.dem": "folder"})


@pytest.mark.parametrize(
    ("key", "given", "kept"),
    [
        ("grid.step", "4", 4),
        ("grid.step", 4.0, 4),
        ("nodata", "1.5", 1.5),
        ("nodata", 1, 1),
    ],
)
def test_numbers_as_text(key, given, kept):
    app = create("PatchesSelection")
    app.SetParameterValue(key, given)
    assert app.GetParameterValue(key) == kept


@pytest.mark.parametrize(("given", "kept"), [("on", True), (True, True), ("0", False)])
def test_switches(given, kept):
    app = create("TensorflowModelServe")
    app.SetParameterValue("model.fullyconv", given)
    assert app.GetParameterValue("model.fullyconv") is kept


@pytest.mark.parametrize(
    ("name", "first"),
    [("Superimpose", "inr"), ("BandMath", "il"), ("PatchesSelection", "in"),
     ("TensorflowModelServe", "source1.il"), ("PatchesExtraction", "source1.il")],
)  # fmt: skip
def test_mandatory_parameter_is_missed(name, first):
    with pytest.raises(RuntimeError, match=f"{name}: parameter '{first}' is mandatory"):
        create(name).Execute()


def test_what_has_a_value():
    app = create("Superimpose")
    assert app.IsMandatory("inr") and not app.HasValue("inr")
    assert app.IsParameterEnabled("inr") and not app.IsMandatory("ram")
    assert app.HasValue("fv") and not app.HasUserValue("fv")
    assert app.HasAutomaticValue("fv")
    app.SetParameterValue("fv", 3)
    assert app.HasUserValue("fv") and not app.HasAutomaticValue("fv")
    app.ClearValue("fv")
    assert app.GetParameterValue("fv") == 0 and not app.HasUserValue("fv")
    app.SetParameterString("inr", "some.tif")
    assert app.HasUserValue("inr")
    app.ClearValue("inr")
    assert not app.HasValue("inr")


def test_typed_getters():
    app = create("PatchesSelection")
    app.SetParameterInt("grid.step", 5)
    assert app.GetParameterInt("grid.step") == 5
    assert app.GetParameterFloat("strategy.split.validprop") == 25.0
    assert app.GetParameterString("strategy") == "chessboard"
    assert app.GetParameterString("outtrain") == ""
    with pytest.raises(RuntimeError, match="parameter 'grid.psize' has no number"):
        app.GetParameterInt("grid.psize")


def test_names_of_inputs_are_kept(xs):
    """Also after the files were opened."""
    app = create("ConcatenateImages")
    app.AddParameterStringList("il", xs)
    app.AddParameterStringList("il", xs)
    app.Execute()
    assert app.GetParameterValue("il") == [xs, xs] == app.GetParameterStringList("il")
    roi = create("ExtractROI")
    roi.SetParameterString("in", xs)
    roi.Execute()
    assert roi.GetParameterString("in") == xs


def test_pixel_types():
    app = create("PatchesExtraction")
    assert (
        app.GetParameterOutputImagePixelType("source1.out") == otb.ImagePixelType_float
    )
    assert app.GetParameterOutputImagePixelType("outlabels") == otb.ImagePixelType_uint8
    for name, numpy_name in {
        "uint8": "uint8", "int16": "int16", "uint16": "uint16", "int32": "int32",
        "uint32": "uint32", "float": "float32", "double": "float64",
    }.items():  # fmt: skip
        pixel = getattr(otb, f"ImagePixelType_{name}")
        app.SetParameterOutputImagePixelType("source1.out", pixel)
        assert app.GetParameterOutputImagePixelType("source1.out") == pixel
        assert app.ConvertPixelTypeToNumpy(pixel) == numpy_name


def test_number_of_sources(monkeypatch):
    monkeypatch.setenv("OTB_TF_NSOURCES", "3")
    keys = create("PatchesExtraction").GetParametersKeys()
    assert {"source1.il", "source2.patchsizex", "source3.out"} <= set(keys)
    assert "source4.il" not in keys


def test_export_and_import(xs, values):
    source = pyotb.Input(xs)
    exported = source.app.ExportImage("out")
    assert exported["array"].dtype == np.float32
    np.testing.assert_array_equal(exported["array"], values)
    assert exported["origin"] == (1003, 1997) and exported["spacing"] == (6, -6)
    assert exported["size"] == (8, 6)
    exported["array"] = exported["array"] * 2
    app = create("ExtractROI")
    app.ImportVectorImage("in", exported)
    app.Execute()
    np.testing.assert_array_equal(app.GetVectorImageAsNumpyArray("out"), values * 2)
    np.testing.assert_array_equal(app.GetImageAsNumpyArray("out"), values[..., 0] * 2)
    assert app.GetImageOrigin("out") == (1003, 1997)
    assert app.GetImageSpacing("out") == (6, -6)
    assert CRS.from_wkt(app.GetImageProjection("out")) == CRS.from_epsg(32631)


@pytest.mark.parametrize("shape", [(3, 4), (3, 4, 1)])
def test_import_of_one_band(shape):
    array = np.arange(12, dtype=np.float32).reshape(shape)
    app = create("ExtractROI")
    app.ImportImage("in", {"array": array, "origin": (0, 0), "spacing": (1, 1)})
    app.Execute()
    assert app.GetImageSize("out") == (4, 3) and app.GetImageNbBands("out") == 1
    assert app.GetImageProjection("out") == ""


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"array": np.zeros(3)}, r"'in': an array \[h, w, bands\] is expected"),
        ({"size": (9, 2)}, "2 x 2 pixels came with the description of 9 x 2"),
        ({"metadata": {"ProjectionRef": "nonsense"}}, "parameter 'in': "),
    ],
)
def test_import_of_nonsense(change, words):
    exported = {"array": np.zeros((2, 2)), "origin": (0, 0), "spacing": (1, 1)}
    with pytest.raises(RuntimeError, match=words):
        create("ExtractROI").ImportImage("in", exported | change)


def test_connected_application_is_executed(xs, values):
    """Connecting is enough; no file and no order of calls is needed."""
    first, second = create("ExtractROI"), create("ConcatenateImages")
    first.SetParameterString("in", xs)
    second.ConnectImage("il", first, "out")
    second.ConnectImage("il", first, "out")
    second.Execute()
    assert second.GetImageNbBands("out") == 8
    found = second.GetVectorImageAsNumpyArray("out")
    np.testing.assert_array_equal(found, np.concatenate([values, values], axis=2))


def test_connecting_to_something_else_is_refused(xs):
    app = create("Superimpose")
    with pytest.raises(RuntimeError, match="'fv' is not an input image"):
        app.ConnectImage("fv", pyotb.Input(xs).app, "out")


def test_a_replaced_file_is_read_again(xs, write_raster):
    app = create("ConcatenateImages")
    app.AddParameterStringList("il", xs)
    app.Execute()
    assert app.GetImageSize("out") == (8, 6)

    os.replace(write_raster("new.tif", np.ones((3, 5))), xs)
    app.Execute()
    assert app.GetImageSize("out") == (5, 3)


def test_outputs_of_an_earlier_run_are_forgotten(xs):
    app = create("ConcatenateImages")
    app.AddParameterStringList("il", xs)
    app.Execute()
    app.ClearValue("il")
    app.AddParameterStringList("il", "/nowhere.tif")
    with pytest.raises(RuntimeError, match="/nowhere.tif: no such file"):
        app.Execute()
    with pytest.raises(RuntimeError, match="/nowhere.tif: no such file"):
        app.GetImageSize("out")


def test_only_outputs_with_a_name_are_written(xs, tmp_path):
    app = create("ConcatenateImages")
    app.AddParameterStringList("il", xs)
    app.ExecuteAndWriteOutput()
    assert list(tmp_path.glob("*.tif")) == [tmp_path / "xs.tif"]
    app.SetParameterString("out", str(tmp_path / "out.tif"))
    app.ExecuteAndWriteOutput()
    assert (tmp_path / "out.tif").exists()


def test_errors_when_writing_name_the_application(xs):
    with pytest.raises(
        RuntimeError, match="ConcatenateImages: out.png: images are .* G"
    ):
        pyotb.ConcatenateImages(il=[xs], out="out.png")


# What pyotb makes of it.


def test_importing_the_bindings_keeps_the_environment(monkeypatch):
    """Who has set a folder of plugins for other processes keeps it."""
    monkeypatch.setenv("OTB_APPLICATION_PATH", "/some/folder")
    importlib.reload(otb)
    assert os.environ["OTB_APPLICATION_PATH"] == "/some/folder"


def test_shape_type_and_place(xs):
    app = pyotb.Input(xs)
    assert app.shape == (6, 8, 4)
    assert app.dtype == "uint16"
    assert app.transform == (6, 0, 1000, 0, -6, 2000)
    array, profile = app.to_rasterio()
    assert array.shape == (4, 6, 8) and array.dtype == np.uint16
    assert CRS.from_wkt(profile["crs"]) == CRS.from_epsg(32631)
    assert CRS.from_wkt(app.metadata["ProjectionRef"]) == CRS.from_epsg(32631)
    assert app.get_rowcol_from_xy(1013, 1985) == (2, 2)


def test_summary_tells_the_pipeline(xs):
    stacked = pyotb.ConcatenateImages(il=[xs, xs])
    app = pyotb.Superimpose(inr=xs, inm=stacked, interpolator="linear")
    summary = app.summarize()
    assert summary["name"] == "Superimpose"
    parameters = summary["parameters"]
    assert parameters["interpolator"] == "linear" and parameters["fv"] == 0
    assert parameters["inm"]["parameters"]["il"] == [xs, xs]
    json.dumps(summary)


def test_image_info(xs):
    info = pyotb.Input(xs).get_info()
    assert (info["sizex"], info["sizey"], info["numberbands"]) == (8, 6, 4)
    assert (info["originx"], info["originy"]) == (1003, 1997)
    assert (info["spacingx"], info["spacingy"]) == (6, -6)
    assert info["datatype"] == "unsigned_short"
    assert CRS.from_wkt(info["projectionref"]) == CRS.from_epsg(32631)
    assert pyotb.get_nbchannels(xs) == 4
    assert pyotb.get_pixel_type(xs) == otb.ImagePixelType_uint16


def test_ground_spacing(write_raster):
    """A thousandth of a degree at 60 degrees north: 111 m and half of that."""
    name = write_raster("in.tif", np.ones((2, 2)), 1e-3, (2.0, 60.0), "EPSG:4326")
    info = pyotb.ReadImageInfo(name).data
    assert info["estimatedgroundspacingx"] == pytest.approx(55.6, abs=0.1)
    assert info["estimatedgroundspacingy"] == pytest.approx(111.2, abs=0.1)


@pytest.mark.parametrize(
    "key",
    [np.s_[2:5, 1:4], np.s_[2:5, 1:4, 1], np.s_[:, :, 2], np.s_[:, :, :3],
     np.s_[1:, :-1, [0, 3]], np.s_[:, :, -1], np.s_[0:99, 3:99], np.s_[:, :, ::2]],
)  # fmt: skip
def test_slices(key, xs, values):
    """As numpy slices, also where they reach over the edge; a stop of -1 is the end."""
    rows, cols, *bands = key
    if cols == np.s_[:-1]:
        cols = np.s_[:]
    expected = np.atleast_3d(values[rows, cols][(..., *bands)])
    app = pyotb.Input(xs)[key]
    np.testing.assert_array_equal(app.to_numpy(), expected)
    left, top = 1000 + 6 * (cols.start or 0), 2000 - 6 * (rows.start or 0)
    assert app.transform == (6, 0, left, 0, -6, top)


def test_slice_outside_is_refused(xs):
    with pytest.raises(RuntimeError, match="columns 8 to 9 .* not inside .* 8 x 6"):
        pyotb.Input(xs)[0:3, 8:10]


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ({"startx": -3, "sizex": 5}, (0, 0, 5, 6)),
        ({"startx": 6, "sizex": 5, "starty": 4}, (6, 4, 2, 2)),
        ({"mode": "extent", "mode.extent.ulx": -4, "mode.extent.lrx": 5}, (0, 0, 6, 6)),
        ({"mode": "extent", "mode.extent.ulx": 2.6}, (3, 0, 5, 6)),
        (
            {"mode": "extent", "mode.extent.unit": "phy", "mode.extent.ulx": 1012,
             "mode.extent.uly": 1988, "mode.extent.lrx": 1024, "mode.extent.lry": 1900},
            (2, 2, 3, 4),
        ),
    ],
)  # fmt: skip
def test_regions_are_cut_to_the_image(mode, expected, xs, values):
    """Column, row, width and height as Debian's OTB 8.1.1 gives them."""
    col, row, width, height = expected
    app = pyotb.ExtractROI({"in": xs, **mode})
    found = values[row : row + height, col : col + width]
    np.testing.assert_array_equal(app.to_numpy(), found)
    assert app.transform[2::3] == (1000 + 6 * col, 2000 - 6 * row)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"cl": ["Channel5"]}, "'cl' takes Channel1 to Channel4, not Channel5"),
        ({"cl": ["red"]}, "'cl' takes Channel1 to Channel4, not red"),
        ({"mode": "extent", "mode.extent.unit": "phy"}, "all four of mode.extent.ulx"),
        ({"startx": 8}, "not inside the image of 8 x 6 pixels"),
        ({"mode": "extent", "mode.extent.ulx": 5, "mode.extent.lrx": 2}, "not inside"),
    ],
)
def test_regions_that_are_refused(options, words, xs):
    with pytest.raises(RuntimeError, match=words):
        pyotb.ExtractROI({"in": xs, **options})


def test_operators(xs, values):
    app = pyotb.Input(xs)
    for ours, expected in {
        app + 1: values + 1,
        2 - app: 2 - values,
        app * app: values * values,
        3 / app: 3 / values,
        abs(app - 2000): abs(values - 2000),
        (app + 1) * 2 - app / 4: (values + 1) * 2 - values / 4,
        app > 2000: values > 2000,
        (app <= 2000) & (app != 5): (values <= 2000) & (values != 5),
        (app < 500) | (app >= 3500): (values < 500) | (values >= 3500),
        (app > 1000) == (app > 3000): (values > 1000) == (values > 3000),
        pyotb.where(app < 1001, 1, app - 1000): np.where(
            values < 1001, 1, values - 1000
        ),
        pyotb.where(app[:, :, 0] > 2000, app, 0): np.where(
            values[:, :, :1] > 2000, values, 0
        ),
        pyotb.clip(app, 1000, 2000): values.clip(1000, 2000),
        pyotb.all(app > 300): (values > 300).all(axis=2, keepdims=True),
        pyotb.any(app > 3700): (values > 3700).any(axis=2, keepdims=True),
    }.items():
        found = ours.to_numpy()
        np.testing.assert_allclose(found, expected, rtol=1e-6, err_msg=ours.exp)


def test_numpy_functions(xs, values):
    app = pyotb.Input(xs)
    np.testing.assert_array_equal(np.asarray(app), values)
    app = app + 0.0
    root = np.sqrt(app)
    np.testing.assert_allclose(root.to_numpy(), np.sqrt(values), rtol=1e-6)
    assert root.transform == app.transform
    one = app[:, :, 0] + 0.0
    total = np.add(one, np.ones((6, 8, 1)))
    np.testing.assert_allclose(total.to_numpy(), values[..., :1] + 1)


def test_what_pyotb_needs_and_otblite_lacks_is_named(xs):
    with pytest.raises(RuntimeError, match="application 'PixelValue' is not supported"):
        pyotb.Input(xs)[1, 2]
    words = "application 'ComputeImagesStatistics' is not supported"
    with pytest.raises(RuntimeError, match=words):
        pyotb.Input(xs).get_statistics()


def test_write(xs, values, tmp_path, pixels):
    app = pyotb.ConcatenateImages(il=[xs])
    assert app.write(str(tmp_path / "a.tif"), pixel_type="int16")
    assert app.write(str(tmp_path / "b.tif"), preserve_dtype=True)
    assert pixels(tmp_path / "a.tif").dtype == np.int16
    assert pixels(tmp_path / "b.tif").dtype == np.uint16
    app = pyotb.ConcatenateImages(il=[xs], out=str(tmp_path / "c.tif"))
    assert app["out"].exists()
    np.testing.assert_array_equal(pixels(tmp_path / "c.tif"), values)


def test_concatenation_takes_the_widest_type(xs, write_raster, values):
    negative = write_raster("negative.tif", np.full((6, 8), -3, np.int16))
    app = pyotb.ConcatenateImages(il=[xs, negative])
    np.testing.assert_array_equal(app.to_numpy()[..., :4], values)
    assert (app.to_numpy()[..., 4] == -3).all()


def test_sizes_must_agree(xs, write_raster):
    small = write_raster("small.tif", np.ones((3, 8)))
    with pytest.raises(RuntimeError, match="images of one size .* 8 x 6, 8 x 3"):
        pyotb.ConcatenateImages(il=[xs, small])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"crs": "EPSG:32632"}, "images of one CRS are expected, got EPSG:32631 and"),
        ({"spacing": 3.0}, "pixel sizes differ"),
        ({"corner": (1002.0, 2000.0)}, "grids that are 0.333, 0.000 pixels apart"),
    ],
)
def test_mosaic_of_grids_that_do_not_fit(options, words, xs, write_raster):
    other = write_raster(
        "o.tif", np.ones((2, 2, 4)), **{"corner": (1e3, 2e3), **options}
    )
    with pytest.raises(RuntimeError, match=words):
        pyotb.Mosaic(il=[xs, other])


def test_mosaic_of_other_bands(xs, write_raster):
    other = write_raster("other.tif", np.ones((2, 2, 3)), corner=(1000.0, 2000.0))
    with pytest.raises(RuntimeError, match="bands differ: 4 and 3"):
        pyotb.Mosaic(il=[xs, other])


def test_mosaic_by_hand(write_raster):
    """The later image is on top; where it is 0 the one below is seen."""
    below = np.array([[1, 2], [3, 4]], np.uint8)
    above = np.array([[0, 5], [6, 7]], np.uint8)
    names = [
        write_raster("below.tif", below, 1.0, (10.0, 20.0)),
        write_raster("above.tif", above, 1.0, (11.0, 19.0)),
    ]
    app = pyotb.Mosaic(il=names)
    expected = [[1, 2, 0], [3, 4, 5], [0, 6, 7]]
    np.testing.assert_array_equal(app.to_numpy()[..., 0], expected)
    assert app.transform == (1, 0, 10, 0, -1, 20)
    app = pyotb.Mosaic(il=names, nodata=-7)
    expected = [[1, 2, -7], [3, 0, 5], [-7, 6, 7]]
    np.testing.assert_array_equal(app.to_numpy()[..., 0], expected)
