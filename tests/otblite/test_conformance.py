"""What the real applications answered, file by file (see conformance/README.md)."""

import json
from pathlib import Path

import numpy as np
import pytest
import rasterio
import rasterio.transform
import rasterio.warp

import pyotb

FOLDER = Path(__file__).parent / "conformance"
SCENES = ("a", "b")
PSIZE = 8
STEP = {"a": 8, "b": 6}
OFFSET = {"a": (0, 0), "b": (3, 2)}
DN = 0.02


class Scene:
    """The inputs of one scene, and the images made of them in the table's words."""

    def __init__(self, name: str):
        self.name = name
        self.inputs, self.answers = FOLDER / name / "in", FOLDER / name / "out"
        self.xs, self.pan = str(self.inputs / "xs.tif"), str(self.inputs / "pan.tif")
        self.s2 = self.stack("")
        self.north, self.south = self.stack("north_"), self.stack("south_")
        self.sup = self.superimpose()
        self.pxs = self.pansharpen(3, 3)  # as OTB 8.1.1 does without a parameter

    def stack(self, prefix: str) -> pyotb.App:
        bands = [
            str(self.inputs / f"{prefix}B{n}.tif") for n in ("04", "03", "02", "08")
        ]
        return pyotb.ConcatenateImages(il=bands)

    def superimpose(self, **options) -> pyotb.App:
        return pyotb.Superimpose(inr=self.xs, inm=self.s2, **options)

    def pansharpen(self, *radius: int) -> pyotb.App:
        """Give the PXS, with a radius (x, y) of its mean or OTB 9's own."""
        keys = ("method.rcs.radiusx", "method.rcs.radiusy")
        chosen = dict(zip(keys, radius, strict=True)) if radius else {}
        return pyotb.BundleToPerfectSensor(inp=self.pan, inxs=self.xs, **chosen)

    def answer(self, name: str) -> tuple[np.ndarray, dict]:
        with rasterio.open(self.answers / f"{name}.tif") as file:
            return file.read(), file.profile

    def points(self, name: str) -> dict:
        return json.loads((self.answers / f"{name}.geojson").read_text())


@pytest.fixture(scope="module", params=SCENES)
def scene(request) -> Scene:
    return Scene(request.param)


def written(app: pyotb.App, folder: Path, pixel: str, name="image.tif", **keys):
    path = folder / name
    app.write(str(path), pixel_type=pixel, **keys)
    with rasterio.open(path) as file:
        return file.read(), file.profile


def assert_same(ours, theirs, tolerance: float) -> None:
    (pixels, profile), (expected, truth) = ours, theirs
    assert pixels.shape == expected.shape
    assert profile["dtype"] == truth["dtype"]
    assert profile["transform"].almost_equals(truth["transform"], 1e-6)
    assert profile["crs"] == truth["crs"]
    difference = np.abs(pixels.astype(float) - expected.astype(float))
    assert difference.max() <= tolerance


def test_concatenate(scene, tmp_path):
    ours = written(scene.s2, tmp_path, "uint16")
    assert_same(ours, scene.answer("concatenate"), 0)


@pytest.mark.parametrize("method", ["bco", "linear"])
def test_superimpose(scene, method, tmp_path):
    ours = written(scene.superimpose(interpolator=method), tmp_path, "float")
    assert_same(ours, scene.answer(f"superimpose_{method}"), DN)


def test_superimpose_nearest(scene, tmp_path):
    """Where two neighbours are equally near either may be taken."""
    ours, profile = written(scene.superimpose(interpolator="nn"), tmp_path, "float")
    theirs, truth = scene.answer("superimpose_nn")
    assert profile["transform"] == truth["transform"]
    rows, cols = np.nonzero((ours != theirs).any(axis=0))
    with rasterio.open(scene.inputs / "B04.tif") as source:
        xs, ys = rasterio.transform.xy(profile["transform"], rows, cols)
        points = rasterio.warp.transform(profile["crs"], source.crs, xs, ys)
        col, row = ~source.transform @ (np.array(points[0]), np.array(points[1]))
    tie = np.minimum(np.abs(col - np.round(col)), np.abs(row - np.round(row)))
    assert (tie < 1e-2).all()
    assert len(rows) < 0.2 * ours[0].size


def test_superimpose_fill_value(scene, tmp_path):
    app = scene.superimpose(fv=-999, lms=24)
    theirs = scene.answer("superimpose_bco_fv_lms")
    assert_same(written(app, tmp_path, "float"), theirs, DN)


