"""Exercise 5: an image without seams that covers the area, in the right place."""

import os
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from otblite.applications import serve
from rasterio.enums import Resampling
from rasterio.warp import transform, transform_bounds
from scipy.ndimage import gaussian_filter, uniform_filter

import sr_infer
import sr_train
from bench import measure
from demo.scene import make_scene
from demo.server import Server
from srtools import cards, files
from srtools.errors import SRError
from srtools.images import figures, raster, vrt
from srtools.inference import pieces
from srtools.matching.point_spread import blur_metres, blur_weights
from srtools.network import domain_shift, precision, saved_model
from srtools.options.inference_options import Options
from srtools.sentinel2 import download
from tests.conftest import Toy
from tests.rasters import read_image
from tests.training_patches import TINY, make_patches, write_folder

import tensorflow as tf


def image(height: int, width: int, seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    return random.integers(1, 8000, (height, width, 4)).astype(np.uint16)


def run(
    tmp_path: Path, s2: str, model: str, name: str = "sr.tif", **options
) -> tuple[np.ndarray, dict]:
    options |= {"s2_images": (s2,), "model_dir": model, "out": str(tmp_path / name)}
    sr_infer.infer(Options(overwrite=True, **options))
    return read_image(options["out"])


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.glob("*.*") if path.is_file()}


def repeat(array: np.ndarray) -> np.ndarray:
    return array.repeat(4, axis=0).repeat(4, axis=1)


def check_pixels(result: np.ndarray, expected: np.ndarray) -> None:
    """Check that images have the same nodata and differ by at most 1 DN.

    OTB's cubic interpolation of a pixel on its own grid has a tiny error, which is a
    whole DN where the decimals are cut off.
    """
    np.testing.assert_array_equal(result == 0, expected == 0)
    assert np.abs(result.astype(int) - expected).max() <= 1


