"""Exercise 1: the patches are the pixels they should be, and no other file is left."""

import json
from pathlib import Path

import numpy as np
import pytest
import rasterio

import sr_dataset
from srtools.conventions import GROUPS

SCENE = Path(__file__).parent / "otblite" / "conformance" / "a"
FILES = {f"{g}_{k}_patches.tif" for g in GROUPS for k in ("lr", "hr")}
SIZE = 8


def read(path: Path) -> np.ndarray:
    with rasterio.open(path) as file:
        return np.moveaxis(file.read(), 0, -1).astype(int)


def unstack(path: Path) -> np.ndarray:
    pixels = read(path)
    width = pixels.shape[1]
    return pixels.reshape(-1, width, width, pixels.shape[2])


def scene(**options) -> dict:
    inputs = SCENE / "in"
    tile = [str(inputs / f"{band}.tif") for band in ("B04", "B03", "B02", "B08")]
    defaults = {
        "pan": str(inputs / "pan.tif"),
        "xs": str(inputs / "xs.tif"),
        "tiles": [tile],
        "patch_size": SIZE,
        "split": "interleaved",
    }
    return {**defaults, **options}


def find(patch: np.ndarray, image: np.ndarray) -> list[tuple[int, int]]:
    """Find where an lr patch was cut; truncation may flip a unit.

    The first centre is the pixel (5, 5), an even patch's point its lower left corner:
    so the first patch starts at row 2 and column 1.
    """
    return [
        (row, col)
        for row in range(2, image.shape[0] - SIZE + 1, SIZE)
        for col in range(1, image.shape[1] - SIZE + 1, SIZE)
        if np.abs(image[row : row + SIZE, col : col + SIZE] - patch).max() <= 1
    ]


def test_patches_are_cut_where_they_should_be(tmp_path):
    """Each patch is a window of the images that OTB made of this scene."""
    card = sr_dataset.create_dataset(**scene(out_dir=tmp_path))
    lr_image = read(SCENE / "out" / "superimpose_bco_uint16.tif")
    hr_image = read(SCENE / "out" / "pansharpen_rcs_uint16.tif")
    seen = []
    for group in GROUPS:
        lr = unstack(tmp_path / f"{group}_lr_patches.tif")
        hr = unstack(tmp_path / f"{group}_hr_patches.tif")
        assert len(lr) == len(hr) == card["groups"][group]["patches"] > 0
        for lr_patch, hr_patch in zip(lr, hr, strict=True):
            places = find(lr_patch, lr_image)
            assert len(places) == 1
            row, col = places[0]
            hr_window = hr_image[4 * row :, 4 * col :][: 4 * SIZE, : 4 * SIZE]
            assert np.abs(hr_window - hr_patch).max() <= 1
            seen.append(places[0])
    assert len(set(seen)) == len(seen)  # no patch is in two groups
    total = len(seen)
    assert card["groups"]["train"]["patches"] == pytest.approx(0.8 * total, abs=1)


def test_patches_have_no_missing_pixel(tmp_path):
    """The scene has a wedge of zeros in the north-west of PAN and XS."""
    sr_dataset.create_dataset(**scene(out_dir=tmp_path))
    for name in FILES:
        assert (unstack(tmp_path / name) > 0).any(axis=-1).all()
    pan = read(SCENE / "in" / "pan.tif")
    assert (pan == 0).any()  # there was something to leave out


def test_only_patches_and_card_are_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    sr_dataset.create_dataset(**scene(out_dir=tmp_path / "out"))
    assert {path.name for path in tmp_path.iterdir()} == {"out"}
    written = {path.name for path in (tmp_path / "out").iterdir()}
    assert written == FILES | {"dataset.json", "pair.png", "split.png"}
    for name in FILES:
        with rasterio.open(tmp_path / "out" / name) as file:
            assert file.compression.name == "deflate"
            assert file.dtypes == ("uint16",) * 4


def test_card(tmp_path):
    sr_dataset.create_dataset(**scene(out_dir=tmp_path, record={"items": ["S2A_x"]}))
    card = json.loads((tmp_path / "dataset.json").read_text())
    assert card["bands"] == ["B04", "B03", "B02", "B08"]
    assert card["lr"] == {"patch_size": 8, "spacing": 6.0}
    assert card["hr"] == {"patch_size": 32, "spacing": 1.5}
    assert card["sentinel2"] == {"items": ["S2A_x"]}


def test_offset(tmp_path, write_raster):
    """DN 0 stays 0, else max(DN - 1000, 1), before anything else is done."""
    constant = np.full((64, 80), 1500, np.uint16)
    tile = [write_raster(f"b{i}.tif", constant + i) for i in range(4)]
    xs = write_raster("xs.tif", np.full((64, 80, 4), 900, np.uint16))
    pan = write_raster("pan.tif", np.full((256, 320), 800, np.uint16), spacing=1.5)
    card = sr_dataset.create_dataset(
        pan=pan, xs=xs, tiles=[tile], out_dir=tmp_path / "out", offset=1000,
        patch_size=SIZE,
    )  # fmt: skip
    lr = unstack(tmp_path / "out" / "train_lr_patches.tif")
    assert (lr == [500, 501, 502, 503]).all()
    assert card["offset"] == 1000


