"""PatchesSelection and PatchesExtraction beyond the conformance scenes."""

import itertools
import json
import math
import os
import shutil
import struct
import subprocess

import numpy as np
import pyogrio
import pytest
from affine import Affine
from otblite import vectors
from otblite.applications.patches import (
    complete,
    patch_window,
    shuffle,
    split,
    stack,
)
from otblite.image import Grid, Image, Window, from_array
from rasterio.crs import CRS

import pyotb

CORNER = (1000.0, 2000.0)
RES = 10.0


@pytest.fixture
def raster(write_raster):
    """Write an image of 10 m pixels whose upper left corner is (1000, 2000)."""
    return lambda name, array, **options: write_raster(
        name, array, RES, CORNER, **options
    )


def select(tmp_path, image, groups="train", **options) -> dict[str, list[tuple]]:
    """Run PatchesSelection; give (id, row, column) of the pixels of each group.

    The even patches' lower-left corner is taken back to the centre of its pixel.
    """
    names = {
        f"out{group}": str(tmp_path / f"{group}.geojson") for group in groups.split()
    }
    options = {key.replace("_", "."): value for key, value in options.items()}
    options = {"grid.step": 1, "grid.psize": 1, "strategy": "all"} | options
    pyotb.PatchesSelection({"in": image, **options, **names})
    even = options["grid.psize"] % 2 == 0
    found = {}
    for key, name in names.items():
        collection = json.loads((tmp_path / os.path.basename(name)).read_text())
        points = [
            (f["properties"]["id"], *f["geometry"]["coordinates"])
            for f in collection["features"]
        ]
        shift = RES / 2 if even else 0
        found[key[3:]] = [
            (
                i,
                (CORNER[1] - y - shift) / RES - 0.5,
                (x + shift - CORNER[0]) / RES - 0.5,
            )
            for i, x, y in points
        ]
    return found


def cells(points: list[tuple]) -> set[tuple]:
    return {(row, col) for _, row, col in points}


def reference(shape, step, psize, offset, valid=None) -> list[tuple[int, int]]:
    """What OTBTF's loop over all pixels does, with the remainder of C++.

    With a no-data value it walks over the image padded by one pixel, of which the
    neighbourhood of radius psize // 2 has to be valid.
    """
    radius, pad = psize // 2, 0 if valid is None else 1
    height, width = (size + 2 * pad for size in shape)
    padded = None if valid is None else np.pad(valid, 1)
    found = []
    for row in range(radius, height - radius):
        for col in range(radius, width - radius):
            if any(
                math.fmod(at - radius - 1, step) != (off + pad) % step
                for at, off in ((row, offset[1]), (col, offset[0]))
            ):
                continue
            box = np.s_[
                row - radius : row + radius + 1, col - radius : col + radius + 1
            ]
            if padded is None or padded[box].all():
                found.append((row - pad, col - pad))
    return found


@pytest.mark.parametrize("with_nodata", [False, True])
@pytest.mark.parametrize("seed", range(12))
def test_grid(seed, with_nodata, raster, tmp_path):
    random = np.random.default_rng(seed)
    shape = tuple(random.integers(9, 60, 2))
    psize, step = int(random.integers(1, 7)), int(random.integers(1, 9))
    offset = [int(value) for value in random.integers(0, 12, 2)]
    array = np.ones(shape, np.uint16)
    valid = None
    if with_nodata:
        valid = random.random(shape) > 0.02
        array[~valid] = 7
    options = {"nodata": 7} if with_nodata else {}
    found = select(
        tmp_path,
        raster("in.tif", array),
        grid_step=step,
        grid_psize=psize,
        grid_offsetx=offset[0],
        grid_offsety=offset[1],
        ram=1,
        **options,
    )["train"]
    expected = reference(shape, step, psize, offset, valid)
    assert found == [(i, *cell) for i, cell in enumerate(expected)]


def test_odd_patch_by_hand(raster, tmp_path):
    """7 x 8 pixels, patches of 3 every 3: centres in rows 2 and 5, columns 2 and 5."""
    image = raster("in.tif", np.ones((7, 8)))
    found = select(tmp_path, image, grid_step=3, grid_psize=3)["train"]
    assert found == [(0, 2, 2), (1, 2, 5), (2, 5, 2), (3, 5, 5)]
    collection = json.loads((tmp_path / "train.geojson").read_text())
    assert collection["features"][0]["geometry"]["coordinates"] == [1025, 1975]


