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


def test_other_attributes_are_refused(xs):
    app = create("ExtractROI")
    for name in ("OTHER", "in_", "out", "Execute2"):
        with pytest.raises(AttributeError, match=f"takes no attribute '{name}'"):
            setattr(app, name, xs)
        with pytest.raises(AttributeError):
            getattr(app, name)
    with pytest.raises(TypeError):
        app.SIZEX = "8"


def test_several_parameters_at_once(xs):
    app = roi(xs)
    values = app.GetParameters()
    assert values["in"] == xs and values["sizex"] == 5 and "out" not in values
    assert app.IsApplicationReady() and not create("ExtractROI").IsApplicationReady()
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
