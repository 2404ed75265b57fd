"""Checks of Sentinel-2 images: names and order of bands, pixel values, nodata."""

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.enums import Resampling
from rasterio.warp import transform_bounds

from srtools.conventions import BANDS, OFFSET_TAG
from srtools.errors import SRError
from srtools.images import raster
from srtools.images.grid import Grid
from srtools.sentinel2.sentinel2_image import Sentinel2, check_images


def opened(*paths, xs=None, **facts):
    return Sentinel2([list(paths)], **facts).checked(xs=xs)


def test_no_data_that_nobody_declared_is_refused(write_raster):
    pixels = np.full((40, 40, 4), 500, np.int16)
    pixels[2, 3] = -10000
    path = write_raster("s2.tif", pixels)
    with pytest.raises(SRError, match="DN of -10000, which look like no data; 0 is"):
        opened(path)


@pytest.mark.parametrize(
    ("tags", "offset", "words"),
    [
        ((1000,) * 4, 1000, "B04.tif says that 1000 DN were subtracted from it alr"),
        ((1000,) * 4, 0, ""),
        ((1000, 1000, 1000, 0), 0, r"bands say that \[0, 1000\] DN were subtracted"),
        ((0,) * 4, 1000, ""),
    ],
)
def test_the_subtracted_offset_stands_in_the_tags(write_raster, tags, offset, words):
    random, paths = np.random.default_rng(0), []
    for band, tag in zip(BANDS, tags, strict=True):
        dn = random.integers(1100, 4000, (40, 50), np.uint16)
        paths.append(write_raster(f"{band}.tif", dn, 10.0))
        with rasterio.open(paths[-1], "r+") as file:
            file.update_tags(**{OFFSET_TAG: tag})
    with pytest.raises(SRError, match=words) if words else nullcontext():
        opened(*paths, offset=offset)


