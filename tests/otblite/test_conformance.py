"""The answers of the real applications, file by file (see conformance/README.md)."""

import numpy as np
import pytest
import rasterio
from affine import Affine

from tests.otblite.pipelines import FOLDER, Scene, extract, select, serve, shares, write
from tests.rasters import write_raster

GROUPS = ("train", "valid", "test")
DN = 0.02


@pytest.fixture(scope="module", params=["a", "b"])
def scene(request) -> Scene:
    return Scene(request.param)


def assert_same(ours, theirs, tolerance: float) -> None:
    (pixels, profile), (expected, truth) = ours, theirs
    assert pixels.shape == expected.shape
    assert profile["dtype"] == truth["dtype"]
    assert profile["transform"].almost_equals(truth["transform"], 1e-6)
    assert profile["crs"] == truth["crs"]
    difference = np.abs(pixels.astype(float) - expected.astype(float))
    assert difference.max() <= tolerance
    # Whole numbers are truncated: the noise of rounding may flip a unit.
    assert tolerance < 1 or (difference > 0).mean() < 0.02


IMAGES = {
    "superimpose_bco": lambda s: s.superimpose(interpolator="bco"),
    "pansharpen_rcs": lambda s: s.pxs,
    "pansharpen_rcs_otb9": lambda s: s.pansharpen(),
    "pansharpen_rcs_otb9_radius3x3": lambda s: s.pansharpen(3, 3),
    "pansharpen_rcs_otb9_radius1x2": lambda s: s.pansharpen(1, 2),
}


@pytest.mark.parametrize("name", IMAGES)
def test_images(scene, name, tmp_path):
    ours = write(IMAGES[name](scene), tmp_path / "image.tif", "float")
    assert_same(ours, scene.answer(name), DN)


def assert_same_points(ours: dict, theirs: dict) -> None:
    def plain(collection):
        return [
            (feature["properties"]["id"], *feature["geometry"]["coordinates"])
            for feature in collection["features"]
        ]

    np.testing.assert_allclose(plain(ours), plain(theirs), rtol=0, atol=1e-6)
    assert ours["crs"] == theirs["crs"]


@pytest.mark.parametrize(
    ("name", "options", "groups"),
    [
        ("split", shares(0.8, 0.1, 0.1), GROUPS),
        ("nodata_split", shares(70, 20, 10), GROUPS),
        ("nodata_chess", {"strategy": "chessboard"}, GROUPS[:2]),
        ("nodata_all", {"strategy": "all"}, GROUPS[:1]),
    ],
)
def test_selection(scene, name, options, groups, tmp_path):
    image = scene.sup
    if name.startswith("nodata"):
        image, options = scene.xs, options | {"nodata": 0}
    selected = select(tmp_path, image, groups, **scene.grid, **options)
    for group in groups:
        assert_same_points(selected[group], scene.points(f"centres_{name}_{group}"))


