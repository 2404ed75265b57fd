"""Exercise 1: the patches are the pixels they should be, and no other file is left."""

import contextlib
import itertools
import json
import os
import re
import shutil
from dataclasses import replace
from datetime import date
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
from lesson.patch_checks import read_patches
from srtools import pair
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
from tests.processes import ROOT, run_python
from tests.rasters import read_image

import pyotb

SCENE = Path(__file__).parent / "otblite" / "conformance" / "a"
PAN, XS = (str(SCENE / "in" / name) for name in ("pan.tif", "xs.tif"))
TILE = [str(SCENE / "in" / f"{band}.tif") for band in BANDS]
FILES = {patches_name(group, kind) for group in GROUPS for kind in KINDS}
OTHERS = {"dataset.json", "pair.png", "sentinel2.tif", "split.png"}
SIZE = 8  # of the lr patches
OTB_IMAGES = {"lr": "superimpose_bco_uint16.tif", "hr": "pansharpen_rcs_uint16.tif"}


def read(path: Path) -> np.ndarray:
    return read_image(path)[0].astype(int)


def unstack(path: Path) -> np.ndarray:
    return read_patches(path).astype(int)


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


def windows(card: dict) -> dict[str, np.ndarray]:
    return {g: np.array(card["groups"][g]["windows"]).reshape(-1, 2) for g in GROUPS}


