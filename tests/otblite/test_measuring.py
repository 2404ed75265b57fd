"""PixelValue and ComputeImagesStatistics; the numbers are those of OTB 8.1.1."""

from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

import pyotb

XS = str(Path(__file__).parent / "conformance" / "a" / "in" / "xs.tif")


def test_brackets_of_pyotb_read_pixels():
    image = pyotb.Input(XS)
    assert image[40, 50] == [924, 1478, 1732, 2153]
    assert image[40, 50, 1] == 1478 and image[40, 50, :2] == [924, 1478]
    with pytest.raises(RuntimeError, match="lies outside the image of 80 x 64 pixels"):
        image.get_values_at_coords(500, 1)
    with pytest.raises(RuntimeError, match="Channel9 is not among Channel1, Channel2"):
        pyotb.PixelValue({"in": XS, "coordx": 1, "coordy": 1, "cl": ["Channel9"]})


def test_statistics(tmp_path):
    statistics = pyotb.Input(XS).get_statistics()
    assert statistics["out.mean"] == [766.908, 1127.24, 1450.68, 1813.05]
    path = str(tmp_path / "statistics.xml")
    app = pyotb.ComputeImagesStatistics({"il": [XS], "bv": 0.0, "out.xml": path})
    assert app.data["out.mean"] == [778.772, 1144.68, 1473.12, 1841.1]
    assert app.data["out.std"] == [133.206, 148.733, 181.646, 204.011]
    root = ElementTree.parse(path).getroot()
    assert [entry.get("name") for entry in root] == ["mean", "min", "max", "stddev"]
    deviations = [value.get("value") for value in root[3]]
    assert deviations == ["133.206", "148.733", "181.646", "204.011"]


def test_images_that_cannot_be_measured(write_raster):
    image = pyotb.Input(XS)
    with pytest.raises(RuntimeError, match="images with one number of bands"):
        pyotb.ComputeImagesStatistics({"il": [image, image[:, :, :2]]})
    empty = write_raster("empty.tif", np.zeros((2, 3, 2)))
    with pytest.raises(RuntimeError, match="no pixel but of the background value"):
        pyotb.ComputeImagesStatistics({"il": [empty], "bv": 0.0})


def test_images_that_cannot_be_compared(write_raster):
    one = write_raster("a.tif", np.arange(12.0).reshape(3, 4))
    parameters = {"ref.in": one, "meas.in": one}
    data = pyotb.CompareImages(parameters).data
    assert [data[key] for key in ("mse", "mae", "psnr", "count")] == [0, 0, 0, 0]
    for wrong, words in (
        ({"meas.channel": 2}, "'meas.channel': the image has 1 band"),
        ({"roi.startx": 4, "roi.sizex": 2, "roi.sizey": 1}, "not inside the images"),
    ):
        with pytest.raises(RuntimeError, match=words):
            pyotb.CompareImages(parameters | wrong)
