"""Exercise 1: the patches are the pixels they should be, and no other file is left."""

import contextlib
import dataclasses
import functools
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
import rasterio.shutil
from affine import Affine

import sr_dataset
import sr_model
from demo.scene import make_scene
from demo.server import Server
from srtools.conventions import (
    BANDS,
    FIELD_LR_PIXELS,
    GROUPS,
    INTERPOLATION_REACH_LR_PIXELS,
    KINDS,
    LR_SPACING_METRES,
    S2_SPACING_METRES,
    SPLITS,
    patches_name,
)
from srtools.errors import SRError
from srtools.network.receptive_field import receptive_field
from srtools.options import dataset_options as cli
from srtools.pair import usable_pixels
from srtools.sentinel2 import source
from srtools.sentinel2.source import Sentinel2

import pyotb

SCENE = Path(__file__).parent / "otblite" / "conformance" / "a"
PAN, XS = (str(SCENE / "in" / name) for name in ("pan.tif", "xs.tif"))
TILE = [str(SCENE / "in" / f"{band}.tif") for band in BANDS]
FILES = {patches_name(group, kind) for group in GROUPS for kind in KINDS}
OTHERS = {"dataset.json", "pair.png", "sentinel2.tif", "split.png"}
SIZE = 8  # of the lr patches


def read(path: Path) -> np.ndarray:
    with rasterio.open(path) as file:
        return np.moveaxis(file.read(), 0, -1).astype(int)


def unstack(path: Path) -> np.ndarray:
    pixels = read(path)
    width = pixels.shape[1]
    return pixels.reshape(-1, width, width, pixels.shape[2])


def scene(out_dir: Path, **changed) -> cli.Options:
    """Return options for the scene whose images OTB made."""
    defaults = {
        "pan": PAN,
        "xs": XS,
        "s2_images": tuple(TILE),
        "patch_size": SIZE,
        "split": "interleaved",
    }
    return cli.Options(out_dir=str(out_dir), **{**defaults, **changed})


def blocks(out_dir: Path, **changed) -> cli.Options:
    """Return options with which three groups have room in blocks."""
    return scene(out_dir, **{"split": "blocks", "margin": 5, **changed})


@pytest.fixture
def from_a_search(monkeypatch):
    """Return a function that makes the patches of an image as a search gives it."""

    def make(options: cli.Options, s2: Sentinel2) -> dict:
        monkeypatch.setattr(
            source, "open_sentinel2", lambda *_, **__: contextlib.nullcontext(s2)
        )
        return sr_dataset.create_dataset(options)

    return make


def windows(card: dict) -> dict[str, np.ndarray]:
    return {g: np.array(card["groups"][g]["windows"]).reshape(-1, 2) for g in GROUPS}


def assert_cut_at(folder: Path, card: dict, images: dict[str, np.ndarray]) -> None:
    """Assert that patches are the pixels of images; truncation may flip a unit."""
    for group, places in windows(card).items():
        assert len(places) == card["groups"][group]["patches"] > 0
        for kind, zoom in (("lr", 1), ("hr", 4)):
            if kind in images:
                patches = unstack(folder / patches_name(group, kind))
                assert len(patches) == len(places) and (patches > 0).all()
                for (row, col), patch in zip(zoom * places, patches, strict=True):
                    expected = images[kind][row:, col:][: zoom * SIZE, : zoom * SIZE]
                    assert np.abs(expected - patch).max() <= 1


@pytest.mark.parametrize("split", SPLITS)
def test_patches_are_the_pixels_that_otb_made(tmp_path, split):
    """Without missing pixels: the scene has a wedge of zeros in the north-west."""
    assert (read(SCENE / "in" / "pan.tif") == 0).any()
    card = sr_dataset.create_dataset(blocks(tmp_path, split=split, seed=7))
    assert json.loads((tmp_path / "dataset.json").read_text()) == card
    images = {
        "lr": read(SCENE / "out" / "superimpose_bco_uint16.tif"),
        "hr": read(SCENE / "out" / "pansharpen_rcs_uint16.tif"),
    }
    assert_cut_at(tmp_path, card, images)
    places = windows(card)
    count = {group: len(places[group]) for group in GROUPS}
    least = 5 if split == "blocks" else 0
    for one, other in itertools.combinations(GROUPS, 2):
        apart = np.abs(places[one][:, None] - places[other][None]).max(axis=-1)
        assert apart.min() - SIZE >= least
    if split == "blocks":
        assert card["split"]["seed"] == 7
    else:
        assert count["train"] == pytest.approx(0.8 * sum(count.values()), abs=1)