def test_even_patch_by_hand(raster, tmp_path):
    """The point of an even patch is the lower-left corner of its pixel."""
    image = raster("in.tif", np.ones((7, 8)))
    pyotb.PatchesSelection(
        {
            "in": image,
            "grid.step": 3,
            "grid.psize": 4,
            "strategy": "all",
            "outtrain": str(tmp_path / "train.geojson"),
        }
    )
    collection = json.loads((tmp_path / "train.geojson").read_text())
    points = [f["geometry"]["coordinates"] for f in collection["features"]]
    assert points == [[1030, 1960]]


def test_strips_do_not_matter(raster, tmp_path):
    """Neighbourhoods reach over the strips in which the image is looked at."""
    array = (np.random.default_rng(0).random((150, 90)) > 0.004).astype(np.uint8)
    image = raster("in.tif", array)
    found = [
        select(tmp_path, image, grid_step=2, grid_psize=9, nodata=0, ram=ram)["train"]
        for ram in (1, 500)
    ]
    assert found[0] == found[1] and len(found[0]) > 100


def test_nodata_means_all_bands(raster, tmp_path):
    array = np.full((5, 5, 2), 3, np.uint8)
    array[1, 1] = 0
    array[3, 3, 0] = 0
    found = cells(select(tmp_path, raster("in.tif", array), nodata=0)["train"])
    assert (1, 1) not in found and (3, 3) in found


MASK = np.array([[0, 1, 2, 1.9], [0.9, 255, 300, -1]])


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, {(0, 1), (0, 3)}),
        ({"nodata": 9}, {(0, 1), (0, 2), (0, 3), (1, 1), (1, 2)}),
    ],
)
def test_mask_is_read_as_bytes(options, expected, raster, tmp_path):
    """1 alone is accepted, but anything except 0 if there is a no-data value too."""
    padded = np.pad(MASK, 2).astype(np.float32)
    image = raster("in.tif", np.ones(padded.shape, np.uint8))
    mask = raster("mask.tif", padded)
    found = cells(select(tmp_path, image, mask=mask, **options)["train"])
    assert found == {(row + 2, col + 2) for row, col in expected}


def test_mask_and_nodata_together(raster, tmp_path):
    """The mask, too, has to be valid in the whole neighbourhood then."""
    array, mask = np.ones((9, 9), np.uint8), np.ones((9, 9), np.uint8)
    array[2, 2], mask[6, 6] = 0, 0
    image, mask = raster("in.tif", array), raster("mask.tif", mask)
    found = cells(select(tmp_path, image, mask=mask, nodata=0, grid_psize=3)["train"])
    rows = range(1, 8)
    assert found == {
        (row, col)
        for row in rows
        for col in rows
        if max(abs(row - 2), abs(col - 2)) > 1 and max(abs(row - 6), abs(col - 6)) > 1
    }


def test_mask_of_another_size_is_refused(raster, tmp_path):
    image, mask = raster("in.tif", np.ones((5, 5))), raster("mask.tif", np.ones((5, 4)))
    with pytest.raises(
        RuntimeError, match="mask must have the size of the input image"
    ):
        select(tmp_path, image, mask=mask)


def test_image_smaller_than_a_patch(raster, tmp_path):
    """OTBTF gives points there, around which nothing can be cut."""
    for shape, words in (((5, 9), "9 x 5"), ((9, 7), "7 x 9")):
        with pytest.raises(RuntimeError, match=f"{words} pixels is smaller .* 8 x 8"):
            select(tmp_path, raster("in.tif", np.ones(shape)), grid_psize=8)


def test_image_of_the_size_of_a_patch(raster, tmp_path):
    """No centre is no error for PatchesSelection; the extraction will tell."""
    image = raster("in.tif", np.ones((8, 8)))
    assert select(tmp_path, image, grid_psize=8) == {"train": []}


