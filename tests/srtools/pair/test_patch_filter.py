"""Training patches that do not fit by themselves."""

import json

import numpy as np
import pytest
import rasterio

import sr_dataset
from demo.scene import make_scene
from srtools.options.dataset_options import Options

SIZE = 32
LEFT_OUT = ("shifted (training)", "unlike (training)", "changed (training)")


@pytest.fixture(scope="module")
def spot(tmp_path_factory):
    """A scene of 384 x 384 lr pixels with three squares of 96 pixels that are wrong."""
    paths = make_scene(tmp_path_factory.mktemp("scene"), size=1536, seed=3, wedge=0)
    random = np.random.default_rng(1)

    def square(pixels, zoom, row, col):
        rows, cols = (slice(zoom * at, zoom * (at + 96)) for at in (row, col))
        return pixels[:, rows, cols]

    for name, zoom in (("pan", 4), ("xs", 1)):
        with rasterio.open(paths[name], "r+") as file:
            pixels = file.read()
            moved = square(pixels.copy(), zoom, 33, 35)
            square(pixels, zoom, 33, 33)[:] = moved  # 12 m further west
            unlike = square(pixels, zoom, 161, 33)
            unlike[:] = random.normal(1500, 500, unlike.shape).clip(1, 5000)
            changed = square(pixels, zoom, 161, 225)
            changed[:] = changed * 0.5 + 1500
            file.write(pixels)
    return paths


def run(spot, out_dir, **options):
    given = {
        "pan": str(spot["pan"]),
        "xs": str(spot["xs"]),
        "s2_images": tuple(map(str, spot["s2"])),
        "offset": 1000,
        "accept_pair": True,
    }
    sr_dataset.create_dataset(Options(out_dir=str(out_dir), **given, **options))
    return json.loads((out_dir / "dataset.json").read_text())


def overlap(windows, row, col):
    """Count the patches that lie wholly in a square of 96 pixels."""
    rows, cols = np.array(windows).reshape(-1, 2).T
    inside = (rows >= row) & (rows + SIZE <= row + 96)
    return int((inside & (cols >= col) & (cols + SIZE <= col + 96)).sum())


def test_they_are_left_out_and_counted(spot, tmp_path):
    train = {"proportions": (1, 0, 0)}
    before = run(spot, tmp_path / "before", **train)
    after = run(spot, tmp_path / "after", per_patch=True, **train)
    places = [card["groups"]["train"]["windows"] for card in (before, after)]
    wrong = [(33, 33), (161, 33), (161, 225)]
    kept = [[overlap(windows, *square) for square in wrong] for windows in places]
    assert min(kept[0]) >= 4 and kept[1] == [0, 0, 0]
    costs = [after["left_out"][reason] for reason in LEFT_OUT]
    assert all(costs) and sum(costs) == len(places[0]) - len(places[1])
    # Ground that is right is kept, but for what meets the sides of the squares.
    assert sum(costs) <= 3 * 16


def test_what_is_not_for_training_stays(spot, tmp_path):
    before = run(spot, tmp_path / "before")
    after = run(spot, tmp_path / "after", per_patch=True)
    assert after["groups"]["train"]["patches"] < before["groups"]["train"]["patches"]
    for group in ("valid", "test"):
        assert after["groups"][group] == before["groups"][group]