def test_selection_mask(scene, tmp_path):
    height, width = scene.sup.shape[:2]
    mask = np.zeros((height, width), np.uint8)
    mask[height // 4 :, : (2 * width) // 3] = 1
    path = write_raster(tmp_path, "mask.tif", mask)
    selected = select(tmp_path, scene.sup, mask=path, **scene.grid)["train"]
    assert_same_points(selected, scene.points("centres_mask_all_train"))


@pytest.mark.parametrize(
    ("answer", "centres", "pixel", "options"),
    [
        ("split_train", "split_train", "uint16", {}),
        ("split_train_rejecting", "split_train", "uint16", {"source2.nodata": 0}),
        ("nodata_all", "nodata_all_train", "int16", {}),
    ],
)
def test_extraction(scene, answer, centres, pixel, options, tmp_path):
    psize = scene.grid["grid.psize"]
    sources = [(scene.sup, psize), (scene.pxs, 4 * psize)]
    vec = scene.answers / f"centres_{centres}.geojson"
    app = extract(sources, vec, **options)
    keys = {"lr": "source1.out", "hr": "source2.out", "labels": "outlabels"}
    types = {"lr": pixel, "hr": pixel, "labels": "int32"}
    app.write(
        {key: str(tmp_path / f"{name}.tif") for name, key in keys.items()},
        pixel_type={key: types[name] for name, key in keys.items()},
    )
    for name in keys:
        with rasterio.open(tmp_path / f"{name}.tif") as file:
            ours = file.read(), file.profile
        theirs = scene.answer(f"patches_{answer}_{name}")
        if name != "labels":
            assert_same(ours, theirs, 1)
            continue
        np.testing.assert_array_equal(ours[0].astype(int), theirs[0].astype(int))
        assert ours[1]["transform"] == theirs[1]["transform"]


def assert_same_served(ours, theirs, exact=slice(0)) -> None:
    """All values are equal up to a thousandth of the largest, some bands exactly."""
    pixels, expected = ours[0].astype(float), theirs[0].astype(float)
    assert pixels.shape == expected.shape
    assert ours[1]["dtype"] == theirs[1]["dtype"]
    np.testing.assert_array_equal(pixels[exact], expected[exact])
    whole = ours[1]["dtype"] == "uint16"
    for one, other in zip(pixels, expected, strict=True):
        tolerance = 1 if whole else 1e-3 * np.abs(other).max()
        assert np.abs(one - other).max() <= tolerance


@pytest.mark.parametrize(
    ("output", "crop", "rfield", "tile"),
    [
        ("hr_crop16", 16, 16, 32),
        ("hr_dn_crop16", 16, 32, 96),
        ("hr_dn_crop32", 32, 40, 96),
    ],
)
@pytest.mark.parametrize("pixel", ["float", "uint16"])
def test_serve(scene, output, crop, rfield, tile, pixel, tmp_path):
    fields = {"efield": 4 * rfield - 2 * crop, "tile": tile, "output.spcscale": 0.25}
    sources = {"lr": (scene.sup, rfield)}
    app = serve(FOLDER / "model", sources, [output], **fields)
    ours = write(app, tmp_path / "image.tif", pixel)
    suffix = "_uint16" if pixel == "uint16" else ""
    theirs = scene.answer(f"serve_{output}_rf{rfield}_tile{tile}{suffix}")
    assert_same_served(ours, theirs)
    # OTBTF's place is wrong by half an input pixel less half an output pixel.
    expected = Affine.translation(-2.25, 2.25) @ theirs[1]["transform"]
    assert ours[1]["transform"].almost_equals(expected, 1e-6)


@pytest.mark.parametrize(
    ("answer", "outputs", "efield", "rfield", "tile"),
    [
        ("label_crop16_ef32_rf16", ["label_crop16"], 32, 16, None),
        ("map_crop16_ef32_rf16_tile64", ["map_crop16"], 32, 16, 64),
        ("map_label_crop16_ef64_rf24", ["map_crop16", "label_crop16"], 64, 24, None),
        ("rank3_ef64_rf16", ["label_rank3"], 64, 16, None),
    ],
)
def test_serve_two_sources(scene, answer, outputs, efield, rfield, tile, tmp_path):
    """PAN and XS together; the output has PAN's spacing."""
    sources = {"p": (scene.pan, 4 * rfield), "xs": (scene.xs, rfield)}
    model = FOLDER / "two_sources"
    app = serve(model, sources, outputs, efield=efield, tile=tile)
    ours = write(app, tmp_path / "image.tif")
    theirs = scene.answer(f"serve2_{answer}")
    assert ours[1]["transform"].almost_equals(theirs[1]["transform"], 1e-6)
    labels = [name.startswith("label") for name in outputs]
    assert_same_served(ours, theirs, slice(-1, None) if labels[-1] else slice(0))


@pytest.mark.parametrize(
    ("answer", "output", "scale"),
    [("label", "label", 1), ("prob", "prob", 1), ("prob_scale4", "prob", 4)],
)
@pytest.mark.parametrize("tile", [16, 7])
def test_serve_patch_by_patch(scene, answer, output, scale, tile, tmp_path):
    """Each output pixel is a patch's; it lies over the middle pixel of the patch."""
    options = {"model.fullyconv": False, "output.spcscale": scale, "tile": tile}
    sources = {"xs": (scene.xs, 16)}
    app = serve(FOLDER / "patch_based", sources, [output], **options)
    ours = write(app, tmp_path / "image.tif")
    theirs = scene.answer(f"servep_{answer}")
    assert ours[1]["transform"].almost_equals(theirs[1]["transform"], 1e-6)
    assert_same_served(ours, theirs, slice(None) if output == "label" else slice(0))