@pytest.mark.parametrize(
    ("strategy", "groups", "empty"),
    [
        ("all", "train valid", "outvalid"),
        ("all", "train test", "outtest"),
        ("chessboard", "train valid test", "outtest"),
    ],
)
def test_output_that_the_strategy_does_not_fill(
    strategy, groups, empty, raster, tmp_path
):
    image = raster("in.tif", np.ones((9, 9)))
    words = f"no input to writer: nothing fills '{empty}'"
    with pytest.raises(RuntimeError, match=words):
        select(tmp_path, image, groups, strategy=strategy)


def order(found: dict[str, list[tuple]]) -> str:
    """Spell the groups in the order of the ids."""
    letters = {i: group[:2] for group, points in found.items() for i, _, _ in points}
    assert sorted(letters) == list(range(len(letters)))
    return " ".join(letters[i] for i in range(len(letters)))


def shares(**given) -> dict:
    return {"strategy": "split"} | {
        f"strategy_split_{k}prop": v for k, v in given.items()
    }


@pytest.mark.parametrize(
    ("groups", "options", "expected"),
    [
        ("train valid test", shares(train=2, valid=1, test=1), 4 * "tr va te tr "),
        ("train valid test", shares(train=1, valid=1, test=1), 5 * "tr va te " + "tr"),
        ("train valid test", shares(train=3, valid=1, test=0), 4 * "tr va tr tr "),
        ("train valid", shares(train=1, valid=1, test=8), 8 * "tr va "),
        ("train", shares(train=1, valid=5, test=5), 16 * "tr "),
        ("train valid", {"strategy": "chessboard"}, 2 * "tr va tr va va tr va tr "),
        ("train", {"strategy": "all"}, 16 * "tr "),
    ],
)
def test_groups_by_hand(groups, options, expected, raster, tmp_path):
    """4 x 4 centres.  A group that is not asked for, or has no share, gets nothing."""
    image = raster("in.tif", np.ones((10, 10)))
    found = select(tmp_path, image, groups, grid_step=2, grid_psize=2, **options)
    assert order(found) == expected.strip()


def test_split_by_hand():
    """Counters grow by total / share; the smallest is next, the first wins ties."""
    assert split(8, [2, 1, 1], 100) == [0, 1, 2, 0, 0, 1, 2, 0]
    assert split(5, [1, 0, 1], 100) == [0, 2, 0, 2, 0]
    assert split(4, [0, 1, 0], 100) == [1, 1, 1, 1]


@pytest.mark.parametrize("seed", range(5))
def test_split_keeps_its_proportions(seed):
    weights = np.random.default_rng(seed).uniform(0.05, 1, 3)
    groups = np.array(split(1000, list(weights), 10**6))
    counts = np.bincount(groups, minlength=3)
    np.testing.assert_allclose(counts / 1000, weights / weights.sum(), atol=0.003)


def test_no_share_at_all_is_refused(raster, tmp_path):
    image = raster("in.tif", np.ones((6, 6)))
    with pytest.raises(RuntimeError, match="the proportions of the groups are all 0"):
        select(tmp_path, image, "train", **shares(train=0, valid=1, test=1))


def test_groups_at_random(tmp_path, raster):
    """The same each time, the shares kept, and another order than without."""
    name = raster("in.tif", np.ones((60, 60)))
    options = {"strategy": "split", "grid.step": 2, "grid.psize": 3}
    groups = "train valid test"
    plain = select(tmp_path, name, groups, **options)
    options |= {"strategy.split.random": True}
    mixed = select(tmp_path, name, groups, **options)
    assert mixed == select(tmp_path, name, groups, **options)
    assert mixed != plain
    points = [point for group in mixed.values() for point in group]
    assert sorted(points) == sorted(p for group in plain.values() for p in group)
    shares = [len(group) / len(points) for group in mixed.values()]
    np.testing.assert_allclose(shares, [0.5, 0.25, 0.25], atol=0.02)


SHUFFLE = """
#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <numeric>
#include <random>
#include <vector>
int main(int, char ** argv) {
  std::vector<int> values(std::atoi(argv[1]));
  std::iota(values.begin(), values.end(), 0);
  auto rng = std::default_random_engine {};
  std::shuffle(values.begin(), values.end(), rng);
  for (int value : values) std::cout << value << " ";
}
"""