def assert_cut_at(folder: Path, card: dict, files: dict[str, str] = OTB_IMAGES) -> None:
    """Assert that patches are the pixels of images; truncation may flip a unit."""
    images = {kind: read(SCENE / "out" / name) for kind, name in files.items()}
    for group, places in windows(card).items():
        assert len(places) == card["groups"][group]["patches"] > 0
        for kind, image in images.items():
            patches = unstack(folder / patches_name(group, kind))
            assert len(patches) == len(places) and (patches > 0).all()
            side = patches.shape[1]
            for (row, col), patch in zip(places * side // SIZE, patches, strict=True):
                assert np.abs(image[row:, col:][:side, :side] - patch).max() <= 1


@pytest.mark.parametrize("split", SPLITS)
def test_patches_are_the_pixels_that_otb_made(tmp_path, split):
    """Without missing pixels: the scene has a wedge of zeros in the north-west."""
    assert (read(SCENE / "in" / "pan.tif") == 0).any()
    card = sr_dataset.create_dataset(blocks(tmp_path, split=split, seed=7))
    assert json.loads((tmp_path / "dataset.json").read_text()) == card
    assert_cut_at(tmp_path, card)
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
    # In a viewer lr and hr lie one over the other, with named bands.
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
    assert run_python("-c", code, cwd=ROOT).returncode == 0


def test_the_offset_is_removed_and_the_darkest_ground_is_data(tmp_path, write_raster):
    """DN 500 less 1000 is 1; interpolated it is 0.9999999, which OTB would cut.

    Pansharpening, too, makes DN below 1 where PAN is darker than around it.
    """
    random, out = np.random.default_rng(0), tmp_path / "out"
    tile = [
        write_raster(f"{dn}.tif", np.full((64, 80), dn, np.uint16), 10.0)
        for dn in (500, 1501, 1502, 1503)
    ]
    xs = write_raster("xs.tif", random.integers(1, 900, (64, 80, 4)).astype(np.uint16))
    pan = write_raster(
        "pan.tif", random.integers(1, 900, (256, 320)).astype(np.uint16), spacing=1.5
    )
    images = {"pan": pan, "xs": xs, "s2_images": tuple(tile), "offset": 1000}
    card = sr_dataset.create_dataset(blocks(out, accept_pair=True, **images))
    assert card["offset"] == 1000
    assert (read(out / "sentinel2.tif") == [1, 501, 502, 503]).all()
    for group in GROUPS:
        lr = unstack(out / f"{group}_lr_patches.tif")
        assert (lr[..., 0] == 1).all() and np.abs(lr - [1, 501, 502, 503]).max() <= 1
        assert (unstack(out / f"{group}_hr_patches.tif") >= 1).all()


def test_two_tiles_are_one_mosaic(tmp_path, monkeypatch):
    """A scene over the seam of two Sentinel-2 tiles has the same patches."""
    tiles = [
        [str(SCENE / "in" / f"{part}_{band}.tif") for band in BANDS]
        for part in ("north", "south")
    ]
    s2 = contextlib.nullcontext(Sentinel2(tiles, record={"items": ["S2A"]}))
    monkeypatch.setattr(source, "open_sentinel2", lambda *_, **__: s2)
    card = sr_dataset.create_dataset(scene(tmp_path))
    assert_cut_at(tmp_path, card, {"lr": "mosaic_superimpose.tif"})
    assert card["sentinel2"] == {"items": ["S2A"]} and card["bands"] == list(BANDS)
    assert card["lr"] == {"patch_size": 8, "spacing": 6.0}
    assert card["hr"] == {"patch_size": 32, "spacing": 1.5}


def four_of(path: str) -> list[str]:
    """Copy an image of one band so that there is one file for each band."""
    return [shutil.copy(path, f"{path[:-4]}_{number}.tif") for number in range(4)]


def command(tmp_path: Path, s2=tuple(TILE), **changed) -> list[str]:
    values = {"pan": PAN, "xs": XS, "out_dir": tmp_path / "out", "offset": 0}
    values |= {"patch_size": SIZE, **changed}
    return [*(f"--{key}={value}" for key, value in values.items()), "--s2_images", *s2]


@pytest.fixture(scope="module")
def bad_inputs(tmp_path_factory, write_raster_in) -> list[tuple[dict, str]]:
    """Return options that are wrong, and words of the message."""
    folder = tmp_path_factory.mktemp("bad")
    (folder / "file").touch()
    zeros, place = np.zeros((256, 320), np.uint16), (452307.0, 5411213.0)

    def pan(name, spacing=1.5, corner=place, **profile) -> str:
        return write_raster_in(folder, name, zeros, spacing, corner, **profile)

    far = pan("far.tif", 10.0, (600000.0, 5000000.0))
    flat = pan("flat.tif")
    with rasterio.open(flat, "r+") as file:
        file.transform @= Affine.scale(1, 2)
    return [
        ({"pan": "no.tif"}, "the PAN image no.tif does not exist"),
        ({"pan": XS}, "has 4 band(s), 1 are expected"),
        ({"xs": PAN}, "has 1 band(s), 4 are expected"),
        ({"s2": [XS, *TILE[1:]]}, "B04"),
        ({"pan": pan("lambert.tif", crs="EPSG:2154")}, "one CRS is expected"),
        ({"pan": pan("away.tif", corner=(5e5, 5411213.0))}, "XS do not overlap"),
        ({"pan": pan("coarse.tif", 2.0)}, "4 times are expected"),
        ({"pan": flat}, "pixels of 1.5 x 3 m, square ones are expected"),
        ({"s2": four_of(far)}, "covers 0% of the Spot image"),
        ({"s2": [TILE[0]] * 4}, "are not four different ones"),
        ({"patch_size": 64}, "less than a patch"),
        ({"out_dir": folder / "file" / "out"}, "cannot be written to"),
        ({"scl": TILE[0]}, "classes from 0 to 11 are expected"),
        ({"scl": far}, "the scene classification covers 0%"),
    ]


def test_bad_input_is_one_line(tmp_path, bad_inputs, capfd):
    for changed, words in bad_inputs:
        assert sr_dataset.main(command(tmp_path, **changed)) == 1, words
        lines = capfd.readouterr().err.splitlines()
        assert [line for line in lines if line.startswith("error: ")] == lines[-1:]
        assert words in lines[-1]
        assert not list((tmp_path / "out").glob("*")), words


@pytest.mark.parametrize(
    ("proportions", "groups"),
    [((0, 0, 1), ["test"]), ((4, 1, 0), ["train", "valid"])],
)
def test_a_group_may_stay_empty(tmp_path, proportions, groups):
    """Then it has no file, not even one of an earlier run; the card says 0."""
    for name in FILES:
        shutil.copy(PAN, tmp_path / name)
    options = blocks(tmp_path, proportions=proportions, overwrite=True)
    card = sr_dataset.create_dataset(options)
    images = {path.name for path in tmp_path.glob("*_patches.tif")}
    assert images == {patches_name(group, kind) for group in groups for kind in KINDS}
    assert list(card["groups"]) == ["train", "valid", "test"]
    for group, entry in card["groups"].items():
        assert bool(entry["patches"]) is (group in groups)
        assert len(entry["windows"]) == entry["patches"]


def test_the_margin_holds_what_the_network_sees_and_what_resampling_mixes():
    """The course network's field, and 2 pixels of 10 m on each side of both groups."""
    network = sr_model.SRModel(sr_model.element_spec(4))
    assert FIELD_LR_PIXELS == receptive_field(network)
    mixed = 2 * 2 * S2_SPACING_METRES / LR_SPACING_METRES
    assert INTERPOLATION_REACH_LR_PIXELS >= mixed
    assert scene(Path("x")).margin == FIELD_LR_PIXELS + INTERPOLATION_REACH_LR_PIXELS


def test_patches_under_clouds_are_left_out_and_counted(tmp_path, write_raster, caplog):
    options = blocks(tmp_path / "clear")
    with caplog.at_level("INFO"):
        clear = sr_dataset.create_dataset(options)
    (printed,) = (text for text in caplog.messages if text.startswith("left out: "))
    assert " 0 in the gaps" not in printed and "in the gaps between groups" in printed
    with rasterio.open(XS) as file:  # no patch of the grid is unaccounted for
        grid = (file.height - 1) // SIZE * ((file.width - 1) // SIZE)
    kept = sum(group["patches"] for group in clear["groups"].values())
    assert kept + sum(map(int, re.findall(r"\d+", printed))) == grid
    options = blocks(tmp_path / "clear", margin=0, overwrite=True)
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
    clear_end, cloudy_end = (
        max(places[:, 0].max() + SIZE for places in windows(card).values())
        for card in (clear, cloudy)
    )
    assert cloudy_end <= border - usable_pixels.REACH_LR_PIXELS < border < clear_end


def test_a_disk_that_is_full_without_a_word(tmp_path, monkeypatch, capfd):
    """OTB's writer returns without an error; here the last file lacks its end."""
    write = pyotb.App.write

    def cut_off(self, path, **options):
        done = write(self, path, **options)
        if isinstance(path, dict) and "test_hr" in path["source2.out"]:
            os.truncate(path["source2.out"], 2000)
        return done

    monkeypatch.setattr(pyotb.App, "write", cut_off)
    assert sr_dataset.main(command(tmp_path)) == 1
    error = capfd.readouterr().err.splitlines()[-1]
    assert error.startswith("error: test_hr_patches.tif was not written completely")
    assert not list((tmp_path / "out").iterdir())


@pytest.fixture(scope="module")
def published(tmp_path_factory) -> tuple[Path, dict]:
    """Return the folder of a made-up scene with an archive, and its paths.

    Its Sentinel-2 is out of place, brighter and flatter.
    """
    folder = tmp_path_factory.mktemp("published")
    light = {"gain": 0.9, "bias": 120.0}
    place = {"shift": (4.2, -2.6), "wedge": 0}
    paths = make_scene(folder, size=640, seed=3, **place, **light)
    return folder, paths


@pytest.fixture(scope="module")
def displaced(published, tmp_path_factory) -> cli.Options:
    """Return options for that scene, with local files."""
    _, paths = published
    return cli.Options(
        pan=str(paths["pan"]),
        xs=str(paths["xs"]),
        out_dir=str(tmp_path_factory.mktemp("corrected")),
        s2_images=tuple(map(str, paths["s2"])),
        offset=1000,
        patch_size=SIZE,
        proportions=(1, 0, 0),  # the same patches in each run
    )


@pytest.fixture(scope="module")
def corrected(displaced) -> tuple[Path, dict]:
    """Return the folder and the card of that scene, coregistered and harmonized."""
    options = replace(displaced, coregister=True, harmonize=True)
    return Path(options.out_dir), sr_dataset.create_dataset(options)


def test_shift_and_radiometry_are_corrected(displaced, corrected, tmp_path):
    """Afterwards hr, averaged, is what Sentinel-2 shows."""
    folder, card = corrected
    options = replace(displaced, out_dir=str(tmp_path), accept_pair=True)
    raw = sr_dataset.create_dataset(options)
    assert raw["coregistered"] is None and not raw["harmonized"]
    for shift in (raw["pair"]["shift"], card["coregistered"]):
        moved = [shift[way] for way in ("east", "north")]
        assert moved == pytest.approx([4.2, -2.6], abs=0.3)
        assert shift["spread"] is None  # of a single block
    assert card["xs"] == raw["xs"] and card["pan"] == raw["pan"]  # where they lie
    shift = card["pair"]["shift"]
    assert np.hypot(shift["east"], shift["north"]) < 0.3
    for fit in card["pair"]["spot_from_s2"].values():
        assert fit["gain"] == pytest.approx(1 / 0.9, rel=0.01)
        assert fit["bias"] == pytest.approx(-120 / 0.9, abs=25)
    before, after = (
        np.abs(np.subtract(*(images.mean(axis=(1, 2)) for images in pair))).mean()
        for pair in (
            [unstack(out / f"train_{kind}_patches.tif") for kind in KINDS]
            for out in (tmp_path, folder)
        )
    )
    # Pansharpening itself changes the mean of a patch by 1 to 2 %.
    assert after < 0.5 * before
    assert not list(folder.glob("*.vrt"))


@pytest.mark.parametrize(
    ("dtype", "gain", "bias"), [("uint8", 0.025, 9.0), ("uint16", 0.4, 31.0)]
)
def test_spot_in_any_linear_coding_can_be_harmonized(
    displaced, corrected, tmp_path, dtype, gain, bias
):
    """Eight bits, or raw counts: hr is that of reflectances, as far as possible."""
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
    options = replace(displaced, out_dir=str(tmp_path / "out"), **recoded)
    sr_dataset.create_dataset(replace(options, coregister=True, harmonize=True))
    coded, plain = (
        unstack(folder / "train_hr_patches.tif").astype(float)
        for folder in (tmp_path / "out", corrected[0])
    )
    # With a bias PAN's ratio has another contrast: the mean stays, details do not.
    assert abs((coded - plain).mean()) < 0.02 * plain.mean()
    assert np.corrcoef(coded.ravel(), plain.ravel())[0, 1] > 0.98


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"offset": 0}, "off in all bands: --offset 1000"),
        ({}, "shift 4.9"),
        ({"coregister": True, "order": (2, 1, 0, 3)}, "called B02 B03 B04 B08"),
        ({"coregister": True, "turned": True}, "PAN hardly follows XS"),
    ],
)
def test_a_failing_pair_leaves_no_patches(displaced, tmp_path, capfd, changed, words):
    """The line says why, and the way out; --accept_pair writes them all the same."""
    changed = dict(changed)
    if order := changed.pop("order", None):
        links = [tmp_path / f"{i}.tif" for i in order]  # whose names say nothing
        for link, path in zip(links, displaced.s2_images, strict=True):
            link.symlink_to(path)
        changed["s2_images"] = tuple(str(tmp_path / f"{i}.tif") for i in range(4))
    if changed.pop("turned", False):  # all detail is learned from PAN
        changed["pan"] = str(tmp_path / "pan.tif")
        with rasterio.open(displaced.pan) as file:
            profile, pixels = file.profile, file.read()
        with rasterio.open(changed["pan"], "w", **profile) as file:
            file.write(pixels[:, ::-1])
    options = replace(displaced, out_dir=str(tmp_path / "out"), **changed)
    with pytest.raises(SRError, match="the pair fails .* no patches are written") as e:
        sr_dataset.create_dataset(options)
    assert words in str(e.value)
    assert "verdict: fail" in capfd.readouterr().out
    assert not list((tmp_path / "out").iterdir())
    card = sr_dataset.create_dataset(replace(options, accept_pair=True))
    assert card["pair"]["verdict"] == "fail"
    assert words in "; ".join(card["pair"]["diagnoses"])


