"""Exercise 5: seamless, covering all of the area, and in its place."""

import json
import os
import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from otblite.applications import serve
from rasterio.warp import transform, transform_bounds
from scipy.ndimage import gaussian_filter, uniform_filter

import sr_infer
import sr_model
from bench import measure
from demo.scene import make_scene
from demo.server import Server
from srtools import cards, files
from srtools.cli.inference import Options
from srtools.errors import SRError
from srtools.images import figures, raster, vrt
from srtools.inference import pieces
from srtools.matching.point_spread import blur_weights
from srtools.network import saved_model
from srtools.network.receptive_field import receptive_field
from srtools.sentinel2 import download
from tests.conftest import Toy

import tensorflow as tf


def image(height: int, width: int, seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    return random.integers(1, 8000, (height, width, 4)).astype(np.uint16)


def read(path: str) -> tuple[np.ndarray, dict]:
    with rasterio.open(path) as file:
        return np.moveaxis(file.read(), 0, -1), file.profile


def run(tmp_path: Path, name: str = "sr.tif", **options) -> tuple[np.ndarray, dict]:
    out = str(tmp_path / name)
    sr_infer.infer(Options(out=out, overwrite=True, **options))
    return read(out)


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.glob("*.*") if path.is_file()}


def repeat(array: np.ndarray) -> np.ndarray:
    return array.repeat(4, axis=0).repeat(4, axis=1)


def check_pixels(result: np.ndarray, expected: np.ndarray) -> None:
    """Compare images: the same no data, and at most 1 DN between them.

    OTB's cubic interpolation of a pixel on its own grid is off by a hair, which is a
    whole DN where the decimals are cut off.
    """
    np.testing.assert_array_equal(result == 0, expected == 0)
    assert np.abs(result.astype(int) - expected).max() <= 1


@pytest.mark.parametrize(("height", "width"), [(37, 29), (8, 50), (64, 64)])
def test_covers_every_pixel_in_its_place(
    tmp_path, write_raster, repeating_model, height, width
):
    """On the 6 m grid the toy network must give each pixel back, 4 x 4 times."""
    pixels = image(height, width)
    s2 = write_raster("s2.tif", pixels)
    result, profile = run(tmp_path, s2_images=(s2,), model_dir=repeating_model)
    check_pixels(result, repeat(pixels))
    assert profile["transform"] == Affine(1.5, 0, 452001, 0, -1.5, 5412003)
    assert profile["dtype"] == "uint16"
    assert profile["crs"].to_epsg() == 32631


@pytest.mark.parametrize("tile_size", [4, 20, 52, 64, 300])
def test_tiles_join_without_a_seam(
    tmp_path, write_raster, blurring_model, tile_size, monkeypatch
):
    """Any tile size gives what one pass over the reflected image gives."""
    monkeypatch.setattr(pieces, "TILES_A_SIDE", 99)
    pixels = image(41, 33)
    s2 = write_raster("s2.tif", pixels)
    result, _ = run(
        tmp_path, s2_images=(s2,), model_dir=blurring_model, tile_size=tile_size
    )
    padded = np.pad(pixels.astype(float), ((3, 3), (3, 3), (0, 0)), "symmetric")
    windows = np.lib.stride_tricks.sliding_window_view(padded, (7, 7), axis=(0, 1))
    expected = repeat(windows.mean(axis=(-1, -2)))
    assert np.abs(result - np.floor(expected)).max() <= 1