def test_lr_and_hr_open_one_over_the_other(tmp_path):
    """In a viewer, and their bands have names."""
    sr_dataset.create_dataset(scene(tmp_path))
    assert {path.name for path in tmp_path.iterdir()} == FILES | OTHERS
    for group in GROUPS:
        bounds = set()
        for kind in KINDS:
            with rasterio.open(tmp_path / patches_name(group, kind)) as file:
                bounds.add(file.bounds)
                assert file.descriptions == BANDS and file.dtypes == ("uint16",) * 4
                assert file.compression.name == "deflate"
                assert file.bounds.left == file.bounds.top == 0
        assert len(bounds) == 1


def test_tensorflow_is_not_needed():
    """It takes seconds and half a gigabyte to import."""
    code = "import sr_dataset, sys; sys.exit('tensorflow' in sys.modules)"
    root = Path(__file__).parent.parent
    assert subprocess.run([sys.executable, "-c", code], cwd=root).returncode == 0


def test_offset(tmp_path, write_raster):
    """DN 0 stays 0, else max(DN - 1000, 1), before anything else is done."""
    constant = np.full((64, 80), 1500, np.uint16)
    tile = [write_raster(f"b{i}.tif", constant + i) for i in range(4)]
    xs = write_raster("xs.tif", np.full((64, 80, 4), 900, np.uint16))
    pan = write_raster("pan.tif", np.full((256, 320), 800, np.uint16), spacing=1.5)
    options = blocks(
        tmp_path / "out",
        pan=pan,
        xs=xs,
        s2_images=tile,
        offset=1000,
        margin=21,
        accept_pair=True,
    )
    card = sr_dataset.create_dataset(options)
    lr = unstack(tmp_path / "out" / "train_lr_patches.tif")
    assert (lr == [500, 501, 502, 503]).all()
    assert (read(tmp_path / "out" / "sentinel2.tif") == [500, 501, 502, 503]).all()
    assert card["offset"] == 1000


def test_two_tiles_are_one_mosaic(tmp_path, from_a_search):
    """A scene over the seam of two Sentinel-2 tiles has the same patches."""
    tiles = [
        [str(SCENE / "in" / f"{part}_{band}.tif") for band in BANDS]
        for part in ("north", "south")
    ]
    card = from_a_search(scene(tmp_path), Sentinel2(tiles, record={"items": ["S2A"]}))
    lr = np.floor(read(SCENE / "out" / "mosaic_superimpose.tif")).astype(int)
    assert_cut_at(tmp_path, card, {"lr": lr})
    assert card["sentinel2"] == {"items": ["S2A"]} and card["bands"] == list(BANDS)
    assert card["lr"] == {"patch_size": 8, "spacing": 6.0}
    assert card["hr"] == {"patch_size": 32, "spacing": 1.5}


def test_an_input_is_never_replaced(tmp_path):
    first, *others = TILE
    kept = tmp_path / "sentinel2.tif"
    shutil.copy(first, kept)
    before = kept.read_bytes()
    with pytest.raises(SRError, match="sentinel2.tif is read by this very run"):
        sr_dataset.create_dataset(
            scene(tmp_path, s2_images=(str(kept), *others), overwrite=True)
        )
    assert kept.read_bytes() == before


def four_of(path: str) -> list[str]:
    """Copy an image of one band so that there is one file for each band."""
    return [shutil.copy(path, f"{path[:-4]}_{number}.tif") for number in range(4)]


def command(tmp_path: Path, **changed: str) -> list[str]:
    values = {"pan": PAN, "xs": XS, **changed}
    s2 = values.pop("s2", None)
    arguments = [f"--{key}={value}" for key, value in values.items()]
    if "out_dir" not in values:
        arguments.append(f"--out_dir={tmp_path / 'out'}")
    if "patch_size" not in values:
        arguments.append(f"--patch_size={SIZE}")
    return [*arguments, "--s2_images", *(s2 or TILE)]


