"""The methods of OTB's bindings, as pyotb calls them."""

import importlib
import os
from pathlib import Path

import numpy as np
import pytest
from otblite.applications import APPLICATIONS
from rasterio.crs import CRS

import otbApplication as otb
import pyotb

create = otb.Registry.CreateApplication


@pytest.fixture
def values(xs, pixels) -> np.ndarray:
    return pixels(xs).astype(float)


def test_registry():
    names = otb.Registry.GetAvailableApplications()
    assert len(names) == 14 and "TensorflowModelServe" in names
    words = "application 'Rescale' is not supported by otblite; supported are BandMath"
    for make in (create, otb.Registry.CreateApplicationWithoutLogger):
        assert [make(name).GetName() for name in names] == list(names)
        with pytest.raises(RuntimeError, match=words):
            make("Rescale")


@pytest.mark.parametrize("name", APPLICATIONS)
def test_declarations_are_consistent(name):
    app = create(name)
    declared = list(APPLICATIONS[name]().declare())
    keys = [parameter.key for parameter in declared]
    assert app.GetParametersKeys() == tuple(keys) and len(set(keys)) == len(keys)
    for parameter in declared:
        if parameter.default is not None:
            assert parameter.check(parameter.default) == parameter.default
        kind = app.GetParameterType(parameter.key)
        if kind in (otb.ParameterType_OutputImage, otb.ParameterType_OutputVectorData):
            assert app.GetParameterRole(parameter.key) == 0  # as OTB has it


# Setter, application, parameter and value, and words of the message.
REFUSED = [
    ("Value", "Superimpose", "interpolator", "lanczos", "choose from bco, nn, linear"),
    ("Value", "Superimpose", "interpolator.bco.radius", 3, "at most 2 is supported"),
    ("Value", "ExtractROI", "sizex", -1, "at least 0 is expected"),
    ("Value", "Mosaic", "comp.feather", "large", "choose from none"),
    ("Value", "PatchesSelection", "grid.step", 0, "at least 1 is expected"),
    ("String", "ExtractROI", "startx", "7x", "a number is expected, got '7x'"),
    ("String", "Mosaic", "il", "a.tif", "a list of texts is expected"),
    ("String", "TensorflowModelServe", "model.fullyconv", "maybe", "on or off"),
    ("Int", "BandMath", "exp", 3, "text is expected, got 3"),
    ("Float", "ExtractROI", "startx", 4.5, "an integer is expected, got 4.5"),
    ("StringList", "BandMath", "exp", ["1", "2"], "one value is expected"),
]
# The bindings of OTB convert nothing.
OTHER_TYPES = [
    ("ExtractROI", "startx", "3", "an integer is expected, got '3', which is str"),
    ("ExtractROI", "startx", 3.0, "an integer .* got 3.0, which is float"),
    ("ExtractROI", "startx", np.int64(3), "an integer .* which is int64"),
    ("ExtractROI", "cl", "Channel1", "a list of texts .* which is str"),
    ("ExtractROI", "cl", ("Channel1",), "a list of texts .* which is tuple"),
    ("ExtractROI", "cl", [1], "text is expected, got 1, which is int"),
    ("ExtractROI", "in", Path("a.tif"), "text .* which is PosixPath"),
    ("ExtractROI", "out", Path("a.tif"), "text .* which is PosixPath"),
    ("Superimpose", "fv", "3", "a number is expected, got '3', which is str"),
    ("Superimpose", "fv", np.float32(3), "a number .* which is float32"),
    ("TensorflowModelServe", "model.fullyconv", "on", "True or False .* 'on'"),
    ("TensorflowModelServe", "model.fullyconv", 1, "True or False .* which is int"),
]


@pytest.mark.parametrize(
    ("setter", "name", "key", "value", "words"),
    [*REFUSED, *(("Value", *case) for case in OTHER_TYPES)],
)
def test_values_that_are_refused(setter, name, key, value, words):
    error = RuntimeError if (setter, name, key, value, words) in REFUSED else TypeError
    with pytest.raises(error, match=f"{name}: parameter '{key}': .*{words}") as caught:
        getattr(create(name), f"SetParameter{setter}")(key, value)
    assert error is TypeError or str(value) in str(caught.value)


