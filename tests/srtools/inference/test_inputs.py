"""What is refused before anything is computed, and which pixels an area means."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine
from rasterio.warp import transform_bounds, transform_geom
from shapely.geometry import mapping, shape

from srtools.conventions import BANDS
from srtools.errors import SRError
from srtools.images import raster, vrt
from srtools.inference import inputs
from srtools.sentinel2 import safe


@pytest.fixture
def dn(write_raster):
    """Write a Sentinel-2 image whose DN lie between two values."""

    def write(low, high, dtype=np.uint16, spacing=10.0):
        random = np.random.default_rng(0)
        pixels = random.uniform(low, high, (40, 50, 4)).astype(dtype)
        return inputs.check_images([write_raster("s2.tif", pixels, spacing)])

    return write


@pytest.mark.parametrize("dtype", [np.float32, np.uint8, np.float64, np.int64])
def test_reflectance_and_colours_are_refused(dn, dtype):
    with pytest.raises(SRError, match="DN .* are expected: gdal_translate"):
        dn(0.01, 255, dtype)


def test_no_data_that_is_not_0_is_refused(write_raster):
    path = write_raster("s2.tif", np.ones((8, 8, 4), np.uint16), nodata=65535)
    with pytest.raises(SRError, match="declares 65535 to be no data, 0 is expected"):
        inputs.check_images([path])


def test_no_data_that_nobody_declared_is_refused(write_raster):
    pixels = np.full((8, 8, 4), 500, np.int16)
    pixels[2, 3] = -10000
    s2 = inputs.check_images([write_raster("s2.tif", pixels)])
    with pytest.raises(SRError, match="DN of -10000, which look like no data; 0 is"):
        inputs.check_pixels(s2, 0)


def test_an_image_that_is_cut_off_is_one_line(write_raster):
    random = np.random.default_rng(0)
    path = write_raster("s2.tif", random.integers(1, 9000, (200, 200, 4), np.uint16))
    whole = Path(path).read_bytes()
    Path(path).write_bytes(whole[: len(whole) // 2])
    s2 = inputs.check_images([path])
    with pytest.raises(SRError, match="s2.tif cannot all be read; the file is damaged"):
        inputs.check_pixels(s2, 0)
    with pytest.raises(SRError, match="s2.tif cannot all be read; the file is damaged"):
        inputs.has_no_data(s2, s2[0])


def test_nothing_is_refused(dn):
    with pytest.raises(SRError, match="nothing but 0"):
        inputs.check_pixels(dn(0, 0), 0)


@pytest.mark.parametrize(
    ("low", "high", "offset", "words"),
    [
        (1050, 5000, 0, "need --offset 1000"),
        (1050, 5000, 1000, ""),
        (200, 5000, 0, ""),
        (200, 1500, 1000, "as if it had been subtracted before: give --offset 0"),
    ],
)
def test_an_offset_that_is_still_there_or_no_more(dn, caplog, low, high, offset, words):
    inputs.check_pixels(dn(low, high), offset)
    assert words in caplog.text if words else not caplog.text


@pytest.mark.parametrize(
    ("spacing", "crs", "words"),
    [
        (10.0, "EPSG:32631", ""),
        (10.1, "EPSG:32631", ""),
        (20.0, "EPSG:32631", "the pixels are 20 m wide"),
        (10.0, "EPSG:32630", ""),
        (15.3, "EPSG:3857", ""),  # at 49 degrees north, where its metre is 66 cm
        (10.0, "EPSG:3857", "the pixels are 6.55 m wide"),
        (1e-4, "EPSG:4326", "the pixels are 7.31 m wide"),  # and 11.1 m high
    ],
)
def test_the_width_of_pixels_in_metres_of_the_area(
    write_raster, caplog, spacing, crs, words
):
    left, bottom, right, top = transform_bounds(
        "EPSG:4326", crs, *(3.0, 49.0, 3.001, 49.001)
    )
    pixels = np.ones((8, 8, 4), np.uint16)
    s2 = inputs.check_images(
        [write_raster("s2.tif", pixels, spacing, (left, top), crs)]
    )
    place = transform_bounds("EPSG:4326", "EPSG:32631", *(3.0, 48.99, 3.01, 49.01))
    path = write_raster("like.tif", pixels, corner=(place[0], place[3]))
    like = replace(raster.describe(path, "it"), width=500, height=500)
    inputs.check_area(s2, like)
    assert words in caplog.text if words else not caplog.text


def test_a_grid_without_metres_is_refused(write_raster):
    pixels, corner = np.ones((8, 8, 4), np.uint16), (3.0, 49.0)
    path = write_raster("s2.tif", pixels, 1e-4, corner, "EPSG:4326")
    with pytest.raises(SRError, match="s2.tif is in EPSG:4326, a CRS in metres is"):
        inputs.check_area(inputs.check_images([path]), None)


@pytest.mark.parametrize(
    ("titles", "refused"),
    [
        (("B04", "B03", "B02", "B08"), False),
        (("B4", "B3", "B2", "B8"), False),
        (("red", "green", "blue", "nir"), False),
        (("B02", "B03", "B04", "B08"), True),
        (("B04", "B03", "B02", "B8A"), True),
    ],
)
def test_names_of_bands(write_raster, titles, refused):
    path = write_raster("s2.tif", np.ones((8, 8, 4), np.uint16))
    with rasterio.open(path, "r+") as file:
        file.descriptions = titles
    if refused:
        with pytest.raises(SRError, match="B04, B03, B02, B08 in this order"):
            inputs.check_images([path])
    else:
        inputs.check_images([path])


def test_names_of_files(write_raster):
    ones = np.ones((8, 8), np.uint16)
    paths = [
        write_raster(f"T31UDQ_20220714T105629_{band}_10m.tif", ones) for band in BANDS
    ]
    inputs.check_images(paths)
    with pytest.raises(SRError, match="are named B02, B03, B04, B08"):
        inputs.check_images([paths[i] for i in (2, 1, 0, 3)])


@pytest.mark.parametrize(
    "bbox", [[2.4, 48.8, 2.3, 48.9], [2.3, 48.9, 2.4, 48.8], [448000, 5e6, 449000, 6e6]]
)
def test_a_box_that_is_none(bbox):
    with pytest.raises(SRError, match="west, south, east, north are expected"):
        inputs.read_area(bbox, None)


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
        assert inputs.read_area(None, str(path)).bounds == bounds
    assert inputs.read_area(None, None) is None


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
        inputs.read_area(None, str(path))
    with pytest.raises(SRError, match="cannot be read as GeoJSON"):
        inputs.read_area(None, str(tmp_path / "no.geojson"))


def test_part_of_an_image(dn):
    """The whole pixels over the area, and no more, as far as the image goes."""
    image = dn(100, 5000)[0]
    left, bottom, right, top = image.bounds
    inside = shapely.box(left + 31, top - 99, left + 59, top - 41)
    degrees = shape(transform_geom(image.crs, "EPSG:4326", mapping(inside)))
    part = inputs.part_of(image, degrees)
    assert (part.width, part.height) == (3, 6)
    assert part.transform == image.transform @ Affine.translation(3, 4)
    beyond = shapely.box(left - 500, top - 99, left + 59, top + 500)
    degrees = shape(transform_geom(image.crs, "EPSG:4326", mapping(beyond)))
    part = inputs.part_of(image, degrees)
    assert (part.width, part.height) == (6, 10) and part.transform == image.transform
    with pytest.raises(SRError, match="does not show the area"):
        inputs.part_of(image, shapely.box(10, 48, 11, 49))


def test_an_area_as_an_image():
    image = inputs.as_image(shapely.box(2.0, 48.0, 3.0, 48.5))
    assert image.bounds == (2.0, 48.0, 3.0, 48.5) and image.crs.to_epsg() == 4326


@pytest.fixture
def product(tmp_path):
    """Write the skeleton of a SAFE folder."""

    def write(name="S2A_MSIL2A_20220714T105631_N0400_R051_T31UDQ_x.SAFE", xml=""):
        folder = tmp_path / name
        bands = folder / "GRANULE" / "L2A_T31UDQ" / "IMG_DATA" / "R10m"
        bands.mkdir(parents=True)
        for band in (*BANDS, "TCI"):
            (bands / f"T31UDQ_20220714T105631_{band}_10m.jp2").touch()
        if xml:
            (folder / "MTD_MSIL2A.xml").write_text(xml)
        return folder

    return write


@pytest.mark.parametrize(
    ("name", "xml", "offset"),
    [
        ("a_N0400_b.SAFE", "", 1000),
        ("a_N0214_b.SAFE", "", 0),
        ("a_N0500_b.SAFE", '<BOA_ADD_OFFSET band_id="1">-1000</BOA_ADD_OFFSET>', 1000),
        ("a.SAFE", "<PROCESSING_BASELINE>05.09</PROCESSING_BASELINE>", 1000),
        ("a.SAFE", "", None),
    ],
)
def test_safe(product, name, xml, offset):
    folder = product(name, xml)
    assert safe.is_safe(folder)
    bands, said = safe.read_safe(folder)
    assert [path[-11:-8] for path in bands] == list(BANDS) and said == offset
    if offset is None:
        with pytest.raises(SRError, match="give --offset 1000"):
            safe.sure(said)
    else:
        assert safe.sure(said) == offset


def test_safe_of_the_wrong_level(tmp_path):
    bands = tmp_path / "GRANULE" / "L1C" / "IMG_DATA"
    bands.mkdir(parents=True)
    (bands / "T31UDQ_20220714T105631_B04.jp2").touch()
    with pytest.raises(SRError, match="Level-1C product: take Level-2A"):
        safe.read_safe(tmp_path)
    with pytest.raises(SRError, match="0 files of band B04"):
        safe.read_safe(tmp_path / "GRANULE")


def test_tiles_side_by_side(tmp_path, write_raster):
    """Of two tiles that overlap the later one is seen, where it has data."""
    random = np.random.default_rng(0)
    ground = random.integers(1, 9000, (30, 50)).astype(np.uint16)
    west, east = ground[:24, :30].copy(), ground[6:, 20:].copy()
    east[:, :4] = 0
    x, y = 450000.0, 5400000.0
    tiles = [
        {"B04": write_raster("west.tif", west, 10.0, (x, y))},
        {"B04": write_raster("east.tif", east, 10.0, (x + 200, y - 60))},
    ]
    assert vrt.write_mosaics(tiles[:1], ["B04"]) == [tiles[0]["B04"]]
    (path,) = vrt.write_mosaics(tiles, ["B04"])
    expected = np.zeros_like(ground)
    expected[:24, :30] = west
    expected[6:, 24:] = ground[6:, 24:]
    with rasterio.open(path) as file:
        np.testing.assert_array_equal(file.read(1), expected)
        assert file.transform == Affine(10, 0, x, 0, -10, y)
    (path,) = vrt.write_mosaics(tiles[::-1], ["B04"])
    assert raster.describe(path, "mosaic").bounds == (x, y - 300, x + 500, y)


def test_where_pixels_have_no_data(write_raster):
    """A zero, or a centre beyond the edge: 5 x 4 pixels of 10 m, 1.5 m ones."""
    pixels = np.ones((4, 5, 4), np.uint16)
    pixels[2, 3, 1] = 0
    s2 = inputs.check_images([write_raster("s2.tif", pixels, 10.0, (500.0, 900.0))])

    def area(left, top, width, height):
        place = Affine(1.5, 0, left, 0, -1.5, top)
        return replace(s2[0], width=width, height=height, transform=place)

    assert inputs.has_no_data(s2, area(500, 900, 26, 26))
    assert not inputs.has_no_data(s2, area(500, 900, 20, 26))  # to 530 m
    assert not inputs.has_no_data(s2, area(500, 900, 33, 13))  # to 880.5 m
    assert inputs.has_no_data(s2, area(500, 900, 33, 14))  # to 879 m
    # The last pixel lies half beyond 550 m, its centre at 549.75 m does not.
    assert not inputs.has_no_data(s2, area(501, 900, 33, 13))
    assert inputs.has_no_data(s2, area(502, 900, 33, 13))
    assert inputs.has_no_data(s2, area(499, 900, 4, 4))
    assert inputs.has_no_data(s2, area(500, 902, 4, 4))
    assert inputs.has_no_data(s2, area(546, 900, 4, 4))
    away = transform_bounds("EPSG:32631", "EPSG:32630", 510, 880, 520, 890)
    place = Affine(1.5, 0, away[0], 0, -1.5, away[3])
    other = rasterio.CRS.from_epsg(32630)
    near = replace(s2[0], width=4, height=4, transform=place, crs=other)
    assert not inputs.has_no_data(s2, near)