def test_command_line(tmp_path, capsys):
    assert sr_dataset.main(command(tmp_path)) == 0
    assert "train" in capsys.readouterr().out
    assert sr_dataset.main(command(tmp_path)) == 1
    assert "--overwrite" in capsys.readouterr().err
    assert sr_dataset.main([*command(tmp_path), "--overwrite"]) == 0


@pytest.fixture(scope="module")
def bad_inputs(tmp_path_factory, write_raster_in) -> dict[str, tuple[dict, str]]:
    """Return for each case the options that are wrong, and words of the message."""
    folder = tmp_path_factory.mktemp("bad")
    write_raster = functools.partial(write_raster_in, folder)
    text = folder / "notes.txt"
    text.write_text("not an image")
    blocked = folder / "file"
    blocked.write_text("")
    zeros = np.zeros((256, 320), np.uint16)
    pan = {"spacing": 1.5, "corner": (452307.0, 5411213.0)}
    away = np.ones((64, 64), np.uint16)
    far = write_raster("far.tif", away, 10.0, (600000.0, 5000000.0))
    four = np.ones((64, 80, 4), np.uint16)
    degrees = {"spacing": 1e-5, "corner": (2.3, 48.8), "crs": "EPSG:4326"}
    flat = write_raster("flat.tif", zeros, **pan)
    with rasterio.open(flat, "r+") as file:
        file.transform @= Affine.scale(1, 2)
    return {
        "missing": ({"pan": "no.tif"}, "the PAN image no.tif does not exist"),
        "not an image": ({"xs": str(text)}, "cannot be read as an image"),
        "bands": ({"pan": XS}, "has 4 band(s), 1 are expected"),
        "xs bands": ({"xs": PAN}, "has 1 band(s), 4 are expected"),
        "s2 bands": ({"s2": [XS, *TILE[1:]]}, "B04"),
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
        "not covered": ({"s2": four_of(far)}, "covers 0% of the Spot image"),
        "too small": ({"patch_size": "64"}, "less than a patch"),
        "one file for all": ({"s2": [TILE[0]] * 4}, "are not four different ones"),
        "unwritable": ({"out_dir": str(blocked / "out")}, "cannot be written to"),
        "degrees": (
            {
                "pan": write_raster("dp.tif", zeros, **degrees),
                "xs": write_raster("dx.tif", four, **{**degrees, "spacing": 4e-5}),
            },
            "a CRS in metres is expected",
        ),
        "not square": (
            {"xs": XS, "pan": flat},
            "pixels of 1.5 x 3 m, square ones are expected",
        ),
        "no scl": ({"scl": TILE[0]}, "classes from 0 to 11 are expected"),
        "scl elsewhere": ({"scl": far}, "the scene classification covers 0%"),
    }


def test_bad_input_is_one_line(tmp_path, bad_inputs, capfd):
    for case, (changed, words) in bad_inputs.items():
        arguments = [*command(tmp_path, **changed), "--offset", "0"]
        assert sr_dataset.main(arguments) == 1, case
        lines = capfd.readouterr().err.splitlines()
        assert [line for line in lines if line.startswith("error: ")] == lines[-1:]
        assert words in lines[-1], case
        assert not list((tmp_path / "out").glob("*")), case


@pytest.mark.parametrize(
    "wrong",
    [
        ["--patch_size", "7"],
        ["--proportions", "0", "0", "0"],
        ["--proportions", "0", "1", "1"],
        ["--proportions", "1", "0", "1", "--split", "interleaved"],
        ["--margin", "-1"],
        ["--seed", "-1"],
        ["--proportions", "nan", "1", "1"],
        ["--offset", "-1000"],
        ["--dry_run"],
        ["--item", "S2A_x"],
        ["--max_bad_share", "50"],
        ["--spot_date", "14/07/2022"],
        ["--nope"],
    ],
)
def test_misuse_is_exit_code_2(wrong, tmp_path):
    with pytest.raises(SystemExit) as stop:
        sr_dataset.main([*command(tmp_path), *wrong])
    assert stop.value.code == 2