def test_unsupported_parameter_is_named(xs):
    words = "Superimpose: parameter 'elev.dem' is not supported; supported are inr, inm"
    with pytest.raises(RuntimeError, match=words):
        create("Superimpose").SetParameterValue("elev.dem", "folder")
    with pytest.raises(KeyError, match="elev.dem"):
        pyotb.Superimpose({"inr": xs, "inm": xs, "elev.dem": "folder"})
    # pyotb turns a value of another type into its own error.
    with pytest.raises(RuntimeError, match="an integer is expected, got '3', which is"):
        pyotb.ExtractROI({"startx": "3"}, frozen=True)


@pytest.mark.parametrize(
    ("setter", "name", "key", "value", "expected"),
    [
        ("Value", "ExtractROI", "startx", 3, 3),
        ("Value", "ExtractROI", "startx", True, 1),
        ("Value", "ExtractROI", "cl", ["Channel2"], ["Channel2"]),
        ("Value", "Superimpose", "fv", np.float64(3.5), 3.5),
        ("Value", "TensorflowModelServe", "model.fullyconv", True, True),
        # SetParameterString reads numbers and switches, as the command line does.
        ("String", "ExtractROI", "startx", "3", 3),
        ("String", "ExtractROI", "startx", "3.7", 3),
        ("String", "ExtractROI", "cl", "Channel2", ["Channel2"]),
        ("String", "Superimpose", "fv", "-1.5", -1.5),
        ("String", "TensorflowModelServe", "model.fullyconv", "on", True),
    ],
)
def test_values_of_the_right_type(setter, name, key, value, expected):
    app = create(name)
    getattr(app, f"SetParameter{setter}")(key, value)
    result = app.GetParameterValue(key)
    assert result == expected and type(result) is type(expected)


@pytest.mark.parametrize(
    ("name", "first"), [("Superimpose", "inr"), ("PatchesExtraction", "source1.il")]
)
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


def test_pixel_types():
    app = create("PatchesExtraction")
    kind = app.GetParameterOutputImagePixelType
    assert kind("source1.out") == otb.ImagePixelType_float
    assert kind("outlabels") == otb.ImagePixelType_uint8
    numpy_names = {"float": "float32", "double": "float64"}
    for name in (*numpy_names, "uint8", "int16", "uint16", "int32", "uint32"):
        pixel = getattr(otb, f"ImagePixelType_{name}")
        app.SetParameterOutputImagePixelType("source1.out", pixel)
        assert kind("source1.out") == pixel
        assert app.ConvertPixelTypeToNumpy(pixel) == numpy_names.get(name, name)


def test_sizes_and_places_are_objects_of_itk(xs):
    app = pyotb.Input(xs).app
    for word, kind, values in (
        ("Size", otb.itkSize, [8, 6]),
        ("Origin", otb.itkPoint, [1003.0, 1997.0]),
        ("Spacing", otb.itkVector, [6.0, -6.0]),
    ):
        result = getattr(app, f"GetImage{word}")("out")
        assert type(result) is kind and list(result) == values and len(result) == 2
        assert result[0] == result.GetElement(0) == values[0]
        assert str(result) == "[{},{}]".format(*values)
        # They are no tuples.
        assert result != tuple(values) and result != kind.of(*values)
        with pytest.raises(TypeError):
            kind(*values)
        for index, error in ((-1, IndexError), (2, IndexError), (slice(1), TypeError)):
            with pytest.raises(error):
                result[index]
        result[1] = 3
        assert list(result) == [values[0], 3]
    assert list(app.GetImageSize("out")) == [8, 6]


def test_metadata_is_no_dict(xs):
    app = pyotb.Input(xs).app
    metadata = app.GetMetadataDictionary("out")
    assert metadata["GeoTransform"] == (1000, 6, 0, 2000, 0, -6)
    assert metadata["UpperRightCorner"] == (1048, 2000) and len(metadata) == 6
    assert metadata["LowerLeftCorner"] == (1000, 1964)
    assert CRS.from_wkt(metadata["ProjectionRef"]) == CRS.from_epsg(32631)
    with pytest.raises(IndexError, match="ProjectionRef, .* are known, not 'Sensor'"):
        metadata["Sensor"]
    assert not hasattr(metadata, "get")
    sensor = app.GetImageMetadata("out")
    assert not sensor.has("ProjectionRef") and sensor["ProjectionRef"] is None
    assert pyotb.Input(xs).metadata == dict(metadata)