def test_superimpose_integer(scene, tmp_path):
    """The float image clamped, then truncated; rounding noise may flip a unit."""
    ours = written(scene.sup, tmp_path, "uint16")
    theirs = scene.answer("superimpose_bco_uint16")
    assert_same(ours, theirs, 1)
    assert (ours[0] != theirs[0]).mean() < 0.02


def test_pansharpen(scene, tmp_path):
    ours = written(scene.pxs, tmp_path, "float")
    assert_same(ours, scene.answer("pansharpen_rcs"), DN)


@pytest.mark.parametrize(
    ("radius", "answer"), [((), ""), ((3, 3), "_radius3x3"), ((1, 2), "_radius1x2")]
)
def test_pansharpen_as_otb_9(scene, radius, answer, tmp_path):
    ours = written(scene.pansharpen(*radius), tmp_path, "float")
    assert_same(ours, scene.answer(f"pansharpen_rcs_otb9{answer}"), DN)


def test_pansharpen_integer(scene, tmp_path):
    ours = written(scene.pxs, tmp_path, "uint16")
    theirs = scene.answer("pansharpen_rcs_uint16")
    assert_same(ours, theirs, 1)
    assert (ours[0] != theirs[0]).mean() < 0.02


def test_minus(scene, tmp_path):
    ours = written(scene.sup - 1000, tmp_path, "float")
    assert_same(ours, scene.answer("math_minus_1000"), DN)


def test_offset(scene, tmp_path):
    app = pyotb.where(scene.sup < 1001, 1, scene.sup - 1000)
    assert_same(written(app, tmp_path, "uint16"), scene.answer("math_offset"), 1)


def test_where_zero(scene, tmp_path):
    xs = pyotb.Input(scene.xs)
    app = pyotb.where(xs == 0, 0, xs * 0.5 + 3)
    assert_same(written(app, tmp_path, "float"), scene.answer("math_where_zero"), DN)


def test_roi(scene, tmp_path):
    app = pyotb.Input(scene.xs)[5:40, 10:60, :3]
    assert_same(written(app, tmp_path, "uint16"), scene.answer("roi"), 0)


@pytest.mark.parametrize("answer", ["mosaic", "mosaic_south_first"])
def test_mosaic(scene, answer, tmp_path):
    tiles = [scene.north, scene.south]
    if answer == "mosaic_south_first":
        tiles.reverse()
    ours = written(pyotb.Mosaic(il=tiles), tmp_path, "uint16")
    assert_same(ours, scene.answer(answer), 0)


def test_mosaic_superimpose(scene, tmp_path):
    tiles = pyotb.Mosaic(il=[scene.north, scene.south])
    app = pyotb.Superimpose(inr=scene.xs, inm=tiles)
    ours = written(app, tmp_path, "float")
    assert_same(ours, scene.answer("mosaic_superimpose"), DN)


GROUPS = ("train", "valid", "test")


def select(scene, folder: Path, groups=GROUPS, **options) -> dict[str, dict]:
    """Run PatchesSelection and read back the groups it wrote."""
    paths = {group: folder / f"{group}.geojson" for group in groups}
    x, y = OFFSET[scene.name]
    parameters = {
        "grid.step": STEP[scene.name],
        "grid.psize": PSIZE,
        "grid.offsetx": x,
        "grid.offsety": y,
        **{f"out{group}": str(path) for group, path in paths.items()},
        **options,
    }
    pyotb.PatchesSelection(parameters)
    return {group: json.loads(path.read_text()) for group, path in paths.items()}


def assert_same_points(ours: dict, theirs: dict) -> None:
    def plain(collection):
        return [
            (feature["properties"]["id"], *feature["geometry"]["coordinates"])
            for feature in collection["features"]
        ]

    np.testing.assert_allclose(plain(ours), plain(theirs), rtol=0, atol=1e-6)
    assert ours["crs"] == theirs["crs"]


def shares(train: float, valid: float, test: float) -> dict:
    keys = ("trainprop", "validprop", "testprop")
    values = zip(keys, (train, valid, test), strict=True)
    return {"strategy": "split"} | {f"strategy.split.{k}": v for k, v in values}


def test_selection_split(scene, tmp_path):
    found = select(scene, tmp_path, **{"in": scene.sup}, **shares(0.8, 0.1, 0.1))
    for group in GROUPS:
        assert_same_points(found[group], scene.points(f"centres_split_{group}"))