@pytest.mark.parametrize(
    ("proportions", "groups"),
    [((0, 0, 1), ["test"]), ((4, 1, 0), ["train", "valid"])],
)
def test_a_group_may_stay_empty(tmp_path, proportions, groups):
    """Then it has no file, not even one of an earlier run; the card says 0."""
    options = blocks(tmp_path / "out")
    sr_dataset.create_dataset(options)
    changed = dataclasses.replace(options, proportions=proportions, overwrite=True)
    card = sr_dataset.create_dataset(changed)
    images = {path.name for path in (tmp_path / "out").glob("*_patches.tif")}
    assert images == {
        f"{group}_{kind}_patches.tif" for group in groups for kind in ("lr", "hr")
    }
    assert list(card["groups"]) == ["train", "valid", "test"]
    for group, found in card["groups"].items():
        assert bool(found["patches"]) is (group in groups)
        assert len(found["windows"]) == found["patches"]


def test_the_margin_holds_what_the_network_sees_and_what_resampling_mixes():
    """The course network's field, and 2 pixels of 10 m on each side of both groups."""
    network = sr_model.SRModel(sr_model.element_spec(4))
    assert FIELD_LR_PIXELS == receptive_field(network)
    mixed = 2 * 2 * S2_SPACING_METRES / LR_SPACING_METRES
    assert INTERPOLATION_REACH_LR_PIXELS >= mixed
    assert scene(Path("x")).margin == FIELD_LR_PIXELS + INTERPOLATION_REACH_LR_PIXELS


