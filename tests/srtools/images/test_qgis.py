"""Styles with which QGIS opens two images alike."""

from xml.etree import ElementTree

import numpy as np

from srtools.images import qgis


def test_the_limits_of_each_colour_are_written(tmp_path):
    path = qgis.style_of(tmp_path / "sr.tif")
    qgis.write_style(path, (np.array([1.4, 2, 3, 4]), np.array([11, 12, 13, 14])))
    renderer = ElementTree.parse(path).find("pipe/rasterrenderer")
    assert renderer.get("type") == "multibandcolor"
    assert [renderer.get(f"{c}Band") for c in ("red", "green", "blue")] == list("123")
    limits = {
        colour: [
            renderer.findtext(f"{colour}ContrastEnhancement/{value}")
            for value in ("minValue", "maxValue")
        ]
        for colour in ("red", "green", "blue")
    }
    assert limits == {"red": ["1", "11"], "green": ["2", "12"], "blue": ["3", "13"]}


def test_limits_leave_no_data_out(write_raster):
    pixels = np.zeros((900, 700, 4), np.uint16)
    pixels[450:] = np.arange(1000, 1700)[:, None]  # half of it is no data
    low, high = qgis.limits_of(write_raster("x.tif", pixels))
    np.testing.assert_allclose(low, 1007, atol=2)
    np.testing.assert_allclose(high, 1692, atol=2)
