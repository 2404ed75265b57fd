"""PixelValue and ComputeImagesStatistics; the numbers are those of OTB 8.1.1."""

from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

import pyotb

XS = str(Path(__file__).parent / "conformance" / "a" / "in" / "xs.tif")


@pytest.mark.parametrize(
    ("mode", "x", "y", "expected"),
    [
        ("index", 50.0, 40.0, [924, 1478, 1732, 2153]),
        ("physical", 452310.0 + 300, 5411210.0 - 240, [924, 1478, 1732, 2153]),
        ("epsg", 2.35, 48.85, [632, 979, 1406, 1504]),
    ],
)
def test_the_value_of_a_pixel(mode, x, y, expected):
    app = pyotb.PixelValue({"in": XS, "coordx": x, "coordy": y, "mode": mode})
    assert app.app.GetParameterString("value") == str(expected)


def test_brackets_of_pyotb_read_pixels():
    image = pyotb.Input(XS)
    assert image[40, 50] == [924, 1478, 1732, 2153]
    assert image[40, 50, 1] == 1478 and image[40, 50, :2] == [924, 1478]
    with pytest.raises(RuntimeError, match="lies outside the image of 80 x 64 pixels"):
        image.get_values_at_coords(500, 1)
    with pytest.raises(RuntimeError, match="Channel9 is not among Channel1, Channel2"):
        pyotb.PixelValue({"in": XS, "coordx": 1, "coordy": 1, "cl": ["Channel9"]})


def test_statistics(tmp_path):
    assert pyotb.Input(XS).get_statistics() == {
        "out.mean": [766.908, 1127.24, 1450.68, 1813.05],
        "out.min": [0, 0, 0, 0],
        "out.max": [1248, 1659, 2178, 2531],
        "out.std": [163.015, 203.582, 255.059, 303.066],
    }
    path = str(tmp_path / "statistics.xml")
    app = pyotb.ComputeImagesStatistics({"il": [XS], "bv": 0.0, "out.xml": path})
    assert app.data["out.mean"] == [778.772, 1144.68, 1473.12, 1841.1]
    assert app.data["out.std"] == [133.206, 148.733, 181.646, 204.011]
    root = ElementTree.parse(path).getroot()
    assert [entry.get("name") for entry in root] == ["mean", "min", "max", "stddev"]
    deviations = [value.get("value") for value in root[3]]
    assert deviations == ["133.206", "148.733", "181.646", "204.011"]


def test_statistics_of_several_images():
    """The deviation is that within the images."""
    image = pyotb.Input(XS)
    parts = [image[:20, :40], image[40:64, 10:70]]
    data = pyotb.ComputeImagesStatistics({"il": parts}).data
    assert data["out.mean"] == [737.22, 1110.33, 1411.26, 1769.78]
    assert data["out.std"] == [184.168, 244.956, 307.819, 378.194]
    with pytest.raises(RuntimeError, match="images with one number of bands"):
        pyotb.ComputeImagesStatistics({"il": [image, image[:, :, :2]]})


def test_only_pixels_that_are_background_in_all_bands_are_left_out(write_raster):
    pixels = np.array([[[0, 0], [0, 7], [5, 0]], [[1, 1], [2, 2], [3, 3]]], np.uint16)

    def measure(values):
        name = write_raster("few.tif", values)
        return pyotb.ComputeImagesStatistics({"il": [name], "bv": 0.0}).data

    data = measure(pixels)
    assert data["out.mean"] == [11 / 5, 13 / 5] and data["out.min"] == [0, 0]
    with pytest.raises(RuntimeError, match="no pixel but of the background value"):
        measure(0 * pixels)


def test_images_that_cannot_be_compared(write_raster):
    """Their values are compared with OTB in `test_against_otb`."""
    one = write_raster("a.tif", np.arange(12.0).reshape(3, 4))
    parameters = {"ref.in": one, "meas.in": one}
    data = pyotb.CompareImages(parameters).data
    assert [data[key] for key in ("mse", "mae", "psnr", "count")] == [0, 0, 0, 0]
    for wrong, words in (
        ({"meas.channel": 2}, "'meas.channel': the image has 1 band"),
        ({"roi.startx": 3, "roi.sizex": 2}, "not inside the image of 4 x 3 pixels"),
        ({"ref.in": XS}, "images of one size are expected"),
    ):
        with pytest.raises(RuntimeError, match=words):
            pyotb.CompareImages(parameters | wrong)