@pytest.mark.parametrize("split", SPLITS)
def test_patches_under_clouds_are_left_out_and_counted(tmp_path, write_raster, split):
    options = blocks(tmp_path / "clear", split=split, margin=0)
    clear = sr_dataset.create_dataset(options)
    with rasterio.open(TILE[0]) as file:
        left, top, width = file.bounds.left, file.bounds.top, file.width // 2
        classes = np.full((file.height // 2, width), 5, np.uint8)
    classes[-8:, :] = 9  # 160 m in the south
    scl = write_raster("scl.tif", classes, 20.0, (left, top))
    options = replace(
        options, out_dir=str(tmp_path / "cloudy"), scl=scl, accept_pair=True
    )
    cloudy = sr_dataset.create_dataset(options)
    why = "cloud, shadow or defect"
    assert clear["left_out"][why] == 0 < cloudy["left_out"][why]
    assert cloudy["left_out"]["no data"] == clear["left_out"]["no data"] > 0
    with rasterio.open(XS) as file:
        border = round((file.bounds.top - (top - 20 * len(classes[:-8]))) / 6)
    last = [max(places[:, 0]) + SIZE for places in windows(cloudy).values()]
    assert max(last) <= border - usable_pixels.REACH_LR_PIXELS
    assert max(max(p[:, 0]) + SIZE for p in windows(clear).values()) > border


def test_a_disk_that_is_full_without_a_word(tmp_path, monkeypatch, capfd):
    """OTB's writer returns without an error; here the last file lacks its end."""
    write = pyotb.App.write

    def cut_off(self, path, **options):
        done = write(self, path, **options)
        if isinstance(path, dict) and "test_hr" in path["source2.out"]:
            os.truncate(path["source2.out"], 2000)
        return done

    monkeypatch.setattr(pyotb.App, "write", cut_off)
    assert sr_dataset.main([*command(tmp_path), "--offset", "0"]) == 1
    error = capfd.readouterr().err.splitlines()[-1]
    assert error.startswith("error: test_hr_patches.tif was not written completely")
    assert not list((tmp_path / "out").iterdir())


def test_a_signal_while_the_engine_writes(tmp_path):
    """It waits for OTB to return, then nothing is left."""
    script = """
import os, signal, sys
import pyotb
write = pyotb.App.write
def interrupted(self, path, **options):
    os.kill(os.getpid(), signal.SIGTERM)
    return write(self, path, **options)
import sr_dataset
pyotb.App.write = interrupted
sys.exit(sr_dataset.main(sys.argv[1:]))
"""
    arguments = [*command(tmp_path), "--offset", "0"]
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        cwd=Path(__file__).parent.parent,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 128 + signal.SIGTERM, done.stderr
    assert done.stderr.splitlines()[-1] == "error: terminated"
    assert not list((tmp_path / "out").iterdir())


def test_an_otb_without_otbtf(tmp_path, monkeypatch, capfd):
    monkeypatch.delattr(pyotb, "PatchesExtraction")
    assert sr_dataset.main([*command(tmp_path), "--offset", "0"]) == 1
    error = capfd.readouterr().err
    assert "error: the Orfeo ToolBox that pyotb found has no PatchesExtraction" in error
    assert not (tmp_path / "out").exists()


@pytest.fixture(scope="module")
def displaced(tmp_path_factory) -> cli.Options:
    """Return a made-up scene whose Sentinel-2 is out of place, brighter and flatter."""
    folder = tmp_path_factory.mktemp("scene")
    paths = make_scene(
        folder, size=640, seed=3, shift=(4.2, -2.6), gain=0.9, bias=120.0, wedge=0
    )
    return cli.Options(
        pan=str(paths["pan"]),
        xs=str(paths["xs"]),
        out_dir=str(folder / "out"),
        s2_images=tuple(map(str, paths["s2"])),
        offset=1000,
        patch_size=SIZE,
        margin=0,
    )


def test_shift_and_radiometry_are_measured_and_corrected(displaced, tmp_path):
    """Afterwards hr, averaged, is what Sentinel-2 shows."""
    options = replace(displaced, out_dir=str(tmp_path / "raw"), accept_pair=True)
    raw = sr_dataset.create_dataset(options)
    assert raw["pair"]["shift"]["east"] == pytest.approx(4.2, abs=0.3)
    assert raw["pair"]["shift"]["north"] == pytest.approx(-2.6, abs=0.3)
    assert raw["coregistered"] is None and not raw["harmonized"]
    options = replace(displaced, out_dir=str(tmp_path / "cured"))
    cured = sr_dataset.create_dataset(replace(options, coregister=True, harmonize=True))
    moved = [cured["coregistered"][way] for way in ("east", "north")]
    assert moved == pytest.approx([4.2, -2.6], abs=0.3)
    assert cured["coregistered"]["spread"] is None  # of a single block
    assert cured["xs"] == raw["xs"] and cured["pan"] == raw["pan"]  # where they lie
    shift = cured["pair"]["shift"]
    assert np.hypot(shift["east"], shift["north"]) < 0.3
    for fit in cured["pair"]["spot_from_s2"].values():
        assert fit["gain"] == pytest.approx(1 / 0.9, rel=0.01)
        assert fit["bias"] == pytest.approx(-120 / 0.9, abs=25)
    errors = {}
    for name in ("raw", "cured"):
        lr = unstack(tmp_path / name / "train_lr_patches.tif")
        hr = unstack(tmp_path / name / "train_hr_patches.tif")
        errors[name] = np.abs(hr.mean(axis=(1, 2)) - lr.mean(axis=(1, 2))).mean()
    # Pansharpening itself changes the mean of a patch by 1 to 2 %.
    assert errors["cured"] < 0.5 * errors["raw"]
    assert not list(tmp_path.glob("*/*.vrt"))


@pytest.mark.parametrize(
    ("dtype", "gain", "bias"), [("uint8", 0.025, 9.0), ("uint16", 0.4, 31.0)]
)
def test_spot_in_any_linear_coding_can_be_harmonized(
    displaced, tmp_path, capsys, dtype, gain, bias
):
    """Eight bits, or raw counts: hr is what it is of reflectances, as far as it can."""
    recoded = {}
    for name in ("pan", "xs"):
        with rasterio.open(getattr(displaced, name)) as file:
            pixels, profile = file.read(), file.profile
        coded = np.clip(np.rint(pixels * gain + bias), 1, 254 if gain < 0.1 else 4095)
        recoded[name] = str(tmp_path / f"{name}.tif")
        # Else GDAL calls the fourth band of 8 bits alpha.
        profile.update(dtype=dtype, driver="GTiff", photometric="MINISBLACK")
        with rasterio.open(recoded[name], "w", **profile) as file:
            file.write(np.where(pixels == 0, 0, coded).astype(dtype))
    options = replace(displaced, coregister=True, harmonize=True)
    options = replace(options, proportions=(1, 0, 0))  # the same patches of both
    images = {}
    for name, changed in (("whole", {}), ("coded", recoded)):
        out = tmp_path / name
        sr_dataset.create_dataset(replace(options, out_dir=str(out), **changed))
        images[name] = unstack(out / "train_hr_patches.tif").astype(float)
    # With a bias PAN's ratio has another contrast: the mean stays, details do not.
    difference = images["coded"] - images["whole"]
    assert abs(difference.mean()) < 0.02 * images["whole"].mean()
    assert np.corrcoef(*(image.ravel() for image in images.values()))[0, 1] > 0.98
    # Without, it is no reflectance.
    plain = replace(displaced, out_dir=str(tmp_path / "plain"), **recoded)
    with pytest.raises(SRError, match="--harmonize"):
        sr_dataset.create_dataset(plain)


def test_the_darkest_ground_is_not_written_as_no_data(tmp_path, write_raster):
    """DN 500 less 1000 is 1; interpolated it is 0.9999999, which OTB would cut.

    Pansharpening, too, makes DN below 1 where PAN is darker than around it.
    """
    random = np.random.default_rng(0)
    tile = four_of(write_raster("dark.tif", np.full((64, 80), 500, np.uint16), 10.0))
    xs = write_raster("xs.tif", random.integers(1, 900, (64, 80, 4)).astype(np.uint16))
    pan = write_raster(
        "pan.tif", random.integers(1, 900, (256, 320)).astype(np.uint16), spacing=1.5
    )
    dark = {"pan": pan, "xs": xs, "s2_images": tuple(tile), "offset": 1000}
    dark["accept_pair"] = True
    sr_dataset.create_dataset(blocks(tmp_path / "out", margin=0, **dark))
    for group in GROUPS:
        assert (unstack(tmp_path / "out" / f"{group}_lr_patches.tif") == 1).all()
        assert (unstack(tmp_path / "out" / f"{group}_hr_patches.tif") >= 1).all()


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"offset": 0}, "off in all bands: --offset 1000"),
        ({}, "shift 4.9"),
        ({"coregister": True, "swap": True}, "called B02 B03 B04 B08"),
    ],
)
def test_a_pair_that_fails_leaves_no_patches(
    displaced, tmp_path, capfd, changed, words
):
    """The line says why, and the way out; --accept_pair writes them all the same."""
    changed = dict(changed)
    if changed.pop("swap", False):
        red, green, blue, infrared = displaced.s2_images
        links = [tmp_path / f"{i}.tif" for i in range(4)]  # whose names say nothing
        for link, path in zip(links, (blue, green, red, infrared), strict=True):
            link.symlink_to(path)
        changed["s2_images"] = tuple(map(str, links))
    options = replace(displaced, out_dir=str(tmp_path / "out"), **changed)
    with pytest.raises(SRError, match="the pair fails .* no patches are written") as e:
        sr_dataset.create_dataset(options)
    assert words in str(e.value)
    assert "verdict: fail" in capfd.readouterr().out
    assert not list((tmp_path / "out").iterdir())
    card = sr_dataset.create_dataset(replace(options, accept_pair=True))
    assert card["pair"]["verdict"] == "fail"
    assert words in "; ".join(card["pair"]["diagnoses"])