def test_no_shift_to_be_measured_is_one_line(tmp_path, write_raster, capfd):
    flat = write_raster("flat.tif", np.full((70, 80), 700, np.uint16), 10.0)
    xs = write_raster("xs.tif", np.full((64, 80, 4), 900, np.uint16))
    pan = write_raster("pan.tif", np.full((256, 320), 800, np.uint16), spacing=1.5)
    arguments = [*command(tmp_path, pan=pan, xs=xs, s2=four_of(flat)), "--accept_pair"]
    for option in ("--coregister", "--harmonize"):
        assert sr_dataset.main([*arguments, option]) == 1
        assert f"do without {option}" in capfd.readouterr().err.splitlines()[-1]


def search(published, server, out) -> list[str]:
    """Return the arguments of a run over a STAC API."""
    spot = ["--pan", str(published[1]["pan"]), "--xs", str(published[1]["xs"])]
    small = ["--patch_size", str(SIZE), "--margin", "0", "--accept_pair"]
    return [*spot, *small, "--stac_url", server.stac_url, "--out_dir", str(out)]


def test_through_a_stac_api(published, displaced, tmp_path, monkeypatch, capfd):
    """The patches are those of the files behind the API; nothing else is left.

    While they are cut the results grow, with the copies of Sentinel-2 and small vectors
    beside them; the folder of temporary files may be full or missing.
    """
    folder, out = published[0], tmp_path / "out"
    created, extract = [], sr_dataset.extract_patches

    def files() -> set[Path]:
        everywhere = [*folder.rglob("*"), *tmp_path.rglob("*")]
        return {path for path in everywhere if path.is_file()}

    def look(*arguments):
        created.append(files() - before)
        return extract(*arguments)

    before = files()
    monkeypatch.setattr(sr_dataset, "extract_patches", look)
    with Server(folder) as server, monkeypatch.context() as context:
        context.setattr("tempfile.tempdir", str(tmp_path / "missing"))
        arguments = search(published, server, out)
        assert sr_dataset.main([*arguments, "--dry_run"]) == 0
        table = capfd.readouterr().out
        assert "chosen" in table and not out.exists()
        assert sr_dataset.main([*arguments, "--spot_date", "2022-07-16"]) == 0
        printed = capfd.readouterr().out
        # A missing image is an error before anything is asked for.
        requests = server.counters["requests"]
        absent = ["--pan", str(tmp_path / "absent.tif"), *arguments[2:-1]]
        assert sr_dataset.main([*absent, str(tmp_path / "x")]) == 1
        assert "absent.tif does not exist" in capfd.readouterr().err
        assert server.counters["requests"] == requests
    assert table in printed and "radiometry: R2" in printed
    centres = {f"{group}_centres.geojson" for group in GROUPS}
    centres |= {f"0_{band}.tif" for band in (*BANDS, "SCL")}
    assert len(created) == len(GROUPS)
    for there in created:
        assert all(path.is_relative_to(out) for path in there)
        assert centres <= {path.name for path in there} <= centres | FILES
    card = json.loads((out / "dataset.json").read_text())
    assert card["offset"] == 1000 and card["pair"]["days"] == 2
    assert card["pair"]["cloud"] == card["pair"]["missing"] == 0
    assert card["sentinel2"]["processing_baselines"] == ["04.00"]
    assert f"--item {card['sentinel2']['items'][0]}" in card["command"]
    assert {p.name for p in out.iterdir()} == FILES | OTHERS
    scl = str(next(folder.glob("s2/2022-07-14/*SCL*")))
    local = replace(displaced, out_dir=str(tmp_path / "local"), scl=scl, margin=0)
    local = replace(local, proportions=(0.8, 0.1, 0.1), accept_pair=True)
    sr_dataset.create_dataset(local)
    for name in FILES:
        np.testing.assert_array_equal(read(out / name), read(tmp_path / "local" / name))


