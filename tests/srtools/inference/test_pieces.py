"""Large images: pieces, shares, killed runs, clusters, and the joined file."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
import rasterio
from rio_cogeo.cogeo import cog_validate

import sr_infer
from srtools import cards, files
from srtools.errors import SRError
from srtools.inference import cog, output_files, pieces
from srtools.network import saved_model
from srtools.options.inference_options import Options

import pyotb

ROOT = Path(__file__).parents[3]


@pytest.fixture
def job(tmp_path, write_raster, blurring_model) -> dict:
    """Return the options of an image of 3 x 4 pieces, with nodata."""
    pixels = np.random.default_rng(1).integers(1, 8000, (45, 60, 4)).astype(np.uint16)
    pixels[10:14, 20:30] = 0
    return {
        "s2_images": (write_raster("s2.tif", pixels),),
        "model_dir": blurring_model,
        "tile_size": 16,
    }


def read(path) -> np.ndarray:
    with rasterio.open(path) as file:
        return file.read()


def infer(job: dict, out: Path, **options) -> dict | None:
    return sr_infer.infer(Options(**job, **options, out=str(out)))


def whole(tmp_path: Path, job: dict) -> np.ndarray:
    """Return the image, made in one piece."""
    out = tmp_path / "whole.tif"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pieces, "TILES_A_SIDE", 100)
        infer(job, out)
    return read(out)


def arguments(job: dict, out: Path) -> list[str]:
    values = {key: job[key] for key in ("model_dir", "tile_size")}
    options = [f"--{key}={value}" for key, value in values.items()]
    return ["--s2_images", *job["s2_images"], f"--out={out}", *options]


def watch_pieces(monkeypatch) -> list[pieces.Piece]:
    """Collect the pieces that are computed."""
    computed, write = [], sr_infer.write_piece

    def watch(sr, piece, *how):
        computed.append(piece)
        write(sr, piece, *how)

    monkeypatch.setattr(sr_infer, "write_piece", watch)
    return computed


def test_damaged_pieces_are_made_again(tmp_path, job, monkeypatch, capfd, caplog):
    """On a full disk OTB returns without an error.  Others are damaged later."""
    out, write = tmp_path / "sr.tif", pyotb.App.write

    def cut_off(self, path, **options):
        done = write(self, path, **options)
        if "r000064_c000128" in path:
            os.truncate(path, 3000)
        return done

    monkeypatch.setattr(pyotb.App, "write", cut_off)
    assert sr_infer.main(arguments(job, out)) == 1
    error = capfd.readouterr().err.splitlines()[-1]
    assert "r000064_c000128.tif was not written completely; the disk is" in error
    kept = sorted(path.name for path in pieces.folder_of(out).glob("*.tif"))
    assert len(kept) == 6 and "r000064_c000128.tif" not in kept

    os.truncate(pieces.folder_of(out) / kept[2], 3000)
    monkeypatch.setattr(pyotb.App, "write", write)
    assert sr_infer.main(arguments(job, out)) == 0
    assert "5 of 12 pieces are complete" in caplog.text
    np.testing.assert_array_equal(read(out), whole(tmp_path, job))


@pytest.mark.parametrize(("consistent", "needed"), [(False, 0.460), (True, 0.685)])
def test_a_full_disk_is_reported_early(tmp_path, job, monkeypatch, consistent, needed):
    """240 x 180 pixels of four 16-bit bands are 0.346 MB: 0.65 and 0.45 times that.

    A row of pieces exists twice, a third of 0.65 more.

    With --consistent the pieces are written twice, 0.65 more.
    """
    usage, out = shutil.disk_usage(tmp_path), tmp_path / "sr.tif"
    for free_megabytes, complete in (([needed - 0.005], 0), ([needed + 0.005, 0.3], 1)):
        free = iter(free_megabytes)
        monkeypatch.setattr(
            shutil, "disk_usage", lambda _, f=free: usage._replace(free=next(f) * 1e6)
        )
        with pytest.raises(SRError, match="1 MB are needed for pieces of the image a"):
            infer(job, out, consistent=consistent)
        assert len(list(pieces.folder_of(out).glob("r*.tif"))) == complete


def test_a_killed_run_continues(tmp_path, job, monkeypatch):
    """After SIGKILL the same command makes the missing pieces only."""
    out = tmp_path / "sr.tif"
    command = [sys.executable, "sr_infer.py", *arguments(job, out)]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as run:
        for line in run.stderr:
            if "super-resolution: 1 of 12 pieces" in line:
                os.kill(run.pid, signal.SIGKILL)
                break
    assert run.returncode == -signal.SIGKILL and not out.exists()
    kept = {path.name for path in pieces.folder_of(out).glob("r*.tif")}
    assert 1 <= len(kept) < 12
    computed = watch_pieces(monkeypatch)
    assert sr_infer.main(arguments(job, out)) == 0
    assert len(computed) == 12 - len(kept)
    assert not kept & {piece.name for piece in computed}
    np.testing.assert_array_equal(read(out), whole(tmp_path, job))
    outputs = {"sr.tif", "sr.json", "whole.tif", "whole.json"}
    assert {path.name for path in tmp_path.iterdir()} == {"s2.tif", *outputs}


def test_shares_join_to_the_whole(tmp_path, job):
    """The command without --part joins them, unless a share is still running."""
    out = tmp_path / "sr.tif"
    with pieces.lock(pieces.folder_of(out), shared=True):
        for part in ("2/3", "3/3", "1/3"):
            assert sr_infer.main([*arguments(job, out), "--part", part]) == 0
            assert not out.exists()
        with pytest.raises(SRError, match="another run is making this image"):
            infer(job, out)
    with pieces.lock(pieces.folder_of(out), shared=False):
        with pytest.raises(SRError, match="another run is making this image"):
            infer(job, out, part=(1, 3))
    paths = list(pieces.folder_of(out).glob("r*.tif"))
    assert len(paths) == 12
    for path in paths:  # without compression a full disk would hang libtiff
        with rasterio.open(path) as file:
            assert file.compression.name == "deflate"
    assert sr_infer.main(arguments(job, out)) == 0
    np.testing.assert_array_equal(read(out), whole(tmp_path, job))


def test_pieces_without_a_plan_are_refused(tmp_path, job):
    """Their settings are unknown; with --overwrite the files stay, too."""
    folder = pieces.folder_of(tmp_path / "sr.tif")
    infer(job, tmp_path / "sr.tif", part=(1, 4))
    (folder / pieces.PLAN).unlink()
    before = sorted(folder.iterdir())
    for overwrite in (False, True):
        with pytest.raises(SRError, match="but no plan.json with the settings"):
            infer(job, tmp_path / "sr.tif", overwrite=overwrite)
    assert sorted(folder.iterdir()) == before


def test_pieces_of_another_plan_are_refused(
    tmp_path, job, calibrated_model, repeating_model, write_raster
):
    """A model that is calibrated again has the same weights and another card."""
    out, model = tmp_path / "sr.tif", tmp_path / "model"
    shutil.copytree(calibrated_model, model)
    mask = write_raster("mask.tif", np.ones((45, 60), np.uint8))
    job |= {"model_dir": str(model), "mask": mask, "uncertainty": True}
    infer(job, out, part=(1, 4))

    def refused(name: str, **change) -> None:
        with pytest.raises(SRError, match=f"with another .*{name}.* to start anew"):
            infer({**job, **change}, out)

    refused("offset", offset=1000)
    refused("tile_size", tile_size=20)
    refused("crop", crop=16)
    refused("model", model_dir=repeating_model, uncertainty=False)
    os.utime(mask, ns=(0, 0))
    refused("mask;")
    os.utime(job["s2_images"][0], ns=(0, 0))
    refused("s2_images;")
    card = cards.read_card(model / saved_model.CARD)
    card["intervals"]["half_widths"]["0.9"] = [[20.0, 2000.0]] * 4
    cards.write_card(model / saved_model.CARD, card)
    refused("mask, model, s2_images;")
    infer(job, out, overwrite=True)
    np.testing.assert_array_equal(read(out), whole(tmp_path, job))


@pytest.mark.parametrize("width", [60, 200])
def test_the_file_is_cloud_optimized(tmp_path, write_raster, repeating_model, width):
    """Its card and its preview lie beside it."""
    pixels = np.random.default_rng(1).integers(1, 8000, (150, width, 4))
    s2 = write_raster("s2.tif", pixels.astype(np.uint16))
    out, preview = tmp_path / "sr.tif", tmp_path / "sr.png"
    job = {"s2_images": (s2,), "model_dir": repeating_model, "preview": str(preview)}
    infer(job, out)
    valid, errors, warnings = cog_validate(out, quiet=True)
    assert valid and not errors and not warnings
    with rasterio.open(out) as file:
        assert file.overviews(1) == [2] or width == 60
        assert file.descriptions == ("B04", "B03", "B02", "B08")
        assert file.scales == (1e-4,) * 4 and file.offsets == (0,) * 4
        assert file.nodata == 0 and file.dtypes == ("uint16",) * 4
        assert file.compression.name == "deflate"
        assert file.tags()["PROCESSING"] == f"super-resolution by {repeating_model}"
        assert file.tags()["SENTINEL2"] == "s2.tif"
        assert file.tags()["SENTINEL2_OFFSET_SUBTRACTED"] == "0"
    card = cards.read_card(tmp_path / "sr.json")
    assert card["output"]["size"] == [4 * width, 600] and card["offset"] == 0
    with rasterio.open(preview) as file:
        assert file.width > 400 and file.read().std() > 10


SAVE_PREVIEW = "srtools.images.figures.save_preview"
JOIN = "srtools.inference.cog.write"


def fail(*_, **__):
    raise OSError("No space left on device")


def fail_at_second(path, *arguments, write=cog.write):
    (fail if "interval" in path.name else write)(path, *arguments)


@pytest.mark.parametrize(
    ("place", "failing", "words"),
    [
        (SAVE_PREVIEW, fail, "No space left"),
        (JOIN, fail, "sr.tif cannot be written .*left.*pieces in .* are kept"),
        (JOIN, fail_at_second, "_interval.tif cannot be written .*No space left"),
    ],
)
def test_pieces_are_kept_until_nothing_can_fail(
    tmp_path, job, calibrated_model, monkeypatch, place, failing, words
):
    """The same command finishes without --overwrite, and computes no piece again."""
    job["model_dir"], out = calibrated_model, tmp_path / "sr.tif"
    options = {"uncertainty": True, "preview": str(tmp_path / "sr.png")}
    with monkeypatch.context() as patch:
        patch.setattr(place, failing)
        with pytest.raises((SRError, OSError), match=words):
            infer(job, out, **options)
    assert len(list(pieces.folder_of(out).glob("r*.tif"))) == 12
    assert not list(tmp_path.glob("sr*.tif"))
    computed = watch_pieces(monkeypatch)
    infer(job, out, **options)
    assert out.exists() and (tmp_path / "sr_interval.tif").exists() and not computed


@pytest.mark.parametrize("uncertainty", [False, True])
def test_joining_on_a_small_disk(
    tmp_path, job, calibrated_model, monkeypatch, uncertainty
):
    """If the image has no room beside its pieces, it takes their place one by one.

    After a failure the same command makes them again.
    """
    job |= {"model_dir": calibrated_model, "uncertainty": uncertainty}
    # A number, as in the names of temporary files.
    expected, out, left = whole(tmp_path, job), tmp_path / "12.tif", []

    def watch(*arguments, write=cog.write):
        write(*arguments)
        left.append(len(list(pieces.folder_of(out).glob("r*.tif"))))

    monkeypatch.setattr(cog, "write", watch)
    monkeypatch.setattr(output_files, "JOINED_SIZE", 1e12)
    with monkeypatch.context() as patch:
        patch.setattr(SAVE_PREVIEW, fail)
        with pytest.raises(OSError, match="No space left"):
            infer(job, out, preview=str(tmp_path / "sr.png"))
    assert left == [12] * uncertainty + [0] and not out.exists()
    infer(job, out)  # makes the pieces again
    assert left[-1] == 0
    np.testing.assert_array_equal(read(out), expected)


def test_shares_that_overwrite_do_not_race(tmp_path):
    """The first share clears the old folder; the second keeps its pieces."""
    folder = tmp_path / "sr.tif.pieces"
    folder.mkdir()
    pieces.prepare(folder, {"crop": 16}, overwrite=False)
    piece = folder / pieces.Piece(0, 0, 1, 1).name
    piece.touch()
    share = Thread(target=pieces.prepare, args=(folder, {"crop": 56}, True))
    with files.lock(tmp_path, "busy"):  # another share prepares the folder
        share.start()
        share.join(timeout=0.2)
        assert share.is_alive() and piece.exists()
    share.join()
    assert not piece.exists()
    piece.touch()
    pieces.prepare(folder, {"crop": 56}, overwrite=True)
    assert piece.exists()
