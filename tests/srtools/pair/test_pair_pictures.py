"""Pictures of a pair and of its groups."""

import numpy as np
from PIL import Image

from srtools.conventions import GROUPS
from srtools.pair import pair_pictures
from srtools.pair.patch_groups import split_in_blocks
from tests.ground import SIZE, measure


def test_shifts_and_fits_are_drawn(scene, tmp_path):
    quality = measure(scene.spot(wedge=70), scene.sentinel2((2, 1)))
    quicklook = scene.ground[::8, ::8]
    path = tmp_path / "pair.png"
    moves = {"before": quality, "after": quality}
    pair_pictures.save_pair(path, moves, quicklook, (SIZE, SIZE))
    pixels = np.asarray(Image.open(path).convert("RGB")).astype(int)
    assert pixels.shape[1] > 1000
    yellow = (pixels[..., 0] > 240) & (pixels[..., 1] > 240) & (pixels[..., 2] < 20)
    assert yellow.sum() > 100  # the arrows
    assert list(tmp_path.iterdir()) == [path]


def test_map_shows_the_groups(tmp_path):
    split = split_in_blocks(np.ones((292, 299), bool), 32, 14)
    quicklook = np.random.default_rng(0).uniform(0, 3000, (150, 150, 4))
    path = tmp_path / "map.png"
    pair_pictures.save_split(path, quicklook, (292, 299), split.windows, 32)
    pixels = np.asarray(Image.open(path).convert("RGB"), float) / 255
    for group in GROUPS:  # the legend, and as a tint on the map
        assert (
            np.abs(pixels - pair_pictures.COLOURS[group]).max(axis=-1) < 0.02
        ).sum() > 20
    red = (pixels[..., 0] > pixels[..., 1] + 0.25) & (pixels[..., 0] > 0.3)
    assert red.mean() > 0.02
    assert list(tmp_path.iterdir()) == [path]
