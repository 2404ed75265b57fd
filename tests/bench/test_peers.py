"""Other networks beside ours: images whose scores are known."""

import json

import numpy as np
import pytest

from bench import peers
from srtools.errors import SRError
from srtools.matching.point_spread import blur_weights
from tests.rasters import CORNER, write_raster
from tests.training_patches import DATASET, write_pair

X, Y = CORNER[0] + 2.5, CORNER[1] - 1.5  # of Spot, in the place of Sentinel-2
COARSE = np.random.default_rng(1).uniform(500, 4000, (60, 60, 4)).astype(np.float32)
SPOT = COARSE.repeat(4, 0).repeat(4, 1)  # 1.5 m
TRUTH = SPOT.repeat(3, 0).repeat(3, 1).reshape(144, 5, 144, 5, 4).mean((1, 3))  # 2.5 m
BLUR = blur_weights((10 * np.arange(34) + 10) / 1.5 - 0.5, len(SPOT), 1.5)
S2 = np.einsum("nh,hwb,mw->nmb", BLUR, SPOT, BLUR)
CARD = {**DATASET, "coregistered": {"east": 2.5, "north": -1.5}}
CARD |= {"xs": {"crs": "EPSG:32631", "origin": CORNER, "spacing": 6.0}}
CARD |= {"groups": {"test": {"windows": [[8, 8], [8, 24]]}}}  # 48 to 144, 48 to 240 m


@pytest.fixture
def score(tmp_path):
    for folder in ("patches", "scene/spot"):
        (tmp_path / folder).mkdir(parents=True)
    write_raster(tmp_path, "scene/spot/truth.tif", SPOT, 1.5)
    write_raster(tmp_path, "sr.tif", SPOT + 100, 1.5, (X, Y))
    write_raster(tmp_path, "patches/sentinel2.tif", S2, 10.0, (X + 5, Y - 5))
    pair = (np.zeros((2, side, side, 4), np.uint16) for side in (16, 64))
    folder = write_pair(tmp_path / "patches", "test", *pair)
    (folder / "dataset.json").write_text(json.dumps(CARD))

    def score(pixels, unit="DN", spacing=2.5, place=(X, Y)):
        path = write_raster(tmp_path, "peer.tif", pixels, spacing, place)
        rows = [r.split(" | ") for r in peers.table(tmp_path, "peer", unit, path)]
        return {name: [cell.split()[0] for cell in cells] for _, name, *cells in rows}

    return score


@pytest.mark.parametrize(
    ("unit", "factor", "offset", "merged"),
    [("DN", 1, 0, 1), ("offset", 1, 1000, 2), ("reflectance", 1e-4, 0, 2)],
)
def test_scores_that_are_known(score, unit, factor, offset, merged):
    side, spacing = 144 // merged, 2.5 * merged
    truth = TRUTH.reshape(side, merged, side, merged, 4).mean((1, 3))
    rows, cols = (slice(round(48 / spacing), round(x / spacing)) for x in (144, 240))
    pixels = np.full_like(truth, 9999)  # nothing beyond the test patches counts
    pixels[rows, cols] = truth[rows, cols]
    table = score(factor * (pixels + offset), unit, spacing)
    assert float(table["peer"][0]) > 100 and table["peer"][1:] == table["truth"][1:]
    assert table["truth"][:4] == ["exact", "0", "0.00°", "0.00"]
    assert float(table["truth"][4]) < 20  # DN from Sentinel-2; bicubic has 107
    parts = 100 / truth[rows, cols].mean((0, 1))
    ergas = 10 * spacing * np.sqrt(np.square(parts).mean())
    assert table["ours"][1::2][:2] == ["100", f"{ergas:.2f}"]


def test_bicubic_gains_nothing_and_a_shift_costs(score):
    rows = score(S2, spacing=10.0, place=(X + 5, Y - 5))
    assert rows["peer"] == rows["bicubic"] and rows["peer"][::5] == ["+0.00", "0"]
    placed, moved = (score(TRUTH / 2 + 1000, place=(x, Y)) for x in (X, X + 5))
    assert float(placed["peer"][0]) > float(moved["peer"][0]) + 3


def test_other_units_bands_and_places_are_refused(score):
    for pixels, message in (
        (TRUTH + 1000, "as DN has 1.4. times the mean"),
        (TRUTH / 1e4, "as DN has 9.96e-05 times the mean"),
        (TRUTH[..., [2, 1, 0, 3]], "look like .'B02', 'B03', 'B04', 'B08'"),
        (np.where(TRUTH > 600, TRUTH, np.nan), "without data"),
        (np.full_like(TRUTH, 2000), "a band of one value"),
        (TRUTH[:50], "does not cover all test patches"),
    ):
        with pytest.raises(SRError, match=message):
            score(pixels)
    for spacing in (0.5, 20.0):
        with pytest.raises(SRError, match=r"squares of 1.5 to 10 m are expected"):
            score(TRUTH, spacing=spacing)