def another_pan(path: Path, change) -> str:
    """Write PAN of the scene with other pixels on its grid."""
    with rasterio.open(PAN) as file:
        profile, pixels = file.profile, file.read()
    with rasterio.open(path, "w", **profile) as file:
        file.write(change(pixels))
    return str(path)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda pan: pan[:, ::-1].copy(), "PAN hardly follows XS"),
        # Half of what PAN shows is of another place.
        (
            lambda pan: np.where(np.arange(320) < 170, pan, pan[:, ::-1]),
            "PAN: relation to XS",
        ),
    ],
)
def test_pan_of_another_scene_leaves_no_patches(tmp_path, change, words, capfd):
    """Sentinel-2 and XS fit: only PAN is wrong, from which all detail is learned."""
    pan = another_pan(tmp_path / "other.tif", change)
    assert sr_dataset.main(command(tmp_path, pan=pan)) == 1
    captured = capfd.readouterr()
    assert "the pair fails (" in captured.err and words in captured.err
    assert "Traceback" not in captured.err
    assert not list(tmp_path.rglob("*_patches.tif"))
    accepted = [*command(tmp_path, pan=pan), "--accept_pair"]
    assert sr_dataset.main(accepted) == 0
    card = json.loads((tmp_path / "out" / "dataset.json").read_text())
    assert card["pair"]["criteria"]["PAN: relation to XS"] == "fail"
    assert card["pair"]["verdict"] == "fail"