@pytest.mark.skipif(not shutil.which("g++"), reason="there is no g++")
def test_shuffled_like_a_program_of_gcc(tmp_path):
    (tmp_path / "shuffle.cpp").write_text(SHUFFLE)
    program = str(tmp_path / "shuffle")
    subprocess.run(["g++", "-o", program, f"{program}.cpp"], check=True)
    for count in (0, 1, 2, 3, 6, 7, 1000, 1001, 46339, 46340, 46341, 50000):
        done = subprocess.run([program, str(count)], check=True, capture_output=True)
        assert shuffle(list(range(count))) == [int(v) for v in done.stdout.split()]


# Files of points.

POINTS = vectors.Points(
    CRS.from_epsg(32631), [(1.5, 2.25), (3, 4)], [{"id": 0}, {"id": 5}]
)


@pytest.mark.parametrize("name", ["points.geojson", "points.json", "POINTS.GEOJSON"])
def test_points_go_to_a_file_and_back(name, tmp_path):
    vectors.write(POINTS, str(tmp_path / name))
    assert vectors.read(str(tmp_path / name)) == POINTS
    assert os.listdir(tmp_path) == [name]


def test_points_in_memory():
    vectors.write(POINTS, "/vsimem/otblite_points.geojson")
    assert vectors.read("/vsimem/otblite_points.geojson") == POINTS
    with pytest.raises(OSError, match="/vsimem/other.geojson: no such file in memory"):
        vectors.read("/vsimem/other.geojson")


def test_points_without_an_epsg_code(tmp_path):
    """A CRS of one's own is written as WKT."""
    crs = CRS.from_proj4("+proj=tmerc +lat_0=1 +lon_0=3 +k=0.99 +ellps=GRS80 +units=m")
    path = str(tmp_path / "points.geojson")
    vectors.write(vectors.Points(crs, [(0, 0)], [{"id": 1}]), path)
    assert vectors.read(path).crs == crs
    vectors.write(vectors.Points(None, [(0, 0)], [{"id": 1}]), path)
    assert vectors.read(path).crs is None


@pytest.mark.parametrize("name", ["points.gpkg", "points.shp"])
def test_geopackage_and_shapefile(name, tmp_path):
    vectors.write(POINTS, str(tmp_path / name))
    found = vectors.read(str(tmp_path / name))
    assert found.coordinates == POINTS.coordinates
    assert found.attributes == POINTS.attributes
    assert found.crs == POINTS.crs
    assert not list(tmp_path.glob(".partial*"))


def test_no_point_at_all_is_written(tmp_path):
    for name in ("none.gpkg", "none.shp"):
        vectors.write(vectors.Points(POINTS.crs, [], []), str(tmp_path / name))
        assert vectors.read(str(tmp_path / name)).coordinates == []


def test_files_of_something_else(tmp_path):
    path = tmp_path / "points.gpkg"
    path.write_bytes(b"not a database")
    with pytest.raises(ValueError, match=f"{path}: not a file of points"):
        vectors.read(str(path))
    lines = np.empty(1, object)
    lines[0] = struct.pack("<BIIdddd", 1, 2, 2, 0, 0, 1, 1)
    path = str(tmp_path / "lines.gpkg")
    pyogrio.raw.write(
        path,
        lines,
        [np.array([1])],
        ["id"],
        geometry_type="LineString",
        crs="EPSG:32631",
        driver="GPKG",
    )
    with pytest.raises(ValueError, match=f"{path}: points are expected, got LineStr"):
        vectors.read(path)
    assert vectors.extent(path) == (CRS.from_epsg(32631), (0, 0, 1, 1))
    with pytest.raises(FileNotFoundError, match="missing.gpkg: no such file"):
        vectors.read(str(tmp_path / "missing.gpkg"))