def test_the_metadata_files_of_a_product(tmp_path, capsys):
    """Here they are mosaics of GDAL, which are opened as the images."""
    product, out = {}, tmp_path / "out"
    for option, kind, image in (("pan", "P", PAN), ("xs", "MS", XS)):
        file = tmp_path / f"DIM_SPOT7_{kind}.XML"
        rasterio.shutil.copy(image, file, driver="VRT")
        day = "<!-- <IMAGING_DATE>2022-07-20</IMAGING_DATE> -->"
        file.write_text(f"{file.read_text()}{day}")
        product[option] = str(file)
    tile = [str(tmp_path / f"T31UDQ_20220714T105629_{b}_10m.tif") for b in BANDS]
    for path, named in zip(TILE, tile, strict=True):
        shutil.copy(path, named)
    arguments = command(tmp_path, s2=tile, split=SPLITS[1], **product)
    assert sr_dataset.main(arguments) == 0
    assert "train" in capsys.readouterr().out
    card = json.loads((out / "dataset.json").read_text())
    assert_cut_at(out, card)
    assert card["pair"]["days"] == 6 and card["s2_day"] == "2022-07-14"
    assert sr_dataset.main(arguments) == 1
    assert "--overwrite" in capsys.readouterr().err
    again = command(tmp_path, s2=[str(out / "sentinel2.tif")], **product)
    assert sr_dataset.main([*again, "--overwrite"]) == 1
    assert "sentinel2.tif is read by this very run" in capsys.readouterr().err
    # --spot_date has priority.
    options = scene(out, spot_date=date(2022, 7, 15), **product)
    assert pair.with_spot_date(options) == options


def test_only_the_ground_that_spot_shows_counts(published, tmp_path):
    """Sentinel-2 may lack pixels in the wedges of 0 beside a slanted image."""
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
    with Server(tmp_path / "scene") as server:
        arguments = search((None, paths), server, tmp_path / "out")
        assert sr_dataset.main([*arguments, "--max_bad_share", "0"]) == 0
    card = json.loads((tmp_path / "out" / "dataset.json").read_text())
    assert card["sentinel2"]["scl_shares"]["missing"] == 0
    assert card["pair"]["missing"] == 0
    assert min(places[:, 1].min() for places in windows(card).values()) * 6 >= 240