def test_no_shift_to_be_measured_is_one_line(tmp_path, write_raster, capfd):
    flat = write_raster("flat.tif", np.full((70, 80), 700, np.uint16), 10.0)
    xs = write_raster("xs.tif", np.full((64, 80, 4), 900, np.uint16))
    pan = write_raster("pan.tif", np.full((256, 320), 800, np.uint16), spacing=1.5)
    arguments = [*command(tmp_path, pan=pan, xs=xs, s2=four_of(flat)), "--accept_pair"]
    assert sr_dataset.main([*arguments, "--offset", "0", "--coregister"]) == 1
    assert "do without --coregister" in capfd.readouterr().err.splitlines()[-1]
    assert sr_dataset.main([*arguments, "--offset", "0", "--harmonize"]) == 1
    assert "do without --harmonize" in capfd.readouterr().err.splitlines()[-1]


@pytest.fixture(scope="module")
def published(tmp_path_factory) -> tuple[Path, dict]:
    """Return the folder of a made-up scene with an archive, and its paths."""
    folder = tmp_path_factory.mktemp("published")
    return folder, make_scene(folder, size=640, seed=3, wedge=8)


def test_through_a_stac_api(published, tmp_path, capfd):
    """The patches are those of the files behind the API; nothing else is left."""
    folder, paths = published
    spot = ["--pan", str(paths["pan"]), "--xs", str(paths["xs"])]
    small = ["--patch_size", str(SIZE), "--margin", "0"]
    with Server(folder) as server:
        found = ["--stac_url", server.stac_url, "--out_dir", str(tmp_path / "found")]
        assert sr_dataset.main([*spot, *small, *found, "--dry_run"]) == 0
        table = capfd.readouterr().out
        assert "chosen" in table and not (tmp_path / "found").exists()
        date = ["--spot_date", "2022-07-16"]
        assert sr_dataset.main([*spot, *small, *found, *date]) == 0
        printed = capfd.readouterr().out
    assert table in printed and "radiometry: R2" in printed
    card = json.loads((tmp_path / "found" / "dataset.json").read_text())
    assert card["offset"] == 1000 and card["pair"]["days"] == 2
    assert card["pair"]["cloud"] == card["pair"]["missing"] == 0
    assert card["sentinel2"]["processing_baselines"] == ["04.00"]
    assert {p.name for p in (tmp_path / "found").iterdir()} == FILES | OTHERS
    # A mistake in what is at hand is found before anything is asked for.
    requests = server.counters["requests"]
    absent = ["--pan", str(tmp_path / "absent.tif"), *spot[2:], *small]
    assert sr_dataset.main([*absent, *found[:2], "--out_dir", str(tmp_path / "x")]) == 1
    assert "absent.tif does not exist" in capfd.readouterr().err
    assert server.counters["requests"] == requests
    scl = next(folder.glob("s2/2022-07-14/*SCL*"))
    at_hand = ["--s2_images", *map(str, paths["s2"]), "--offset", "1000"]
    there = ["--out_dir", str(tmp_path / "there"), "--scl", str(scl)]
    assert sr_dataset.main([*spot, *small, *at_hand, *there]) == 0
    for name in FILES:
        np.testing.assert_array_equal(
            read(tmp_path / "found" / name), read(tmp_path / "there" / name)
        )