@pytest.mark.parametrize("name", ["points.sqlite", "points.kml", "points"])
def test_other_formats_are_refused(name, tmp_path, raster):
    path = str(tmp_path / name)
    words = f"{path}: points are read and written as .geojson, .gpkg and .shp only"
    with pytest.raises(RuntimeError, match=f"PatchesSelection: {words}"):
        pyotb.PatchesSelection(
            {
                "in": raster("in.tif", np.ones((5, 5))),
                "grid.step": 1,
                "grid.psize": 1,
                "outtrain": path,
            }
        )
    with pytest.raises(ValueError, match=words):
        vectors.read(path)
    assert not os.path.exists(path)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("not json", "not a GeoJSON file of points"),
        ('{"type": "Point"}', "not a GeoJSON file of points"),
        (
            '{"features": [{"properties": {}, "geometry": {"type": "Polygon"}}]}',
            "a Point is expected, got Polygon",
        ),
        ('{"features": [{"properties": {}, "geometry": null}]}', "not a GeoJSON file"),
        (b"\xff\xfe\x00", "not a GeoJSON file of points"),
    ],
)
def test_files_without_points(content, words, tmp_path):
    path = tmp_path / "points.geojson"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ValueError, match=f"{path}: .*{words}"):
        vectors.read(str(path))


@pytest.mark.parametrize("name", ["points.geojson", "points.gpkg"])
def test_points_in_another_crs_are_told(name, tmp_path, write_raster):
    image = write_raster("in.tif", np.ones((20, 20)), RES, (452000, 5412000))
    path = str(tmp_path / name)
    points = vectors.Points(CRS.from_epsg(4326), [(2.3, 48.9)], [{"id": 0}])
    vectors.write(points, path)
    options = {
        "source1.il": [image],
        "source1.patchsizex": 3,
        "source1.patchsizey": 3,
        "field": "id",
        "vec": path,
    }
    with pytest.raises(RuntimeError, match="is in EPSG:4326 and the image in EPSG:326"):
        pyotb.PatchesExtraction(options)
    # Another name of the same CRS is none.
    wkt = CRS.from_epsg(32631).to_wkt().replace("WGS 84 / UTM zone 31N", "mine")
    mine = CRS.from_wkt(wkt)
    vectors.write(vectors.Points(mine, [(452100, 5411900)], [{"id": 0}]), path)
    assert pyotb.PatchesExtraction(options)["source1.out"].shape == (3, 3, 1)


def test_points_that_cannot_be_written(tmp_path):
    """One error that names the file, and what was there stays."""
    (tmp_path / "file.txt").touch()
    for folder, kind in itertools.product(("missing", "file.txt"), ("geojson", "gpkg")):
        path = str(tmp_path / folder / f"points.{kind}")
        with pytest.raises(OSError, match=f"{path}: cannot be written"):
            vectors.write(POINTS, path)
    assert os.listdir(tmp_path) == ["file.txt"]


# Extraction.


def counted(image: Image) -> tuple[Image, list[Window]]:
    """Give the image and the list of windows that are read from it."""
    read = []

    def look(window: Window) -> np.ndarray:
        read.append(window)
        return image.read(window)

    return Image(image.grid, image.bands, image.dtype, look), read


@pytest.fixture
def numbered() -> Image:
    """40 x 50 pixels, each of another value, no pixel 0."""
    array = np.arange(1, 2001, dtype=np.float32).reshape(40, 50, 1)
    return from_array(array, Grid(None, Affine(10, 0, 1000, 0, -10, 2000), 50, 40))


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
    window = patch_window(numbered.grid, xy, (size, size))
    assert window == (*expected, size, size)


def test_patches_of_any_order_and_place(numbered):
    """Read together or not, a patch is that part of the image."""
    random = np.random.default_rng(0)
    windows = [
        Window(int(row), int(col), 4, 6)
        for row, col in zip(
            random.integers(36, size=60), random.integers(44, size=60), strict=True
        )
    ]
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
    """Of 30 patches side by side no one is read alone, and little more than they."""
    image, read = counted(numbered)
    windows = [Window(r, c, 8, 8) for r in range(0, 40, 8) for c in range(0, 48, 8)]
    task(image, windows)
    assert len(read) <= 5
    assert sum(w.height * w.width for w in read) <= 2 * 30 * 64


def test_which_patches_are_complete(numbered):
    pixels = numbered.read_all().copy()
    pixels[9, 13] = -1
    image = from_array(pixels, numbered.grid)
    windows = [Window(r, c, 5, 5) for r in range(0, 40, 5) for c in range(0, 50, 5)]
    expected = [w != (5, 10, 5, 5) for w in windows]
    np.testing.assert_array_equal(complete(image, windows, -1), expected)


