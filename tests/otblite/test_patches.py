"""PatchesSelection and PatchesExtraction beyond the conformance scenes."""

import math
import os
import struct
import zlib

import numpy as np
import pyogrio
import pytest
from otblite import vectors
from otblite.applications.patches import complete, patch_windows, shuffle, stack
from otblite.image import Image, Window
from rasterio.crs import CRS

from tests.otblite import pipelines
from tests.otblite.images import UTM31, image, samples, watched
from tests.otblite.pipelines import extract, shares

CORNER = (1000.0, 2000.0)
RES = 10.0


@pytest.fixture
def raster(write_raster):
    """Write an image of 10 m pixels with the upper left corner (1000, 2000)."""
    return lambda name, array: write_raster(name, array, RES, CORNER)


def select(tmp_path, image, groups="train", **options) -> dict[str, list[tuple]]:
    """Run PatchesSelection; return (id, row, column) of the pixels of each group.

    The even patches' lower-left corner is taken back to the centre of its pixel.
    """
    options = {key.replace("_", "."): value for key, value in options.items()}
    result = pipelines.select(tmp_path, image, groups.split(), **options)
    shift = RES / 2 if options.get("grid.psize", 1) % 2 == 0 else 0
    return {
        group: [
            (
                feature["properties"]["id"],
                (CORNER[1] - feature["geometry"]["coordinates"][1] - shift) / RES - 0.5,
                (feature["geometry"]["coordinates"][0] + shift - CORNER[0]) / RES - 0.5,
            )
            for feature in collection["features"]
        ]
        for group, collection in result.items()
    }


def cells(points: list[tuple]) -> set[tuple]:
    return {(row, col) for _, row, col in points}


def reference(shape, step, psize, offset, valid=None) -> list[tuple[int, int]]:
    """Find the centres as OTBTF's loop over all pixels does, with the remainder of C++.

    With a no-data value it walks over the image padded by one pixel, of which the
    neighbourhood of radius psize // 2 has to be valid.
    """
    radius, pad = psize // 2, 0 if valid is None else 1
    height, width = (size + 2 * pad for size in shape)
    padded = None if valid is None else np.pad(valid, 1)
    centres = []
    for row in range(radius, height - radius):
        for col in range(radius, width - radius):
            on_grid = all(
                math.fmod(at - radius - 1, step) == (off + pad) % step
                for at, off in ((row, offset[1]), (col, offset[0]))
            )
            box = Window(row, col, 1, 1).grow(radius, radius).slices
            if on_grid and (padded is None or padded[box].all()):
                centres.append((row - pad, col - pad))
    return centres


@pytest.mark.parametrize("kind", ["plain", "nodata", "nodata and mask"])
@pytest.mark.parametrize("seed", range(12))
def test_grid(seed, kind, raster, tmp_path):
    """A pixel has no data if all its bands have none, or if the mask is 0."""
    random = np.random.default_rng(seed)
    shape = tuple(random.integers(9, 60, 2))
    psize, step = int(random.integers(1, 7)), int(random.integers(1, 9))
    offset = [int(value) for value in random.integers(0, 12, 2)]
    array = random.choice([6, 7], (*shape, 2), p=[0.85, 0.15]).astype(np.uint16)
    options = {"grid_step": step, "grid_psize": psize, "ram": 1}
    options |= {"grid_offsetx": offset[0], "grid_offsety": offset[1]}
    valid = None
    if "nodata" in kind:
        options["nodata"], valid = 7, (array != 7).any(axis=2)
    if "mask" in kind:
        mask = random.random(shape) > 0.02
        options["mask"] = raster("mask.tif", mask.astype(np.uint8))
        valid &= mask
    result = select(tmp_path, raster("in.tif", array), **options)["train"]
    expected = reference(shape, step, psize, offset, valid)
    assert result == [(i, *cell) for i, cell in enumerate(expected)]


MASK = np.array([[0, 1, 2, 1.9], [0.9, 255, 300, -1]])