def test_the_metadata_files_of_a_product(tmp_path):
    """Here they are mosaics of GDAL, which are opened as the images."""
    product = []
    for kind, option, image in (("P", "--pan", PAN), ("MS", "--xs", XS)):
        file = tmp_path / f"DIM_SPOT7_{kind}.XML"
        rasterio.shutil.copy(image, file, driver="VRT")
        day = "<!-- <IMAGING_DATE>2022-07-20</IMAGING_DATE> -->"
        file.write_text(f"{file.read_text()}{day}")
        product += [option, str(file)]
    tile = [str(tmp_path / f"T31UDQ_20220714T105629_{b}_10m.tif") for b in BANDS]
    for path, named in zip(TILE, tile, strict=True):
        shutil.copy(path, named)
    command = ["--s2_images", *tile, "--offset", "0"]
    command += ["--patch_size", str(SIZE), "--split", "interleaved", "--out_dir"]
    out, same = tmp_path / "out", tmp_path / "same"
    assert sr_dataset.main([*command, str(out), *product]) == 0
    assert sr_dataset.main([*command, str(same), "--pan", PAN, "--xs", XS]) == 0
    for name in FILES:
        np.testing.assert_array_equal(read(out / name), read(same / name))
    card = json.loads((out / "dataset.json").read_text())
    assert card["pair"]["days"] == 6 and card["s2_day"] == "2022-07-14"
    product += ["--spot_date", "2022-07-15", "--overwrite"]  # which counts more
    assert sr_dataset.main([*command, str(out), *product]) == 0
    assert json.loads((out / "dataset.json").read_text())["pair"]["days"] == 1


def test_no_intermediate_file(published, tmp_path, monkeypatch):
    """While patches are cut the results grow, with small vectors beside them.

    The folder of temporary files may be full or missing.
    """
    folder, paths = published
    out = tmp_path / "out"
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "missing"))
    seen = []

    def look(*arguments):
        everywhere = [*folder.rglob("*"), *tmp_path.rglob("*")]
        seen.append({path for path in everywhere if path.is_file()} - before)
        return extract(*arguments)

    extract = sr_dataset.extract_patches
    monkeypatch.setattr(sr_dataset, "extract_patches", look)
    before = {path for path in folder.rglob("*") if path.is_file()}
    arguments = ["--pan", str(paths["pan"]), "--xs", str(paths["xs"])]
    arguments += ["--patch_size", str(SIZE), "--margin", "0", "--out_dir", str(out)]
    with Server(folder) as server:
        assert sr_dataset.main([*arguments, "--stac_url", server.stac_url]) == 0
    assert len(seen) == len(GROUPS)
    for files in seen:
        centres = {path for path in files if path.suffix == ".geojson"}
        assert {path.name for path in centres} == {
            f"{g}_centres.geojson" for g in GROUPS
        }
        assert all(path.is_relative_to(out) for path in files)
        assert {path.name for path in files - centres} <= set(FILES)
    assert not list(tmp_path.rglob("*.geojson"))


def test_only_the_ground_that_spot_shows_counts(published, tmp_path, capfd):
    """Sentinel-2 may lack what lies in the wedges of 0 beside a slanted image."""
    shutil.copytree(published[0], tmp_path / "scene")
    paths = {
        key: tmp_path / "scene" / published[1][key].relative_to(published[0])
        for key in ("pan", "xs")
    }
    for name, pixel in (("pan", 1.5), ("xs", 6.0)):
        with rasterio.open(paths[name], "r+") as file:
            pixels = file.read()
            pixels[..., : round(240 / pixel)] = 0
            file.write(pixels)
            left, top = file.transform @ (0, 0)
    for path in (tmp_path / "scene").glob("s2/2022-07-14/*.tif"):
        with rasterio.open(path, "r+", IGNORE_COG_LAYOUT_BREAK="YES") as file:
            row, col = file.index(left, top)
            pixels = file.read()
            pixels[..., : col + round(180 / file.transform.a)] = 0
            file.write(pixels)
    spot = ["--pan", str(paths["pan"]), "--xs", str(paths["xs"])]
    small = ["--patch_size", str(SIZE), "--margin", "0", "--max_bad_share", "0"]
    with Server(tmp_path / "scene") as server:
        found = ["--stac_url", server.stac_url, "--out_dir", str(tmp_path / "found")]
        assert sr_dataset.main([*spot, *small, *found]) == 0
    card = json.loads((tmp_path / "found" / "dataset.json").read_text())
    assert card["sentinel2"]["scl_shares"]["missing"] == 0
    assert card["pair"]["missing"] == 0
    assert min(places[:, 1].min() for places in windows(card).values()) * 6 >= 240
