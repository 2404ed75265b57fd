"""Methods of OTB's bindings that scripts of the Cookbook call."""

import numpy as np
import pytest

import otbApplication as otb
import pyotb

create = otb.Registry.CreateApplication


def roi(image: str) -> otb.Application:
    app = otb.Registry.CreateApplicationWithoutLogger("ExtractROI")
    app.SetParameters({"in": image, "sizex": 5, "sizey": 3})
    return app


def test_parameters_groups_and_choices_as_attributes(xs, tmp_path, pixels):
    app = create("ExtractROI")
    app.IN, app.SIZEX, app.SIZEY = xs, 5, 3
    app.OUT = str(tmp_path / "out.tif")
    app.ExecuteAndWriteOutput()
    assert (app.IN, app.SIZEX) == (xs, 5)
    np.testing.assert_array_equal(pixels(app.OUT), pixels(xs)[:3, :5])
    app = create("Superimpose")
    app.INTERPOLATOR = "nn"
    assert app.INTERPOLATOR == "nn" and str(app.INTERPOLATOR) == "nn"
    app = create("PatchesSelection")
    app.GRID.PSIZE = 7
    assert app.GetParameterInt("grid.psize") == app.GRID.PSIZE == 7


def test_several_parameters_at_once(xs):
    app = roi(xs)
    values = app.GetParameters()
    assert values["in"] == xs and values["sizex"] == 5 and "out" not in values
    assert not app.IsApplicationReady()  # it needs "out"
    app.OUT = "out.tif"
    assert app.IsApplicationReady()
    kind = app.GetParameterTypeAsString(app.GetParameterType("in"))
    assert kind == "ParameterType_InputImage"


def test_disabled_parameters_do_not_count(xs):
    app = roi(xs)
    for change, width in ((app.DisableParameter, 8), (app.EnableParameter, 5)):
        change("sizex")
        app.Execute()
        assert app.IsParameterEnabled("sizex") == (width == 5)
        assert tuple(app.GetImageSize("out")) == (width, 3)


def test_images_are_handed_on(xs, pixels):
    first = roi(xs)
    first.Execute()
    second = create("ConcatenateImages")
    out = first.GetParameterOutputImage("out")
    second.AddImageToParameterInputImageList("il", out)
    second.AddImageToParameterInputImageList("il", out)
    assert second.GetNumberOfElementsInParameterInputImageList("il") == 2
    second.PropagateConnectMode(True)
    second.Execute()
    part = pixels(xs)[:3, :5]
    np.testing.assert_array_equal(
        second.GetVectorImageAsNumpyArray("out"), np.concatenate([part, part], -1)
    )
    third = create("ExtractROI")
    third.SetParameterInputImage("in", out)
    third.Execute()
    np.testing.assert_array_equal(third.GetVectorImageAsNumpyArray("out", "int"), part)
    with pytest.raises(RuntimeError, match="'il' is a InputImageList, no InputImage"):
        second.SetParameterInputImage("il", out)
    second.ClearParameterInputImageList("il")
    assert second.GetNumberOfElementsInParameterInputImageList("il") == 0


def test_arrays_by_index():
    one, two = (np.full((4, 5), value, np.float32) for value in (1, 2))
    app = create("ConcatenateImages")
    app.SetImageFromNumpyArray("il", one)
    app.SetVectorImageFromNumpyArray("il", two, 1)
    app.Execute()
    assert app.GetVectorImageAsNumpyArray("out")[2, 3].tolist() == [1, 2]
    app.SetImageFromNumpyArray("il", two, 0)
    app.Execute()
    assert app.GetVectorImageAsNumpyArray("out")[2, 3].tolist() == [2, 2]
    with pytest.raises(RuntimeError, match="has 2 images, and the one of index 5"):
        app.SetImageFromNumpyArray("il", two, 5)
    with pytest.raises(ValueError, match="one band is expected, got 3"):
        app.SetImageFromNumpyArray("il", np.zeros((2, 2, 3), np.float32))
    with pytest.raises(ValueError, match="one band is expected"):
        app.GetImageAsNumpyArray("out")