@pytest.mark.parametrize(
    ("height", "width", "offset"), [(37, 29, 0), (16, 50, 1000), (2, 7, 0), (1, 1, 0)]
)
def test_covers_every_pixel_in_its_place(
    tmp_path, write_raster, repeating_model, monkeypatch, height, width, offset
):
    """OTBTF writes a georeference that lies too far south-east."""
    original = serve.Geometry.__init__

    def misplaced(self, *args, **options):
        original(self, *args, **options)
        wrong = self.grid.transform @ Affine.translation(1.5, 1.5)
        object.__setattr__(self.grid, "transform", wrong)

    monkeypatch.setattr(serve.Geometry, "__init__", misplaced)
    pixels = image(height, width)
    pixels[: height // 8] = 0
    s2 = write_raster("s2.tif", pixels)
    result, profile = run(tmp_path, s2, repeating_model, offset=offset)
    expected = np.where(pixels == 0, 0, np.maximum(pixels.astype(int) - offset, 1))
    check_pixels(result, repeat(expected))
    assert profile["transform"] == Affine(1.5, 0, 452001, 0, -1.5, 5412003)
    assert profile["dtype"] == "uint16"
    assert profile["crs"].to_epsg() == 32631


@pytest.mark.parametrize("tile_size", [4, 20, 52, 64, 300])
def test_no_seam(tmp_path, write_raster, blurring_model, tile_size, monkeypatch):
    """The result is that of one pass over the reflected image, for any tile size."""
    monkeypatch.setattr(pieces, "TILES_A_SIDE", 100)
    pixels = image(41, 33)
    s2 = write_raster("s2.tif", pixels)
    result, _ = run(tmp_path, s2, blurring_model, tile_size=tile_size)
    padded = np.pad(pixels.astype(float), ((3, 3), (3, 3), (0, 0)), "symmetric")
    windows = np.lib.stride_tricks.sliding_window_view(padded, (7, 7), axis=(0, 1))
    expected = repeat(windows.mean(axis=(-1, -2)))
    assert np.abs(result - np.floor(expected)).max() <= 1
    assert abs((result - expected).mean()) < 0.1  # rounded, not cut off


@pytest.mark.parametrize(
    ("crs", "spacing"), [("EPSG:2154", 10.0), ("EPSG:3857", 15.2), ("EPSG:4326", 1e-4)]
)
def test_an_image_in_another_crs(
    tmp_path, write_raster, blurring_model, monkeypatch, crs, spacing
):
    """A ramp of 5 DN per metre comes back, also at the edges of the area."""
    like = write_raster("like.tif", np.ones((80, 60)), spacing=1.5)
    area = raster.describe(like, "like")
    bounds = area.grid.bounds_in(area.crs, margin=150.0)
    left, bottom, right, top = transform_bounds(area.crs, crs, *bounds)
    cols, rows = (int(size / spacing) for size in (right - left, top - bottom))
    xs = left + (np.arange(cols) + 0.5) * spacing
    ys = top - (np.arange(rows) + 0.5) * spacing
    xs, ys = (axis.ravel() for axis in np.meshgrid(xs, ys))
    east, _ = map(np.array, transform(crs, area.crs, xs, ys))
    ramp = (5000 + 5 * (east - area.bounds[0])).reshape(rows, cols, 1)
    s2 = write_raster(
        "s2.tif", ramp.round().repeat(4, 2).astype(np.uint16), spacing, (left, top), crs
    )
    margins, write = [], vrt.write_reflected
    monkeypatch.setattr(
        vrt, "write_reflected", lambda *a: margins.append(a[2]) or write(*a)
    )
    result, _ = run(tmp_path, s2, blurring_model, like=like)
    expected = 5000 + 5 * ((np.arange(60) // 4) * 6 + 3.0)
    assert np.abs(result - expected[:, None]).max() <= 2
    # 8 lr pixels of 6 m around the area, and 4 for the kernel.
    assert margins == [pytest.approx(8 * 6 / 10 + 4, abs=2.5)]
    preview = figures.read_area([s2], area.crs, area.bounds, 900)
    assert preview.mean() == pytest.approx(expected.mean(), abs=30)


@pytest.mark.parametrize("far", [0, 3])
def test_partial_pixels_at_the_edge(tmp_path, write_raster, repeating_model, far):
    """Output pixels that lie partly inside the image have data, the others have not."""
    pixels = image(31, 29)
    pixels[7, 12, 2] = 0
    s2 = write_raster("s2.tif", pixels, spacing=10.0)
    like = write_raster("like.tif", np.ones((207, 194 + far)), spacing=1.5)
    result, _ = run(tmp_path, s2, repeating_model, like=like)
    rows, cols = (((np.arange(size) + 0.5) * 1.5 // 10) for size in result.shape[:2])
    hole = (rows == 7)[:, None] & (cols == 12)
    empty = np.repeat(hole[:, :, None], 4, axis=2)
    empty[:, :, [0, 1, 3]] = False
    # If some pixels lie fully outside, the centres of the others decide.
    empty |= (cols >= 29)[:, None] & (far > 0)
    np.testing.assert_array_equal(result == 0, empty)


def test_the_network_sees_cubic_interpolation(tmp_path, write_raster, repeating_model):
    """As it did in training; GDAL's kernel is that of OTB."""
    s2 = write_raster("s2.tif", image(30, 40), spacing=10.0)
    result, _ = run(tmp_path, s2, repeating_model)
    grid = raster.describe(tmp_path / "sr.tif", "the output").grid
    larger = {"transform": grid.transform @ Affine.scale(4), "width": 67, "height": 50}
    s2 = raster.describe(s2, "Sentinel-2")
    expected = raster.read([s2], replace(grid, **larger), None, Resampling.cubic)
    inner = np.s_[16:-16, 16:-16]
    check_pixels(result[inner], repeat(expected)[:200, :267][inner])


@pytest.mark.parametrize("tile_size", [32, 640])
def test_a_mask_file(tmp_path, write_raster, blurring_model, tile_size):
    """The mask is 0 beyond its edges; the network still sees all pixels."""
    s2 = write_raster("s2.tif", image(40, 40), 10.0)
    keep = np.ones((17, 20), np.uint8)  # of 20 m; the last 6 rows of 10 m lie beyond
    keep[3, 5] = 0
    options = {"tile_size": tile_size, "mask": write_raster("mask.tif", keep, 20.0)}
    clean, _ = run(tmp_path, s2, blurring_model)
    result, profile = run(tmp_path, s2, blurring_model, **options)
    assert profile["nodata"] == 0
    rows, cols = ((np.arange(side) + 0.5) * 1.5 for side in clean.shape[:2])
    kept = (rows < 340)[:, None] & (cols < 400)
    kept &= ~(((rows > 60) & (rows < 80))[:, None] & ((cols > 100) & (cols < 120)))
    expected = np.where(kept[..., None], clean, 0)
    np.testing.assert_array_equal(result, expected)
    assert cards.read_card(tmp_path / "sr.json")["mask"].endswith("mask.tif")


@pytest.mark.parametrize("nodata", [np.nan, 255])
def test_nodata_of_a_mask_is_masked(tmp_path, write_raster, repeating_model, nodata):
    s2 = write_raster("s2.tif", image(20, 20))
    keep = np.ones((20, 20), np.float32)
    keep[3, 5] = nodata
    mask = write_raster("mask.tif", keep, nodata=nodata)
    clean, _ = run(tmp_path, s2, repeating_model)
    result, _ = run(tmp_path, s2, repeating_model, mask=mask)
    clean[12:16, 20:24] = 0
    np.testing.assert_array_equal(result, clean)


def copy_model(model: str, folder: Path, card: dict) -> str:
    shutil.copytree(model, folder)
    files.make_folder(folder / "assets")
    cards.write_card(folder / saved_model.CARD, card)
    return str(folder)


def test_an_offset_is_not_forgotten(tmp_path, write_raster, repeating_model):
    """The card of the model, the tag of the image, or the user states the offset."""
    raw, less = (write_raster(name, image(16, 16)) for name in ("raw.tif", "less.tif"))
    with rasterio.open(less, "r+") as file:
        file.update_tags(SENTINEL2_OFFSET_SUBTRACTED=1000)
    model = copy_model(repeating_model, tmp_path / "m", {"offset_removed": 1000})
    with pytest.raises(SRError, match="on Sentinel-2 less 1000 DN, nothing is subtra"):
        run(tmp_path, raw, model)
    for s2, offset in ((less, None), (raw, 0), (raw, 1000)):
        run(tmp_path, s2, model, offset=offset)


def test_bad_input_is_refused(tmp_path, write_raster, repeating_model, monkeypatch):
    """The files in the folder stay as they are."""
    monkeypatch.chdir(tmp_path)
    write_raster("s2.tif", image(20, 24))
    write_raster("cloudy.tif", np.zeros((20, 24), np.uint8))
    write_raster("far.tif", np.ones((8, 8)), corner=(600000, 5412003))
    place = {"spacing": 1e-4, "corner": (2.3, 48.8), "crs": "EPSG:4326"}
    write_raster("degrees.tif", image(20, 24), **place)
    corner = [v[0] for v in transform("EPSG:32631", "EPSG:2154", [452091], [5411913])]
    write_raster("lambert.tif", image(20, 20), 1.5, corner, "EPSG:2154")
    for name in ("existing.tif", "file"):
        Path(name).write_text("precious")
    order = {"bands": ["B02", "B03", "B04", "B08"]}
    copy_model(repeating_model, tmp_path / "other", order)
    copy_model(repeating_model, tmp_path / "damaged", {})
    os.truncate(next(tmp_path.glob("damaged/variables/*.data*")), 0)
    line = '{"type": "LineString", "coordinates": [[2.3, 48.8], [2.4, 48.9]]}'
    Path("area.json").write_text(line)
    for name in ("folder.tif", "folder.png"):
        Path(name).mkdir()

    def refused(words: str, s2="s2.tif", overwrite=True, **changed) -> None:
        options = {"model_dir": repeating_model, "out": "sr.tif", **changed}
        with pytest.raises(SRError, match=words) as error:
            sr_infer.infer(Options(s2_images=(s2,), overwrite=overwrite, **options))
        assert "\n" not in str(error.value)

    before = contents(tmp_path)
    refused("does not exist", s2="no.tif")
    refused("give --overwrite", out="existing.tif", overwrite=False)
    refused("cannot be written to", out="file/sr.tif")
    refused("is not a SavedModel", model_dir=".")
    refused("says bands .'B02', 'B03', 'B04', 'B08'., .'B04', ", model_dir="other")
    refused("cannot be loaded as a SavedModel", model_dir="damaged")
    refused("sr.?.tif has \\? in its name", out="sr?.tif")
    refused("folder.tif is a folder; give the name of a file", out="folder.tif")
    refused("folder.png is a folder; give the name of a file", preview="folder.png")
    refused("json is read by this very run", mask="area.json", out="area.tif")
    refused("no input or output hr_dn_crop64; it has", crop=64)
    refused("does not show", like="far.tif")
    refused("degrees.tif is in EPSG:4326, a CRS in metres is ex", s2="degrees.tif")
    refused("degrees.tif is in EPSG:4326, a CRS in metres is", like="degrees.tif")
    refused("s2.tif is read by this very run", out="s2.tif")
    refused("far.tif is read by this very run", like="far.tif", out="far.tif")
    refused("sr.tif will be a PNG: its name must end in .png", preview="sr.tif")
    refused("will be a GeoTIFF: its name must end in .tif", out="sr.png")
    refused("weights.*train it anew with sr_train.py", precision="bfloat16")
    refused("needs a scene classification.*give the .SAFE folder", mask="SCL")
    refused("far.tif does not show", mask="far.tif")
    refused("all pixels there are 0 or masked; .* another --mask", mask="cloudy.tif")
    crs = "--consistent.*EPSG:32631.*EPSG:2154"
    refused(crs, like="lambert.tif", consistent=True)
    assert contents(tmp_path) == before


def test_a_box_is_cut_out_of_the_image(tmp_path, write_raster, blurring_model):
    """Its context is made of real pixels."""
    pixels = image(60, 70)
    s2 = write_raster("s2.tif", pixels)
    whole, _ = run(tmp_path, s2, blurring_model)
    left, top = 452001 + 6 * 20, 5412003 - 6 * 12
    box = left + 1, top - 6 * 9 + 1, left + 6 * 11 - 1, top - 1
    box = transform_bounds("EPSG:32631", "EPSG:4326", *box)
    result, profile = run(tmp_path, s2, blurring_model, bbox=box)
    # A box in degrees is not parallel to the grid: it may reach one pixel further.
    corner = profile["transform"] @ (0, 0)
    col, row = map(round, ~Affine(1.5, 0, 452001, 0, -1.5, 5412003) @ corner)
    assert 76 <= col <= 80 and 44 <= row <= 48
    assert 44 <= profile["width"] <= 52 and 36 <= profile["height"] <= 44
    expected = whole[row:, col:][: profile["height"], : profile["width"]]
    np.testing.assert_array_equal(result, expected)


def test_a_search_gives_the_image_of_the_files(tmp_path, monkeypatch, capfd):
    """Pixels beyond the fetched area would be reflected without a message."""
    scene = tmp_path / "scene"
    paths = make_scene(scene, size=768, seed=2, wedge=0)
    toy, card = Toy(radius=60, crops=(256,)), {"receptive_field": {"margin": 64}}
    model = copy_model(toy.save(scene / "toy"), scene / "model", card)
    pan = raster.describe(paths["pan"], "pan").grid
    middle = pan.part((slice(350, 420), slice(350, 420)))
    like = vrt.write_grid(scene / "like.vrt", middle)
    # Blocks of one pixel: the download fetches no more than the requested pixels.
    monkeypatch.setattr(download, "_whole_blocks", lambda pixels, block: pixels)
    outs = {name: str(tmp_path / f"{name}.tif") for name in ("files", "api", "masked")}
    common = ["--model_dir", model, "--like", str(like), "--out"]
    local = ["--s2_images", *map(str, paths["s2"]), "--offset", "1000"]
    preview = ["--preview", str(tmp_path / "sr.png")]
    assert sr_infer.main([*common, outs["files"], *local]) == 0
    with Server(scene) as server:
        search = ["--stac_url", server.stac_url]
        assert sr_infer.main([*common, outs["api"], *search, "--dry_run"]) == 0
        assert "chosen" in capfd.readouterr().out and not Path(outs["api"]).exists()
        assert sr_infer.main([*common, outs["api"], *search, *preview]) == 0
        assert sr_infer.main([*common, outs["masked"], *search, "--mask", "SCL"]) == 0
    result, _ = read_image(outs["api"])
    np.testing.assert_array_equal(result, read_image(outs["files"])[0])
    kept, _ = read_image(outs["masked"])
    assert 0.99 < (kept > 0).mean() and (kept[kept > 0] == result[kept > 0]).all()
    card = cards.read_card(tmp_path / "api.json")
    assert card["offset"] == 1000 and card["sentinel2"]["items"]
    with rasterio.open(outs["api"]) as file:
        assert file.tags()["SENTINEL2"] == " ".join(card["sentinel2"]["items"])
    names = {f"{name}.{kind}" for name in outs for kind in ("tif", "json")}
    assert {path.name for path in tmp_path.iterdir()} == {"scene", "sr.png", *names}


def test_a_safe_folder(tmp_path, write_raster, repeating_model):
    """Its name has the offset.  Classes 0, 1, 3, 8, 9 and 10 are under the mask."""
    pixels = image(20, 48) + 1000
    folder = tmp_path / "S2A_MSIL2A_20220714T105631_N0400_R051_T31UDQ_x.SAFE"
    bands = {f"B0{n}_10m": pixels[..., i] for i, n in enumerate((4, 3, 2, 8))}
    classes = np.repeat(np.arange(12, dtype=np.uint8), 2)[None].repeat(10, axis=0)
    for name, array in {**bands, "SCL_20m": classes}.items():
        size = name[-3:]
        place = folder / "GRANULE" / "L2A_T31UDQ" / "IMG_DATA" / f"R{size}"
        place.mkdir(parents=True, exist_ok=True)
        path = Path(write_raster(f"T31UDQ_x_{name}.tif", array, float(size[:2])))
        path.rename(place / path.name)
        # QGIS leaves such a file beside an image that it has shown.
        (place / f"{path.name}.aux.xml").write_text("<PAMDataset/>")
    result, _ = run(tmp_path, str(folder), repeating_model)
    s2 = write_raster("s2.tif", pixels, 10.0)
    expected, _ = run(tmp_path, s2, repeating_model, offset=1000)
    np.testing.assert_array_equal(result, expected)
    masked, _ = run(tmp_path, str(folder), repeating_model, mask="SCL")
    cols = (np.arange(result.shape[1]) + 0.5) * 1.5
    left_out = np.isin(cols // 40, (0, 1, 3, 8, 9, 10))
    np.testing.assert_array_equal(masked, np.where(left_out[:, None], 0, result))
    # A changed band makes it another product.
    options = {"s2_images": (str(folder),), "model_dir": repeating_model}
    options["out"] = str(tmp_path / "b.tif")
    sr_infer.infer(Options(**options, part=(1, 1)))
    os.utime(next(folder.glob("**/*_B08_10m.tif")), ns=(0, 0))
    with pytest.raises(SRError, match="made with another s2_images;"):
        sr_infer.infer(Options(**options))


def smooth(height: int, width: int) -> np.ndarray:
    """Return ground with structures of some 50 m, DN, at 10 m."""
    rough = np.random.default_rng(5).normal(0, 1, (height, width, 4))
    ground = 2500 + 4000 * gaussian_filter(rough, (2.5, 2.5, 0))
    return np.clip(np.rint(ground), 1, 8000).astype(np.uint16)


MEASURED = {"modulation": {"value": 0.11, "low": 0.1, "high": 0.12}}
SCENES = {"scenes": [{"dataset": {"pair": MEASURED}}]}
BRIGHT = {"training_set": domain_shift.record(np.full((20, 32, 32, 4), 9000.0))}


@pytest.mark.parametrize(
    ("card", "modulation"),
    [({}, 0.28), (SCENES, 0.12), (SCENES | BRIGHT, 0.28)],
    ids=["unknown", "measured", "unlike"],
)
def test_consistent_with_sentinel2(tmp_path, write_raster, card, modulation):
    """Blurred like Sentinel-2, the image agrees with it; pieces have no seam."""
    repeating_model = Toy(radius=0).save(tmp_path / "model")
    cards.write_card(tmp_path / "model" / saved_model.CARD, card)
    pixels = smooth(60, 70)
    pixels[20:26, 30:37] = 0
    s2 = write_raster("s2.tif", pixels, 10.0)
    plain, _ = run(tmp_path, s2, repeating_model)
    whole, _ = run(tmp_path, s2, repeating_model, consistent=True)
    parts, _ = run(tmp_path, s2, repeating_model, consistent=True, tile_size=100)
    check_pixels(whole, parts)
    np.testing.assert_array_equal(whole == 0, plain == 0)
    centres = (np.arange(60) + 0.5) / 0.15 - 0.5, (np.arange(70) + 0.5) / 0.15 - 0.5
    down, right = (
        blur_weights(axis, size, 1.5, blur_metres(modulation))
        for axis, size in zip(centres, whole.shape[:2], strict=True)
    )
    errors = []
    for image in (plain, whole):
        seen = np.einsum("nh,hwb,mw->nmb", down, image, right, optimize=True)
        error = np.abs(seen - pixels)
        error[18:28, 28:39] = 0  # sees no data
        errors.append(error[2:-2, 2:-2].mean())
    assert errors[0] > 10 and errors[1] < errors[0] / 8
    card = cards.read_card(tmp_path / "sr.json")
    assert card["consistent"] and card["modulation"] == modulation
    assert not (tmp_path / "sr.tif.pieces").exists()


def test_intervals_of_an_earlier_image_go(tmp_path, write_raster, calibrated_model):
    options = {"s2_images": (write_raster("s2.tif", image(20, 24)),)}
    options |= {"model_dir": calibrated_model, "out": str(tmp_path / "sr.tif")}
    interval = tmp_path / "sr_interval.tif"
    interval.touch()
    with pytest.raises(SRError, match="sr_interval.tif exists already"):
        sr_infer.infer(Options(**options))
    sr_infer.infer(Options(**options, overwrite=True))
    assert (tmp_path / "sr.tif").exists() and not interval.exists()


@pytest.mark.parametrize("kind", ["image", "pieces"])
def test_links_stay(tmp_path, write_raster, repeating_model, kind):
    """The image and its pieces lie behind a link; a second run replaces the target."""
    s2 = write_raster("s2.tif", image(20, 24))
    out, far = tmp_path / "sr.tif", tmp_path / "far"
    far.mkdir()
    link = out if kind == "image" else pieces.folder_of(out)
    link.symlink_to(far / link.name)
    if kind == "pieces":
        (far / link.name).mkdir()
    for _ in range(2):
        result, _ = run(tmp_path, s2, repeating_model)
        assert link.is_symlink() and result.any()
        names = {path.name for path in far.iterdir()}
        assert names == ({"sr.tif"} if kind == "image" else set())
    assert pieces.folder_of(out).parent == (far if kind == "image" else tmp_path)


def test_a_pattern_in_the_name_of_the_image(tmp_path, write_raster, calibrated_model):
    """TensorFlow finds no model there; without a new model the image is made."""
    paths = write_raster("s2.tif", image(20, 24)), calibrated_model, "run [1]/sr.tif"
    result, _ = run(tmp_path, *paths)
    assert result.any()
    with pytest.raises(SRError, match="which TensorFlow does not take"):
        run(tmp_path, *paths, uncertainty=True)


def test_temporary_files_are_local(tmp_path, write_raster, trained, monkeypatch):
    """The system's folder for temporary files may be full or missing."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "missing"))
    s2 = write_raster("s2.tif", image(20, 24))
    keep = write_raster("keep.tif", np.ones((20, 24), np.uint8))
    run(tmp_path, s2, trained, offset=0, mask=keep, precision="bfloat16")
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"s2.tif", "keep.tif", "sr.tif", "sr.json"}


def test_intervals_are_a_second_image(tmp_path, write_raster, calibrated_model):
    """It has the right place and values, and no seams between tiles and pieces."""
    pixels = image(40, 46)
    pixels[4:8, 5:9] = 0
    paths = write_raster("s2.tif", pixels), calibrated_model
    plain, profile = run(tmp_path, *paths)
    whole, _ = run(tmp_path, *paths, "b.tif", uncertainty=True)
    run(tmp_path, *paths, "c.tif", uncertainty=True, tile_size=24)
    check_pixels(whole, plain)
    width, place = read_image(str(tmp_path / "b_interval.tif"))
    check_pixels(width, read_image(str(tmp_path / "c_interval.tif"))[0])
    np.testing.assert_array_equal(width == 0, plain == 0)
    assert place["transform"] == profile["transform"]
    with rasterio.open(tmp_path / "b_interval.tif") as file:
        assert "holds 90% of pixels" in file.tags()["INTERVAL"]
    values = whole.astype(float)
    mean, squares = (uniform_filter(v, (7, 7, 0)) for v in (values, values**2))
    expected = values / 2 + 2 * np.sqrt(np.maximum(squares - mean**2, 0))
    inner = np.s_[50:-4, 50:-4]  # where the window sees no 0
    np.testing.assert_allclose(width[inner], expected[inner], atol=4)


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> str:
    folder = tmp_path_factory.mktemp("trained")
    paths = "--patches", str(write_folder(folder / "patches")), "--model_dir"
    options = [*TINY, "--nb_epochs", "12", "--learning_rate", "6e-3"]
    assert sr_train.main([*paths, str(folder / "model"), *options]) == 0
    return str(folder / "model")


def test_auto_is_bfloat16_where_it_is_fast_and_as_good(
    tmp_path, write_raster, trained, monkeypatch, caplog
):
    """The difference is below a tenth of the error on the validation patches."""
    s2 = write_raster("s2.tif", make_patches(1, 0)[1][0] + np.uint16(1000))

    def infer(**options) -> np.ndarray:
        return run(tmp_path, s2, trained, offset=1000, **options)[0].astype(float)

    def chosen() -> str:
        return cards.read_card(tmp_path / "sr.json")["precision"]

    exact = infer(precision="float32")
    monkeypatch.setattr(precision, "cpu_flags", lambda: {"avx512f"})
    np.testing.assert_array_equal(infer(), exact)
    assert chosen() == "float32"
    monkeypatch.setattr(precision, "cpu_flags", lambda: {"amx_bf16"})
    difference = np.abs(infer() - exact)
    assert chosen() == "bfloat16" and "computing in bfloat16: " in caplog.text
    card = saved_model.describe(trained).card
    assert 0 < difference.mean() < 0.1 * card["training"]["valid_loss"] * 1e4
    rms = np.sqrt(np.square(difference).mean())
    assert rms < 0.1 * 10 ** (-card["metrics"]["psnr_db"] / 20) * 1e4

    def brighter(**size: int) -> tf.keras.Model:
        network = made(**size)
        hr_dn = network.output["hr_dn"]
        return tf.keras.Model(network.input, {"hr_dn": 1.1 * hr_dn})

    def deeper(**size: int) -> tf.keras.Model:
        return made(**size | {"blocks": 2})

    made = sr_infer.make_network
    for other in (brighter, deeper):  # as if sr_model.py had changed since then
        monkeypatch.setattr(sr_infer, "make_network", other)
        np.testing.assert_array_equal(infer(), exact)
        assert chosen() == "float32"


@pytest.mark.parametrize("first", ["float32", "bfloat16"])
def test_auto_goes_on_as_the_pieces_were_begun(
    tmp_path, write_raster, trained, monkeypatch, first
):
    """Shares on machines of several kinds make one image."""
    s2 = write_raster("s2.tif", make_patches(1, 0)[1][0])
    options = {"s2_images": (s2,), "offset": 0, "tile_size": 20, "model_dir": trained}
    options["out"] = str(tmp_path / "sr.tif")
    for flag, more in (
        ("avx" if first == "float32" else "amx_bf16", {"part": (1, 2)}),
        ("amx_bf16" if first == "float32" else "avx", {"part": (2, 2)}),
        ("amx_bf16" if first == "float32" else "avx", {}),
    ):
        monkeypatch.setattr(precision, "cpu_flags", lambda f=flag: {f})
        sr_infer.infer(Options(**options, **more))
    assert cards.read_card(tmp_path / "sr.json")["precision"] == first
    expected, _ = run(tmp_path, s2, trained, "b.tif", offset=0, precision=first)
    check_pixels(read_image(options["out"])[0], expected)
    # Pieces of another plan decide nothing.
    options |= {"out": str(tmp_path / "c.tif"), "tile_size": 24}
    sr_infer.infer(Options(**options, part=(1, 2), precision=first))
    options |= {"tile_size": 20}
    with pytest.raises(SRError, match="pieces made with another .*tile_size"):
        sr_infer.infer(Options(**options))
    sr_infer.infer(Options(**options, overwrite=True))
    assert cards.read_card(tmp_path / "c.json")["precision"] != first


@pytest.mark.slow
def test_a_tile_takes_the_memory_of_a_part(tmp_path, write_raster, repeating_model):
    """Five pieces of 3660 x 3660 pixels, and five of 10 980 x 10 980.

    The image is one small block, repeated by a VRT: nothing large is stored.
    """
    block = write_raster("block.tif", image(366, 366), 10.0)
    peaks = []
    for size, parts in ((10, 20), (30, 168)):
        copies = {(366 * c, 366 * r) for c in range(size) for r in range(size)}
        whole = raster.describe(block, "block").grid.part(
            (slice(0, 366 * size), slice(0, 366 * size))
        )
        copies = [vrt.Copy(block, (0, 0, 366, 366), to) for to in copies]
        bands = [vrt.Band(number, "uint16", copies) for number in range(1, 5)]
        s2 = vrt.write(tmp_path / f"{size}.vrt", whole, bands)
        command = [sys.executable, "sr_infer.py", "--s2_images", str(s2)]
        command += ["--model_dir", repeating_model, "--out", str(tmp_path / "sr.tif")]
        # Five of 100 pieces, and five of 841.
        command += ["--tile_size", "640", "--part", f"5/{parts}", "--overwrite"]
        peaks.append(measure.run(command, Path(sr_infer.__file__).parent).peak_bytes)
        assert len(list(tmp_path.glob("sr.tif.pieces/*.tif"))) == 5
    assert peaks[1] < 1.2 * peaks[0] and peaks[1] < 3e9


def test_no_token_is_kept_or_printed(tmp_path, write_raster, blurring_model, capfd):
    """No file and no message has the signature of a link."""
    paths = make_scene(tmp_path / "scene", size=128)["s2"]
    query = "?sv=2020&sig=SECRET%2Babc%3D"
    with Server(tmp_path / "scene") as server:
        names = [path.relative_to(tmp_path / "scene") for path in paths]
        links = [f"{server.url}/files/{name}{query}" for name in names]
        out = tmp_path / "out" / "sr.tif"
        arguments = ["--model_dir", blurring_model, "--out", str(out), "--offset=1000"]
        arguments.append("--s2_images")
        preview = ["--preview", str(tmp_path / "out" / "sr.png")]
        assert sr_infer.main([*arguments, *links, *preview, "--part", "1/1"]) == 0
        plan = Path(f"{out}.pieces") / "plan.json"
        assert "SECRET" not in plan.read_text() and "B04" in plan.read_text()
        assert sr_infer.main([*arguments, *links, *preview]) == 0
        gone = [link.replace("B08", "B09") for link in links]
        assert sr_infer.main([*arguments, *gone, "--overwrite"]) == 1
    printed = capfd.readouterr()
    assert "404" in printed.err
    for text in (printed.out, printed.err):
        assert "SECRET" not in text
    for path in out.parent.rglob("*"):
        assert "SECRET" not in path.name
        assert path.is_dir() or b"SECRET" not in path.read_bytes()