@pytest.mark.parametrize(
    ("options", "expected"),
    [({}, {(0, 1), (0, 3)}), ({"nodata": 9}, {(0, 1), (0, 2), (0, 3), (1, 1), (1, 2)})],
)
def test_mask_is_read_as_bytes(options, expected, raster, tmp_path):
    """1 alone is accepted, but anything except 0 if there is a no-data value too."""
    padded = np.pad(MASK, 2).astype(np.float32)
    name = raster("in.tif", np.ones(padded.shape, np.uint8))
    mask = raster("mask.tif", padded)
    result = cells(select(tmp_path, name, mask=mask, **options)["train"])
    assert result == {(row + 2, col + 2) for row, col in expected}


EMPTY = "no input to writer: nothing fills '{}'"


@pytest.mark.parametrize(
    ("shape", "groups", "options", "words"),
    [
        # OTBTF returns points there, but no patch fits around them.
        ((5, 9), "train", {"grid_psize": 8}, "9 x 5 pixels is smaller .* 8 x 8"),
        ((9, 7), "train", {"grid_psize": 8}, "7 x 9 pixels is smaller .* 8 x 8"),
        ((9, 9), "train", {"mask": "small"}, "mask must have the size of the input"),
        ((9, 9), "train", shares(0, 1, 1), "the proportions .* all 0"),
        ((9, 9), "train valid", {"strategy": "all"}, EMPTY.format("outvalid")),
        ((9, 9), "train test", {"strategy": "all"}, EMPTY.format("outtest")),
        ((9, 9), "test", {"strategy": "chessboard"}, EMPTY.format("outtest")),
    ],
)
def test_selections_that_are_refused(shape, groups, options, words, raster, tmp_path):
    if "mask" in options:
        options = {"mask": raster("mask.tif", np.ones((5, 4)))}
    with pytest.raises(RuntimeError, match=words):
        select(tmp_path, raster("in.tif", np.ones(shape)), groups, **options)


def order(groups: dict[str, list[tuple]]) -> str:
    """Spell the groups in the order of the ids."""
    letters = {i: group[:2] for group, points in groups.items() for i, _, _ in points}
    assert sorted(letters) == list(range(len(letters)))
    return " ".join(letters[i] for i in range(len(letters)))


@pytest.mark.parametrize(
    ("groups", "options", "expected"),
    [
        ("train valid test", shares(2, 1, 1), 4 * "tr va te tr "),
        ("train valid test", shares(1, 1, 1), 5 * "tr va te " + "tr"),
        ("train valid test", shares(3, 1, 0), 4 * "tr va tr tr "),
        ("train valid", shares(1, 1, 8), 8 * "tr va "),
        ("train", shares(1, 5, 5), 16 * "tr "),
        ("train valid", {"strategy": "chessboard"}, 2 * "tr va tr va va tr va tr "),
        ("train", {"strategy": "all"}, 16 * "tr "),
    ],
)
def test_groups_by_hand(groups, options, expected, raster, tmp_path):
    """4 x 4 centres.  A group that is not asked for, or has no share, gets nothing."""
    name = raster("in.tif", np.ones((10, 10)))
    result = select(tmp_path, name, groups, grid_step=2, grid_psize=2, **options)
    assert order(result) == expected.strip()


def test_groups_at_random(tmp_path, raster):
    name = raster("in.tif", np.ones((60, 60)))
    options = {"strategy": "split", "grid.step": 2, "grid.psize": 3}
    plain, mixed, again = (
        select(tmp_path, name, "train valid test", **options, **random)
        for random in ({}, *2 * [{"strategy.split.random": True}])
    )
    assert mixed == again != plain
    points = [point for group in mixed.values() for point in group]
    assert sorted(points) == sorted(p for group in plain.values() for p in group)
    sizes = np.array([len(group) for group in mixed.values()])
    np.testing.assert_allclose(sizes / len(points), [0.5, 0.25, 0.25], atol=0.02)


# CRC-32 of the numbers, each followed by a space, that a program of GCC 12 prints after
# std::shuffle with a std::default_random_engine; the method changes at 46341.
SHUFFLED = {0: 0, 1: 2784036036, 2: 3048607747, 7: 2072198542, 1000: 436802}
SHUFFLED |= {1001: 2989432153, 46340: 470226565, 46341: 318352678, 50000: 4017921856}


@pytest.mark.parametrize("count", SHUFFLED)
def test_shuffled_like_a_program_of_gcc(count):
    order = "".join(f"{value} " for value in shuffle(list(range(count))))
    assert zlib.crc32(order.encode()) == SHUFFLED[count]


# Files of points.