def test_export_and_import(xs, values):
    source = pyotb.Input(xs)
    exported = source.app.ExportImage("out")
    assert exported["array"].dtype == np.float32
    np.testing.assert_array_equal(exported["array"], values)
    assert list(exported["size"]) == list(exported["region"]["size"]) == [8, 6]
    exported["array"] = exported["array"] * 2
    app = create("ExtractROI")
    app.ImportVectorImage("in", exported)
    app.Execute()
    np.testing.assert_array_equal(app.GetVectorImageAsNumpyArray("out"), values * 2)
    assert list(app.GetImageOrigin("out")) == [1003, 1997]
    assert list(app.GetImageSpacing("out")) == [6, -6]
    assert CRS.from_wkt(app.GetImageProjection("out")) == CRS.from_epsg(32631)


@pytest.mark.parametrize("shape", [(6, 8), (6, 8, 1)])
def test_import_of_one_band_without_crs(shape, write_raster):
    source = pyotb.Input(write_raster("plain.tif", np.ones((6, 8)), crs=None))
    array = np.arange(48, dtype=np.float32).reshape(shape)
    app = create("ExtractROI")
    app.ImportImage("in", {**source.export(), "array": array})
    app.Execute()
    assert app.GetImageProjection("out") == "" and app.GetImageNbBands("out") == 1
    result = app.GetImageAsNumpyArray("out")
    np.testing.assert_array_equal(result, array.reshape((6, 8)))


ONES = np.ones((6, 8, 4), np.float32)


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"array": np.zeros(3)}, ValueError, "'in': an array .* got 1 dimensions"),
        ({"array": np.zeros((2, 2))}, RuntimeError, "2 x 2 pixels came with .* 8 x 6"),
        ({"array": ONES > 0}, ValueError, "'in': pixels of uint8, .* got bool"),
        ({"array": ONES.astype(np.int64)}, ValueError, "pixels of .* got int64"),
        ({"array": ONES[:, :, :2]}, TypeError, "ascontiguousarray"),
        ({"array": np.asfortranarray(ONES)}, TypeError, "in one piece of memory"),
        ({"array": ONES.astype(">f4")}, TypeError, "in one piece of memory"),
        ({"origin": (0, 0)}, TypeError, "origin is an itkPoint .* got tuple"),
        ({"region": {}}, TypeError, "region is an itkRegion .* got dict"),
        ({"metadata": {}}, TypeError, "metadata is an ImageMetadata .* got dict"),
    ],
)
def test_import_of_nonsense(xs, change, error, words):
    source = pyotb.Input(xs)
    exported = {**source.app.ExportImage("out"), **change}
    with pytest.raises(error, match=words):
        create("ExtractROI").ImportVectorImage("in", exported)


def test_import_where_it_does_not_belong(xs):
    source = pyotb.Input(xs)
    exported = source.app.ExportImage("out")
    app = create("ExtractROI")
    with pytest.raises(RuntimeError, match="'startx' is a Int, no InputImage or In"):
        app.ImportVectorImage("startx", exported)
    with pytest.raises(ValueError, match="'in': one band is expected, got 4"):
        app.ImportImage("in", exported)
    with pytest.raises(ValueError, match="'out': one band is expected, got 4"):
        source.app.GetImageAsNumpyArray("out")
    del exported["region"]
    with pytest.raises(KeyError, match="region"):
        app.ImportVectorImage("in", exported)


# Lifetimes: OTB's objects refer into the memory of others.


