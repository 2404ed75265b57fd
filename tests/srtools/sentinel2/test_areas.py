"""Areas in degrees: boxes and footprints of images."""

import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine
from rasterio.crs import CRS
from shapely.geometry import box

from srtools.errors import SRError
from srtools.images import raster
from srtools.images.grid import Grid
from srtools.sentinel2 import areas
from tests.stac_items import UTM31, in_degrees


def test_footprint_follows_the_curve_of_a_side():
    grid = rasterio.Affine(6, 0, 400_000, 0, -6, 5_440_000)
    outline = areas.footprint(Grid(CRS.from_string(UTM31), grid, 10_000, 10_000))
    true = shapely.segmentize(box(400_000, 5_380_000, 460_000, 5_440_000), 100)
    assert outline.hausdorff_distance(in_degrees(true)) < 1e-5  # some 1 m


@pytest.mark.parametrize(
    "bbox", [[2.4, 48.8, 2.3, 48.9], [2.3, 48.9, 2.4, 48.8], [448000, 5e6, 449000, 6e6]]
)
def test_a_box_that_is_none(bbox):
    with pytest.raises(SRError, match="west, south, east, north are expected"):
        areas.from_bbox(bbox)


def test_part_of_an_image(write_raster):
    """All pixels that touch the area, within the image."""
    path = write_raster("s2.tif", np.ones((40, 50, 4), np.uint16), 10.0)
    image = raster.describe(path, "the Sentinel-2 image")
    left, bottom, right, top = image.bounds
    inside = box(left + 31, top - 99, left + 59, top - 41)
    part = areas.part_of(image, in_degrees(inside))
    assert (part.width, part.height) == (3, 6)
    assert part.transform == image.transform @ Affine.translation(3, 4)
    beyond = box(left - 500, top - 99, left + 59, top + 500)
    part = areas.part_of(image, in_degrees(beyond))
    assert (part.width, part.height) == (6, 10) and part.transform == image.transform
    with pytest.raises(SRError, match="does not show the area"):
        areas.part_of(image, box(10, 48, 11, 49))