POINTS = vectors.Points(UTM31, [(1.5, 2.25), (3, 4)], [{"id": 0}, {"id": 5}])
FILES = ["points.geojson", "points.json", "POINTS.GEOJSON", "points.gpkg", "points.shp"]
FILES += ["/vsimem/otblite_points.geojson"]


@pytest.mark.parametrize("name", FILES)
def test_points_go_to_a_file_and_back(name, tmp_path):
    path = str(tmp_path / name)
    for points in (POINTS, vectors.Points(UTM31, [], [])):
        vectors.write(points, path)
        assert vectors.read(path) == points
    assert name.endswith("shp") or set(os.listdir(tmp_path)) <= {name}
    assert not list(tmp_path.glob(".partial*"))


# A CRS that has no EPSG code is written as WKT.
TMERC = CRS.from_proj4("+proj=tmerc +lat_0=1 +lon_0=3 +k=0.99 +ellps=GRS80 +units=m")


@pytest.mark.parametrize("crs", [TMERC, None])
def test_points_without_an_epsg_code(crs, tmp_path):
    path = str(tmp_path / "points.geojson")
    vectors.write(vectors.Points(crs, [(0, 0)], [{"id": 1}]), path)
    assert vectors.read(path).crs == crs


def test_lines_are_no_points(tmp_path):
    lines = np.empty(1, object)
    lines[0] = struct.pack("<BIIdddd", 1, 2, 2, 0, 0, 1, 1)
    path = str(tmp_path / "lines.gpkg")
    about = {"geometry_type": "LineString", "crs": "EPSG:32631", "driver": "GPKG"}
    pyogrio.raw.write(path, lines, [np.array([1])], ["id"], **about)
    with pytest.raises(ValueError, match=f"{path}: points are expected, got LineStr"):
        vectors.read(path)
    assert vectors.extent(path) == (UTM31, (0, 0, 1, 1))


@pytest.mark.parametrize("name", ["points.sqlite", "points.kml", "points"])
def test_other_formats_are_refused(name, tmp_path):
    words = f"{name}: points are read and written as .geojson, .gpkg and .shp only"
    with pytest.raises(ValueError, match=words):
        vectors.write(POINTS, str(tmp_path / name))
    with pytest.raises(ValueError, match=words):
        vectors.read(str(tmp_path / name))
    assert os.listdir(tmp_path) == []


FEATURE = b'{"features": [{"properties": {}, "geometry": %s}]}'


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.geojson", b"not json", "not a GeoJSON file of points"),
        ("a.geojson", b'{"type": "Point"}', "not a GeoJSON file of points"),
        ("a.geojson", FEATURE % b'{"type": "Polygon"}', "a Point is expected, got Pol"),
        ("a.geojson", FEATURE % b"null", "not a GeoJSON file"),
        ("a.geojson", b"\xff\xfe\x00", "not a GeoJSON file of points"),
        ("a.gpkg", b"not a database", "not a file of points"),
        ("a.gpkg", None, "no such file"),
        ("/vsimem/other.geojson", None, "no such file"),
    ],
)
def test_files_without_points(name, content, words, tmp_path):
    path = tmp_path / name
    if content:
        path.write_bytes(content)
    with pytest.raises((ValueError, OSError), match=f"{path}: .*{words}"):
        vectors.read(str(path))


@pytest.mark.parametrize("name", ["points.geojson", "points.gpkg"])
def test_points_in_another_crs_are_refused(name, tmp_path, write_raster):
    ones = write_raster("in.tif", np.ones((20, 20)), RES, (452000, 5412000))
    path = str(tmp_path / name)
    points = vectors.Points(CRS.from_epsg(4326), [(2.3, 48.9)], [{"id": 0}])
    vectors.write(points, path)
    with pytest.raises(RuntimeError, match="is in EPSG:4326 and the image in EPSG:326"):
        extract([(ones, 3)], path)
    # Another name of the same CRS is none.
    wkt = UTM31.to_wkt().replace("WGS 84 / UTM zone 31N", "mine")
    mine = vectors.Points(CRS.from_wkt(wkt), [(452100, 5411900)], [{"id": 0}])
    vectors.write(mine, path)
    assert extract([(ones, 3)], path)["source1.out"].shape == (3, 3, 1)


# Extraction.


