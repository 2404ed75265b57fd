"""Training patches that do not fit by themselves."""

import numpy as np
import pytest
import rasterio

import sr_dataset
from srtools.options.dataset_options import Options
from tests.ground import Scene

SIZE, SIDE = 16, 64  # lr pixels of a patch, and of a square of wrong ground
SQUARES = (18, 17), (114, 17), (114, 113)  # rows and columns of patches
LEFT_OUT = ("shifted (training)", "unlike (training)", "changed (training)")


@pytest.fixture(scope="module")
def images(tmp_path_factory, write_raster_in) -> dict:
    """Return options for a scene with a shifted, an unlike and a changed square."""
    scene = Scene(tmp_path_factory.mktemp("filter"), write_raster_in)
    xs, s2 = scene.spot(), scene.sentinel2()
    pan = str(scene.folder / "pan.tif")
    random = np.random.default_rng(1)
    for path, zoom in ((pan, 4), (xs, 1)):
        with rasterio.open(path, "r+") as file:
            pixels = file.read()
            shifted, unlike, changed = (
                pixels[:, zoom * row :, zoom * col :][:, : zoom * SIDE, : zoom * SIDE]
                for row, col in SQUARES
            )
            shifted[:] = np.roll(shifted, -2 * zoom, axis=2)  # 12 m to the west
            unlike[:] = random.normal(1500, 500, unlike.shape).clip(1, 5000)
            changed[:] = changed * 0.5 + 1500
            file.write(pixels)
    options = {"pan": pan, "xs": xs, "s2_images": (s2,), "offset": 0, "margin": 5}
    return {**options, "patch_size": SIZE, "accept_pair": True}


def run(images, out_dir, **options) -> dict:
    """Make patches with and without the filter, and return both cards."""
    before, after = (
        Options(**images, **options, out_dir=str(out_dir / f"{on}"), per_patch=on)
        for on in (False, True)
    )
    return sr_dataset.create_dataset(before), sr_dataset.create_dataset(after)


def test_they_are_left_out_and_counted(images, tmp_path):
    before, after = run(images, tmp_path, proportions=(1, 0, 0))
    places = [np.array(card["groups"]["train"]["windows"]) for card in (before, after)]
    for row, col in SQUARES:
        inside = [
            (windows >= (row, col)) & (windows + SIZE <= (row + SIDE, col + SIDE))
            for windows in places
        ]
        assert [both.all(axis=1).sum() for both in inside] == [16, 0]
    costs = [after["left_out"][reason] for reason in LEFT_OUT]
    assert all(costs) and sum(costs) == len(places[0]) - len(places[1])
    # Right ground is kept, but for the patches beside the squares.
    assert sum(costs) <= 3 * 25


def test_what_is_not_for_training_stays(images, tmp_path):
    before, after = run(images, tmp_path)
    assert after["groups"]["train"]["patches"] < before["groups"]["train"]["patches"]
    for group in ("valid", "test"):
        assert after["groups"][group] == before["groups"][group]