@pytest.mark.parametrize(
    "make",
    [
        pyotb.Input,
        lambda xs: pyotb.Input(xs)[:, :, :1],
        lambda xs: pyotb.Input(xs) * 2,
        lambda xs: pyotb.where(pyotb.Input(xs) > 9, 1, 0),
        lambda xs: pyotb.Superimpose(inr=xs, inm=xs),
    ],
)
@pytest.mark.parametrize("copy", [False, True])
def test_an_export_dies_with_its_application(make, copy, xs):
    source = make(xs)
    exported = source.export()
    if copy:
        exported = {**exported, "array": exported["array"] * 2}
    target = create("ExtractROI")
    target.ImportVectorImage("in", exported)
    target.Execute()
    del source
    words = "parameter '{}': .* OTB crashes here: keep the application"
    for name, key in (("ExtractROI", "in"), ("PatchesSelection", "mask")):
        with pytest.raises(RuntimeError, match=words.format(key)):
            create(name).ImportVectorImage(key, exported)
    with pytest.raises(RuntimeError, match="OTB crashes here"):
        exported["metadata"].has("Sensor")
    # The image that was imported before has a description of its own.
    result = target.GetVectorImageAsNumpyArray("out")
    np.testing.assert_array_equal(result, exported["array"])


def test_the_imported_array_is_borrowed(xs):
    source = pyotb.Input(xs)
    exported = source.app.ExportImage("out")
    app = create("ExtractROI")
    app.ImportVectorImage("in", {**exported, "array": ONES * 3})
    app.Execute()
    with pytest.raises(RuntimeError, match="'in': the array .* is gone; OTB reads fr"):
        app.GetVectorImageAsNumpyArray("out")
    kept = ONES * 3
    app.ImportVectorImage("in", {**exported, "array": kept})
    app.Execute()
    np.testing.assert_array_equal(app.GetVectorImageAsNumpyArray("out"), kept)


def test_a_replaced_file_is_read_again(xs, write_raster):
    app = create("ConcatenateImages")
    app.AddParameterStringList("il", xs)
    app.Execute()
    assert list(app.GetImageSize("out")) == [8, 6]
    assert app.GetParameterValue("il") == [xs]
    os.replace(write_raster("new.tif", np.ones((3, 5))), xs)
    app.Execute()
    assert list(app.GetImageSize("out")) == [5, 3]
    os.remove(xs)
    for use in (app.Execute, lambda: app.GetImageSize("out")):
        with pytest.raises(RuntimeError, match=f"{xs}: no such file"):
            use()


# Images of pyotb.


def test_importing_the_bindings_keeps_the_environment(monkeypatch):
    monkeypatch.setenv("OTB_APPLICATION_PATH", "/some/folder")
    importlib.reload(otb)
    assert os.environ["OTB_APPLICATION_PATH"] == "/some/folder"


def test_image_info(xs, write_raster):
    app = pyotb.Input(xs)
    info = app.get_info()
    assert pyotb.get_nbchannels(xs) == 4
    assert pyotb.get_pixel_type(xs) == otb.ImagePixelType_uint16
    assert (app.shape, app.dtype) == ((6, 8, 4), "uint16")
    assert app.transform == (6, 0, 1000, 0, -6, 2000)
    array, profile = app.to_rasterio()
    assert array.shape == (4, 6, 8) and array.dtype == np.uint16
    for wkt in (info["projectionref"], profile["crs"], app.metadata["ProjectionRef"]):
        assert CRS.from_wkt(wkt) == CRS.from_epsg(32631)
    assert app.get_rowcol_from_xy(1013, 1985) == (2, 2)
    # A thousandth of a degree at 60 degrees north: 111 m and half of that.
    name = write_raster("in.tif", np.ones((2, 2)), 1e-3, (2.0, 60.0), "EPSG:4326")
    info = pyotb.ReadImageInfo(name).data
    assert info["estimatedgroundspacingx"] == pytest.approx(55.6, abs=0.1)
    assert info["estimatedgroundspacingy"] == pytest.approx(111.2, abs=0.1)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"cl": ["Channel5"]}, "'cl' takes Channel1 to Channel4, not Channel5"),
        ({"cl": ["red"]}, "'cl' takes Channel1 to Channel4, not red"),
        ({"mode": "extent", "mode.extent.unit": "phy"}, "all four of mode.extent.ulx"),
        ({"startx": 8, "sizex": 2}, "columns 8 to 9 .* not inside the image of 8 x 6"),
        ({"mode": "extent", "mode.extent.ulx": 5, "mode.extent.lrx": 2}, "inverted"),
    ],
)
def test_regions_that_are_refused(options, words, xs):
    with pytest.raises(RuntimeError, match=words):
        pyotb.ExtractROI({"in": xs, **options})


