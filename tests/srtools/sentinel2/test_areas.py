"""Areas that are asked for: boxes, outlines, footprints of images."""

import json

import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine
from rasterio.crs import CRS
from rasterio.warp import transform_geom
from shapely.geometry import box, mapping, shape

from srtools.errors import SRError
from srtools.images import raster
from srtools.images.grid import Grid
from srtools.sentinel2 import areas
from tests.stac_items import UTM31


def test_footprint_follows_the_curve_of_a_side():
    grid = rasterio.Affine(6, 0, 400_000, 0, -6, 5_440_000)
    outline = areas.footprint(Grid(CRS.from_string(UTM31), grid, 10_000, 10_000))
    # All along the sides, not only at the corners: within 1 m of the true ones.
    metres = rasterio.warp.transform_geom("EPSG:4326", UTM31, mapping(outline))
    true = box(400_000, 5_380_000, 460_000, 5_440_000)
    points = shapely.segmentize(true, 100)
    degrees = shape(rasterio.warp.transform_geom(UTM31, "EPSG:4326", mapping(points)))
    assert shape(metres).hausdorff_distance(true) < 0.01
    assert outline.hausdorff_distance(degrees) < 1e-5


@pytest.mark.parametrize(
    "bbox", [[2.4, 48.8, 2.3, 48.9], [2.3, 48.9, 2.4, 48.8], [448000, 5e6, 449000, 6e6]]
)
def test_a_box_that_is_none(bbox):
    with pytest.raises(SRError, match="west, south, east, north are expected"):
        areas.read_area(bbox, None)


def test_outlines(tmp_path):
    square = mapping(shapely.box(2, 48, 3, 49))
    feature = {"type": "Feature", "properties": {}, "geometry": square}
    other = {**feature, "geometry": mapping(shapely.box(3, 48, 4, 49))}
    both = {"type": "FeatureCollection", "features": [feature, other]}
    path = tmp_path / "area.geojson"
    for content, bounds in (
        (square, (2, 48, 3, 49)),
        (feature, (2, 48, 3, 49)),
        (both, (2, 48, 4, 49)),
    ):
        path.write_text(json.dumps(content))
        assert areas.read_area(None, str(path)).bounds == bounds
    assert areas.read_area(None, None) is None


def test_geojson_as_other_programs_write_it(tmp_path):
    """With a byte order mark, a feature without geometry, and a third dimension."""
    square = mapping(shapely.box(2, 48, 3, 49))
    feature = {"type": "Feature", "properties": {}, "geometry": square}
    nothing = {**feature, "geometry": None}
    deep = {**square, "coordinates": [[[*p, 0.0] for p in square["coordinates"][0]]]}
    path = tmp_path / "area.geojson"
    for features in ([nothing, feature], [{**feature, "geometry": deep}]):
        content = json.dumps({"type": "FeatureCollection", "features": features})
        for mark in (b"", b"\xef\xbb\xbf"):
            path.write_bytes(mark + content.encode())
            assert areas.read_area(None, str(path)).bounds == (2, 48, 3, 49)
    path.write_text(json.dumps({"type": "FeatureCollection", "features": [nothing]}))
    with pytest.raises(SRError, match="holds no area in degrees"):
        areas.read_area(None, str(path))
    metres = {**feature, "geometry": mapping(shapely.box(450000, 5e6, 451000, 6e6))}
    path.write_text(json.dumps(metres))
    with pytest.raises(
        SRError, match="from 450000, 5e[+]06 .*ogr2ogr -t_srs EPSG:4326"
    ):
        areas.read_area(None, str(path))


@pytest.mark.parametrize(
    "text",
    [
        "no json",
        "[]",
        '{"type": "FeatureCollection", "features": null}',
        '{"type": "Polygon", "coordinates": [1, 2, 3]}',
        '{"type": "Point", "coordinates": [2, 48]}',
        '{"type": "FeatureCollection", "features": []}',
        json.dumps(mapping(shapely.box(448000, 5410000, 449000, 5411000))),
    ],
)
def test_outlines_that_are_none(tmp_path, text):
    path = tmp_path / "area.geojson"
    path.write_text(text)
    with pytest.raises(SRError, match=r"area\.geojson"):
        areas.read_area(None, str(path))
    with pytest.raises(SRError, match="cannot be read as GeoJSON"):
        areas.read_area(None, str(tmp_path / "no.geojson"))


def test_part_of_an_image(write_raster):
    """The whole pixels over the area, and no more, as far as the image goes."""
    path = write_raster("s2.tif", np.ones((40, 50, 4), np.uint16), 10.0)
    image = raster.describe(path, "the Sentinel-2 image")
    left, bottom, right, top = image.bounds
    inside = shapely.box(left + 31, top - 99, left + 59, top - 41)
    degrees = shape(transform_geom(image.crs, "EPSG:4326", mapping(inside)))
    part = areas.part_of(image, degrees)
    assert (part.width, part.height) == (3, 6)
    assert part.transform == image.transform @ Affine.translation(3, 4)
    beyond = shapely.box(left - 500, top - 99, left + 59, top + 500)
    degrees = shape(transform_geom(image.crs, "EPSG:4326", mapping(beyond)))
    part = areas.part_of(image, degrees)
    assert (part.width, part.height) == (6, 10) and part.transform == image.transform
    with pytest.raises(SRError, match="does not show the area"):
        areas.part_of(image, shapely.box(10, 48, 11, 49))


def test_an_area_as_an_image():
    image = areas.as_image(shapely.box(2.0, 48.0, 3.0, 48.5))
    assert image.bounds == (2.0, 48.0, 3.0, 48.5) and image.crs.to_epsg() == 4326