def test_an_image_that_is_cut_off_is_one_line(write_raster):
    random = np.random.default_rng(0)
    path = write_raster("s2.tif", random.integers(1, 9000, (200, 200, 4), np.uint16))
    whole = Path(path).read_bytes()
    Path(path).write_bytes(whole[: len(whole) // 2])
    words = r"s2.tif cannot all be read \(.*\); the file is"
    with pytest.raises(SRError, match=words):
        opened(path)
    s2 = Sentinel2([[path]], images=check_images([path]))
    for read in (s2.read, lambda: s2.content(s2.grid)):
        with pytest.raises(SRError, match=words):
            read()


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
def test_the_width_of_pixels_in_metres(write_raster, caplog, spacing, crs, words):
    left, bottom, right, top = transform_bounds(
        "EPSG:4326", crs, *(3.0, 49.0, 3.001, 49.001)
    )
    pixels = np.random.default_rng(0).integers(1, 3000, (8, 8, 4), np.uint16)
    s2 = opened(write_raster("s2.tif", pixels, spacing, (left, top), crs))
    place = transform_bounds("EPSG:4326", "EPSG:32631", *(3.0, 48.99, 3.01, 49.01))
    path = write_raster("like.tif", pixels, corner=(place[0], place[3]))
    like = replace(raster.describe(path, "it"), width=500, height=500)
    s2.check_area(like)
    assert words in caplog.text and ("pixels are" in caplog.text) is bool(words)


def test_names_of_files(write_raster):
    ones = np.ones((8, 8), np.uint16)
    paths = [
        write_raster(f"T31UDQ_20220714T105629_{band}_10m.tif", ones) for band in BANDS
    ]
    check_images(paths)
    with pytest.raises(SRError, match="are named B02, B03, B04, B08"):
        check_images([paths[i] for i in (2, 1, 0, 3)])


def amount(share: float) -> str:
    return {0: "none", 1: "all"}.get(share, "some")


@pytest.mark.parametrize(
    ("left", "top", "size", "expected"),
    [
        (510, 890, 10, "all"),
        (500, 900, 33, "all"),  # to 549.5 m
        (500, 900, 34, "some"),  # to 551 m, where zeros are
        (500, 862, 14, "all"),  # to 841 m
        (500, 862, 15, "some"),  # to 839.5 m, where zeros are in one band
        (499, 900, 4, "some"),
        (500, 902, 4, "some"),
        (560, 900, 10, "none"),  # zeros
        (575, 900, 10, "none"),  # zeros, and the ground beyond the image
        (900, 900, 10, "none"),
    ],
)
def test_content(write_raster, left, top, size, expected):
    pixels = np.full((8, 8, 4), 900, np.uint16)
    pixels[:, 5:] = 0
    pixels[6:, :, 2] = 0
    path = write_raster("s2.tif", pixels, 10.0, (500.0, 900.0))
    s2 = Sentinel2([[path]], images=check_images([path]))
    grid = Grid(s2.grid.crs, Affine(1.5, 0, left, 0, -1.5, top), size, size)
    assert amount(s2.content(grid)) == expected
    if size == 10:  # well inside or outside, in any CRS
        other = rasterio.CRS.from_epsg(32630)
        corner = grid.bounds_in(other)
        place = Affine(1.5, 0, corner[0], 0, -1.5, corner[3])
        assert amount(s2.content(Grid(other, place, size, size))) == expected


@pytest.mark.parametrize(("spacing", "warns"), [(10.0, False), (20.0, True)])
def test_the_width_of_pixels_is_asked_for_before_patches_are_made(
    write_raster, caplog, spacing, warns
):
    """A network trained on bands of 20 m would sharpen too much."""
    pixels = np.random.default_rng(0).integers(500, 3000, (40, 40, 4), np.uint16)
    pixels[35:] = 65535  # beyond XS, where nothing is looked at
    s2 = write_raster("s2.tif", pixels, spacing)
    xs = raster.describe(write_raster("xs.tif", pixels[:32, :32], 6.0), "XS")
    opened(s2, xs=xs)
    assert ("the pixels are 20 m wide" in caplog.text) is warns


def test_pixels_are_read_without_the_offset(write_raster):
    """A window, a smaller shape, another grid; nodata stays 0, dark ground is 1."""
    dn = np.random.default_rng(0).integers(1100, 4000, (40, 50, 4), np.uint16)
    dn[0, 0], dn[0, 1] = 0, 900
    paths = [write_raster(f"{b}.tif", dn[..., b], 10.0) for b in range(4)]
    s2 = opened(*paths, offset=1000)
    expected = np.where(dn == 0, 0, np.maximum(dn.astype(float) - 1000, 1))
    assert expected[0, 0].max() == 0 and expected[0, 1].max() == 1
    np.testing.assert_array_equal(s2.read(), expected)
    window = slice(3, 9), slice(0, 20)
    np.testing.assert_array_equal(s2.read(window), expected[window])
    assert s2.read(window, (3, 10)).shape == (3, 10, 4)
    wider = s2.grid.part((slice(-2, 40), slice(-1, 50)))
    padded = np.pad(expected, ((2, 0), (1, 0), (0, 0)))
    np.testing.assert_array_equal(s2.read(wider), padded)
    left, top, right, bottom = 4, 3, 20, 19
    square = s2.grid.part((slice(top, bottom), slice(left, right)))
    coarse = Grid(square.crs, square.transform @ Affine.scale(2), 8, 8)
    means = expected[3:19, 4:20].reshape(8, 2, 8, 2, 4).mean(axis=(1, 3))
    averages = s2.read(coarse, resampling=Resampling.average)
    np.testing.assert_allclose(averages, means, atol=1)


def test_a_tile_without_data_is_an_error_if_it_is_alone(write_raster, tmp_path):
    dn = np.random.default_rng(0).integers(1100, 4000, (40, 50, 4), np.uint16)
    full = write_raster("full.tif", dn, 10.0, (500.0, 900.0))
    empty = write_raster("empty.tif", 0 * dn, 10.0, (900.0, 900.0))
    s2 = Sentinel2([[empty], [full]], offset=1000).checked(tmp_path)
    assert s2.grid.width == 90
    np.testing.assert_array_equal(s2.read()[:, :50], dn - 1000.0)
    with pytest.raises(SRError, match="empty.tif holds nothing but 0"):
        Sentinel2([[empty], [empty]], offset=1000).checked(tmp_path)