def points(tmp_path, found: dict[tuple, object], field="id") -> str:
    """Write points (x, y) with a label each."""
    path = str(tmp_path / "points.geojson")
    labels = [{} if label is None else {field: label} for label in found.values()]
    vectors.write(vectors.Points(CRS.from_epsg(32631), list(found), labels), path)
    return path


def extract(image, vec, size=3, **options) -> pyotb.App:
    parameters = {
        "source1.il": [image],
        "source1.patchsizex": size,
        "source1.patchsizey": size,
        "vec": vec,
        "field": "id",
        **options,
    }
    return pyotb.PatchesExtraction(parameters, n_sources=1)


def test_labels_follow_their_patches(raster, tmp_path):
    """Points too near to the edge, without the field, or on no-data are left out."""
    array = np.arange(1, 101, dtype=np.int16).reshape(10, 10)
    array[8, 8] = 0
    vec = points(
        tmp_path,
        {
            (1015, 1985): 7,
            (1005, 1985): 8,
            (1045, 1955): None,
            (1085, 1915): 9,
            (1055, 1945): "11",
            (5, 5): 10,
            (1035, 1965): 4.9,
        },
    )
    app = extract(raster("in.tif", array), vec, **{"source1.nodata": 0})
    labels = app.app.GetImageAsNumpyArray("outlabels")[:, 0]
    np.testing.assert_array_equal(labels, [7, 11, 4])
    patches = app.app.GetImageAsNumpyArray("source1.out").reshape(3, 3, 3)
    expected = [array[r - 1 : r + 2, r - 1 : r + 2] for r in (1, 5, 3)]
    np.testing.assert_array_equal(patches, expected)


def test_two_sources_share_their_rejections(raster, write_raster, tmp_path):
    """A patch that one source lacks is left out of both."""
    large = raster("large.tif", np.ones((10, 10)))
    fine = np.arange(16 * 16).reshape(16, 16).astype(np.int32)
    small = write_raster("small.tif", fine, 2.5, (1040.0, 1960.0))
    vec = points(tmp_path, {(1055, 1945): 1, (1015, 1985): 2, (1065, 1935): 3})
    app = pyotb.PatchesExtraction(
        {
            "source1.il": [large],
            "source1.patchsizex": 3,
            "source1.patchsizey": 3,
            "source2.il": [small],
            "source2.patchsizex": 4,
            "source2.patchsizey": 2,
            "vec": vec,
            "field": "id",
        },
        n_sources=2,
    )
    assert tuple(app.app.GetImageSize("source1.out")) == (3, 6)
    assert tuple(app.app.GetImageSize("source2.out")) == (4, 4)
    found = app.app.GetImageAsNumpyArray("source2.out")
    expected = np.concatenate([fine[5:7, 4:8], fine[9:11, 8:12]])
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    ("found", "words"),
    [
        ({(1055, 1945): None}, "has no point with the attribute 'id'"),
        ({(1055, 1945): "tree"}, "attribute 'id' is not a number: 'tree'"),
        ({(5, 5): 1, (6, 6): 2}, "none of 2 patches lies inside all images"),
    ],
)
def test_no_patch_to_extract(found, words, raster, tmp_path):
    vec = points(tmp_path, found)
    with pytest.raises(RuntimeError, match=f"PatchesExtraction: .*{words}"):
        extract(raster("in.tif", np.ones((10, 10))), vec)


def test_points_that_do_not_exist(raster, tmp_path):
    vec = str(tmp_path / "missing.geojson")
    with pytest.raises(RuntimeError, match=f"PatchesExtraction: {vec}: no such file"):
        extract(raster("in.tif", np.ones((10, 10))), vec)


def test_all_patches_rejected(raster, tmp_path):
    vec = points(tmp_path, {(1055, 1945): 1})
    image = raster("in.tif", np.zeros((10, 10)))
    with pytest.raises(
        RuntimeError, match="none of 1 patches .* without no-data values"
    ):
        extract(image, vec, **{"source1.nodata": 0})
