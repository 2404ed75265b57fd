"""Shares of clouds in the SCL, and of missing and defective pixels in the bands."""

import numpy as np
import pytest
import rasterio
import rasterio.shutil
import shapely
from affine import Affine
from rasterio.io import MemoryFile
from shapely.geometry import box

from srtools.conventions import BANDS
from srtools.errors import SRError
from srtools.sentinel2 import scenes
from srtools.sentinel2.scl import BAD_CLASSES
from tests.fake_stac import geotiff
from tests.stac_items import (
    AREA,
    AREA_COLUMNS,
    AREA_ROWS,
    TILE,
    candidate,
    in_degrees,
    item,
    scene_from,
    scl,
)

CLEAR = np.full((150, 150), 4, np.uint8)


@pytest.fixture
def look(tmp_path):
    """Choose an image with this SCL; return its scene."""

    def look(classes, area=AREA, max_bad_share=1.0):
        scene = candidate("a", scl(tmp_path / "SCL.tif", classes))
        assert scenes.choose([scene], area, max_bad_share) is scene
        return scene

    return look


def test_only_the_pixels_over_the_area_count(look):
    classes = np.full((150, 150), 9, np.uint8)  # clouds and gaps everywhere else
    classes[:20] = 0
    classes[AREA_ROWS, AREA_COLUMNS] = 4
    scene = look(classes)
    assert scene.shares["missing"] == scene.bad_share == 0


@pytest.mark.parametrize(("reach", "counts"), [(0.6, False), (6, True), (19, True)])
def test_a_pixel_counts_when_the_area_reaches_into_it(look, reach, counts):
    # The area's east side lies `reach` metres inside column 110.
    area = in_degrees(box(451_000, 5_410_000, 452_200 + reach, 5_411_200))
    classes = CLEAR.copy()
    classes[:, 110] = 9
    assert look(classes, area).bad_share == (pytest.approx(1 / 61) if counts else 0)


def test_pixels_beside_a_slanting_area_do_not_count(look):
    corners = [(451_000, 5_411_200), (452_200, 5_411_200), (451_000, 5_410_000)]
    classes, (rows, columns) = CLEAR.copy(), np.indices(CLEAR.shape)
    classes[(rows - 40) + (columns - 50) > 62] = 9  # south-east of the long side
    assert look(classes, in_degrees(shapely.Polygon(corners))).bad_share == 0


@pytest.mark.parametrize("code", range(1, 12))
def test_bad_classes_above_the_limit_reject(look, code):
    classes = np.full((150, 150), 5, np.uint8)
    classes[40, 50:68] = code  # 18 of 3600 pixels: 0.5 %
    name = BAD_CLASSES.get(code)
    scene = look(classes, max_bad_share=0.005)
    assert scene.bad_share == scene.shares.get(name, 0) == (0.005 if name else 0)
    classes[41, 50] = code
    if name:
        with pytest.raises(SRError, match="more than 0.50% cloud, shadow or cirrus"):
            look(classes, max_bad_share=0.005)
    else:  # ground
        look(classes, max_bad_share=0)


@pytest.mark.parametrize("corner", [(40, 50), (40, 109), (99, 50), (99, 109)])
def test_every_pixel_of_the_area_has_to_be_there(tmp_path, corner):
    classes = CLEAR.copy()
    classes[corner] = 0
    scene = candidate("a", scl(tmp_path / "SCL.tif", classes))
    with pytest.raises(SRError, match="none of 1 .*pixels are missing"):
        scenes.choose([scene], AREA)
    assert scene.shares["missing"] == 1 / 3600


FAR = rasterio.Affine(20, 0, 500_000, 0, -20, 5_412_000)


@pytest.mark.parametrize(("rows", "place", "share"), [(90, TILE, 1 / 6), (150, FAR, 1)])
def test_pixels_are_missing_where_the_outline_is_wrong(tmp_path, rows, place, share):
    # The image ends 10 pixels inside the area, or lies elsewhere.
    scene = candidate("a", scl(tmp_path / "SCL.tif", CLEAR[:rows], place))
    assert scene.uncovered == 0
    with pytest.raises(SRError, match="pixels are missing"):
        scenes.choose([scene], AREA)
    assert scene.shares["missing"] == pytest.approx(share)


def test_two_tiles_complete_each_other(tmp_path):
    # The second tile begins 30 rows further south; in the overlap each has a gap.
    south = TILE @ Affine.translation(0, 30)
    first, second = np.full((2, 150, 150), 4, np.uint8)
    first[70:] = 0
    second[:30] = 0
    second[40:, :] = 9  # rows 70 and beyond of the first tile
    scene = scene_from(
        item("a", href=scl(tmp_path / "a.tif", first)),
        item("b", href=scl(tmp_path / "b.tif", second, south)),
    )
    assert scenes.choose([scene], AREA, max_bad_share=0.5) is scene
    assert scene.shares["missing"] == 0
    assert scene.bad_share == 0.5