def test_an_image_of_a_list_is_described(xs, write_raster):
    small = write_raster("small.tif", np.ones((2, 3, 1)), 5.0, (7.0, 9.0), None)
    app = create("ConcatenateImages")
    app.SetParameterStringList("il", [xs, xs])
    app.SetNthParameterStringList("il", 1, small)
    assert app.GetParameterStringList("il") == [xs, small]
    assert app.GetParameterString("il") == f"{xs} {small}"
    expected = {"Size": [3, 2], "Spacing": [5, -5], "Origin": [9.5, 6.5]}
    for word, values in expected.items():
        describe = getattr(app, f"GetImage{word}")
        assert list(describe("il", 1)) == values != list(describe("il"))
    assert (app.GetImageNbBands("il", 1), app.GetImageNbBands("il", 0)) == (1, 4)
    assert app.GetImageProjection("il", 1) == "" != app.GetImageProjection("il")
    for use in (app.GetImageSize, app.SetNthParameterStringList):
        with pytest.raises(RuntimeError, match="'il' has 2 .*, no 2"):
            use("il", 2, *([xs] if use != app.GetImageSize else []))
    with pytest.raises(RuntimeError, match="'ram' is a RAM, no "):
        app.GetParameterStringList("ram")


def test_a_part_is_exported(xs, pixels):
    app = roi(xs)
    app.Execute()
    region = otb.itkRegion()
    assert str(region) == "{index:[0,0], size:[0,0]}"
    region["index"][0], region["index"][1] = 2, 1
    size = otb.itkSize()
    size[0], size[1] = 3, 2
    region["size"] = size
    assert app.PropagateRequestedRegion("out", region) == 3 * 2 * 4 * 4
    exported = app.ExportImage("out")
    np.testing.assert_array_equal(exported["array"], pixels(xs)[1:3, 2:5])
    assert list(exported["size"]) == [5, 3]
    assert str(exported["region"]) == str(region)
    with pytest.raises(RuntimeError, match="the region of 3 x 2 of an image of 5 x 3"):
        create("ExtractROI").ImportVectorImage("in", exported)
    region["index"][0] = 3
    with pytest.raises(RuntimeError, match="size:.3,2.} is not inside the image"):
        app.PropagateRequestedRegion("out", region)
    app.Execute()
    assert app.GetVectorImageAsNumpyArray("out").shape == (3, 5, 4)


def test_types_in_memory(xs, caplog):
    """Images are float whatever the file, imported arrays of their own type."""
    array, app = np.ones((4, 5, 2), np.uint16), create("ReadImageInfo")
    app.SetVectorImageFromNumpyArray("in", array)
    assert app.GetImageBasePixelType("in") == otb.ImagePixelType_uint16
    app.Execute()
    values = [app.GetParameterValue(k) for k in ("datatype", "rgb.b", "ullat", "time")]
    assert values == ["unknown", 2, 0.0, ""]
    other = roi(xs)
    other.SetParameterOutputImagePixelType("out", otb.ImagePixelType_double)
    assert other.GetVectorImageAsNumpyArray("out").dtype == np.float32
    assert other.GetImageBasePixelType("out") == otb.ImagePixelType_float
    assert app.ConnectImage("in", other, "out") is True
    app.Execute()
    assert app.GetParameterString("datatype") == "unsigned_short"
    app.GetLogger().Warning("three\n")
    assert caplog.record_tuples == [("otblite", 30, "three")]
    assert app.GetParameterName("sizex") == "sizex" and not app.FreeRessources()


def test_parameters_in_xml(xs, tmp_path):
    path = str(tmp_path / "parameters.xml")
    app = create("BandMath")
    app.SetParameters({"il": [xs], "exp": "im1b1 < 3 && im1b2 > 1"})
    app.SaveParametersToXML(path)
    other = create("BandMath")
    other.LoadParametersFromXML(path)
    assert other.GetParameters() == app.GetParameters()
    with pytest.raises(RuntimeError, match="holds the parameters of BandMath"):
        create("Mosaic").LoadParametersFromXML(path)
    with pytest.raises(RuntimeError, match="is no XML file of parameters"):
        other.LoadParametersFromXML(xs)
    app.AddImageToParameterInputImageList("il", roi(xs).GetParameterOutputImage("out"))
    with pytest.raises(RuntimeError, match="'il' is an image in memory"):
        app.SaveParametersToXML(path)


def test_an_application_that_is_not_supported_is_told_by_pyotb():
    assert "ExtractROI" in otb.Registry_GetAvailableApplications()
    with pytest.raises(AttributeError, match="'DynamicConvert' is not supported by o"):
        _ = pyotb.DynamicConvert
    with pytest.raises(AttributeError, match="has no attribute 'nothing'$"):
        _ = pyotb.nothing
    assert not hasattr(pyotb, "DynamicConvert")