def test_two_tiles_are_one_mosaic(tmp_path):
    """A scene over the seam of two Sentinel-2 tiles has the same patches."""
    inputs = SCENE / "in"
    tiles = [
        [str(inputs / f"{part}_{band}.tif") for band in ("B04", "B03", "B02", "B08")]
        for part in ("north", "south")
    ]
    card = sr_dataset.create_dataset(**scene(out_dir=tmp_path, tiles=tiles))
    expected = SCENE / "out" / "mosaic_superimpose.tif"
    lr_image = np.floor(read(expected)).astype(int)
    lr = unstack(tmp_path / "test_lr_patches.tif")
    assert len(lr) == card["groups"]["test"]["patches"]
    for patch in lr:
        assert len(find(patch, lr_image)) == 1


def command(tmp_path: Path, **changed: str) -> list[str]:
    options = scene()
    values = {"pan": options["pan"], "xs": options["xs"], **changed}
    s2 = values.pop("s2", None)
    arguments = [f"--{key}={value}" for key, value in values.items()]
    if "out_dir" not in values:
        arguments.append(f"--out_dir={tmp_path / 'out'}")
    if "patch_size" not in values:
        arguments.append(f"--patch_size={SIZE}")
    return [*arguments, "--s2_images", *(s2 or options["tiles"][0])]


def test_command_line(tmp_path, capsys):
    assert sr_dataset.main(command(tmp_path)) == 0
    assert "train" in capsys.readouterr().out
    assert sr_dataset.main(command(tmp_path)) == 1
    assert "--overwrite" in capsys.readouterr().err
    assert sr_dataset.main([*command(tmp_path), "--overwrite"]) == 0


def bad_inputs(tmp_path: Path, write_raster) -> dict[str, tuple[dict, str]]:
    text = tmp_path / "notes.txt"
    text.write_text("not an image")
    blocked = tmp_path / "file"
    blocked.write_text("")
    zeros = np.zeros((256, 320), np.uint16)
    pan = {"spacing": 1.5, "corner": (452307.0, 5411213.0)}
    good = scene()
    tile = good["tiles"][0]
    far = write_raster("far.tif", np.ones((64, 64)), 10.0, (600000.0, 5000000.0))
    return {
        "missing": ({"pan": "no.tif"}, "the PAN image no.tif does not exist"),
        "not an image": ({"xs": str(text)}, "cannot be read as an image"),
        "bands": ({"pan": good["xs"]}, "has 4 band(s), 1 are expected"),
        "xs bands": ({"xs": good["pan"]}, "has 1 band(s), 4 are expected"),
        "s2 bands": ({"s2": [good["xs"], *tile[1:]]}, "B04"),
        "crs": (
            {"pan": write_raster("pan.tif", zeros, crs="EPSG:2154", **pan)},
            "one CRS is expected",
        ),
        "no overlap": (
            {"pan": write_raster("p.tif", zeros, 1.5, (500000.0, 5411213.0))},
            "PAN and XS do not overlap",
        ),
        "ratio": (
            {"pan": write_raster("q.tif", zeros, 2.0, (452307.0, 5411213.0))},
            "4 times are expected",
        ),
        "not covered": ({"s2": [far] * 4}, "covers 0% of the Spot image"),
        "grids differ": ({"s2": [*tile[:3], far]}, "does not lie on the grid"),
        "too small": ({"patch_size": "64"}, "less than a patch"),
        "only nodata": (
            {"pan": write_raster("z.tif", zeros, **pan)},
            "0 usable patches of 8 x 8 pixels are not enough",
        ),
        "unwritable": ({"out_dir": str(blocked / "out")}, "cannot be written to"),
    }


CASES = [
    "missing", "not an image", "bands", "xs bands", "s2 bands", "crs", "no overlap",
    "ratio", "not covered", "grids differ", "too small", "only nodata", "unwritable",
]  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_bad_input_is_one_line(case, tmp_path, write_raster, capfd):
    changed, words = bad_inputs(tmp_path, write_raster)[case]
    assert sr_dataset.main([*command(tmp_path, **changed), "--offset", "0"]) == 1
    lines = capfd.readouterr().err.splitlines()
    assert [line for line in lines if line.startswith("error: ")] == lines[-1:]
    assert words in lines[-1]
    assert not list((tmp_path / "out").glob("*"))


@pytest.mark.parametrize(
    "wrong", [["--patch_size", "7"], ["--proportions", "1", "0", "0"], ["--nope"]]
)
def test_misuse_is_exit_code_2(wrong, tmp_path):
    with pytest.raises(SystemExit) as stop:
        sr_dataset.main([*command(tmp_path), *wrong])
    assert stop.value.code == 2