def test_tiles_that_do_not_fit_together(tmp_path):
    grid = rasterio.Affine(60, 0, 449_000, 0, -60, 5_413_000)
    scene = scene_from(
        item("a", href=scl(tmp_path / "a.tif", CLEAR)),
        item("b", href=scl(tmp_path / "b.tif", CLEAR, grid)),
    )
    with pytest.raises(SRError, match="lie on different grids"):
        scenes.choose([scene], AREA)


def with_bands(folder, name, place=TILE, **changes):
    """Write B04, B03, B02, B08 of 10 m and an SCL; return an item of them."""
    answer = item(name, href=scl(folder / f"{name}_SCL.tif", CLEAR))
    for band in BANDS:
        dn = np.random.default_rng(0).integers(1100, 3000, (300, 300), np.uint16)
        pixels, value = changes.get(band, (HOLE, dn[HOLE]))
        dn[pixels] = value
        path = folder / f"{name}_{band}.tif"
        path.write_bytes(geotiff(dn, place @ Affine.scale(0.5)))
        answer["assets"][band] = {"href": str(path)}
    return answer


# The area covers rows 80-199 and columns 100-219 of the bands; this is a sixth of it.
HOLE = slice(80, 120), slice(120, 180)


@pytest.mark.parametrize("band", ["B04", "B08"])
@pytest.mark.parametrize(
    ("value", "name", "words"),
    [
        (0, "missing", "pixels of its bands are missing"),
        (64000, "defective", "more than 0.50% of its DN are above 30000"),
    ],
)
def test_a_candidate_with_a_broken_band_is_rejected(tmp_path, band, value, name, words):
    best = with_bands(tmp_path, "best", **{band: (HOLE, value)})
    candidates = scene_from(best), scene_from(with_bands(tmp_path, "second"))
    assert scenes.choose(candidates, AREA) is candidates[1]
    assert candidates[0].rejection == words
    assert candidates[0].shares[name] == pytest.approx(1 / 6, abs=0.05)
    assert candidates[1].shares["missing"] == candidates[1].bad_share == 0
    asked_for = scene_from(best)
    asked_for.requested = True
    with pytest.raises(SRError, match=words):
        scenes.choose([asked_for], AREA)
    asked_for.rejection = ""
    assert scenes.choose([asked_for], AREA, max_bad_share=0.3) is asked_for


def test_a_hole_is_filled_by_the_other_tile(tmp_path):
    # Another origin, no multiple of 8 pixels.
    moved = TILE @ Affine.translation(0, -7)
    rest = dict.fromkeys(BANDS, ((slice(150, 300), slice(0, 300)), 0))
    parts = [
        with_bands(tmp_path, "a", B04=(HOLE, 0)),
        with_bands(tmp_path, "b", moved, **rest),
    ]
    parts[1]["assets"]["SCL"] = parts[0]["assets"]["SCL"]
    scene = scene_from(*parts)
    assert scenes.choose([scene], AREA) is scene
    assert scene.shares["missing"] == 0


def with_overviews(dn, path):
    """Return an image as the bytes of a Cloud Optimized GeoTIFF."""
    place = Affine(10, 0, 440_000, 0, -10, 5_420_000)
    with MemoryFile(geotiff(dn, place)) as memory, memory.open() as source:
        nearest = {"overviews": "IGNORE_EXISTING", "overview_resampling": "NEAREST"}
        rasterio.shutil.copy(source, path, driver="COG", **nearest)
    return path.read_bytes()


def test_overviews_are_enough(service, archive, tmp_path):
    """Requests are for the header and one overview of each band.

    Pixels beside the area do not count, although overview pixels extend over its edge.
    """
    answer = item("a", href=scl(tmp_path / "SCL.tif", CLEAR))
    random, dn = np.random.default_rng(0), np.zeros((2400, 2400), np.uint16)
    for band in BANDS:
        dn[880:1000, 1100:1220] = random.integers(1100, 3000, (120, 120))  # the area
        dn[1200:] = random.integers(1100, 3000, (1200, 2400))
        service.files[f"{band}.tif"] = with_overviews(dn, tmp_path / f"{band}.tif")
        answer["assets"][band] = {"href": f"{service.url}/{band}.tif"}
    scene = scene_from(answer, archive=archive)
    assert scenes.choose([scene], AREA) is scene
    assert scene.shares["missing"] == 0
    for band in BANDS:
        gets = [x for x in service.requests if x[:2] == ("GET", f"{band}.tif")]
        assert len(gets) <= 2
        assert service.sent[f"{band}.tif"] < len(service.files[f"{band}.tif"]) / 40


def test_a_narrow_area_and_bands_of_any_type(tmp_path):
    """No share is nan; pixels that are no DN are refused later."""
    answer = item("a", href=scl(tmp_path / "SCL.tif", CLEAR))
    path = tmp_path / "reflectance.tif"
    path.write_bytes(geotiff(np.full((300, 300), 0.3, np.float32), TILE))
    for band in BANDS:
        answer["assets"][band] = {"href": str(path)}
    corners = [(451_000, 5_410_000), (452_200, 5_411_200), (452_200, 5_411_170)]
    for area in (AREA, in_degrees(shapely.Polygon(corners))):
        scene = scene_from(answer)
        assert scenes.choose([scene], area) is scene
        assert scene.shares["missing"] == scene.bad_share == 0