def test_ten_metres(tmp_path, write_raster, repeating_model):
    """A 10 m image is covered to its last pixel: 290 m are 193.3 pixels of 1.5 m."""
    x = np.arange(29) * 100.0 + 1000
    ramp = np.repeat(np.tile(x, (31, 1))[:, :, None], 4, axis=2).astype(np.uint16)
    s2 = write_raster("s2.tif", ramp, spacing=10.0)
    result, profile = run(tmp_path, s2_images=(s2,), model_dir=repeating_model)
    assert result.shape == (207, 194, 4)
    # A ramp of 10 DN per metre must come back in the same place, to a sixth of an
    # lr pixel (cubic convolution reproduces ramps; the toy repeats lr pixels).
    lr_centres = (np.arange(194) // 4) * 6 + 3.0
    expected = 1000 + (lr_centres - 5) * 10
    inside = slice(12, -16)
    error = result[:, inside, 0] - expected[inside]
    assert np.abs(error).max() <= 1
    # The image shows a third of the last column, which is data, too.
    assert result.min() > 0


@pytest.mark.parametrize(
    ("crs", "spacing"), [("EPSG:2154", 10.0), ("EPSG:3857", 15.2), ("EPSG:4326", 1e-4)]
)
def test_an_image_in_another_crs(
    tmp_path, write_raster, blurring_model, monkeypatch, crs, spacing
):
    """A ramp of 5 DN per metre comes back, context included, and nothing is missing."""
    like = write_raster("like.tif", np.ones((80, 60)), spacing=1.5)
    area = raster.describe(like, "like")
    around = np.add(area.bounds, 150.0 * np.array((-1, -1, 1, 1)))
    left, bottom, right, top = transform_bounds(area.crs, crs, *around)
    cols, rows = (int(size / spacing) for size in (right - left, top - bottom))
    xs = left + (np.arange(cols) + 0.5) * spacing
    ys = top - (np.arange(rows) + 0.5) * spacing
    xs, ys = (axis.ravel() for axis in np.meshgrid(xs, ys))
    east, _ = map(np.array, transform(crs, area.crs, xs, ys))
    ramp = (5000 + 5 * (east - area.bounds[0])).reshape(rows, cols, 1)
    s2 = write_raster(
        "s2.tif", ramp.round().repeat(4, 2).astype(np.uint16), spacing, (left, top), crs
    )
    fetched = []
    monkeypatch.setattr(
        vrt,
        "write_reflected",
        lambda *a, written=vrt.write_reflected: fetched.append(a[2]) or written(*a),
    )
    preview = tmp_path / "sr.png"
    result, _ = run(
        tmp_path,
        s2_images=(s2,),
        model_dir=blurring_model,
        like=like,
        preview=str(preview),
    )
    expected = 5000 + 5 * ((np.arange(60) // 4) * 6 + 3.0)
    assert np.abs(result - expected[:, None]).max() <= 2
    # 8 lr pixels of 6 m around the area, and 4 for the kernel.
    assert fetched == [pytest.approx(8 * 6 / 10 + 4, abs=2.5)]
    assert figures.read_area([s2], area.crs, area.bounds, 900).mean() == pytest.approx(
        expected.mean(), abs=30
    )


@pytest.mark.parametrize("far", [0, 3])
def test_partial_pixels_at_the_edge(tmp_path, write_raster, repeating_model, far):
    """What the image shows in part is data, what lies wholly beyond it is not."""
    pixels = image(31, 29)
    pixels[7, 12, 2] = 0
    s2 = write_raster("s2.tif", pixels, spacing=10.0)
    like = write_raster("like.tif", np.ones((207, 194 + far)), spacing=1.5)
    result, _ = run(tmp_path, s2_images=(s2,), model_dir=repeating_model, like=like)
    rows, cols = (((np.arange(size) + 0.5) * 1.5 // 10) for size in result.shape[:2])
    hole = (rows == 7)[:, None] & (cols == 12)
    empty = np.repeat(hole[:, :, None], 4, axis=2)
    empty[:, :, [0, 1, 3]] = False
    # With a pixel wholly beyond, those whose centre lies beyond are left out, too.
    empty |= (cols >= 29)[:, None] & (far > 0)
    np.testing.assert_array_equal(result == 0, empty)


def test_like_takes_area_and_corner(tmp_path, write_raster, blurring_model):
    """The real pixels around the area are the context, not reflections."""
    s2 = write_raster("s2.tif", image(40, 40))
    corner = (452001 + 6 * 5, 5412003 - 6 * 7)
    like = write_raster("like.tif", np.ones((50, 42)), spacing=1.5, corner=corner)
    options = {"s2_images": (s2,), "model_dir": blurring_model}
    whole, _ = run(tmp_path, **options)
    part, profile = run(tmp_path, name="part.tif", like=like, **options)
    np.testing.assert_array_equal(part, whole[28 : 28 + 50, 20 : 20 + 42])
    assert profile["transform"] == Affine(1.5, 0, corner[0], 0, -1.5, corner[1])


def test_no_data_stays_no_data(tmp_path, write_raster, blurring_model, caplog):
    """0 stays 0, nothing else becomes 0, and far from it nothing changes."""
    caplog.set_level("INFO", "srtools")
    pixels = image(40, 40)
    holed = pixels.copy()
    holed[:10, :10] = 0
    options = {"model_dir": blurring_model}
    clean, _ = run(tmp_path, s2_images=(write_raster("a.tif", pixels),), **options)
    result, profile = run(
        tmp_path, s2_images=(write_raster("b.tif", holed),), **options
    )
    assert profile["nodata"] == 0
    assert caplog.text.count("6.2 % of the image is no data") == 1  # 10 x 10 of 40 x 40
    assert (result[:40, :40] == 0).all()
    assert (result[40:] > 0).all() and (result[:, 40:] > 0).all()
    reach = 40 + 4 * (3 + 2)  # the mean, and the cubic kernel
    np.testing.assert_array_equal(result[reach:], clean[reach:])


@pytest.mark.parametrize("tile_size", [32, 1344])
def test_what_a_file_leaves_out(tmp_path, write_raster, blurring_model, tile_size):
    """0 there, and beyond it, is no data; the network still sees the true pixels."""
    options = {"model_dir": blurring_model, "tile_size": tile_size}
    options["s2_images"] = (write_raster("s2.tif", image(40, 40), 10.0),)
    keep = np.ones((17, 20), np.uint8)  # of 20 m; the last 6 rows of 10 m lie beyond
    keep[3, 5] = 0
    clean, _ = run(tmp_path, **options)
    result, profile = run(
        tmp_path, "masked.tif", mask=write_raster("mask.tif", keep, 20.0), **options
    )
    assert profile["nodata"] == 0
    rows, cols = ((np.arange(side) + 0.5) * 1.5 for side in clean.shape[:2])
    kept = (rows < 340)[:, None] & (cols < 400)
    kept &= ~(((rows > 60) & (rows < 80))[:, None] & ((cols > 100) & (cols < 120)))
    expected = np.where(kept[..., None], clean, 0)
    np.testing.assert_array_equal(result, expected)
    assert json.loads((tmp_path / "masked.json").read_text())["mask"].endswith(
        "mask.tif"
    )


def safe_folder(folder: Path, write_raster, pixels: np.ndarray, **more) -> Path:
    """Write an unzipped product; `more` are images at 20 m."""
    folder /= "S2A_MSIL2A_20220714T105631_N0400_R051_T31UDQ_x.SAFE"
    bands = {f"B0{n}": pixels[..., i] for i, n in enumerate((4, 3, 2, 8))}
    for name, array in {**bands, **more}.items():
        metres = 20 if name in more else 10
        file = write_raster(f"T31UDQ_x_{name}_{metres}m.tif", array, float(metres))
        place = folder / "GRANULE" / "L2A_T31UDQ" / "IMG_DATA" / f"R{metres}m"
        place.mkdir(parents=True, exist_ok=True)
        Path(file).rename(place / Path(file).name)
        # QGIS leaves such a file beside an image that it has shown.
        (place / f"{Path(file).name}.aux.xml").write_text("<PAMDataset/>")
    return folder


def test_clouds_of_a_safe_folder_are_left_out(tmp_path, write_raster, repeating_model):
    """Classes 0, 1, 3, 8, 9 and 10 are; dark ground, water and snow are not."""
    classes = np.repeat(np.arange(12, dtype=np.uint8), 2)[None].repeat(10, axis=0)
    folder = safe_folder(tmp_path, write_raster, image(20, 48) + 1000, SCL=classes)
    options = {"s2_images": (str(folder),), "model_dir": repeating_model}
    clean, _ = run(tmp_path, **options)
    result, _ = run(tmp_path, mask="SCL", **options)
    cols = (np.arange(clean.shape[1]) + 0.5) * 1.5
    left_out = np.isin(cols // 40, (0, 1, 3, 8, 9, 10))
    np.testing.assert_array_equal(result, np.where(left_out[:, None], 0, clean))


def test_offset_is_subtracted_once(tmp_path, write_raster, repeating_model):
    pixels = image(16, 16)
    pixels[0, 0], pixels[0, 1] = 0, 400
    s2 = write_raster("s2.tif", pixels)
    result, _ = run(tmp_path, s2_images=(s2,), model_dir=repeating_model, offset=1000)
    expected = np.where(pixels == 0, 0, np.maximum(pixels.astype(int) - 1000, 1))
    check_pixels(result, repeat(expected))


def test_an_offset_is_not_subtracted_twice_nor_forgotten(
    tmp_path, write_raster, repeating_model, capfd
):
    """The image's tag and the model's card tell what the pixels do not."""
    raw = write_raster("raw.tif", image(16, 16))
    less = write_raster("less.tif", image(16, 16))
    with rasterio.open(less, "r+") as file:
        file.update_tags(SENTINEL2_OFFSET_SUBTRACTED=1000)
    trained = tmp_path / "trained"
    shutil.copytree(repeating_model, trained)
    files.make_folder(trained / "assets")
    cards.write_card(trained / saved_model.CARD, {"offset_removed": 1000})

    def main(path: str, *more: str) -> str:
        arguments = ["--s2_images", path, "--model_dir", str(trained), "--overwrite"]
        code = sr_infer.main([*arguments, "--out", str(tmp_path / "sr.tif"), *more])
        error = capfd.readouterr().err
        assert (code == 1) == error.startswith("error: ")
        return error

    assert "less.tif says that 1000 DN were subtracted" in main(
        less, "--offset", "1000"
    )
    assert "trained on Sentinel-2 less 1000 DN, nothing is subtracted" in main(raw)
    main(less)
    main(raw, "--offset", "0")
    main(raw, "--offset", "1000")


def test_place_is_right_on_an_engine_that_is_wrong(
    tmp_path, write_raster, repeating_model, monkeypatch
):
    """OTBTF says its output lies too far south-east; the script must not repeat it."""
    original = serve.Geometry.__init__

    def misplaced(self, *args, **options):
        original(self, *args, **options)
        wrong = self.grid.transform @ Affine.translation(1.5, 1.5)
        object.__setattr__(self.grid, "transform", wrong)

    monkeypatch.setattr(serve.Geometry, "__init__", misplaced)
    pixels = image(24, 20)
    pixels[3, 4] = 0
    s2 = write_raster("s2.tif", pixels)
    result, profile = run(tmp_path, s2_images=(s2,), model_dir=repeating_model)
    assert profile["transform"] == Affine(1.5, 0, 452001, 0, -1.5, 5412003)
    check_pixels(result, repeat(pixels))


def test_bad_input_is_one_line(tmp_path, write_raster, repeating_model, capfd):
    """And leaves the folder as it is."""
    s2 = write_raster("s2.tif", image(20, 24))
    three = write_raster("three.tif", image(20, 24)[:, :, :3])
    cloudy = write_raster("cloudy.tif", np.zeros((20, 24), np.uint8))
    far = write_raster("far.tif", np.ones((8, 8)), corner=(600000, 5412003))
    place = {"spacing": 1e-4, "corner": (2.3, 48.8), "crs": "EPSG:4326"}
    turned = write_raster("degrees.tif", image(20, 24), **place)
    for name in ("existing.tif", "notes.tif", "file"):
        (tmp_path / name).write_text("precious")
    blocked = str(tmp_path / "file" / "sr.tif")
    for name in ("other", "scratched", "damaged"):
        shutil.copytree(repeating_model, tmp_path / name)
        files.make_folder(tmp_path / name / "assets")
    order = {"bands": ["B02", "B03", "B04", "B08"]}
    cards.write_card(tmp_path / "other" / saved_model.CARD, order)
    (tmp_path / "scratched" / saved_model.CARD).write_text('{"bands": ')
    os.truncate(next(tmp_path.glob("damaged/variables/*.data*")), 0)
    (tmp_path / "area.json").write_text("{}")
    shutil.copy(s2, tmp_path / "s2?.tif")
    for name in ("folder.tif", "folder.png"):
        (tmp_path / name).mkdir()

    def refused(words: str, **changed: str) -> None:
        given = {"s2_images": s2, "model_dir": repeating_model, "out": "sr.tif"}
        command = ["--overwrite"] if changed.pop("overwrite", True) else []
        for name, value in {**given, **changed}.items():
            if value:
                plain = name in ("crop", "precision") or value == "SCL"
                value = value if plain else str(tmp_path / value)
                command += [f"--{name}", value]
        assert sr_infer.main(command) == 1
        error = capfd.readouterr().err.splitlines()[-1]
        assert error.startswith("error: ") and re.search(words, error), words

    before = contents(tmp_path)
    refused("does not exist", s2_images="no.tif")
    refused("cannot be read as an image", s2_images="notes.tif")
    refused("has 3 band.s., 4 are expected", s2_images=three)
    refused("give --overwrite", out="existing.tif", overwrite="")
    refused("cannot be written to", out=blocked)
    refused("is not a SavedModel", model_dir=str(tmp_path))
    refused("says bands .'B02', 'B03', 'B04', 'B08'., .'B04', ", model_dir="other")
    refused("model_card.json is not a readable JSON file", model_dir="scratched")
    refused("cannot be loaded as a SavedModel", model_dir="damaged")
    refused("s2.?.tif has \\? in its name", s2_images="s2?.tif")
    refused("sr.?.tif has \\? in its name", out="sr?.tif")
    refused("folder.tif is a folder; give the name of a file", out="folder.tif")
    refused("folder.png is a folder; give the name of a file", preview="folder.png")
    refused("cannot be written to", preview=blocked.replace(".tif", ".png"))
    refused("json is read by this very run", mask="area.json", out="area.tif")
    refused("no input or output hr_dn_crop64; it has", crop="64")
    refused("does not show", like=far)
    refused("degrees.tif is in EPSG:4326, a CRS in metres is ex", s2_images=turned)
    refused("degrees.tif is in EPSG:4326, a CRS in metres is expected", like=turned)
    refused("a CRS in metres is expected", like=turned, s2_images="")
    refused("s2.tif is read by this very run", out=s2)
    refused("far.tif is read by this very run", like=far, out=far)
    refused("the preview is a PNG", preview="sr.tif")
    refused("GeoTIFF", out="sr.png")
    refused("weights.*train it anew with sr_train.py", precision="bfloat16")
    refused("needs the scene classification.*give the .SAFE folder", mask="SCL")
    refused("far.tif does not show", mask=far)
    refused("has no data in the area", mask=cloudy)
    refused("the mask .*absent.tif does not exist", mask="absent.tif")
    assert contents(tmp_path) == before


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ("--s2_images a", "required: --model_dir"),
        ("--model_dir m", "an area to search"),
        ("--model_dir m --s2_images a --dry_run", "--dry_run is for a search"),
        ("--model_dir m --s2_images a --item S2A_x", "--item is for a search"),
        ("--model_dir m --s2_images a --part 1/2 --dask x", "--dask makes all the sha"),
        ("--model_dir m --s2_images a --das x", "unrecognized arguments: --das"),
        ("--model_dir m --s2_images a --offset 70000", "choose from"),
        ("--model_dir m --s2_images a --s2_images b", "twice, ['a'] and ['b']; give"),
        ("--model_dir m --s2_images a --part 0/3", "'0/3' is no share; one such as 1"),
        ("--model_dir m --s2_images a --part 4/3", "'4/3' is no share"),
        ("--model_dir m --s2_images a --part a", "'a' is no share"),
        ("--model_dir m --s2_images a --tile_size 0", "at least 1"),
        ("--model_dir m --s2_images a --out_dir o", "give --out for one image, or --o"),
        (
            "--model_dir m --s2_images a --uncertainty --consistent",
            "--uncertainty is calibrated for the network's answer",
        ),
    ],
)
def test_misuse_is_exit_code_2(capfd, wrong, words):
    with pytest.raises(SystemExit) as stop:
        sr_infer.main(["--out", "sr.tif", *wrong.split()])
    assert stop.value.code == 2
    assert words in capfd.readouterr().err


def degrees(bounds: tuple) -> list[str]:
    return [repr(x) for x in transform_bounds("EPSG:32631", "EPSG:4326", *bounds)]


def test_a_box_is_cut_out_of_the_image(tmp_path, write_raster, blurring_model):
    """With the real pixels around it as context."""
    pixels = image(60, 70)
    s2 = write_raster("s2.tif", pixels)
    whole, _ = run(tmp_path, s2_images=(s2,), model_dir=blurring_model)
    left, top = 452001 + 6 * 20, 5412003 - 6 * 12
    box = degrees((left + 1, top - 6 * 9 + 1, left + 6 * 11 - 1, top - 1))
    out = str(tmp_path / "part.tif")
    command = ["--s2_images", s2, "--model_dir", blurring_model, "--out", out]
    assert sr_infer.main([*command, "--bbox", *box]) == 0
    result, profile = read(out)
    # A box in degrees is not parallel to the grid: it may reach one pixel further.
    first = ~Affine(1.5, 0, 452001, 0, -1.5, 5412003) @ (
        profile["transform"].c,
        profile["transform"].f,
    )
    col, row = map(round, first)
    assert 76 <= col <= 80 and 44 <= row <= 48
    assert 44 <= profile["width"] <= 52 and 36 <= profile["height"] <= 44
    expected = whole[row:, col:][: profile["height"], : profile["width"]]
    np.testing.assert_array_equal(result, expected)


def test_through_a_stac_api(tmp_path, repeating_model, capfd):
    """What is found and fetched gives what the files behind the API give."""
    paths = make_scene(tmp_path / "scene", size=512, seed=2, wedge=0)
    common = ["--model_dir", repeating_model, "--like", str(paths["pan"])]
    files = ["--s2_images", *map(str, paths["s2"]), "--offset", "1000"]
    at_hand = str(tmp_path / "at_hand.tif")
    assert sr_infer.main([*common, *files, "--out", at_hand]) == 0
    found = str(tmp_path / "found.tif")
    with Server(tmp_path / "scene") as server:
        search = [*common, "--stac_url", server.stac_url, "--out", found]
        assert sr_infer.main([*search, "--dry_run"]) == 0
        assert "chosen" in capfd.readouterr().out and not Path(found).exists()
        assert sr_infer.main([*search, "--preview", str(tmp_path / "sr.png")]) == 0
        masked = [*search[:-1], str(tmp_path / "scene" / "masked.tif"), "--mask", "SCL"]
        assert sr_infer.main(masked) == 0
    clear, _ = read(found)
    kept, _ = read(masked[-3])
    assert 0.99 < (kept > 0).mean() and (kept[kept > 0] == clear[kept > 0]).all()
    np.testing.assert_array_equal(read(found)[0], read(at_hand)[0])
    card = json.loads((tmp_path / "found.json").read_text())
    assert card["offset"] == 1000 and card["sentinel2"]["items"]
    with rasterio.open(found) as file:
        assert file.tags()["SENTINEL2"] == " ".join(card["sentinel2"]["items"])
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {
        "scene",
        "at_hand.tif",
        "at_hand.qml",
        "at_hand.json",
        "found.tif",
        "found.qml",
        "found.json",
        "sr.png",
    }


def test_a_safe_folder(tmp_path, write_raster, repeating_model, capfd):
    """Its four files are what one file is, and its name tells the offset."""
    pixels = image(24, 20) + 1000
    folder = safe_folder(tmp_path, write_raster, pixels)
    model = {"model_dir": repeating_model}
    from_safe, _ = run(tmp_path, "safe.tif", s2_images=(str(folder),), **model)
    whole = write_raster("s2.tif", pixels, 10.0)
    at_hand, _ = run(tmp_path, "hand.tif", s2_images=(whole,), offset=1000, **model)
    np.testing.assert_array_equal(from_safe, at_hand)
    # A band of the folder that has changed makes it another product.
    several = ["--model_dir", repeating_model, "--s2_images", str(folder)]
    several += ["--out_dir", str(tmp_path / "out")]
    assert [sr_infer.main(several) for _ in range(2)] == [0, 0]
    os.utime(next(folder.glob("**/*_B08_10m.tif")), ns=(0, 0))
    assert sr_infer.main(several) == 1
    assert "made with another s2_images;" in capfd.readouterr().out


def smooth(height: int, width: int) -> np.ndarray:
    """Make ground of some 50 m, DN, at 10 m."""
    rough = np.random.default_rng(5).normal(0, 1, (height, width, 4))
    ground = 2500 + 4000 * gaussian_filter(rough, (2.5, 2.5, 0))
    return np.clip(np.rint(ground), 1, 8000).astype(np.uint16)


def test_consistent_with_sentinel2(tmp_path, write_raster, repeating_model):
    """Blurred as Sentinel-2 blurs, the image has its pixels; in pieces as at once."""
    pixels = smooth(60, 70)
    pixels[20:26, 30:37] = 0
    s2 = write_raster("s2.tif", pixels, 10.0)
    given = {"s2_images": (s2,), "model_dir": repeating_model}
    plain, _ = run(tmp_path, **given)
    whole, place = run(tmp_path, consistent=True, **given)
    parts, _ = run(tmp_path, consistent=True, tile_size=100, **given)
    check_pixels(whole, parts)
    np.testing.assert_array_equal(whole == 0, plain == 0)
    centres = (np.arange(60) + 0.5) / 0.15 - 0.5, (np.arange(70) + 0.5) / 0.15 - 0.5
    down, right = (
        blur_weights(axis, size, 1.5)
        for axis, size in zip(centres, whole.shape[:2], strict=True)
    )
    errors = []
    for image in (plain, whole):
        seen = np.einsum("nh,hwb,mw->nmb", down, image, right, optimize=True)
        error = np.abs(seen - pixels)
        error[18:28, 28:39] = 0  # sees no data
        errors.append(error[2:-2, 2:-2].mean())
    assert errors[0] > 10 and errors[1] < errors[0] / 8
    assert json.loads((tmp_path / "sr.json").read_text())["consistent"] is True
    assert not (tmp_path / "sr.tif.pieces").exists()


def test_consistent_needs_the_crs_of_sentinel2(tmp_path, write_raster, repeating_model):
    s2 = write_raster("s2.tif", smooth(30, 30), 10.0)
    with rasterio.open(s2) as file:
        x, y = file.transform @ (0, 0)
    corner = [c[0] for c in transform("EPSG:32631", "EPSG:2154", [x + 90], [y - 90])]
    place = {"crs": "EPSG:2154", "corner": corner}
    like = write_raster("like.tif", image(20, 20), 1.5, **place)
    with pytest.raises(SRError, match="--consistent.*EPSG:32631.*EPSG:2154"):
        run(
            tmp_path,
            s2_images=(s2,),
            model_dir=repeating_model,
            like=like,
            consistent=True,
        )
    assert not list(tmp_path.glob("sr*"))


def test_several_products(tmp_path, write_raster, repeating_model, capfd):
    """A bad one is told and stops no other; what is there is not made again."""
    pixels = {name: image(20, 24, seed) for seed, name in enumerate("ac")}
    paths = {name: write_raster(f"{name}.tif", pixels[name], 10.0) for name in pixels}
    absent, out = str(tmp_path / "b.tif"), tmp_path / "out"
    command = ["--model_dir", repeating_model, "--out_dir", str(out)]
    command += ["--s2_images", paths["a"], absent, paths["c"]]
    assert sr_infer.main(command) == 1
    lines = capfd.readouterr().out.splitlines()
    first, last = out / "a_sr.tif", out / "c_sr.tif"
    size = "160 x 134 pixels of 1.5 m, uint16, EPSG:32631"
    assert lines[::2] == [f"written: {path}, {size}" for path in (first, last)]
    assert re.match(rf"failed: {absent}: .*does not exist; check the path$", lines[1])
    model = {"model_dir": repeating_model}
    alone, _ = run(tmp_path, s2_images=(paths["c"],), **model)
    np.testing.assert_array_equal(read(str(last))[0], alone)
    assert {path.name for path in out.iterdir()} == {
        f"{name}_sr.{kind}" for name in "ac" for kind in ("tif", "qml", "json")
    }
    capfd.readouterr()
    # Again, when the bad one is there: only that is made.
    before = contents(out)
    write_raster("b.tif", pixels["a"], 10.0)
    assert sr_infer.main(command) == 0
    made = f"written: {out / 'b_sr.tif'}, {size}"
    lines = capfd.readouterr().out.splitlines()
    assert lines == [f"is there: {first}", made, f"is there: {last}"]
    assert before.items() <= contents(out).items()


def test_an_image_of_another_run_is_not_there(
    tmp_path, write_raster, repeating_model, calibrated_model, capfd
):
    """What differs is named, other products go on, and nothing is replaced."""
    paths = [write_raster(f"{name}.tif", image(20, 24), 10.0) for name in "abc"]
    out, model = tmp_path / "out", tmp_path / "model"
    shutil.copytree(calibrated_model, model)
    keep = write_raster("keep.tif", np.ones((20, 24), np.uint8), 10.0)
    given = {"model_dir": str(model), "mask": keep, "s2_images": paths[1]}

    def lines(code, *more, **changed):
        options = {**given, **changed}.items()
        words = " ".join(f"--{name} {value}" for name, value in options).split()
        assert sr_infer.main([*words, *more, "--out_dir", str(out)]) == code
        return capfd.readouterr().out.splitlines()

    lines(0, s2_images=" ".join(paths[:2]))
    before = contents(out)
    same = [f"is there: {out / name}_sr.tif" for name in "ab"]
    assert lines(0, s2_images=" ".join(paths[:2]), tile_size=32) == same
    os.utime(paths[0], ns=(0, 0))
    failed, there, _ = lines(1, s2_images=" ".join(paths))
    assert failed == (
        f"failed: {paths[0]}: {out}/a_sr.tif is there, made with another s2_images; "
        "give --overwrite to replace it, or another --out_dir"
    )
    assert there == same[1] and (out / "c_sr.tif").exists()
    changes = {"offset": 1000, "crop": 32, "bbox": "2.35 48.8 2.36 48.9"}
    changes |= {"like": paths[2], "mask": paths[2], "model_dir": repeating_model}
    for option, value in {**changes, "precision": "bfloat16"}.items():
        name = option.removesuffix("_dir")
        assert f"made with another {name}; give" in lines(1, **{option: value})[0]
    for option in ("self_ensemble", "uncertainty", "consistent"):
        assert f"made with another {option};" in lines(1, f"--{option}")[0]
    os.utime(keep, ns=(0, 0))
    card = cards.read_card(model / saved_model.CARD)
    cards.write_card(model / saved_model.CARD, {**card, "calibrated": "again"})
    assert "made with another mask, model;" in lines(1)[0]
    assert before.items() <= contents(out).items()
    (out / "b_sr.json").write_text("{}")
    assert "is there, made by an earlier version; give" in lines(1)[0]
    assert lines(0, "--overwrite")[0].startswith(f"written: {out}/b_sr.tif, 160 x 134")
    (out / "b_sr.tif").unlink()
    missing = f"b_sr.json is there, {out}/b_sr.tif is not, or damaged; give --overwrite"
    assert missing in lines(1)[0]
    (out / "b_sr.tif").write_bytes((out / "c_sr.tif").read_bytes()[:-1000])
    assert missing in lines(1)[0]


def test_intervals_of_another_image_go_with_it(
    tmp_path, write_raster, calibrated_model
):
    options = {"s2_images": (write_raster("s2.tif", image(20, 24)),)}
    options |= {"model_dir": calibrated_model, "out": str(tmp_path / "sr.tif")}
    interval = tmp_path / "sr_interval.tif"
    interval.touch()
    with pytest.raises(SRError, match="sr_interval.tif exists already"):
        sr_infer.infer(Options(**options))
    sr_infer.infer(Options(**options, overwrite=True))
    assert (tmp_path / "sr.tif").exists() and not interval.exists()


def test_context_of_a_search_is_as_wide_as_the_network_looks(
    tmp_path, monkeypatch, capfd
):
    """What lies beyond what is fetched would be reflected, with no word."""
    paths = make_scene(tmp_path / "scene", size=768, seed=2, wedge=0)
    model = Toy(radius=60, crops=(256,)).save(tmp_path / "model")
    cards.write_card(
        Path(model) / saved_model.CARD, {"receptive_field": {"margin": 64}}
    )
    pan = raster.describe(paths["pan"], "pan")
    middle = pan.grid.part((slice(350, 420), slice(350, 420)))
    like = vrt.write_grid(tmp_path / "like.vrt", middle)
    # As if blocks were single pixels: no pixel is fetched that was not asked for.
    monkeypatch.setattr(download, "_whole_blocks", lambda pixels, block: pixels)
    common = ["--model_dir", model, "--like", str(like), "--out"]
    files = ["--s2_images", *map(str, paths["s2"]), "--offset", "1000"]
    at_hand, found = (str(tmp_path / name) for name in ("at_hand.tif", "found.tif"))
    assert sr_infer.main([*common, at_hand, *files]) == 0
    with Server(tmp_path / "scene") as server:
        assert sr_infer.main([*common, found, "--stac_url", server.stac_url]) == 0
    np.testing.assert_array_equal(read(found)[0], read(at_hand)[0])


@pytest.mark.parametrize("kind", ["image", "pieces"])
def test_links_stay(tmp_path, write_raster, repeating_model, kind):
    """The image and its pieces lie behind a link; a second run replaces the target."""
    options = {"s2_images": (write_raster("s2.tif", image(20, 24)),)}
    options["model_dir"] = repeating_model
    out, far = tmp_path / "sr.tif", tmp_path / "far"
    far.mkdir()
    link = out if kind == "image" else pieces.folder_of(out)
    link.symlink_to(far / link.name)
    if kind == "pieces":
        (far / link.name).mkdir()
    for _ in range(2):
        result, _ = run(tmp_path, **options)
        assert link.is_symlink() and result.any()
        names = {path.name for path in far.iterdir()}
        assert names == ({"sr.tif"} if kind == "image" else set())
    assert pieces.folder_of(out).parent == (far if kind == "image" else tmp_path)


def test_a_pattern_in_the_name_of_the_image(tmp_path, write_raster, repeating_model):
    """TensorFlow finds no model there; the model as it is lies elsewhere."""
    options = {"s2_images": (write_raster("s2.tif", image(20, 24)),)}
    options |= {"model_dir": repeating_model, "name": "run [1]/sr.tif"}
    result, _ = run(tmp_path, **options)
    assert result.any()
    with pytest.raises(SRError, match="which TensorFlow does not take"):
        run(tmp_path, self_ensemble=True, **options)


def test_nothing_is_written_to_the_folder_of_temporary_files(
    tmp_path, write_raster, small_network, monkeypatch
):
    """It may be full or missing; what is temporary lies beside the image."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "missing"))
    options = {"s2_images": (write_raster("s2.tif", image(20, 24)),)}
    keep = write_raster("keep.tif", np.ones((20, 24), np.uint8))
    run(
        tmp_path,
        model_dir=small_network,
        mask=keep,
        precision="bfloat16",
        self_ensemble=True,
        **options,
    )
    assert {path.name for path in tmp_path.iterdir()} == {
        *("s2.tif", "keep.tif", "sr.tif", "sr.json", "sr.qml"),
    }


def test_several_products_of_one_name(tmp_path, repeating_model, capfd):
    command = ["--model_dir", repeating_model, "--out_dir", str(tmp_path / "out")]
    assert sr_infer.main([*command, "--s2_images", "a/x.tif", "b/x.tif"]) == 1
    assert "a/x.tif and b/x.tif would both become" in capfd.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("self_ensemble", [False, True])
def test_intervals_are_a_second_image(
    tmp_path, write_raster, calibrated_model, self_ensemble
):
    """Their place, their values, and no seam between tiles nor pieces."""
    pixels = image(40, 46)
    pixels[4:8, 5:9] = 0
    s2 = write_raster("s2.tif", pixels)
    given = {"s2_images": (s2,), "model_dir": calibrated_model}
    given |= {"self_ensemble": self_ensemble}
    plain, profile = run(tmp_path, **given)
    whole, _ = run(tmp_path, "b.tif", uncertainty=True, **given)
    run(tmp_path, "c.tif", uncertainty=True, tile_size=24, **given)
    check_pixels(whole, plain)
    width, place = read(str(tmp_path / "b_interval.tif"))
    check_pixels(width, read(str(tmp_path / "c_interval.tif"))[0])
    np.testing.assert_array_equal(width == 0, plain == 0)
    assert place["transform"] == profile["transform"]
    with rasterio.open(tmp_path / "b_interval.tif") as file:
        assert "holds 90% of pixels" in file.tags()["INTERVAL"]
    # The toy does not care which way its image is turned: the spread is 0.
    values = whole.astype(float)
    mean, squares = (uniform_filter(v, (7, 7, 0)) for v in (values, values**2))
    expected = values / 2 + 2 * np.sqrt(np.maximum(squares - mean**2, 0))
    inner = np.s_[50:-4, 50:-4]  # where the window sees no 0
    np.testing.assert_allclose(width[inner], expected[inner], atol=4)


def test_intervals_that_nobody_measured(tmp_path, write_raster, blurring_model):
    s2 = write_raster("s2.tif", image(30, 26))
    with pytest.raises(SRError, match="has no intervals"):
        run(tmp_path, s2_images=(s2,), model_dir=blurring_model, uncertainty=True)
    assert not list(tmp_path.glob("sr*"))


@pytest.fixture(scope="module")
def small_network(tmp_path_factory) -> str:
    """Save the network of exercise 2, small, and with every channel in use."""
    size = {"filters": 8, "blocks": 1, "kernel": 4}
    tf.keras.utils.set_random_seed(0)
    network = sr_model.SRModel(sr_model.element_spec(4), **size).model
    random = np.random.default_rng(0)
    for layer in network.layers:
        shaken = [w + random.normal(0, 0.02, w.shape) for w in layer.get_weights()]
        layer.set_weights(shaken)
    folder = tmp_path_factory.mktemp("small_network") / "model"
    margin = receptive_field(network)
    card = {"network": size, "receptive_field": {"margin": margin}}
    return str(saved_model.save(network, folder, card))


@pytest.mark.parametrize("options", [{}, {"crop": 64}, {"self_ensemble": True}])
def test_bfloat16_is_almost_the_same(tmp_path, write_raster, small_network, options):
    """Tile by tile, without steps, and with any crop; the card tells."""
    job = {
        "s2_images": (write_raster("s2.tif", image(60, 70)),),
        "model_dir": small_network,
        "tile_size": 96,
        **options,
    }
    whole, _ = run(tmp_path, "whole.tif", **job)
    half, _ = run(tmp_path, "half.tif", precision="bfloat16", **job)
    difference = np.abs(half.astype(int) - whole)
    assert 0.1 < difference.mean() < 30 and difference.max() < 300
    assert len(np.unique(half)) > 0.9 * len(np.unique(whole))
    for name in ("whole", "half"):
        card = json.loads((tmp_path / f"{name}.json").read_text())
        expected = "bfloat16" if name == "half" else "float32"
        assert card["precision"] == expected


@pytest.mark.slow
def test_a_full_tile_needs_no_more_memory_than_a_part(
    tmp_path, write_raster, repeating_model
):
    """Five pieces of 3660 x 3660 pixels, and five of 10 980 x 10 980.

    The image is one small block, repeated by a VRT: nothing large is stored.
    """
    block = write_raster("block.tif", image(366, 366), 10.0)
    peaks = []
    for size, parts in ((10, 20), (30, 157)):
        copies = {(366 * c, 366 * r) for c in range(size) for r in range(size)}
        whole = raster.describe(block, "block").grid.part(
            (slice(0, 366 * size), slice(0, 366 * size))
        )
        copies = [vrt.Copy(block, (0, 0, 366, 366), to) for to in copies]
        bands = [vrt.Band(number, "uint16", copies) for number in range(1, 5)]
        s2 = vrt.write(tmp_path / f"{size}.vrt", whole, bands)
        command = [sys.executable, "sr_infer.py", "--s2_images", str(s2)]
        command += ["--model_dir", repeating_model, "--out", str(tmp_path / "sr.tif")]
        # Of 100 pieces, and of 784.
        command += ["--tile_size", "896", "--part", f"5/{parts}", "--overwrite"]
        peaks.append(measure.run(command, Path(sr_infer.__file__).parent).peak_bytes)
        assert len(list(tmp_path.glob("sr.tif.pieces/*.tif"))) == 5
    assert peaks[1] < 1.2 * peaks[0] and peaks[1] < 3e9


def test_no_token_is_kept_or_printed(tmp_path, write_raster, blurring_model, capfd):
    """Signed links at hand: nothing that is written or said holds the signature."""
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
        # Several products, the name of an image included: a signature may have a point.
        several = [f"{gone[0]}.x", gone[1]]
        words = ["--model_dir", blurring_model, "--out_dir", str(out.parent)]
        assert sr_infer.main([*words, "--s2_images", *several]) == 1
    printed = capfd.readouterr()
    assert "404" in printed.err and printed.out.count("failed: http") == 2
    for text in (printed.out, printed.err):
        assert "SECRET" not in text
    for path in out.parent.rglob("*"):
        assert "SECRET" not in path.name
        assert path.is_dir() or b"SECRET" not in path.read_bytes()