@pytest.mark.parametrize(
    ("name", "options", "groups"),
    [
        ("split", shares(70, 20, 10), GROUPS),
        ("chess", {"strategy": "chessboard"}, ("train", "valid")),
        ("all", {"strategy": "all"}, ("train",)),
    ],
)
def test_selection_nodata(scene, name, options, groups, tmp_path):
    found = select(scene, tmp_path, groups, **{"in": scene.xs, "nodata": 0}, **options)
    for group in groups:
        expected = scene.points(f"centres_nodata_{name}_{group}")
        assert_same_points(found[group], expected)


def test_selection_mask(scene, tmp_path):
    app = pyotb.PatchesSelection(
        {
            "in": scene.sup,
            "grid.step": STEP[scene.name],
            "grid.psize": PSIZE,
            "grid.offsetx": OFFSET[scene.name][0],
            "grid.offsety": OFFSET[scene.name][1],
            "strategy": "all",
            "outtrain": str(tmp_path / "train.geojson"),
        },
        frozen=True,
    )
    band = pyotb.Input(scene.xs)[:, :, 0]  # kept: its export refers to it
    exported = band.export()
    height, width = exported["array"].shape[:2]
    mask = np.zeros((height, width, 1), np.float32)
    mask[height // 4 :, : (2 * width) // 3] = 1
    exported["array"] = mask
    app.app.ImportVectorImage("mask", exported)
    app.execute()
    app.flush()
    found = json.loads((tmp_path / "train.geojson").read_text())
    assert_same_points(found, scene.points("centres_mask_all_train"))


def extract(scene, folder: Path, centres: str, pixel: str, **options) -> dict:
    """Run PatchesExtraction as the table says, and read back what it wrote."""
    app = pyotb.PatchesExtraction(
        {
            "source1.il": scene.sup,
            "source1.patchsizex": PSIZE,
            "source1.patchsizey": PSIZE,
            "source2.il": scene.pxs,
            "source2.patchsizex": 4 * PSIZE,
            "source2.patchsizey": 4 * PSIZE,
            "vec": str(scene.answers / f"{centres}.geojson"),
            "field": "id",
            **options,
        },
        n_sources=2,
        frozen=True,
    )
    keys = {"lr": "source1.out", "hr": "source2.out", "labels": "outlabels"}
    paths = {name: str(folder / f"{name}.tif") for name in keys}
    app.write(
        {keys[name]: path for name, path in paths.items()},
        pixel_type={"source1.out": pixel, "source2.out": pixel, "outlabels": "int32"},
    )
    found = {}
    for name, path in paths.items():
        with rasterio.open(path) as file:
            found[name] = file.read(), file.profile
    return found


@pytest.mark.parametrize(
    ("answer", "centres", "pixel", "options"),
    [
        ("patches_split_train", "centres_split_train", "uint16", {}),
        (
            "patches_split_train_rejecting",
            "centres_split_train",
            "uint16",
            {"source2.nodata": 0},
        ),
        ("patches_nodata_all", "centres_nodata_all_train", "int16", {}),
    ],
)
def test_extraction(scene, answer, centres, pixel, options, tmp_path):
    found = extract(scene, tmp_path, centres, pixel, **options)
    for name in ("lr", "hr"):
        assert_same(found[name], scene.answer(f"{answer}_{name}"), 1)
    (labels, ours), (truth, theirs) = found["labels"], scene.answer(f"{answer}_labels")
    np.testing.assert_array_equal(labels.astype(int), truth.astype(int))
    assert ours["transform"] == theirs["transform"]


SERVED = [
    (output, crop, rfield, tile)
    for output, crop, rfield, tile in (
        ("hr_crop16", 16, 16, 32),
        ("hr_dn_crop16", 16, 32, 96),
        ("hr_dn_crop32", 32, 40, 96),
    )
]


@pytest.mark.parametrize(("output", "crop", "rfield", "tile"), SERVED)
@pytest.mark.parametrize("pixel", ["float", "uint16"])
def test_serve(scene, output, crop, rfield, tile, pixel, tmp_path):
    app = pyotb.TensorflowModelServe(
        {
            "source1.il": scene.sup,
            "source1.rfieldx": rfield,
            "source1.rfieldy": rfield,
            "source1.placeholder": "lr",
            "model.dir": str(FOLDER / "model"),
            "model.fullyconv": True,
            "output.names": [output],
            "output.efieldx": 4 * rfield - 2 * crop,
            "output.efieldy": 4 * rfield - 2 * crop,
            "output.spcscale": 0.25,
            "optim.tilesizex": tile,
            "optim.tilesizey": tile,
        },
        n_sources=1,
    )
    suffix = "_uint16" if pixel == "uint16" else ""
    expected, truth = scene.answer(f"serve_{output}_rf{rfield}_tile{tile}{suffix}")
    pixels, profile = written(app, tmp_path, pixel)
    assert pixels.shape == expected.shape
    assert profile["dtype"] == truth["dtype"]
    tolerance = 1 if pixel == "uint16" else 1e-3 * np.abs(expected).max()
    assert np.abs(pixels.astype(float) - expected).max() <= tolerance
    # OTBTF's place is wrong by half an input pixel less half an output pixel.
    ours, theirs = profile["transform"], truth["transform"]
    assert theirs.c - ours.c == pytest.approx(2.25, abs=1e-6)
    assert ours.f - theirs.f == pytest.approx(2.25, abs=1e-6)


TWO_SOURCES = [
    # answer, outputs, efield, rfield, tile
    ("serve2_label_crop16_ef32_rf16", ["label_crop16"], 32, 16, None),
    ("serve2_map_crop16_ef32_rf16_tile64", ["map_crop16"], 32, 16, 64),
    (
        "serve2_map_label_crop16_ef64_rf24",
        ["map_crop16", "label_crop16"],
        64,
        24,
        None,
    ),
    ("serve2_rank3_ef64_rf16", ["label_rank3"], 64, 16, None),
]


@pytest.mark.parametrize(
    ("answer", "outputs", "efield", "rfield", "tile"),
    TWO_SOURCES,
    ids=[case[0] for case in TWO_SOURCES],
)
def test_serve_two_sources(scene, answer, outputs, efield, rfield, tile, tmp_path):
    """PAN and XS together; the output has PAN's spacing."""
    app = pyotb.TensorflowModelServe(
        {
            "source1.il": [scene.pan],
            "source1.rfieldx": 4 * rfield,
            "source1.rfieldy": 4 * rfield,
            "source1.placeholder": "p",
            "source2.il": [scene.xs],
            "source2.rfieldx": rfield,
            "source2.rfieldy": rfield,
            "source2.placeholder": "xs",
            "model.dir": str(FOLDER / "two_sources"),
            "model.fullyconv": True,
            "output.names": outputs,
            "output.efieldx": efield,
            "output.efieldy": efield,
            **({"optim.tilesizex": tile, "optim.tilesizey": tile} if tile else {}),
        },
        n_sources=2,
    )
    pixels, profile = written(app, tmp_path, "float")
    expected, truth = scene.answer(answer)
    assert profile["transform"].almost_equals(truth["transform"], 1e-6)
    assert pixels.shape == expected.shape
    for name, first in zip(outputs, (0, 3), strict=False):
        bands = slice(first, first + (3 if name.startswith("map") else 1))
        ours, theirs = pixels[bands], expected[bands]
        if name.startswith("label"):
            np.testing.assert_array_equal(ours, theirs)
        else:
            assert np.abs(ours - theirs).max() <= 1e-3 * np.abs(theirs).max()


@pytest.mark.parametrize(
    ("answer", "output", "scale"),
    [
        ("servep_label", "label", 1),
        ("servep_prob", "prob", 1),
        ("servep_prob_scale4", "prob", 4),
    ],
)
@pytest.mark.parametrize("tile", [16, 7])
def test_serve_patch_by_patch(scene, answer, output, scale, tile, tmp_path):
    """Each output pixel is a patch's; it lies over the middle pixel of the patch."""
    app = pyotb.TensorflowModelServe(
        {
            "source1.il": [scene.xs],
            "source1.rfieldx": 16,
            "source1.rfieldy": 16,
            "source1.placeholder": "xs",
            "model.dir": str(FOLDER / "patch_based"),
            "model.fullyconv": False,
            "output.names": [output],
            "output.spcscale": scale,
            "optim.tilesizex": tile,
            "optim.tilesizey": tile,
        },
        n_sources=1,
    )
    expected, truth = scene.answer(answer)
    pixels, profile = written(app, tmp_path, "float")
    assert profile["transform"].almost_equals(truth["transform"], 1e-6)
    assert pixels.shape == expected.shape
    if output == "label":
        np.testing.assert_array_equal(pixels, expected)
    else:
        assert np.abs(pixels - expected).max() <= 1e-3 * np.abs(expected).max()