@pytest.fixture
def numbered() -> Image:
    """40 x 50 pixels, each of another value, no pixel 0."""
    array = np.arange(1, 2001, dtype=np.float32).reshape(40, 50)
    return image(array, RES, CORNER, None)


@pytest.mark.parametrize(
    ("xy", "size", "expected"),
    [
        ((1025, 1975), 3, (1, 1)),  # the centre of pixel (2, 2)
        ((1025, 1975), 4, (0, 0)),
        ((1020, 1980), 3, (1, 1)),  # its upper left corner belongs to it
        ((1029.999, 1970.001), 3, (1, 1)),
        ((1030, 1970), 3, (2, 2)),  # its lower right corner does not
        ((1020 - 1e-9, 1980 + 1e-9), 3, (1, 1)),  # rounding of coordinates
    ],
)
def test_place_of_a_patch(numbered, xy, size, expected):
    (window,) = patch_windows(numbered.grid, [xy], (size, size))
    assert window == (*expected, size, size)


def test_patches_of_any_order_and_place(numbered):
    random = np.random.default_rng(0)
    places = random.integers((36, 44), size=(60, 2)).tolist()
    windows = [Window(row, col, 4, 6) for row, col in places]
    stacked = stack(numbered, windows)
    whole = numbered.read_all()
    expected = np.concatenate([whole[window.slices] for window in windows])
    np.testing.assert_array_equal(stacked.read_all(), expected)
    for _ in range(30):
        row, col = random.integers(230), random.integers(5)
        part = Window(int(row), int(col), int(random.integers(1, 10)), 1)
        np.testing.assert_array_equal(stacked.read(part), expected[part.slices])
    assert stacked.grid.crs is None and stacked.grid.origin == (0, 0)
    assert stacked.grid.spacing == (10, -10)


@pytest.mark.parametrize(
    "task", [lambda *a: stack(*a).read_all(), lambda *a: complete(*a, 0)]
)
def test_neighbours_are_read_together(task, numbered):
    source, read = watched(numbered)
    task(source, [Window(r, c, 8, 8) for r in range(0, 40, 8) for c in range(0, 48, 8)])
    assert 1 <= len(read) <= 5 and sum(map(samples, read)) <= 2 * 30 * 64


def points(tmp_path, labels: dict[tuple, object]) -> str:
    """Write points (x, y) with a label each."""
    path = str(tmp_path / "points.geojson")
    attributes = [{} if label is None else {"id": label} for label in labels.values()]
    vectors.write(vectors.Points(UTM31, list(labels), attributes), path)
    return path


def test_labels_follow_their_patches(raster, tmp_path):
    """Points too near to the edge, without the field, or on no-data are left out."""
    array = np.arange(1, 101, dtype=np.int16).reshape(10, 10)
    array[8, 8] = 0
    labels = {(1015, 1985): 7, (1005, 1985): 8, (1045, 1955): None, (1085, 1915): 9}
    vec = points(tmp_path, labels | {(1055, 1945): "11", (5, 5): 10, (1035, 1965): 4.9})
    app = extract([(raster("in.tif", array), 3)], vec, **{"source1.nodata": 0})
    labels = app.app.GetImageAsNumpyArray("outlabels")[:, 0]
    np.testing.assert_array_equal(labels, [7, 11, 4])
    patches = app.app.GetImageAsNumpyArray("source1.out").reshape(3, 3, 3)
    expected = [array[r - 1 : r + 2, r - 1 : r + 2] for r in (1, 5, 3)]
    np.testing.assert_array_equal(patches, expected)


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ({(1055, 1945): None}, "has no point with the attribute 'id'"),
        ({(1055, 1945): "tree"}, "attribute 'id' is not a number: 'tree'"),
        ({(5, 5): 1, (6, 6): 2}, "none of 2 patches lies inside all images"),
        ({(1055, 1945): 1}, "none of 1 patches .* without no-data values"),
        (None, "missing.geojson: no such file"),
    ],
)
def test_no_patch_to_extract(labels, words, raster, tmp_path):
    vec = points(tmp_path, labels) if labels else tmp_path / "missing.geojson"
    zeros = raster("in.tif", np.zeros((10, 10)))
    with pytest.raises(RuntimeError, match=f"PatchesExtraction: .*{words}"):
        extract([(zeros, 3)], vec, **{"source1.nodata": 0})