def test_a_region_beside_the_image_is_reported(xs, caplog):
    ends = {"mode.extent.ulx": -4.0, "mode.extent.lrx": -2.0, "mode.extent.lry": 1.0}
    assert pyotb.ExtractROI({"in": xs, "mode": "extent", **ends}).shape == (2, 8, 4)
    assert "The region lies beside the image" in caplog.text


def test_operators(xs, values):
    app = pyotb.Input(xs)
    for ours, expected in {
        app + 1: values + 1,
        2 - app: 2 - values,
        3 / app: 3 / values,
        abs(app - 2000): abs(values - 2000),
        (app + 1) * 2 - app / 4: (values + 1) * 2 - values / 4,
        app > 2000: values > 2000,
        (app <= 2000) & (app != 5): (values <= 2000) & (values != 5),
        (app < 500) | (app >= 3500): (values < 500) | (values >= 3500),
        (app > 1000) == (app > 3000): (values > 1000) == (values > 3000),
        pyotb.where(app[:, :, 0] > 9, app, 0): values * (values[:, :, :1] > 9),
        pyotb.clip(app, 1000, 2000): values.clip(1000, 2000),
        pyotb.all(app > 300): (values > 300).all(axis=2, keepdims=True),
        pyotb.any(app > 3700): (values > 3700).any(axis=2, keepdims=True),
    }.items():
        result = ours.to_numpy()
        np.testing.assert_allclose(result, expected, rtol=1e-6, err_msg=ours.exp)


def test_concatenation_of_two_sizes_is_refused(xs, write_raster):
    small = write_raster("small.tif", np.ones((3, 8)))
    with pytest.raises(RuntimeError, match="images of one size .* 8 x 6, 8 x 3"):
        pyotb.ConcatenateImages(il=[xs, small])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"crs": "EPSG:32632"}, "one CRS are expected, got EPSG:32631, EPSG:32632"),
        ({"array": np.ones((2, 2, 3))}, "one number of bands are expected, got 4, 3"),
    ],
)
def test_mosaic_of_images_that_do_not_fit(options, words, xs, write_raster):
    defaults = {"array": np.ones((2, 2, 4)), "corner": (1e3, 2e3)}
    other = write_raster("other.tif", **(defaults | options))
    with pytest.raises(RuntimeError, match=words):
        pyotb.Mosaic(il=[xs, other])


def test_extract_roi_sets_the_box_that_it_chose(xs):
    """As OTB 8.1.1 does, as soon as there is an image."""
    app = create("ExtractROI")
    app.SetParameterString("in", xs)
    assert [app.GetParameterInt(key) for key in ("sizex", "sizey")] == [8, 6]
    for start, user in ((5, True), (6, False)):
        app.SetParameterInt("startx", start, user)
        # The size is chosen again when the start moves.
        assert app.GetParameterInt("sizex") == 8 - start
        assert list(app.GetImageSize("out")) == [8 - start, 6]
        assert app.GetParameterInt("startx") == start
        assert app.HasUserValue("startx") == user
        assert app.HasAutomaticValue("sizex") and not app.HasUserValue("sizex")
    app.SetParameterUserValue("startx", True)
    assert app.HasUserValue("startx")


def test_only_outputs_with_a_name_are_written(xs, tmp_path):
    app = create("ConcatenateImages")
    app.AddParameterStringList("il", xs)
    app.ExecuteAndWriteOutput()
    assert list(tmp_path.glob("*.tif")) == [tmp_path / "xs.tif"]
    app.SetParameterString("out", str(tmp_path / "out.tif"))
    app.ExecuteAndWriteOutput()
    assert (tmp_path / "out.tif").exists()
    app.SetParameterString("out", "out.jpg")
    with pytest.raises(RuntimeError, match="ConcatenateImages: out.jpg: images are"):
        app.ExecuteAndWriteOutput()
